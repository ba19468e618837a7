/**
 * Writes the 61-byte header in front of records that are already in place and seals the batch with
 * its CRC. Used by whoever makes batches of its own: queues, topics fed by other protocols, the
 * catalog, group offsets. Offset and leader epoch stay 0; the log patches them.
 */
import { BATCH_PREFIX_BYTES, CRC_FROM, MAGIC } from './batch.ts';
import { writeInt16, writeInt32, writeInt64 } from './batch.ts';
import { crc32c } from '#wire/crc32c.ts';

/**
 * `bytes` from `at`: BATCH_HEADER_BYTES of room, then records up to `end`, whose offset deltas are
 * 0 … count − 1 and whose timestamp deltas are against `baseTimestampMs`.
 */
export function sealBatch(
  bytes: Uint8Array,
  at: number,
  end: number,
  count: number,
  baseTimestampMs: number,
  maxTimestampMs: number,
  attributes = 0,
): void {
  writeInt64(bytes, at, 0);
  writeInt32(bytes, at + 8, end - at - BATCH_PREFIX_BYTES);
  writeInt32(bytes, at + 12, 0);
  bytes[at + 16] = MAGIC;
  writeInt16(bytes, at + 21, attributes);
  writeInt32(bytes, at + 23, count - 1);
  writeInt64(bytes, at + 27, baseTimestampMs);
  writeInt64(bytes, at + 35, maxTimestampMs);
  // No producer: id, epoch and sequence are -1.
  bytes.fill(0xff, at + 43, at + 57);
  writeInt32(bytes, at + 57, count);
  sealCrc(bytes, at, end);
}

/** Writes the CRC of the batch in [at, end) after its header was changed. */
export function sealCrc(bytes: Uint8Array, at: number, end: number): void {
  writeInt32(bytes, at + 17, crc32c(bytes, at + CRC_FROM, end) | 0);
}
