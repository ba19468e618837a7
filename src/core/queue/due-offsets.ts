/**
 * DueOffsets: offsets with a time each: when a lease ends, when a delayed message may be seen.
 *
 * A heap by time beside a map by offset; moving or removing one leaves its old heap entry behind,
 * which is skipped when it comes up. One timer of the Schedule serves all.
 */
import type { Schedule, Timer } from '../schedule.ts';

interface Entry {
  timeMs: number;
  offset: number;
}

export class DueOffsets {
  readonly #schedule: Schedule;
  readonly #now: () => number;
  /** Called with every offset whose time has come, in order of time. */
  readonly #due: (offset: number) => void;
  readonly #times = new Map<number, number>();
  #heap: Entry[] = [];
  #timer: Timer | null = null;

  constructor(schedule: Schedule, now: () => number, due: (offset: number) => void) {
    this.#schedule = schedule;
    this.#now = now;
    this.#due = due;
  }

  get size(): number {
    return this.#times.size;
  }

  has(offset: number): boolean {
    return this.#times.has(offset);
  }

  /** 0 when it is not there. */
  timeOf(offset: number): number {
    return this.#times.get(offset) ?? 0;
  }

  /** Sets or moves the time of `offset`. */
  set(offset: number, timeMs: number): void {
    this.#times.set(offset, timeMs);
    this.#push({ timeMs, offset });
    this.#arm();
  }

  /** False when it was not there. */
  delete(offset: number): boolean {
    return this.#times.delete(offset);
  }

  clear(): void {
    this.#times.clear();
    this.#heap = [];
    if (this.#timer !== null) this.#schedule.cancel(this.#timer);
    this.#timer = null;
  }

  #arm(): void {
    const first = this.#heap[0];
    if (first === undefined) return;
    if (this.#timer !== null) {
      if (this.#timer.timeMs <= first.timeMs) return;
      this.#schedule.cancel(this.#timer);
    }
    this.#timer = this.#schedule.at(first.timeMs, () => this.#run());
  }

  #run(): void {
    this.#timer = null;
    const nowMs = this.#now();
    while (this.#heap.length > 0 && this.#heap[0]!.timeMs <= nowMs) {
      const { offset, timeMs } = this.#pop();
      if (this.#times.get(offset) !== timeMs) continue;
      this.#times.delete(offset);
      this.#due(offset);
    }
    this.#arm();
  }

  #push(entry: Entry): void {
    const heap = this.#heap;
    let slot = heap.length;
    heap.push(entry);
    while (slot > 0) {
      const parent = (slot - 1) >> 1;
      if (heap[parent]!.timeMs <= entry.timeMs) break;
      heap[slot] = heap[parent]!;
      slot = parent;
    }
    heap[slot] = entry;
  }

  #pop(): Entry {
    const heap = this.#heap;
    const first = heap[0]!;
    const last = heap.pop()!;
    if (heap.length === 0) return first;
    let slot = 0;
    for (;;) {
      let child = 2 * slot + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && heap[child + 1]!.timeMs < heap[child]!.timeMs) child++;
      if (heap[child]!.timeMs >= last.timeMs) break;
      heap[slot] = heap[child]!;
      slot = child;
    }
    heap[slot] = last;
    return first;
  }
}
