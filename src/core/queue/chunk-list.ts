/**
 * ChunkList: the chunks of one queue in order of offset. They leave at the front and come at the
 * back; looking one up by offset is a binary search, after a look at the one found last.
 */
import type { Chunk } from './chunk.ts';

const COMPACT_MIN = 64;

export class ChunkList {
  #chunks: Chunk[] = [];
  #first = 0;
  #lastFound: Chunk | null = null;

  get length(): number {
    return this.#chunks.length - this.#first;
  }

  get front(): Chunk | null {
    return this.#chunks[this.#first] ?? null;
  }

  get back(): Chunk | null {
    return this.length === 0 ? null : this.#chunks.at(-1)!;
  }

  /** `index` counts from the front. */
  at(index: number): Chunk | null {
    return this.#chunks[this.#first + index] ?? null;
  }

  push(chunk: Chunk): void {
    this.#chunks.push(chunk);
  }

  shift(): void {
    const chunks = this.#chunks;
    if (chunks[this.#first] === this.#lastFound) this.#lastFound = null;
    this.#first++;
    if (this.#first === chunks.length) {
      this.#chunks = [];
      this.#first = 0;
    } else if (this.#first >= COMPACT_MIN && this.#first * 2 >= chunks.length) {
      this.#chunks = chunks.slice(this.#first);
      this.#first = 0;
    }
  }

  /** Makes one of neighbours that are both empty for good, so that a message which stays does not
   * keep an entry for every chunk that has gone behind it. */
  mergeEmpty(): void {
    const merged: Chunk[] = [];
    for (let i = this.#first; i < this.#chunks.length; i++) {
      const chunk = this.#chunks[i]!;
      const last = merged.at(-1);
      if (last !== undefined && last.isHollow && chunk.isHollow) last.count += chunk.count;
      else merged.push(chunk);
    }
    this.#chunks = merged;
    this.#first = 0;
    this.#lastFound = null;
  }

  clear(): void {
    this.#chunks = [];
    this.#first = 0;
    this.#lastFound = null;
  }

  /** The chunk that holds `offset`, or null. */
  find(offset: number): Chunk | null {
    const last = this.#lastFound;
    if (last !== null && offset >= last.base && offset < last.base + last.count) return last;
    const index = this.indexAtOrAfter(offset);
    const chunk = this.at(index);
    if (chunk === null || chunk.base > offset) return null;
    this.#lastFound = chunk;
    return chunk;
  }

  /** Index of the first chunk that ends behind `offset`; `length` when there is none. */
  indexAtOrAfter(offset: number): number {
    const chunks = this.#chunks;
    let low = this.#first;
    let high = chunks.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (chunks[middle]!.end <= offset) low = middle + 1;
      else high = middle;
    }
    return low - this.#first;
  }
}
