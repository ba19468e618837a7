/**
 * OutputBuffer: one growing buffer per connection that replies are built in, in place, and that is
 * flushed once per turn.
 *
 * Use: `const at = out.reserve(n)`, write at most n bytes into `out.bytes` from `at`, then
 * `out.advance(written)`. `out.bytes` may be replaced by `reserve`: read it again afterwards.
 * `append(bytes)` copies below COPY_BYTES_MAX and takes the bytes by reference from there; such
 * bytes must never change afterwards (batches of a log and bodies in a queue never do).
 *
 * Ownership: who appends bytes that will be used again (blocks of a pool) says so by `releaseAfter`.
 * Who takes the parts owns them until they are gone, into the kernel or nowhere because the
 * connection broke, and then releases what `takeOwners` gave with them and calls `gone`, once per
 * `take`. Only then is `bytes` itself written from its beginning again; who never calls `gone` keeps
 * what it took for ever.
 *
 * Layout: `parts` hold what is finished, in order; [start, position) of `bytes` is the open part.
 */

/** Of bytes that wait in the output. */
export interface Owner {
  /** They are gone and may be overwritten. */
  release(): void;
}

const FIRST_BYTES = 16 * 1024;
const KEEP_BYTES_MAX = 256 * 1024;
export const COPY_BYTES_MAX = 4096;
const NO_OWNERS: readonly Owner[] = [];

export class OutputBuffer {
  bytes: Buffer = Buffer.allocUnsafeSlow(FIRST_BYTES);
  /** Where the open part begins in `bytes`. */
  #start = 0;
  /** Where the next byte goes. */
  position = 0;
  #parts: Uint8Array[] = [];
  #partsBytes = 0;
  #owners: Owner[] = [];
  /** Takes that are not gone yet: their parts may lie in `bytes`. */
  #out = 0;

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

  /** `owner` is released when what the next `take` hands over is gone. */
  releaseAfter(owner: Owner): void {
    this.#owners.push(owner);
  }

  /** Hands over all parts, in order; the receiver owns them. Empty when there is nothing. */
  take(): Uint8Array[] {
    this.#closePart();
    const parts = this.#parts;
    this.#parts = [];
    this.#partsBytes = 0;
    this.#out++;
    return parts;
  }

  /** To be released when the parts taken together with them are gone. */
  takeOwners(): readonly Owner[] {
    if (this.#owners.length === 0) return NO_OWNERS;
    const owners = this.#owners;
    this.#owners = [];
    return owners;
  }

  /** The parts of one `take` are gone. */
  gone(): void {
    this.#out--;
    if (this.#isFree && this.position === this.#start) this.position = this.#start = 0;
  }

  /** Gives a buffer that has grown back, when nothing waits in it: for a connection that is quiet now,
   * and may be one of ten thousand that got much at once. Never between `reserve` and `advance`. */
  trim(): void {
    if (this.bytes.length === FIRST_BYTES || !this.#isFree || this.position > this.#start) return;
    this.bytes = Buffer.allocUnsafeSlow(FIRST_BYTES);
    this.position = this.#start = 0;
  }

  /** Nothing outside the open part refers to `bytes`. */
  get #isFree(): boolean {
    return this.#out === 0 && this.#parts.length === 0;
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
    if (this.#start >= needed && this.#isFree) {
      this.bytes.copyWithin(0, this.#start);
      this.#start = 0;
      this.position = open;
      return;
    }
    // Doubling, or a large reply that grows by small pieces would be copied again for each.
    const wanted = Math.max(Math.min(this.bytes.length * 2, KEEP_BYTES_MAX), needed * 2);
    const next = Buffer.allocUnsafeSlow(Math.max(needed, wanted));
    this.bytes.copy(next, 0, this.#start);
    this.bytes = next;
    this.#start = 0;
    this.position = open;
  }
}
