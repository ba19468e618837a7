/**
 * DuplicateWindow: which ids a queue has seen within its window, and at which offset first.
 *
 * Slices of an eighth of the window each: a map to the latest entry of an id, or of an id in a group
 * when that is the rule's scope, and arrays of what belongs to an entry. A slice that is over goes as
 * a whole, so nothing is deleted one by one, and no timer runs. Entries know their exact time and
 * group: when the scope is altered the maps are made anew.
 */
import type { DuplicateRule } from './queue-options.ts';

type Scope = DuplicateRule['scope'];

const SLICES = 8;
/** A JavaScript map holds four times as many. */
const SLICE_ENTRIES_MAX = 4_000_000;
const FIRST_ROOM = 64;

class Slice {
  readonly startMs: number;
  newestMs: number;
  readonly firstOffset: number;
  #scope: Scope;
  readonly #latest = new Map<string, number>();
  readonly #ids: string[] = [];
  #offsets = new Float64Array(FIRST_ROOM);
  #groups = new Float64Array(FIRST_ROOM);
  /** Since `startMs`. */
  #ages = new Uint32Array(FIRST_ROOM);

  constructor(scope: Scope, startMs: number, firstOffset: number) {
    this.#scope = scope;
    this.startMs = this.newestMs = startMs;
    this.firstOffset = firstOffset;
  }

  get isFull(): boolean {
    return this.#ids.length >= SLICE_ENTRIES_MAX;
  }

  set scope(scope: Scope) {
    if (scope === this.#scope) return;
    this.#scope = scope;
    this.#latest.clear();
    for (const [entry, id] of this.#ids.entries()) {
      this.#latest.set(this.#key(id, this.#groups[entry]!), entry);
    }
  }

  #key(id: string, group: number): string {
    return this.#scope === 'group' ? `${group} ${id}` : id;
  }

  add(id: string, group: number, offset: number, timeMs: number): void {
    const entry = this.#ids.length;
    if (entry === this.#offsets.length) this.#grow();
    this.#ids.push(id);
    this.#offsets[entry] = offset;
    this.#groups[entry] = group;
    this.#ages[entry] = Math.max(0, timeMs - this.startMs);
    this.#latest.set(this.#key(id, group), entry);
    if (timeMs > this.newestMs) this.newestMs = timeMs;
  }

  #grow(): void {
    const room = this.#offsets.length * 2;
    this.#offsets = grown(this.#offsets, new Float64Array(room));
    this.#groups = grown(this.#groups, new Float64Array(room));
    this.#ages = grown(this.#ages, new Uint32Array(room));
  }

  /** The offset of the latest message with that id, in its group if that matters, when it came after
   * `afterMs`; or -1. */
  find(id: string, group: number, afterMs: number): number {
    const entry = this.#latest.get(this.#key(id, group));
    if (entry === undefined || this.startMs + this.#ages[entry]! <= afterMs) return -1;
    return this.#offsets[entry]!;
  }
}

function grown<T extends { set(source: T): void }>(from: T, to: T): T {
  to.set(from);
  return to;
}

export class DuplicateWindow {
  #rule: DuplicateRule;
  /** Oldest first. */
  readonly #slices: Slice[] = [];

  constructor(rule: DuplicateRule) {
    this.#rule = rule;
  }

  get rule(): DuplicateRule {
    return this.#rule;
  }

  set rule(rule: DuplicateRule) {
    this.#rule = rule;
    for (const slice of this.#slices) slice.scope = rule.scope;
  }

  /** Offset of the message that has the id already, or -1. */
  find(id: string, group: number, nowMs: number): number {
    this.#forget(nowMs);
    const afterMs = nowMs - this.#rule.windowMs;
    for (let i = this.#slices.length - 1; i >= 0; i--) {
      const offset = this.#slices[i]!.find(id, group, afterMs);
      // Latest first: what is behind one that is forgotten is so too.
      if (offset >= 0) return offset < (this.#rule.sinceOffset ?? 0) ? -1 : offset;
    }
    return -1;
  }

  /** A message with the id was taken at `timeMs`. */
  add(id: string, group: number, offset: number, timeMs: number): void {
    let slice = this.#slices.at(-1);
    const spanMs = this.#rule.windowMs / SLICES;
    if (slice === undefined || slice.isFull || timeMs - slice.startMs > spanMs) {
      slice = new Slice(this.#rule.scope, timeMs, offset);
      this.#slices.push(slice);
    }
    slice.add(id, group, offset, timeMs);
  }

  #forget(nowMs: number): void {
    const slices = this.#slices;
    let over = 0;
    while (over < slices.length && slices[over]!.newestMs + this.#rule.windowMs <= nowMs) over++;
    if (over > 0) slices.splice(0, over);
  }

  /** First offset whose record a restart needs to know the window again; Infinity = none. */
  firstOffset(nowMs: number): number {
    this.#forget(nowMs);
    return this.#slices[0]?.firstOffset ?? Infinity;
  }

  /** When `firstOffset` will have moved. */
  get movesAtMs(): number {
    return (this.#slices[0]?.newestMs ?? 0) + this.#rule.windowMs;
  }
}
