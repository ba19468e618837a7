/**
 * Snappy as it is in Kafka's batches: the stream format of the Java library, or one raw block.
 *
 *   0x82 'SNAPPY' 0x00 | version i32 | compatible with version i32 | { length i32 | raw block } …
 *
 * A raw block begins with the size of its content, a varint, so a limit is checked before anything
 * is unpacked. We write the stream format, which every client reads.
 */
import { createRequire } from 'node:module';
import { BrokerError } from '#core/errors.ts';
import { readUnsignedVarint } from '#wire/varint.ts';

const MAGIC = Buffer.from('\x82SNAPPY\0', 'latin1');
const HEADER_BYTES = 16;
const VERSION = 1;
const BLOCK_BYTES = 32 * 1024;

interface SnappyLibrary {
  compressSync(data: Uint8Array): Buffer;
  uncompressSync(data: Uint8Array): Buffer;
}

const require = createRequire(import.meta.url);
let library: SnappyLibrary | null = null;

function snappy(): SnappyLibrary {
  return (library ??= require('snappy') as SnappyLibrary);
}

export function snappyPack(bytes: Uint8Array): Uint8Array {
  const header = Buffer.alloc(HEADER_BYTES);
  MAGIC.copy(header);
  header.writeInt32BE(VERSION, 8);
  header.writeInt32BE(VERSION, 12);
  const parts: Uint8Array[] = [header];
  for (let at = 0; at < bytes.length; at += BLOCK_BYTES) {
    const block = snappy().compressSync(bytes.subarray(at, at + BLOCK_BYTES));
    const length = Buffer.alloc(4);
    length.writeInt32BE(block.length);
    parts.push(length, block);
  }
  return Buffer.concat(parts);
}

/** Throws BrokerError 'too-large' or 'invalid-argument', or the library's own error. */
export function snappyUnpack(bytes: Uint8Array, bytesMax: number): Uint8Array {
  const isStream = bytes.length >= HEADER_BYTES && MAGIC.equals(bytes.subarray(0, MAGIC.length));
  if (!isStream) return unpackBlock(bytes, bytesMax);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const parts: Uint8Array[] = [];
  let left = bytesMax;
  let at = HEADER_BYTES;
  while (at < bytes.length) {
    const length = at + 4 <= bytes.length ? view.getInt32(at) : -1;
    at += 4;
    if (length < 0 || at + length > bytes.length) {
      throw new BrokerError('invalid-argument', 'a snappy block runs past the end');
    }
    const block = unpackBlock(bytes.subarray(at, at + length), left);
    parts.push(block);
    left -= block.length;
    at += length;
  }
  if (parts.length === 0) {
    throw new BrokerError('invalid-argument', 'a snappy stream has no block');
  }
  return parts.length === 1 ? parts[0]! : Buffer.concat(parts);
}

function unpackBlock(block: Uint8Array, bytesMax: number): Uint8Array {
  if (block.length === 0) throw new BrokerError('invalid-argument', 'a snappy block is empty');
  const contentBytes = readUnsignedVarint(block, 0);
  if (contentBytes > bytesMax) {
    throw new BrokerError(
      'too-large',
      `snappy content of ${contentBytes} bytes; at most ${bytesMax}`,
    );
  }
  return snappy().uncompressSync(block);
}
