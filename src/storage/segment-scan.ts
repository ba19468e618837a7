/**
 * Reads a segment file from its beginning, batch by batch, and says where what can be believed ends
 * and what comes after it.
 *
 * A batch is believed when its header makes sense, its offset is the next one, it lies in the file
 * as a whole and its CRC matches.
 */
import {
  Batch,
  BATCH_HEADER_BYTES,
  BATCH_PREFIX_BYTES,
  CRC_FROM,
  MAGIC,
} from '#core/message/batch.ts';
import { crc32c } from '#wire/crc32c.ts';
import type { Segment } from './segment.ts';
import type { StoreServices } from './services.ts';

const BLOCK_BYTES = 4 * 1024 * 1024;
/** No batch is larger; a length beyond it is not one. */
const BATCH_BYTES_MAX = 2 ** 31 - 1;

export type BatchVisitor = (bytes: Uint8Array, at: number, lastOffset: number) => void;

export interface Scan {
  /** Where the believed batches end. */
  readonly validBytes: number;
  /** Behind them. */
  readonly restBytes: number;
  readonly nextOffset: number;
  readonly problem: Problem | null;
}

interface Problem {
  readonly reason: string;
  /**
   * 'zeros'   nothing but zeros follows: the end of prewritten space
   * 'cut'     the file ends inside of the batch
   * 'torn'    the batch ends in zeros up to the end of the file: a write into prewritten space
   *           that did not come to its end, or a whole batch that happens to end so
   * 'broken'  the batch is there as a whole and is not what was written
   */
  readonly kind: 'zeros' | 'cut' | 'torn' | 'broken';
  /** Where a whole valid batch begins behind the problem; −1 when there is none. */
  readonly validAfter: number;
}

/** Scans the first `fileBytes` of the segment's file. */
export async function scanSegment(
  services: Pick<StoreServices, 'files' | 'fs'>,
  segment: Segment,
  fileBytes: number,
  visit: BatchVisitor,
): Promise<Scan> {
  const { files, fs } = services;
  const fd = await files.use(segment.file, 'read');
  try {
    const window = new Window((into, position) => fs.read(fd, into, position), fileBytes);
    let position = 0;
    let nextOffset = segment.baseOffset;
    while (position < fileBytes) {
      const reason = await window.check(position, nextOffset);
      if (reason !== null) {
        const problem = await diagnose(window, position, nextOffset, reason);
        return { validBytes: position, restBytes: fileBytes - position, nextOffset, problem };
      }
      const at = position - window.start;
      const lastOffset = Batch.lastOffset(window.bytes, at);
      visit(window.bytes, at, lastOffset);
      nextOffset = lastOffset + 1;
      position += Batch.sizeBytes(window.bytes, at);
    }
    return { validBytes: position, restBytes: 0, nextOffset, problem: null };
  } finally {
    files.release(segment.file);
  }
}

/** The part of the file that is in memory; moves forward. */
class Window {
  readonly #read: (into: Uint8Array, position: number) => Promise<number>;
  readonly fileBytes: number;
  bytes: Uint8Array = new Uint8Array(0);
  /** Position in the file of bytes[0]. */
  start = 0;

  constructor(read: (into: Uint8Array, position: number) => Promise<number>, fileBytes: number) {
    this.#read = read;
    this.fileBytes = fileBytes;
  }

  holds(position: number, count: number): boolean {
    return position >= this.start && position + count <= this.start + this.bytes.length;
  }

  /** Brings [position, position + count) into `bytes`; false when the file ends before. */
  async cover(position: number, count: number): Promise<boolean> {
    if (this.holds(position, count)) return true;
    if (position + count > this.fileBytes) return false;
    const size = Math.min(Math.max(count, BLOCK_BYTES), this.fileBytes - position);
    const block = Buffer.allocUnsafeSlow(size);
    const filled = await this.#read(block, position);
    this.bytes = block.subarray(0, filled);
    this.start = position;
    return filled >= count;
  }

  /** Null when a believable batch is at `position`, else what is wrong with it. */
  async check(position: number, nextOffset: number): Promise<string | null> {
    if (!(await this.cover(position, BATCH_HEADER_BYTES))) return 'the header is cut off';
    const reason = this.#checkHeader(position - this.start, nextOffset);
    if (reason !== null) return reason;
    const size = Batch.sizeBytes(this.bytes, position - this.start);
    if (!(await this.cover(position, size))) return 'the batch is cut off';
    const at = position - this.start;
    if (Batch.crc(this.bytes, at) !== crc32c(this.bytes, at + CRC_FROM, at + size)) {
      return 'the checksum does not match';
    }
    return null;
  }

  #checkHeader(at: number, nextOffset: number): string | null {
    const b = this.bytes;
    const size = Batch.sizeBytes(b, at);
    if (size < BATCH_HEADER_BYTES || size > BATCH_BYTES_MAX) return `impossible size ${size}`;
    if (Batch.magic(b, at) !== MAGIC) return `magic ${Batch.magic(b, at)} instead of ${MAGIC}`;
    const offset = Batch.baseOffset(b, at);
    if (offset !== nextOffset) return `offset ${offset} instead of ${nextOffset}`;
    if (Batch.lastOffsetDelta(b, at) < 0) return 'negative offset delta';
    return null;
  }
}

async function diagnose(
  window: Window,
  position: number,
  nextOffset: number,
  reason: string,
): Promise<Problem> {
  const dataEnd = await lastNonZero(window, position);
  if (dataEnd === position) return { reason, kind: 'zeros', validAfter: -1 };
  const validAfter = await findValid(window, position, nextOffset, dataEnd);
  let kind: Problem['kind'] = 'broken';
  if (validAfter < 0) {
    const size = (await window.cover(position, BATCH_PREFIX_BYTES))
      ? Batch.sizeBytes(window.bytes, position - window.start)
      : 0;
    if (position + Math.max(size, BATCH_HEADER_BYTES) > window.fileBytes) kind = 'cut';
    else if (dataEnd < position + size) kind = 'torn';
  }
  return { reason, kind, validAfter };
}

/** Position after the last byte that is not zero, at least `from`. */
async function lastNonZero(window: Window, from: number): Promise<number> {
  let end = from;
  for (let at = from; at < window.fileBytes; at += BLOCK_BYTES) {
    const count = Math.min(BLOCK_BYTES, window.fileBytes - at);
    await window.cover(at, count);
    for (let i = at + count - window.start - 1; i >= at - window.start; i--) {
      if (window.bytes[i] === 0) continue;
      end = window.start + i + 1;
      break;
    }
  }
  return end;
}

/** Looks for a whole valid batch with a later offset anywhere behind `position`. */
async function findValid(
  window: Window,
  position: number,
  nextOffset: number,
  dataEnd: number,
): Promise<number> {
  for (let at = position + 1; at + BATCH_HEADER_BYTES <= dataEnd; at++) {
    if (!window.holds(at, BATCH_HEADER_BYTES)) await window.cover(at, BATCH_HEADER_BYTES);
    const i = at - window.start;
    if (window.bytes[i + 16] !== MAGIC || window.bytes[i] !== 0) continue;
    const size = Batch.sizeBytes(window.bytes, i);
    if (size < BATCH_HEADER_BYTES || at + size > window.fileBytes) continue;
    const offset = Batch.baseOffset(window.bytes, i);
    if (offset <= nextOffset || offset - nextOffset > dataEnd) continue;
    if ((await window.check(at, offset)) === null) return at;
    await window.cover(at, BATCH_HEADER_BYTES);
  }
  return -1;
}
