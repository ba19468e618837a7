/**
 * What a channel has delivered and its client has not settled: a ring indexed by delivery tag.
 *
 * Tags rise by one with every delivery, so a tag's low bits are its slot; an entry is a queue
 * offset and the holder that leased it (consumer, or basic.get), null once it is settled. When one
 * old delivery stays unsettled while many later ones come and go, the ring is not grown without end:
 * the few that are left are moved to a map in tag order (`stragglers`), all older than the ring.
 */
const FIRST_CAPACITY = 64;

export interface Straggler<Holder> {
  holder: Holder;
  offset: number;
}

export class Unacked<Holder extends object> {
  #offsets = new Float64Array(FIRST_CAPACITY);
  #holders: (Holder | null)[] = Array.from({ length: FIRST_CAPACITY }, () => null);
  #mask = FIRST_CAPACITY - 1;
  /** The ring holds tags [head, tail). */
  #head = 1;
  #tail = 1;
  #stragglers = new Map<number, Straggler<Holder>>();
  /** Entries not settled. */
  count = 0;

  /** The tag of the next delivery. */
  get nextTag(): number {
    return this.#tail;
  }

  /** Uses up a tag that needs no acknowledgement. */
  skip(): number {
    if (this.#head === this.#tail) this.#head++;
    else {
      if (this.#tail - this.#head > this.#mask) this.#makeRoom();
      this.#holders[this.#tail & this.#mask] = null;
    }
    return this.#tail++;
  }

  add(holder: Holder, offset: number): number {
    if (this.#tail - this.#head > this.#mask) this.#makeRoom();
    const slot = this.#tail & this.#mask;
    this.#offsets[slot] = offset;
    this.#holders[slot] = holder;
    this.count++;
    return this.#tail++;
  }

  /** Takes one entry; calls `settle`. False when the tag is not outstanding. */
  takeOne(tag: number, settle: (holder: Holder, offset: number) => void): boolean {
    if (tag >= this.#tail || tag < 1) return false;
    if (tag < this.#head) {
      const straggler = this.#stragglers.get(tag);
      if (!straggler) return false;
      this.#stragglers.delete(tag);
      this.count--;
      settle(straggler.holder, straggler.offset);
      return true;
    }
    const slot = tag & this.#mask;
    const holder = this.#holders[slot];
    if (!holder) return false;
    this.#holders[slot] = null;
    this.count--;
    if (tag === this.#head) this.#advanceHead();
    settle(holder, this.#offsets[slot]!);
    return true;
  }

  /** True when the tag is outstanding. */
  has(tag: number): boolean {
    if (tag < this.#head) return this.#stragglers.has(tag);
    return tag < this.#tail && this.#holders[tag & this.#mask] !== null;
  }

  /** Takes all up to and including `tag`, oldest first; `tag` must be outstanding or Infinity. */
  takeUpTo(tag: number, settle: (holder: Holder, offset: number) => void): void {
    if (this.#stragglers.size > 0) this.#takeStragglers(tag, settle);
    const end = Math.min(tag + 1, this.#tail);
    while (this.#head < end) {
      const slot = this.#head++ & this.#mask;
      const holder = this.#holders[slot];
      if (!holder) continue;
      this.#holders[slot] = null;
      this.count--;
      settle(holder, this.#offsets[slot]!);
    }
    this.#advanceHead();
  }

  #takeStragglers(tag: number, settle: (holder: Holder, offset: number) => void): void {
    for (const [old, { holder, offset }] of this.#stragglers) {
      if (old > tag) break;
      this.#stragglers.delete(old);
      this.count--;
      settle(holder, offset);
    }
  }

  #advanceHead(): void {
    while (this.#head < this.#tail && this.#holders[this.#head & this.#mask] === null) this.#head++;
  }

  #makeRoom(): void {
    const capacity = this.#mask + 1;
    if (this.count - this.#stragglers.size < capacity >> 2) {
      // Mostly holes: move the older half's survivors out of the way.
      const middle = this.#tail - (capacity >> 1);
      for (; this.#head < middle; this.#head++) {
        const slot = this.#head & this.#mask;
        const holder = this.#holders[slot];
        if (!holder) continue;
        this.#stragglers.set(this.#head, { holder, offset: this.#offsets[slot]! });
        this.#holders[slot] = null;
      }
      return;
    }
    const mask = capacity * 2 - 1;
    const offsets = new Float64Array(capacity * 2);
    const holders: (Holder | null)[] = Array.from({ length: capacity * 2 }, () => null);
    for (let tag = this.#head; tag < this.#tail; tag++) {
      offsets[tag & mask] = this.#offsets[tag & this.#mask]!;
      holders[tag & mask] = this.#holders[tag & this.#mask]!;
    }
    this.#offsets = offsets;
    this.#holders = holders;
    this.#mask = mask;
  }
}
