/**
 * PublishLine: the control line of PUB or HPUB, kept as it came.
 *
 * Publishers send the same line again and again, so the next one is compared with this one, and when
 * nothing differs all positions are those of before: nothing is searched for and no number is read.
 * Positions are relative to the line's first byte.
 */
import { copyBytes } from '#core/message/record.ts';
import type { Arguments } from './arguments.ts';
import { fatal, Text } from './errors.ts';

const FIRST_BYTES = 256;

export class PublishLine {
  bytes: Uint8Array = new Uint8Array(FIRST_BYTES);
  /** With verb and CR LF; 0 = none is kept. */
  length = 0;
  subjectStart = 0;
  subjectEnd = 0;
  /** 0, 0 without a reply subject. */
  replyStart = 0;
  replyEnd = 0;
  headerBytes = 0;
  /** Header block and body. */
  totalBytes = 0;
  /** Arguments as we would write them, so they can be handed on as they lie there. */
  canonical = false;

  /** True when bytes[at …] begins with this very line. */
  begins(bytes: Uint8Array, at: number, end: number): boolean {
    const { length } = this;
    if (length === 0 || end - at < length) return false;
    const known = this.bytes;
    for (let i = 0; i < length; i++) if (known[i] !== bytes[at + i]) return false;
    return true;
  }

  /** Takes over the line bytes[at, lineEnd), whose arguments are `found`. Throws NatsError when they
   * are not those of a publish; then none is kept. */
  keep(
    bytes: Uint8Array,
    at: number,
    lineEnd: number,
    found: Arguments,
    withHeaders: boolean,
  ): void {
    this.length = 0;
    const sizes = withHeaders ? 2 : 1;
    const { count, starts, ends } = found;
    const hasReply = count === sizes + 2;
    if (!hasReply && count !== sizes + 1) throw fatal(Text.ParserError);
    this.totalBytes = found.size(bytes, count - 1);
    this.headerBytes = withHeaders ? found.size(bytes, count - 2) : 0;
    if (this.totalBytes < 0 || this.headerBytes < 0 || this.headerBytes > this.totalBytes) {
      throw fatal(Text.ParserError);
    }
    this.subjectStart = starts[0]! - at;
    this.subjectEnd = ends[0]! - at;
    this.replyStart = hasReply ? starts[1]! - at : 0;
    this.replyEnd = hasReply ? ends[1]! - at : 0;
    // Headers of no bytes are none: the line is then written anew, as that of PUB.
    this.canonical = found.canonical && withHeaders === this.headerBytes > 0;
    const length = lineEnd - at;
    if (this.bytes.length < length) this.bytes = new Uint8Array(length * 2);
    copyBytes(this.bytes, 0, bytes, at, lineEnd);
    this.length = length;
  }
}
