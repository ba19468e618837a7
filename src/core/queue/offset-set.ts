/**
 * OffsetSet: which offsets of a log are settled, while the acknowledgement journal is replayed.
 *
 * Everything under `floor`, plus a bitmap in pages of 65,536 offsets; a full page costs nothing but
 * its entry, so one message that nobody settles does not make all behind it expensive.
 */
const PAGE_BITS = 65_536;

interface Page {
  bits: Uint8Array;
  count: number;
}

const FULL: Page = { bits: new Uint8Array(0), count: PAGE_BITS };

export class OffsetSet {
  #floor = 0;
  readonly #pages = new Map<number, Page>();

  /** All below it are in the set; those at and above may be. */
  get floor(): number {
    return this.#floor;
  }

  has(offset: number): boolean {
    if (offset < this.#floor) return true;
    const page = this.#pages.get(Math.floor(offset / PAGE_BITS));
    if (page === undefined || page === FULL) return page === FULL;
    const bit = offset % PAGE_BITS;
    return (page.bits[bit >> 3]! & (1 << (bit & 7))) !== 0;
  }

  /** Adds [from, to). */
  add(from: number, to: number): void {
    if (from <= this.#floor) {
      if (to > this.#floor) this.#raise(to);
      return;
    }
    while (from < to) {
      const number = Math.floor(from / PAGE_BITS);
      const pageStart = number * PAGE_BITS;
      const end = Math.min(to, pageStart + PAGE_BITS);
      this.#addToPage(number, from - pageStart, end - pageStart);
      from = end;
    }
  }

  /** Visits what is in the set in [from, to), as ascending ranges. */
  forEachRange(from: number, to: number, visit: (from: number, to: number) => void): void {
    if (from >= to) return;
    let start = from < this.#floor ? from : -1;
    let at = Math.max(from, this.#floor);
    if (start >= 0 && at >= to) at = to;
    const numbers = [...this.#pages.keys()].toSorted((a, b) => a - b);
    for (const number of numbers) {
      const pageStart = number * PAGE_BITS;
      const pageEnd = Math.min(to, pageStart + PAGE_BITS);
      if (pageEnd <= at) continue;
      if (pageStart > at && start >= 0) {
        visit(start, at);
        start = -1;
      }
      at = Math.max(at, pageStart);
      const full = this.#pages.get(number) === FULL;
      for (; at < pageEnd; at++) {
        if (full || this.has(at)) {
          if (start < 0) start = at;
          if (full) at = pageEnd - 1;
        } else if (start >= 0) {
          visit(start, at);
          start = -1;
        }
      }
    }
    if (start >= 0) visit(start, at);
  }

  #addToPage(number: number, from: number, to: number): void {
    if (to - from === PAGE_BITS) {
      this.#pages.set(number, FULL);
      return;
    }
    let page = this.#pages.get(number);
    if (page === FULL) return;
    if (page === undefined) {
      page = { bits: new Uint8Array(PAGE_BITS / 8), count: 0 };
      this.#pages.set(number, page);
    }
    const bits = page.bits;
    for (let bit = from; bit < to; bit++) {
      const mask = 1 << (bit & 7);
      if ((bits[bit >> 3]! & mask) !== 0) continue;
      bits[bit >> 3] = bits[bit >> 3]! | mask;
      page.count++;
    }
    if (page.count === PAGE_BITS) this.#pages.set(number, FULL);
  }

  /** Moves the floor over everything that adjoins it and forgets the pages below. */
  #raise(to: number): void {
    this.#floor = to;
    for (const number of this.#pages.keys()) {
      if ((number + 1) * PAGE_BITS <= to) this.#pages.delete(number);
    }
    for (;;) {
      const number = Math.floor(this.#floor / PAGE_BITS);
      if (this.#pages.get(number) === FULL) {
        this.#pages.delete(number);
        this.#floor = (number + 1) * PAGE_BITS;
      } else if (this.has(this.#floor)) this.#floor++;
      else return;
    }
  }
}
