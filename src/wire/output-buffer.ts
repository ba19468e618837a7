/**
 * OutputBuffer: one growing buffer per connection that replies are built in, in place, and that is
 * flushed once per turn.
 *
 * Use: `const at = out.reserve(n)`, write at most n bytes into `out.bytes` from `at`, then
 * `out.advance(written)`. `out.bytes` may be replaced by `reserve`: read it again afterwards.
 * `append(bytes)` copies below COPY_BYTES_MAX and takes the bytes by reference from there; such
 * bytes must never change afterwards (batches of a log and bodies in a queue never do).
 *
 * Layout: `parts` hold what is finished, in order; [0, length) of `bytes` is the open last part.
 */
const FIRST_BYTES = 16 * 1024;
const KEEP_BYTES_MAX = 256 * 1024;
export const COPY_BYTES_MAX = 4096;

export class OutputBuffer {
  bytes: Buffer = Buffer.allocUnsafeSlow(FIRST_BYTES);
  /** Where the open part begins in `bytes`. */
  #start = 0;
  /** Where the next byte goes. */
  position = 0;
  #parts: Uint8Array[] = [];
  #partsBytes = 0;

  /** Bytes waiting to be taken. */
  get length(): number {
    return this.#partsBytes + this.position - this.#start;
  }

  /** Makes room for `count` bytes at the returned position of `this.bytes`. */
  reserve(count: number): number {
    if (this.position + count > this.bytes.length) this.#grow(count);
    return this.position;
  }

  /** As `reserve`, for whoever is at the beginning of something: when there is no room, what is
   * there already is finished where it is instead of being moved. */
  reserveNext(count: number): number {
    if (this.position + count > this.bytes.length) {
      this.#closePart();
      this.#grow(count);
    }
    return this.position;
  }

  advance(count: number): void {
    this.position += count;
  }

  append(source: Uint8Array): void {
    if (source.length < COPY_BYTES_MAX) {
      const at = this.reserve(source.length);
      this.bytes.set(source, at);
      this.position += source.length;
      return;
    }
    this.#closePart();
    this.#parts.push(source);
    this.#partsBytes += source.length;
  }

  /** Hands over all parts, in order; the receiver owns them. Empty when there is nothing. */
  take(): Uint8Array[] {
    this.#closePart();
    const parts = this.#parts;
    this.#parts = [];
    this.#partsBytes = 0;
    return parts;
  }

  #closePart(): void {
    if (this.position === this.#start) return;
    this.#parts.push(this.bytes.subarray(this.#start, this.position));
    this.#partsBytes += this.position - this.#start;
    this.#start = this.position;
  }

  /** Takes over what is written behind `position` too: a writer may not have advanced yet. */
  #grow(count: number): void {
    const open = this.position - this.#start;
    const needed = open + count;
    // Doubling, or a large reply that grows by small pieces would be copied again for each.
    const wanted = Math.max(Math.min(this.bytes.length * 2, KEEP_BYTES_MAX), needed * 2);
    const next = Buffer.allocUnsafeSlow(Math.max(needed, wanted));
    this.bytes.copy(next, 0, this.#start);
    this.bytes = next;
    this.#start = 0;
    this.position = open;
  }
}
