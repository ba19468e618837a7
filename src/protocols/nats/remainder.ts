/**
 * Remainder: what a read ended in the middle of, kept until the next one completes it.
 *
 * It takes from the next read only what the operation still lacks, so that all that follows is walked
 * in place again. Memory grows with what has really come, and is given back when a while passes
 * without need of it.
 */
import { copyBytes } from '#core/message/record.ts';
import { LF } from './arguments.ts';

const FIRST_BYTES = 4096;
const NO_BYTES = new Uint8Array(0);

export class Remainder {
  bytes: Uint8Array = NO_BYTES;
  length = 0;
  /** Of the operation, in all; 0 while even its line is not there. */
  needed = 0;
  #used = false;

  /** All of the operation is there, or a line at least. */
  get isReady(): boolean {
    return this.needed > 0 ? this.length >= this.needed : this.bytes[this.length - 1] === LF;
  }

  /** Keeps source[start, end); returns `end`. */
  keep(source: Uint8Array, start: number, end: number): number {
    if (start === end) return end;
    this.#used = true;
    const length = this.length + end - start;
    if (length > this.bytes.length) this.#grow(length);
    copyBytes(this.bytes, this.length, source, start, end);
    this.length = length;
    return end;
  }

  /** Takes what is missing from source[at …]; returns the position after it. */
  complete(source: Uint8Array, at: number): number {
    let end: number;
    if (this.needed > 0) end = Math.min(source.length, at + this.needed - this.length);
    else {
      const lineEnd = source.indexOf(LF, at) + 1;
      end = lineEnd === 0 ? source.length : lineEnd;
    }
    return this.keep(source, at, end);
  }

  /** The first `count` bytes are done with. */
  drop(count: number): void {
    if (count > 0) this.bytes.copyWithin(0, count, this.length);
    this.length -= count;
  }

  /** Hands over all of it. */
  take(): Uint8Array {
    const taken = this.bytes.subarray(0, this.length);
    this.bytes = NO_BYTES;
    this.length = 0;
    return taken;
  }

  /** A while has passed. */
  rest(): void {
    if (this.length === 0 && !this.#used) this.bytes = NO_BYTES;
    this.#used = false;
  }

  #grow(length: number): void {
    const wanted = Math.max(length, this.bytes.length * 2, FIRST_BYTES);
    const larger = Buffer.allocUnsafeSlow(
      this.needed > length ? Math.min(wanted, this.needed) : wanted,
    );
    larger.set(this.bytes.subarray(0, this.length));
    this.bytes = larger;
  }
}
