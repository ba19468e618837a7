/**
 * DueOffsets: offsets with a time each: when a lease ends, when a delayed message may be seen.
 *
 * A binary heap by time, and by offset among equal times, in typed arrays; beside it pages of
 * consecutive offsets that say where in the heap each is, so that moving and removing one leaves
 * nothing behind. About 30 bytes each. Growing copies and never hashes anew, which would take long.
 * One timer of the Schedule serves all; what is due comes in portions, one per turn, however many
 * there are.
 */
import type { Ports } from '../ports.ts';
import type { Schedule, Timer } from '../schedule.ts';

const PORTION = 2048;
const FIRST_ROOM = 16;
const GROWTH = 1.5;
/** Offsets to a page: few, because messages that wait may be far apart. */
const PAGE_LENGTH = 32;
/** A heap that has shrunk to so little of its room gives it back. */
const SPARE = 16;
const FREE = -1;

export class DueOffsets {
  readonly #schedule: Schedule;
  readonly #ports: Ports;
  /** Called with offsets whose time has come, in order; they are not here any more. */
  readonly #due: (offsets: readonly number[]) => void;
  #size = 0;
  /** The heap: times, offsets, and at which index of `#places` each has its position. */
  #times = new Float64Array(FIRST_ROOM);
  #offsets = new Float64Array(FIRST_ROOM);
  #indexes = new Int32Array(FIRST_ROOM);
  readonly #places = new Places();
  #timer: Timer | null = null;
  #isDeferred = false;

  constructor(schedule: Schedule, ports: Ports, due: (offsets: readonly number[]) => void) {
    this.#schedule = schedule;
    this.#ports = ports;
    this.#due = due;
  }

  get size(): number {
    return this.#size;
  }

  has(offset: number): boolean {
    return this.#places.positionOf(offset) !== FREE;
  }

  /** 0 when it is not there. */
  timeOf(offset: number): number {
    const position = this.#places.positionOf(offset);
    return position === FREE ? 0 : this.#times[position]!;
  }

  /** Sets or moves the time of `offset`. */
  set(offset: number, timeMs: number): void {
    const position = this.#places.positionOf(offset);
    if (position === FREE) {
      if (this.#size === this.#times.length) this.#resize(Math.ceil(this.#size * GROWTH));
      this.#rise(this.#size++, timeMs, offset, this.#places.add(offset));
    } else {
      const index = this.#indexes[position]!;
      if (timeMs < this.#times[position]!) this.#rise(position, timeMs, offset, index);
      else this.#sink(position, timeMs, offset, index);
    }
    this.#arm();
  }

  /** False when it was not there. */
  delete(offset: number): boolean {
    if (this.#size === 0) return false;
    const position = this.#places.positionOf(offset);
    if (position === FREE) return false;
    this.#remove(position);
    return true;
  }

  /** All times by so much, later or earlier. */
  shift(byMs: number): void {
    for (let position = 0; position < this.#size; position++) {
      this.#times[position] = this.#times[position]! + byMs;
    }
    this.#arm();
  }

  clear(): void {
    this.#size = 0;
    this.#resize(FIRST_ROOM);
    this.#places.clear();
    if (this.#timer !== null) this.#schedule.cancel(this.#timer);
    this.#timer = null;
  }

  #arm(): void {
    if (this.#size === 0 || this.#isDeferred) return;
    const firstMs = this.#times[0]!;
    if (this.#timer !== null) {
      if (this.#timer.timeMs <= firstMs) return;
      this.#schedule.cancel(this.#timer);
    }
    this.#timer = this.#schedule.at(firstMs, () => {
      this.#timer = null;
      this.#run();
    });
  }

  #run(): void {
    const nowMs = this.#ports.clock.now();
    const offsets: number[] = [];
    while (this.#size > 0 && this.#times[0]! <= nowMs && offsets.length < PORTION) {
      offsets.push(this.#offsets[0]!);
      this.#remove(0);
    }
    if (offsets.length === PORTION) {
      this.#isDeferred = true;
      this.#ports.defer(() => {
        this.#isDeferred = false;
        this.#run();
      });
    }
    if (offsets.length > 0) this.#due(offsets);
    this.#arm();
  }

  #place(position: number, timeMs: number, offset: number, index: number): void {
    this.#times[position] = timeMs;
    this.#offsets[position] = offset;
    this.#indexes[position] = index;
    this.#places.positions[index] = position;
  }

  #move(from: number, to: number): void {
    this.#place(to, this.#times[from]!, this.#offsets[from]!, this.#indexes[from]!);
  }

  #isBefore(timeMs: number, offset: number, position: number): boolean {
    const otherMs = this.#times[position]!;
    return timeMs < otherMs || (timeMs === otherMs && offset < this.#offsets[position]!);
  }

  #rise(position: number, timeMs: number, offset: number, index: number): void {
    while (position > 0) {
      const parent = (position - 1) >> 1;
      if (!this.#isBefore(timeMs, offset, parent)) break;
      this.#move(parent, position);
      position = parent;
    }
    this.#place(position, timeMs, offset, index);
  }

  #sink(position: number, timeMs: number, offset: number, index: number): void {
    for (;;) {
      let child = 2 * position + 1;
      if (child >= this.#size) break;
      const right = child + 1;
      if (right < this.#size && this.#isBefore(this.#times[right]!, this.#offsets[right]!, child)) {
        child = right;
      }
      if (this.#isBefore(timeMs, offset, child)) break;
      this.#move(child, position);
      position = child;
    }
    this.#place(position, timeMs, offset, index);
  }

  #remove(position: number): void {
    this.#places.remove(this.#offsets[position]!, this.#indexes[position]!);
    const last = --this.#size;
    if (position !== last) {
      const timeMs = this.#times[last]!;
      const offset = this.#offsets[last]!;
      const index = this.#indexes[last]!;
      if (this.#isBefore(timeMs, offset, position)) this.#rise(position, timeMs, offset, index);
      else this.#sink(position, timeMs, offset, index);
    }
    if (last === 0 && this.#places.isLarge) this.#places.clear();
    if (last * SPARE < this.#times.length && this.#times.length > FIRST_ROOM * SPARE) {
      this.#resize(last * 2);
    }
  }

  #resize(room: number): void {
    room = Math.max(FIRST_ROOM, room);
    const size = this.#size;
    this.#times = resized(this.#times, new Float64Array(room), size);
    this.#offsets = resized(this.#offsets, new Float64Array(room), size);
    this.#indexes = resized(this.#indexes, new Int32Array(room), size);
  }
}

/** Where in the heap an offset is: a pool of pages, and which page is for which offsets. */
class Places {
  positions = new Int32Array(FIRST_ROOM * PAGE_LENGTH).fill(FREE);
  /** How many offsets a page has. */
  #counts = new Uint8Array(FIRST_ROOM);
  /** First index of a page, by its first offset / PAGE_LENGTH. */
  readonly #pages = new Map<number, number>();
  /** Pages that nobody uses, up to `#end`. */
  #free: number[] = [];
  #end = 0;

  get isLarge(): boolean {
    return this.#counts.length > FIRST_ROOM * SPARE;
  }

  positionOf(offset: number): number {
    const number = Math.floor(offset / PAGE_LENGTH);
    const page = this.#pages.get(number);
    return page === undefined ? FREE : this.positions[page + offset - number * PAGE_LENGTH]!;
  }

  /** Where the position of a new offset is to be noted. */
  add(offset: number): number {
    const number = Math.floor(offset / PAGE_LENGTH);
    let page = this.#pages.get(number);
    if (page === undefined) {
      page = this.#free.pop() ?? this.#newPage();
      this.#pages.set(number, page);
    }
    const count = page / PAGE_LENGTH;
    this.#counts[count] = this.#counts[count]! + 1;
    return page + offset - number * PAGE_LENGTH;
  }

  #newPage(): number {
    const page = this.#end;
    this.#end += PAGE_LENGTH;
    const { length } = this.positions;
    if (this.#end > length) {
      const pages = Math.ceil((length / PAGE_LENGTH) * GROWTH);
      const larger = new Int32Array(pages * PAGE_LENGTH);
      larger.fill(FREE, length);
      this.positions = resized(this.positions, larger, length);
      this.#counts = resized(this.#counts, new Uint8Array(pages), length / PAGE_LENGTH);
    }
    return page;
  }

  remove(offset: number, index: number): void {
    this.positions[index] = FREE;
    const count = Math.floor(index / PAGE_LENGTH);
    if ((this.#counts[count] = this.#counts[count]! - 1) > 0) return;
    this.#pages.delete(Math.floor(offset / PAGE_LENGTH));
    this.#free.push(count * PAGE_LENGTH);
  }

  clear(): void {
    this.#pages.clear();
    this.#free = [];
    this.#end = 0;
    this.#counts = new Uint8Array(FIRST_ROOM);
    this.positions = new Int32Array(FIRST_ROOM * PAGE_LENGTH).fill(FREE);
  }
}

function resized<T extends { subarray(from: number, to: number): T; set(source: T): void }>(
  from: T,
  to: T,
  size: number,
): T {
  to.set(from.subarray(0, size));
  return to;
}
