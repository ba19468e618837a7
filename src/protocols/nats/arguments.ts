/**
 * Arguments of a control line: words between spaces and tabs, up to CR LF (or LF alone, which
 * nats-server takes as well). Found in place, as positions.
 *
 *   SUB <subject> [queue group] <sid>
 *   UNSUB <sid> [max]
 *   PUB <subject> [reply] <bytes>
 *   HPUB <subject> [reply] <header bytes> <bytes in all>
 */
const SPACE = 0x20;
const TAB = 0x09;
export const CR = 0x0d;
export const LF = 0x0a;
const ZERO = 0x30;
const NINE = 0x39;
/** No command has more; further ones are counted and not remembered. */
const ARGUMENTS_MAX = 4;
const SIZE_DIGITS_MAX = 9;

export class Arguments {
  count = 0;
  readonly starts = [0, 0, 0, 0];
  readonly ends = [0, 0, 0, 0];
  /** From the first on: one space between two, and CR LF right after the last; what we would have
   * written. */
  canonical = false;

  /** Reads from `at` to the end of the line. Returns the position after its LF, −1 when there is no
   * LF before `end`. */
  scan(bytes: Uint8Array, at: number, end: number): number {
    let count = 0;
    let start = -1;
    let canonical = true;
    for (let i = at; i < end; i++) {
      const byte = bytes[i]!;
      if (byte > SPACE || (byte !== SPACE && byte !== TAB && byte !== CR && byte !== LF)) {
        if (start < 0) start = i;
        continue;
      }
      if (start >= 0) {
        if (count < ARGUMENTS_MAX) {
          this.starts[count] = start;
          this.ends[count] = i;
        }
        count++;
        start = -1;
        if (byte === TAB || byte === LF) canonical = false;
      } else if (count > 0 && (byte !== LF || bytes[i - 1] !== CR)) canonical = false;
      if (byte !== LF) continue;
      this.count = count;
      this.canonical = canonical && this.ends[Math.min(count, ARGUMENTS_MAX) - 1] === i - 1;
      return i + 1;
    }
    return -1;
  }

  text(bytes: Uint8Array, index: number): string {
    return textOf(bytes, this.starts[index]!, this.ends[index]!);
  }

  /** −1 when it is no number of at most nine digits, as in nats-server. */
  size(bytes: Uint8Array, index: number): number {
    const end = this.ends[index]!;
    let at = this.starts[index]!;
    if (end - at > SIZE_DIGITS_MAX) return -1;
    let size = 0;
    for (; at < end; at++) {
      const byte = bytes[at]!;
      if (byte < ZERO || byte > NINE) return -1;
      size = size * 10 + byte - ZERO;
    }
    return size;
  }
}

export function textOf(bytes: Uint8Array, start: number, end: number): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset + start, end - start).toString();
}

export function isBlank(byte: number | undefined): boolean {
  return byte === SPACE || byte === TAB;
}
