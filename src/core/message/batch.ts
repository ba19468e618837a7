/**
 * Record batch v2: the form of messages on disk, in a Kafka client's requests and responses, and
 * in a queue's memory. KIP-98; org.apache.kafka.common.record.DefaultRecordBatch.
 *
 *   baseOffset i64 | length i32 | leaderEpoch i32 | magic i8 = 2 | crc u32 | attributes i16
 *   | lastOffsetDelta i32 | baseTimestamp i64 | maxTimestamp i64 | producerId i64
 *   | producerEpoch i16 | baseSequence i32 | count i32 | records
 *
 * CRC-32C covers attributes to the end, so baseOffset and leaderEpoch are patched freely.
 * Offsets and timestamps are read as numbers; they stay below 2^53.
 */
export const BATCH_HEADER_BYTES = 61;
/** baseOffset and length: what must be read to know a batch's size. */
export const BATCH_PREFIX_BYTES = 12;
export const MAGIC = 2;

export const Codec = { None: 0, Gzip: 1, Snappy: 2, Lz4: 3, Zstd: 4 } as const;
export const CODEC_MASK = 0x07;
export const LOG_APPEND_TIME_BIT = 0x08;
export const TRANSACTIONAL_BIT = 0x10;
export const CONTROL_BIT = 0x20;

const TWO_32 = 2 ** 32;

export function readUint32(bytes: Uint8Array, at: number): number {
  return bytes[at]! * 0x1000000 + ((bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!);
}

export function readInt32(bytes: Uint8Array, at: number): number {
  return (bytes[at]! << 24) | (bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!;
}

export function readInt16(bytes: Uint8Array, at: number): number {
  return ((bytes[at]! << 24) >> 16) | bytes[at + 1]!;
}

/** Signed 64-bit as a number; exact below 2^53. */
export function readInt64(bytes: Uint8Array, at: number): number {
  return readInt32(bytes, at) * TWO_32 + readUint32(bytes, at + 4);
}

export function writeInt16(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = value >> 8;
  bytes[at + 1] = value;
}

export function writeInt32(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = value >> 24;
  bytes[at + 1] = value >> 16;
  bytes[at + 2] = value >> 8;
  bytes[at + 3] = value;
}

export function writeInt64(bytes: Uint8Array, at: number, value: number): void {
  const high = Math.floor(value / TWO_32);
  writeInt32(bytes, at, high);
  writeInt32(bytes, at + 4, (value - high * TWO_32) | 0);
}

/** Accessors by position of a batch's first byte. */
export const Batch = {
  baseOffset: (b: Uint8Array, at: number): number => readInt64(b, at),
  /** Whole size on the wire and on disk. */
  sizeBytes: (b: Uint8Array, at: number): number => BATCH_PREFIX_BYTES + readInt32(b, at + 8),
  leaderEpoch: (b: Uint8Array, at: number): number => readInt32(b, at + 12),
  magic: (b: Uint8Array, at: number): number => b[at + 16]!,
  crc: (b: Uint8Array, at: number): number => readUint32(b, at + 17),
  attributes: (b: Uint8Array, at: number): number => readInt16(b, at + 21),
  codec: (b: Uint8Array, at: number): number => b[at + 22]! & CODEC_MASK,
  lastOffsetDelta: (b: Uint8Array, at: number): number => readInt32(b, at + 23),
  baseTimestampMs: (b: Uint8Array, at: number): number => readInt64(b, at + 27),
  maxTimestampMs: (b: Uint8Array, at: number): number => readInt64(b, at + 35),
  producerEpoch: (b: Uint8Array, at: number): number => readInt16(b, at + 51),
  baseSequence: (b: Uint8Array, at: number): number => readInt32(b, at + 53),
  count: (b: Uint8Array, at: number): number => readInt32(b, at + 57),
  /** -1 when the producer is not idempotent. Producer ids are handed out by us, below 2^53. */
  producerId: (b: Uint8Array, at: number): number => readInt64(b, at + 43),
  lastOffset: (b: Uint8Array, at: number): number => readInt64(b, at) + readInt32(b, at + 23),
} as const;
/** Where the bytes that the CRC covers begin. */
export const CRC_FROM = 21;
