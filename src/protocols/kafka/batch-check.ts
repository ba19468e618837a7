/**
 * What must hold of a producer's records before the log takes them: exactly one batch of format 2,
 * whole, with the right CRC, and a count that its offsets agree with. Records are not decoded; of
 * an uncompressed batch only their lengths are walked, so that a count cannot lie to readers; of a
 * compressed one the count must be possible, and the partition opens it where somebody needs it.
 *
 * Sequence numbers, size and timestamps are the partition's to judge.
 */
import { ErrorCode } from './errors.ts';
import {
  BATCH_HEADER_BYTES,
  Batch,
  CONTROL_BIT,
  CRC_FROM,
  Codec,
  MAGIC,
  TRANSACTIONAL_BIT,
} from '#core/message/batch.ts';
import { crc32c } from '#wire/crc32c.ts';
import { readVarint, varintEnd } from '#wire/varint.ts';

/** [KIP-110] Clients before this version of Produce may not send zstd. */
const ZSTD_FROM_VERSION = 7;

/** length | attributes | timestamp | offset | no key | no value | no headers */
const RECORD_BYTES_MIN = 7;

/** A refusal of one partition's records. */
export interface Complaint {
  readonly error: ErrorCode;
  readonly text: string;
}

/** Null when the batch in [start, end) may be appended. */
export function checkBatch(
  bytes: Uint8Array,
  start: number,
  end: number,
  version: number,
  decompressedBytesMax: number,
): Complaint | null {
  if (end - start < BATCH_HEADER_BYTES) return corrupt('The record batch is cut short');
  if (Batch.magic(bytes, start) !== MAGIC) {
    return invalid(
      `Produce requests with version ${version} are only allowed to contain record batches with magic version 2`,
    );
  }
  const sizeBytes = Batch.sizeBytes(bytes, start);
  if (sizeBytes < BATCH_HEADER_BYTES || sizeBytes > end - start) {
    return corrupt('The record batch does not have the size that it says');
  }
  if (sizeBytes < end - start) {
    return invalid(
      `Produce requests with version ${version} are only allowed to contain exactly one record batch per partition`,
    );
  }
  if (Batch.crc(bytes, start) !== crc32c(bytes, start + CRC_FROM, end)) {
    return corrupt('Record is corrupt: its CRC does not match');
  }
  return (
    checkAttributes(bytes, start, version) ?? checkRecords(bytes, start, end, decompressedBytesMax)
  );
}

function checkAttributes(bytes: Uint8Array, start: number, version: number): Complaint | null {
  const attributes = Batch.attributes(bytes, start);
  if ((attributes & CONTROL_BIT) !== 0) {
    return invalid('Clients are not allowed to write control records');
  }
  if ((attributes & TRANSACTIONAL_BIT) !== 0) {
    return { error: ErrorCode.InvalidTxnState, text: 'Transactions are not supported' };
  }
  const codec = Batch.codec(bytes, start);
  if (codec > Codec.Zstd) return invalid(`Unknown compression type id: ${codec}`);
  if (codec === Codec.Zstd && version < ZSTD_FROM_VERSION) {
    return {
      error: ErrorCode.UnsupportedCompressionType,
      text: `Produce requests with version ${version} are not allowed to use ZStandard compression`,
    };
  }
  const idempotent = Batch.producerId(bytes, start) >= 0;
  if (!idempotent) return null;
  if (Batch.producerEpoch(bytes, start) < 0 || Batch.baseSequence(bytes, start) < 0) {
    return invalid('A producer id without an epoch or a sequence');
  }
  return null;
}

function checkRecords(
  bytes: Uint8Array,
  start: number,
  end: number,
  decompressedBytesMax: number,
): Complaint | null {
  try {
    return checkCount(bytes, start, end, decompressedBytesMax);
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    return invalid(`A record has no length: ${error.message}`);
  }
}

function checkCount(
  bytes: Uint8Array,
  start: number,
  end: number,
  decompressedBytesMax: number,
): Complaint | null {
  const count = Batch.count(bytes, start);
  if (count < 1 || Batch.lastOffsetDelta(bytes, start) !== count - 1) {
    return invalid('The record batch has an inconsistent record count');
  }
  if (Batch.codec(bytes, start) !== Codec.None) {
    if (count * RECORD_BYTES_MIN <= decompressedBytesMax) return null;
    return invalid(`The record batch cannot have ${count} records`);
  }
  let at = start + BATCH_HEADER_BYTES;
  for (let left = count; left > 0; left--) {
    if (at >= end) return invalid('The record batch has fewer records than it says');
    const length = readVarint(bytes, at);
    if (length < 0) return invalid('A record has a negative length');
    at = varintEnd + length;
  }
  return at === end ? null : invalid('The records do not fill their batch');
}

function corrupt(text: string): Complaint {
  return { error: ErrorCode.CorruptMessage, text };
}

function invalid(text: string): Complaint {
  return { error: ErrorCode.InvalidRecord, text };
}
