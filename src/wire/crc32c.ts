/**
 * CRC-32C (Castagnoli), the checksum of record batches and of our own small files.
 *
 * A native call costs more than the sum of a few dozen bytes, so short ranges are summed here by
 * slicing-by-8 and longer ones natively (SSE 4.2 / ARM CRC instructions).
 */
import { crc32c as nativeCrc32c } from '@node-rs/crc32';

/** Measured: below this the loop here is faster than the call. */
const NATIVE_BYTES_MIN = 192;
const POLYNOMIAL = 0x82f63b78;

const TABLES = buildTables();
const [T0, T1, T2, T3, T4, T5, T6, T7] = TABLES;

type Tables = [
  Int32Array,
  Int32Array,
  Int32Array,
  Int32Array,
  Int32Array,
  Int32Array,
  Int32Array,
  Int32Array,
];

function buildTables(): Tables {
  const tables = Array.from({ length: 8 }, () => new Int32Array(256)) as Tables;
  for (let i = 0; i < 256; i++) {
    let sum = i;
    for (let bit = 0; bit < 8; bit++) sum = (sum & 1) === 1 ? (sum >>> 1) ^ POLYNOMIAL : sum >>> 1;
    tables[0][i] = sum;
  }
  for (let i = 0; i < 256; i++) {
    for (let slice = 1; slice < 8; slice++) {
      const before = tables[slice - 1]![i]!;
      tables[slice]![i] = (before >>> 8) ^ tables[0][before & 0xff]!;
    }
  }
  return tables;
}

/** Checksum of [start, end), unsigned. */
export function crc32c(bytes: Uint8Array, start: number, end: number): number {
  if (end - start >= NATIVE_BYTES_MIN) return nativeCrc32c(asBuffer(bytes, start, end));
  return crc32cPortable(bytes, start, end);
}

function asBuffer(bytes: Uint8Array, start: number, end: number): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset + start, end - start);
}

/** The same in plain code; exported for its test. */
export function crc32cPortable(bytes: Uint8Array, start: number, end: number): number {
  let sum = -1;
  while (end - start >= 8) {
    sum ^=
      bytes[start]! |
      (bytes[start + 1]! << 8) |
      (bytes[start + 2]! << 16) |
      (bytes[start + 3]! << 24);
    sum =
      T7[sum & 0xff]! ^
      T6[(sum >>> 8) & 0xff]! ^
      T5[(sum >>> 16) & 0xff]! ^
      T4[sum >>> 24]! ^
      T3[bytes[start + 4]!]! ^
      T2[bytes[start + 5]!]! ^
      T1[bytes[start + 6]!]! ^
      T0[bytes[start + 7]!]!;
    start += 8;
  }
  while (start < end) sum = (sum >>> 8) ^ T0[(sum ^ bytes[start++]!) & 0xff]!;
  return (sum ^ -1) >>> 0;
}
