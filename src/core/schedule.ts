/**
 * Schedule: all timers of the broker in one binary heap.
 *
 * `at` and `cancel` are O(log n); a million timers are a million small objects and one array. The
 * owner calls `due(now)` at `nextMs` or later, and hears when that has become earlier: a task runs late, never early, and is told nothing
 * but that it is due, so whoever repeats computes from its own last time and does not drift.
 */
import { invariant } from './errors.ts';

const GONE = -1;
/** Taken out by `due`, and not yet run. */
const RUNNING = -2;

/** One pending task; a handle to cancel it. */
export class Timer {
  readonly timeMs: number;
  readonly task: () => void;
  /** Position in the heap, or one of the two below. */
  slot = GONE;
  /** Breaks ties, so that equal times run in the order they were set. */
  readonly order: number;

  constructor(timeMs: number, task: () => void, order: number) {
    this.timeMs = timeMs;
    this.task = task;
    this.order = order;
  }
}

function before(a: Timer, b: Timer): boolean {
  return a.timeMs < b.timeMs || (a.timeMs === b.timeMs && a.order < b.order);
}

export class Schedule {
  readonly #heap: Timer[] = [];
  #order = 0;
  /** `nextMs` is earlier than it was: whoever sleeps until then must not. Called by `at`. */
  whenEarlier: () => void = () => {};

  get size(): number {
    return this.#heap.length;
  }

  /** When `due` has something to do; Infinity when there is nothing. */
  get nextMs(): number {
    return this.#heap.length === 0 ? Infinity : this.#heap[0]!.timeMs;
  }

  /** Runs `task` once when `due` is called with `timeMs` or later. */
  at(timeMs: number, task: () => void): Timer {
    invariant(!Number.isNaN(timeMs), 'a timer without a time');
    const timer = new Timer(timeMs, task, this.#order++);
    this.#heap.push(timer);
    this.#rise(this.#heap.length - 1, timer);
    if (timer.slot === 0) this.whenEarlier();
    return timer;
  }

  /** Idempotent; a task that ran cannot be cancelled, one that is about to run can. */
  cancel(timer: Timer): void {
    const slot = timer.slot;
    timer.slot = GONE;
    if (slot >= 0) this.#remove(slot, timer);
  }

  /** Runs what was due at `nowMs` when called, in order of time. What those tasks add for `nowMs`
   * or earlier runs at the next call, so that a task which re-arms itself cannot hold the loop. */
  due(nowMs: number): void {
    const timers: Timer[] = [];
    while (this.#heap.length > 0 && this.#heap[0]!.timeMs <= nowMs) {
      const timer = this.#heap[0]!;
      timer.slot = RUNNING;
      this.#remove(0, timer);
      timers.push(timer);
    }
    for (const timer of timers) {
      if (timer.slot !== RUNNING) continue;
      timer.slot = GONE;
      timer.task();
    }
  }

  #remove(slot: number, timer: Timer): void {
    const last = this.#heap.pop()!;
    if (last !== timer) this.#settle(slot, last);
  }

  #settle(slot: number, timer: Timer): void {
    const parent = (slot - 1) >> 1;
    if (slot > 0 && before(timer, this.#heap[parent]!)) this.#rise(slot, timer);
    else this.#sink(slot, timer);
  }

  #rise(slot: number, timer: Timer): void {
    const heap = this.#heap;
    while (slot > 0) {
      const parentSlot = (slot - 1) >> 1;
      const parent = heap[parentSlot]!;
      if (!before(timer, parent)) break;
      heap[slot] = parent;
      parent.slot = slot;
      slot = parentSlot;
    }
    heap[slot] = timer;
    timer.slot = slot;
  }

  #sink(slot: number, timer: Timer): void {
    const heap = this.#heap;
    for (;;) {
      let childSlot = 2 * slot + 1;
      if (childSlot >= heap.length) break;
      if (childSlot + 1 < heap.length && before(heap[childSlot + 1]!, heap[childSlot]!))
        childSlot++;
      const child = heap[childSlot]!;
      if (!before(child, timer)) break;
      heap[slot] = child;
      child.slot = slot;
      slot = childSlot;
    }
    heap[slot] = timer;
    timer.slot = slot;
  }
}
