/**
 * Compression as Kafka's clients use it in record batches: gzip and zstd of Node itself, snappy and
 * lz4 of libraries that are loaded when first needed.
 *
 * A batch of a few kilobytes may claim to hold gigabytes, so the size is known before anything is
 * unpacked (snappy states it, lz4-frame.ts counts it) or the decoder is told where to stop.
 */
import { createRequire } from 'node:module';
// Not by name: a Node without zstd is to be told so by whoever checks its version.
import zlib from 'node:zlib';
import { Codec } from '#core/message/batch.ts';
import type { Codecs } from '#core/codecs.ts';
import { BrokerError } from '#core/errors.ts';
import { lz4FrameContentBytes } from './lz4-frame.ts';
import { snappyPack, snappyUnpack } from './snappy-stream.ts';

interface Lz4Library {
  compressFrameSync(data: Uint8Array): Buffer;
  decompressFrameSync(data: Uint8Array): Buffer;
}

const require = createRequire(import.meta.url);
let lz4: Lz4Library | null = null;

function lz4Library(): Lz4Library {
  return (lz4 ??= require('lz4-napi') as Lz4Library);
}

export function createCodecs(): Codecs {
  return { compress, decompress };
}

function compress(codec: number, bytes: Uint8Array, level: number | null): Uint8Array {
  switch (codec) {
    case Codec.Gzip:
      return zlib.gzipSync(bytes, level === null ? {} : { level });
    case Codec.Snappy:
      return snappyPack(bytes);
    case Codec.Lz4:
      // The library has one level; any other asks for speed it does not trade.
      return lz4Library().compressFrameSync(bytes);
    case Codec.Zstd:
      return zlib.zstdCompressSync(
        bytes,
        level === null ? {} : { params: { [zlib.constants.ZSTD_c_compressionLevel]: level } },
      );
    default:
      throw unknownCodec(codec);
  }
}

function decompress(codec: number, bytes: Uint8Array, bytesMax: number): Uint8Array {
  try {
    switch (codec) {
      case Codec.Gzip:
        return zlib.gunzipSync(bytes, { maxOutputLength: bytesMax });
      case Codec.Snappy:
        return snappyUnpack(bytes, bytesMax);
      case Codec.Lz4:
        if (lz4FrameContentBytes(bytes, bytesMax) > bytesMax) throw tooLarge(bytesMax);
        return lz4Library().decompressFrameSync(bytes);
      case Codec.Zstd:
        return zlib.zstdDecompressSync(bytes, { maxOutputLength: bytesMax });
      default:
        throw unknownCodec(codec);
    }
  } catch (error) {
    throw refusal(error, bytesMax);
  }
}

function refusal(error: unknown, bytesMax: number): BrokerError {
  if (error instanceof BrokerError) return error;
  const { code, message } = error as NodeJS.ErrnoException;
  if (code === 'ERR_BUFFER_TOO_LARGE') return tooLarge(bytesMax);
  return new BrokerError('invalid-argument', `a batch cannot be decompressed: ${message}`);
}

function tooLarge(bytesMax: number): BrokerError {
  return new BrokerError('too-large', `a batch has more than ${bytesMax} bytes when decompressed`);
}

function unknownCodec(codec: number): BrokerError {
  return new BrokerError('invalid-argument', `there is no compression codec ${codec}`);
}
