/**
 * Batches for tests: whole record batches with recognizable records.
 */
import {
  BATCH_HEADER_BYTES,
  Batch,
  writeInt16,
  writeInt32,
  writeInt64,
} from '#core/message/batch.ts';
import { sealBatch, sealCrc } from '#core/message/batch-writer.ts';
import { varintLength, writeVarint } from '#wire/varint.ts';

export interface BatchOptions {
  /** One record per timestamp; default: one record at 0. */
  timestampsMs?: readonly number[];
  /** Value bytes of every record. */
  value?: Uint8Array;
  producer?: { id: number; epoch: number; sequence: number };
}

export function makeBatch(options: BatchOptions = {}): Uint8Array {
  const { timestampsMs = [0], value = Buffer.from('value'), producer } = options;
  const bytes = new Uint8Array(BATCH_HEADER_BYTES + timestampsMs.length * (value.length + 40));
  let at = BATCH_HEADER_BYTES;
  timestampsMs.forEach((timestampMs, i) => {
    at = writeRecord(bytes, at, timestampMs - timestampsMs[0]!, i, value);
  });
  const maxMs = Math.max(...timestampsMs);
  sealBatch(bytes, 0, at, timestampsMs.length, timestampsMs[0]!, maxMs);
  if (producer !== undefined) {
    writeInt64(bytes, 43, producer.id);
    writeInt16(bytes, 51, producer.epoch);
    writeInt32(bytes, 53, producer.sequence);
    sealCrc(bytes, 0, at);
  }
  return bytes.slice(0, at);
}

function writeRecord(
  bytes: Uint8Array,
  at: number,
  timestampDelta: number,
  offsetDelta: number,
  value: Uint8Array,
): number {
  const length =
    1 +
    varintLength(timestampDelta) +
    varintLength(offsetDelta) +
    varintLength(-1) +
    varintLength(value.length) +
    value.length +
    varintLength(0);
  at = writeVarint(bytes, at, length);
  bytes[at++] = 0;
  at = writeVarint(bytes, at, timestampDelta);
  at = writeVarint(bytes, at, offsetDelta);
  at = writeVarint(bytes, at, -1);
  at = writeVarint(bytes, at, value.length);
  bytes.set(value, at);
  return writeVarint(bytes, at + value.length, 0);
}

/** Base offsets of the batches in `parts`, in order. */
export function baseOffsets(parts: readonly Uint8Array[]): number[] {
  const offsets: number[] = [];
  for (const bytes of parts) {
    for (let at = 0; at < bytes.length; at += Batch.sizeBytes(bytes, at)) {
      offsets.push(Batch.baseOffset(bytes, at));
    }
  }
  return offsets;
}
