/**
 * DuplicateWindow: which ids a queue has seen within its window, and at which offset first.
 *
 * Slices of an eighth of the window each: a map from id to the latest entry with it, and packed
 * arrays of what belongs to an entry. A slice that is over goes as a whole, so nothing is deleted
 * one by one, and no timer runs. Entries know their exact time and group: the rule's scope may be
 * altered while the window goes on.
 */
import type { DuplicateRule } from './queue-options.ts';

const SLICES = 8;
/** A JavaScript map holds four times as many. */
const SLICE_ENTRIES_MAX = 4_000_000;
const FIRST_ROOM = 64;
const NONE = -1;

class Slice {
  readonly startMs: number;
  newestMs: number;
  readonly firstOffset: number;
  /** The latest entry of an id. */
  readonly entries = new Map<string, number>();
  #count = 0;
  #offsets = new Float64Array(FIRST_ROOM);
  #groups = new Float64Array(FIRST_ROOM);
  /** Since `startMs`. */
  #ages = new Uint32Array(FIRST_ROOM);
  /** The entry before it with the same id, which is of another group or was too old. */
  #before = new Int32Array(FIRST_ROOM);

  constructor(startMs: number, firstOffset: number) {
    this.startMs = this.newestMs = startMs;
    this.firstOffset = firstOffset;
  }

  get isFull(): boolean {
    return this.#count >= SLICE_ENTRIES_MAX;
  }

  add(id: string, group: number, offset: number, timeMs: number): void {
    if (this.#count === this.#offsets.length) this.#grow();
    const entry = this.#count++;
    this.#offsets[entry] = offset;
    this.#groups[entry] = group;
    this.#ages[entry] = Math.max(0, timeMs - this.startMs);
    this.#before[entry] = this.entries.get(id) ?? NONE;
    this.entries.set(id, entry);
    if (timeMs > this.newestMs) this.newestMs = timeMs;
  }

  #grow(): void {
    const room = this.#count * 2;
    this.#offsets = grown(this.#offsets, new Float64Array(room));
    this.#groups = grown(this.#groups, new Float64Array(room));
    this.#ages = grown(this.#ages, new Uint32Array(room));
    this.#before = grown(this.#before, new Int32Array(room));
  }

  /** The offset of a message with that id which came after `afterMs`, or -1. `group` null = of any
   * group. */
  find(id: string, group: number | null, afterMs: number): number {
    let entry = this.entries.get(id) ?? NONE;
    for (; entry !== NONE; entry = this.#before[entry]!) {
      if (this.startMs + this.#ages[entry]! <= afterMs) continue;
      if (group === null || this.#groups[entry] === group) return this.#offsets[entry]!;
    }
    return -1;
  }
}

function grown<T extends { set(source: T): void }>(from: T, to: T): T {
  to.set(from);
  return to;
}

export class DuplicateWindow {
  rule: DuplicateRule;
  /** Oldest first. */
  #slices: Slice[] = [];

  constructor(rule: DuplicateRule) {
    this.rule = rule;
  }

  /** Offset of the message that has the id already, or -1. */
  find(id: string, group: number, nowMs: number): number {
    this.#forget(nowMs);
    const afterMs = nowMs - this.rule.windowMs;
    const scope = this.rule.scope === 'group' ? group : null;
    for (let i = this.#slices.length - 1; i >= 0; i--) {
      const offset = this.#slices[i]!.find(id, scope, afterMs);
      // Latest first: what is behind one that is forgotten is so too.
      if (offset >= 0) return offset < (this.rule.sinceOffset ?? 0) ? -1 : offset;
    }
    return -1;
  }

  /** A message with the id was taken at `timeMs`. */
  add(id: string, group: number, offset: number, timeMs: number): void {
    let slice = this.#slices.at(-1);
    const spanMs = this.rule.windowMs / SLICES;
    if (slice === undefined || slice.isFull || timeMs - slice.startMs > spanMs) {
      slice = new Slice(timeMs, offset);
      this.#slices.push(slice);
    }
    slice.add(id, group, offset, timeMs);
  }

  #forget(nowMs: number): void {
    const slices = this.#slices;
    let over = 0;
    while (over < slices.length && slices[over]!.newestMs + this.rule.windowMs <= nowMs) over++;
    if (over > 0) slices.splice(0, over);
  }

  /** First offset whose record a restart needs to know the window again; Infinity = none. */
  firstOffset(nowMs: number): number {
    this.#forget(nowMs);
    return this.#slices[0]?.firstOffset ?? Infinity;
  }

  /** When `firstOffset` will have moved. */
  get movesAtMs(): number {
    return (this.#slices[0]?.newestMs ?? 0) + this.rule.windowMs;
  }
}
