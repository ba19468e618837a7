/**
 * Finding the record of a timestamp inside batches: a batch knows its largest timestamp, its
 * records their own. Record layout: core/record.ts.
 */
import { Batch, BATCH_HEADER_BYTES, LOG_APPEND_TIME_BIT } from '#core/batch.ts';
import type { TimestampedOffset } from '#core/log.ts';
import { readVarint, varintEnd } from '#wire/varint.ts';

/** Turns the compressed records of a batch into plain ones. */
export type Decompress = (codec: number, bytes: Uint8Array) => Uint8Array;

/**
 * The first record with a timestamp of at least `timestampMs` in the batch at `at`, whose maximum
 * must be at least that. Records below `startOffset` are passed over; null when none is left.
 */
export function findInBatch(
  bytes: Uint8Array,
  at: number,
  timestampMs: number,
  startOffset: number,
  decompress: Decompress,
): TimestampedOffset | null {
  const baseOffset = Batch.baseOffset(bytes, at);
  const leaderEpoch = Batch.leaderEpoch(bytes, at);
  if ((Batch.attributes(bytes, at) & LOG_APPEND_TIME_BIT) !== 0) {
    // Every record has the batch's maximum.
    const offset = Math.max(baseOffset, startOffset);
    return { offset, timestampMs: Batch.maxTimestampMs(bytes, at), leaderEpoch };
  }
  const baseTimestampMs = Batch.baseTimestampMs(bytes, at);
  const codec = Batch.codec(bytes, at);
  let records = bytes.subarray(at + BATCH_HEADER_BYTES, at + Batch.sizeBytes(bytes, at));
  if (codec !== 0) records = decompress(codec, records);
  let position = 0;
  for (let left = Batch.count(bytes, at); left > 0; left--) {
    const length = readVarint(records, position);
    const end = varintEnd + length;
    const recordMs = baseTimestampMs + readVarint(records, varintEnd + 1);
    const offset = baseOffset + readVarint(records, varintEnd);
    if (recordMs >= timestampMs && offset >= startOffset) {
      return { offset, timestampMs: recordMs, leaderEpoch };
    }
    position = end;
  }
  return null;
}
