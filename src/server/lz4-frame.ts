/**
 * How large the content of an LZ4 frame is, without unpacking it (LZ4 Frame Format 1.6.4).
 *
 *   magic u32le | FLG u8 | BD u8 | [content size u64le] | [dictionary id u32le] | HC u8
 *   | { block size u32le, high bit = stored | block | [block checksum u32le] } … | 0 u32le
 *   | [content checksum u32le]
 *
 * A block is a run of sequences: token (literal length, match length - 4, four bits each, 15 goes
 * on in further bytes of 255), literals, match offset u16le; the last sequence ends after its
 * literals. Counting reads tokens and lengths only.
 */
import { BrokerError } from '#core/errors.ts';

const MAGIC = 0x184d2204;
const FLAG_BLOCK_CHECKSUM = 0x10;
const FLAG_CONTENT_SIZE = 0x08;
const FLAG_DICTIONARY = 0x01;
const STORED_BIT = 0x80000000;
const LENGTH_GOES_ON = 15;
const MATCH_BYTES_MIN = 4;

/** Stops counting once the count is above `bytesMax`. Throws BrokerError 'invalid-argument'. */
export function lz4FrameContentBytes(bytes: Uint8Array, bytesMax: number): number {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  if (bytes.length < 7 || view.getUint32(0, true) !== MAGIC) throw malformed('no frame begins');
  const flags = bytes[4]!;
  let at = 7;
  if (flags & FLAG_CONTENT_SIZE) at += 8;
  if (flags & FLAG_DICTIONARY) at += 4;
  const checksumBytes = flags & FLAG_BLOCK_CHECKSUM ? 4 : 0;
  let total = 0;
  while (total <= bytesMax) {
    if (at + 4 > bytes.length) throw malformed('the frame has no end');
    const word = view.getUint32(at, true);
    at += 4;
    if (word === 0) return total;
    const blockBytes = word & ~STORED_BIT;
    const end = at + blockBytes;
    if (end + checksumBytes > bytes.length) throw malformed('a block runs past the end');
    total += word & STORED_BIT ? blockBytes : blockContentBytes(bytes, at, end);
    at = end + checksumBytes;
  }
  return total;
}

function blockContentBytes(bytes: Uint8Array, start: number, end: number): number {
  let at = start;
  let total = 0;
  while (at < end) {
    const token = bytes[at++]!;
    let literals = token >> 4;
    if (literals === LENGTH_GOES_ON) {
      let byte;
      do {
        byte = at < end ? bytes[at++]! : 0;
        literals += byte;
      } while (byte === 255);
    }
    at += literals;
    total += literals;
    if (at >= end) break;
    at += 2;
    let match = (token & 0x0f) + MATCH_BYTES_MIN;
    if ((token & 0x0f) === LENGTH_GOES_ON) {
      let byte;
      do {
        byte = at < end ? bytes[at++]! : 0;
        match += byte;
      } while (byte === 255);
    }
    total += match;
  }
  if (at > end) throw malformed('a sequence runs past its block');
  return total;
}

function malformed(reason: string): BrokerError {
  return new BrokerError('invalid-argument', `not an LZ4 frame: ${reason}`);
}
