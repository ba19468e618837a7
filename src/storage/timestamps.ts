/**
 * Finding the record of a timestamp inside batches: a batch knows its largest timestamp, its
 * records their own. Record layout: core/record.ts.
 */
import { Batch, BATCH_HEADER_BYTES, LOG_APPEND_TIME_BIT } from '#core/message/batch.ts';
import { BrokerError } from '#core/errors.ts';
import type { Log, TimestampedOffset } from '#core/log.ts';
import { readVarint, varintEnd } from '#wire/varint.ts';

const READ_BYTES = 1024 * 1024;

/** Turns the compressed records of a batch into plain ones. */
export type Decompress = (codec: number, bytes: Uint8Array) => Uint8Array;

/**
 * The first record with a timestamp of at least `timestampMs` in the batch at `at`, whose maximum
 * must be at least that. Records below `startOffset` are passed over; null when none is left.
 */
function findInBatch(
  bytes: Uint8Array,
  at: number,
  timestampMs: number,
  startOffset: number,
  decompress: Decompress,
): TimestampedOffset | null {
  try {
    return findRecord(bytes, at, timestampMs, startOffset, decompress);
  } catch (error) {
    // A producer may put anything into a batch: what cannot be opened goes by its header.
    if (!(error instanceof RangeError) && !(error instanceof BrokerError)) throw error;
    return {
      offset: Math.max(Batch.baseOffset(bytes, at), startOffset),
      timestampMs: Batch.maxTimestampMs(bytes, at),
      leaderEpoch: Batch.leaderEpoch(bytes, at),
    };
  }
}

function findRecord(
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

/** The first committed record at or after `offset` that is of `timestampMs` or newer. */
export async function findFrom(
  decompress: Decompress,
  log: Log,
  offset: number,
  timestampMs: number,
): Promise<TimestampedOffset | null> {
  const end = log.committedOffset;
  const first = offset;
  while (offset < end) {
    const parts = await log.read(offset, READ_BYTES, end);
    if (parts.length === 0) return null;
    for (const bytes of parts) {
      for (let at = 0; at < bytes.length; at += Batch.sizeBytes(bytes, at)) {
        offset = Batch.lastOffset(bytes, at) + 1;
        if (Batch.maxTimestampMs(bytes, at) < timestampMs) continue;
        const from = Math.max(first, log.startOffset);
        const found = findInBatch(bytes, at, timestampMs, from, decompress);
        if (found !== null) return found;
      }
    }
  }
  return null;
}

/** The first of the committed records with the largest timestamp; passes over the whole log. */
export async function findLargest(
  decompress: Decompress,
  log: Log,
): Promise<TimestampedOffset | null> {
  let largestMs = -Infinity;
  const end = log.committedOffset;
  for (let offset = log.startOffset; offset < end;) {
    const parts = await log.read(offset, READ_BYTES, end);
    if (parts.length === 0) break;
    for (const bytes of parts) {
      for (let at = 0; at < bytes.length; at += Batch.sizeBytes(bytes, at)) {
        offset = Batch.lastOffset(bytes, at) + 1;
        largestMs = Math.max(largestMs, Batch.maxTimestampMs(bytes, at));
      }
    }
  }
  const found = await findFrom(decompress, log, log.startOffset, largestMs);
  if (found !== null || largestMs === -Infinity) return found;
  // That was the timestamp of a record below the start, in a batch that reaches across it.
  return climb(decompress, log);
}

async function climb(decompress: Decompress, log: Log): Promise<TimestampedOffset | null> {
  let highest: TimestampedOffset | null = null;
  let found = await findFrom(decompress, log, log.startOffset, -Infinity);
  while (found !== null) {
    // Past 2^53, where only forged records are, one more is the same time: then the first one counts.
    if (highest === null || found.timestampMs > highest.timestampMs) highest = found;
    found = await findFrom(decompress, log, found.offset + 1, found.timestampMs + 1);
  }
  return highest;
}
