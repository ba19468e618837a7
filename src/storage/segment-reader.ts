/**
 * Reading what is not in memory any more: large reads from a segment file, cut at batch boundaries.
 *
 * The offset index names a position at or before the wanted batch; one read of a little more than
 * the wanted bytes nearly always covers the answer. What comes from the disk is checked by its CRC
 * before anybody sees it. Buffers are fresh for every read, since readers keep them; a reader with a
 * lease gives them back, and only passes the bytes on to somebody who checks them.
 */
import { Batch, BATCH_HEADER_BYTES, CRC_FROM } from '#core/message/batch.ts';
import { CorruptionError } from '#core/errors.ts';
import type { BlockLease } from '#wire/block-pool.ts';
import { crc32c } from '#wire/crc32c.ts';
import { sliceBatches } from './batch-tail.ts';
import { offsetIndexOf } from './index-files.ts';
import type { Segment } from './segment.ts';
import type { StoreServices } from './services.ts';

/** How far before the wanted batch an index entry may lie, roughly. */
const INDEX_SLACK_BYTES = 16 * 1024;
const READ_BYTES_MIN = 64 * 1024;
const NOTHING = new Uint8Array(0);

/**
 * Whole batches of one segment from the one that holds `offset`; at least one, as many as fit into
 * `bytesMax` and lie in this segment. Empty when that one reaches past `upTo`.
 */
export async function readSegment(
  services: StoreServices,
  segment: Segment,
  offset: number,
  bytesMax: number,
  upTo: number,
  lease?: BlockLease,
): Promise<Uint8Array> {
  const index = segment.offsetIndex ?? (await offsetIndexOf(services, segment));
  let position = index.positionFor(offset - segment.baseOffset);
  const end = segment.writtenBytes;
  let want = Math.max(bytesMax, READ_BYTES_MIN) + INDEX_SLACK_BYTES;
  const { files, fs } = services;
  const fd = await files.use(segment.file, 'read');
  try {
    while (position + BATCH_HEADER_BYTES <= end) {
      const count = Math.min(want, end - position);
      const block = takeBlock(count, lease);
      const filled = await fs.read(fd, block, position);
      const bytes = filled === count ? block : block.subarray(0, filled);
      const found = sliceBatches(bytes, offset, bytesMax, upTo, true);
      if (found.length > 0) {
        if (!lease) verify(segment, position + found.byteOffset - block.byteOffset, found);
        return found;
      }
      const skip = skipBatches(bytes, offset);
      if (skip < 0) {
        // It reaches past `upTo`, unless its offset, which no checksum covers, is not the right one.
        if (Batch.baseOffset(bytes, ~skip) <= offset) return NOTHING;
        throw missing(segment, position + ~skip, offset);
      }
      const unread = position + skip;
      if (unread + BATCH_HEADER_BYTES <= position + filled) {
        const size = Batch.sizeBytes(bytes, skip);
        if (size < BATCH_HEADER_BYTES || unread + size > end) {
          throw new CorruptionError(segment.file.path, unread, `impossible batch size ${size}`);
        }
        want = Math.max(want, size);
      } else if (filled < count) {
        throw new CorruptionError(segment.file.path, position + filled, 'the file is too short');
      }
      position = unread;
    }
    throw missing(segment, position, offset);
  } finally {
    files.release(segment.file);
  }
}

function takeBlock(bytes: number, lease: BlockLease | undefined): Buffer {
  return lease ? lease.take(bytes).subarray(0, bytes) : Buffer.allocUnsafeSlow(bytes);
}

function missing(segment: Segment, position: number, offset: number): CorruptionError {
  return new CorruptionError(segment.file.path, position, `offset ${offset} should be before it`);
}

/** Position of the batch that the end of `bytes` cuts off; the complement of its position when one
 * that holds `offset` or a later one comes before it. */
function skipBatches(bytes: Uint8Array, offset: number): number {
  let at = 0;
  while (at + BATCH_HEADER_BYTES <= bytes.length) {
    const size = Batch.sizeBytes(bytes, at);
    if (at + size > bytes.length || size < BATCH_HEADER_BYTES) break;
    if (Batch.lastOffset(bytes, at) >= offset) return ~at;
    at += size;
  }
  return at;
}

function verify(segment: Segment, position: number, bytes: Uint8Array): void {
  for (let at = 0; at < bytes.length;) {
    const end = at + Batch.sizeBytes(bytes, at);
    if (Batch.crc(bytes, at) !== crc32c(bytes, at + CRC_FROM, end)) {
      throw new CorruptionError(segment.file.path, position + at, 'the checksum does not match');
    }
    at = end;
  }
}
