/**
 * OffsetHeap: offsets that have come back out of order; the smallest leaves first.
 *
 * A binary heap in one Float64Array. What comes back in ascending order (a closed channel, a
 * restart) costs no sifting.
 */
const FIRST_ROOM = 16;
/** Of a heap that was never used; most of many are not. */
const NO_ROOM = new Float64Array(0);

export class OffsetHeap {
  #heap = NO_ROOM;
  #size = 0;

  get size(): number {
    return this.#size;
  }

  /** The smallest; -1 when empty. */
  get least(): number {
    return this.#size === 0 ? -1 : this.#heap[0]!;
  }

  clear(): void {
    this.#size = 0;
    if (this.#heap.length > FIRST_ROOM) this.#heap = new Float64Array(FIRST_ROOM);
  }

  push(offset: number): void {
    if (this.#size === this.#heap.length) {
      const larger = new Float64Array(Math.max(FIRST_ROOM, this.#size * 2));
      larger.set(this.#heap);
      this.#heap = larger;
    }
    const heap = this.#heap;
    let slot = this.#size++;
    while (slot > 0) {
      const parent = (slot - 1) >> 1;
      if (heap[parent]! <= offset) break;
      heap[slot] = heap[parent]!;
      slot = parent;
    }
    heap[slot] = offset;
  }

  /** Removes and returns the smallest; -1 when empty. */
  pop(): number {
    if (this.#size === 0) return -1;
    const heap = this.#heap;
    const least = heap[0]!;
    const last = heap[--this.#size]!;
    const size = this.#size;
    let slot = 0;
    for (;;) {
      let child = 2 * slot + 1;
      if (child >= size) break;
      if (child + 1 < size && heap[child + 1]! < heap[child]!) child++;
      if (heap[child]! >= last) break;
      heap[slot] = heap[child]!;
      slot = child;
    }
    heap[slot] = last;
    if (size === 0) this.clear();
    return least;
  }
}
