/**
 * What a topic's settings may do to a producer's batch before it is stored: stamp it with the
 * broker's time, recompress it, refuse its timestamps. The caller owns the bytes.
 */
import {
  BATCH_HEADER_BYTES,
  BATCH_PREFIX_BYTES,
  Batch,
  CODEC_MASK,
  Codec,
  LOG_APPEND_TIME_BIT,
  writeInt16,
  writeInt32,
  writeInt64,
} from './batch.ts';
import { sealCrc } from './batch-writer.ts';
import type { Codecs } from '../codecs.ts';
import { BrokerError } from '../errors.ts';
import { Message } from './message.ts';
import { RecordCursor } from './record-cursor.ts';
import type { TopicConfig } from '../topic/topic-config.ts';

/** LogAppendTime: the header says it for all records, whose own times stay but no longer count. */
export function stampAppendTime(bytes: Uint8Array, at: number, nowMs: number): void {
  writeInt16(bytes, at + 21, Batch.attributes(bytes, at) | LOG_APPEND_TIME_BIT);
  writeInt64(bytes, at + 35, nowMs);
  sealCrc(bytes, at, at + Batch.sizeBytes(bytes, at));
}

/** A batch of CreateTime must not claim the broker's time. */
export function clearAppendTime(bytes: Uint8Array, at: number): void {
  const attributes = Batch.attributes(bytes, at);
  if ((attributes & LOG_APPEND_TIME_BIT) === 0) return;
  writeInt16(bytes, at + 21, attributes & ~LOG_APPEND_TIME_BIT);
  sealCrc(bytes, at, at + Batch.sizeBytes(bytes, at));
}

/** The batch at `at` with its records in another codec; the very same bytes when it has it. */
export function recompress(
  bytes: Uint8Array,
  at: number,
  codec: number,
  level: number | null,
  codecs: Codecs,
  bytesMax: number,
): Uint8Array {
  const end = at + Batch.sizeBytes(bytes, at);
  const from = Batch.codec(bytes, at);
  if (from === codec) return bytes.subarray(at, end);
  const stored = bytes.subarray(at + BATCH_HEADER_BYTES, end);
  const plain = from === Codec.None ? stored : codecs.decompress(from, stored, bytesMax);
  const packed = codec === Codec.None ? plain : codecs.compress(codec, plain, level);
  const result = Buffer.allocUnsafeSlow(BATCH_HEADER_BYTES + packed.length);
  result.set(bytes.subarray(at, at + BATCH_HEADER_BYTES));
  result.set(packed, BATCH_HEADER_BYTES);
  writeInt32(result, 8, result.length - BATCH_PREFIX_BYTES);
  writeInt16(result, 21, (Batch.attributes(bytes, at) & ~CODEC_MASK) | codec);
  sealCrc(result, 0, result.length);
  return result;
}

/** Opens a compressed batch, which nobody has looked into yet. Throws BrokerError 'invalid-argument'
 * with detail {records} when its records are not what its header says, or what decompressing says. */
export function checkPacked(bytes: Uint8Array, at: number, codecs: Codecs, bytesMax: number): void {
  const cursor = new RecordCursor(codecs, bytesMax);
  const message = new Message();
  let left = Batch.count(bytes, at);
  cursor.open(bytes, at);
  if (cursor.failure !== null) throw cursor.failure;
  while (cursor.next(message)) left--;
  if (!cursor.malformed && left === 0 && cursor.exhausted) return;
  throw new BrokerError('invalid-argument', 'the compressed records are not what the batch says', {
    records: left,
  });
}

/**
 * Throws BrokerError 'invalid-argument' with detail {timestamp} when a record is too far from the
 * clock. The header tells the newest; the oldest only the records themselves.
 */
export function checkTimestamps(
  bytes: Uint8Array,
  at: number,
  config: TopicConfig,
  nowMs: number,
  codecs: Codecs,
  bytesMax: number,
): void {
  if (Batch.maxTimestampMs(bytes, at) - nowMs > config.timestampAfterMaxMs) {
    throw timestampRefused(Batch.maxTimestampMs(bytes, at), nowMs);
  }
  if (config.timestampBeforeMaxMs === Infinity) return;
  const cursor = new RecordCursor(codecs, bytesMax);
  const message = new Message();
  cursor.open(bytes, at);
  while (cursor.next(message)) {
    const { timestampMs } = message;
    if (nowMs - timestampMs > config.timestampBeforeMaxMs)
      throw timestampRefused(timestampMs, nowMs);
  }
}

function timestampRefused(timestampMs: number, nowMs: number): BrokerError {
  return new BrokerError(
    'invalid-argument',
    `timestamp ${timestampMs} is too far from the broker's time ${nowMs}`,
    { timestamp: timestampMs },
  );
}
