/**
 * TailBudget: bounds the memory that logs keep of what they appended, so that a reader at the tail
 * never touches the disk. When the sum is too large, logs give up their oldest chunks in turn.
 */
export interface TailOwner {
  /** Drops the oldest chunk that is safely written; returns its size, 0 when there is none. */
  dropOldest(): number;
}

export class TailBudget {
  readonly #bytesMax: number;
  readonly logBytesMax: number;
  readonly #owners = new Set<TailOwner>();
  #bytes = 0;
  /** All that was ever appended. */
  grownBytes = 0;

  constructor(bytesMax: number, logBytesMax: number) {
    this.#bytesMax = bytesMax;
    this.logBytesMax = logBytesMax;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** `owner` holds `bytes` more. */
  grow(owner: TailOwner, bytes: number): void {
    this.#bytes += bytes;
    this.grownBytes += bytes;
    this.#owners.add(owner);
  }

  shrink(bytes: number): void {
    this.#bytes -= bytes;
  }

  leave(owner: TailOwner, bytes: number): void {
    this.#owners.delete(owner);
    this.#bytes -= bytes;
  }

  /** Makes the sum fit. Chunks not yet written stay, so it may not for a while. */
  trim(): void {
    if (this.#bytes <= this.#bytesMax) return;
    for (const owner of this.#owners) {
      let size = owner.dropOldest();
      // Half of its turn's worth at a time keeps the order fair without a list per chunk.
      while (size > 0 && this.#bytes > this.#bytesMax) size = owner.dropOldest();
      if (size === 0) this.#owners.delete(owner);
      if (this.#bytes <= this.#bytesMax) return;
    }
  }
}
