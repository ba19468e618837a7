/**
 * GroupedReady: which message is next in a queue with groups.
 *
 * 'fifo': the messages of a group one after the other. What is leased, or hidden until its time,
 * holds up those of its group behind it; only the very call that leased it may take several, in
 * order, and takes as many of one group as it finds before it goes on to the next. 'fair': no
 * order, but a group with many messages out (NOISY_COUNT and NOISY_SHARE of all) comes after all
 * others.
 *
 * A cursor walks over the log, as in a queue without groups. What it has passed and is ready is a
 * candidate (a heap, least offset first) or waits in the line of its group, which must stand back;
 * in 'fifo' the line has the candidates too. A group that need not stand back has the first of its
 * line among the candidates. So a backlog that nobody has looked at costs nothing here, nor does a
 * group of which nothing is out.
 */
import { State } from './chunk.ts';
import type { ChunkStore } from './chunk-store.ts';
import { OffsetHeap } from './offset-heap.ts';
import { isReady } from './ready-set.ts';
import type { ReadySet } from './ready-set.ts';

const NOISY_COUNT = 30;
const NOISY_SHARE = 0.1;
/** Most messages that the cursor passes in one go. Fair queues have something better to do then:
 * hand out a message of a noisy group. */
const FIFO_STEPS_MAX = 20_000;
const FAIR_STEPS_MAX = 2000;
/** So many messages of other groups a call passes in search of the next one of its group; and there
 * are so many candidates at most that it does. */
const AHEAD_MAX = 1000;
const CANDIDATES_MAX = 5000;

class Group {
  readonly id: number;
  /** Leased ones. */
  out = 0;
  /** Ready, passed by the cursor, held back. In 'fifo' not only those that are held back; some may
   * not be ready any more. */
  readonly line = new OffsetHeap();
  /** The first of the line, when 'fifo' has made it a candidate. */
  offered = -1;
  /** Leased by calls that are over, and hidden until their time; some may not be any more. */
  readonly holders = new OffsetHeap();

  constructor(id: number) {
    this.id = id;
  }
}

export class GroupedReady implements ReadySet {
  readonly #store: ChunkStore;
  readonly #isFifo: boolean;
  readonly #isDelayed: (offset: number) => boolean;
  /** There is a candidate that was not there before. */
  readonly #offered: () => void;
  readonly #groups = new Map<number, Group>();
  readonly #candidates = new OffsetHeap();
  /** Groups with a line that were noisy when they were last looked at. */
  readonly #noisy = new Set<Group>();
  #cursor: number;
  /** A call leases right now, and has taken these. */
  #isCalled = false;
  readonly #taken: number[] = [];
  /** The group that the call takes from. */
  #current: Group | null = null;
  /** The cursor has stopped before it had found something; there may be more. */
  isSearching = false;

  constructor(
    store: ChunkStore,
    start: number,
    grouping: 'fifo' | 'fair',
    isDelayed: (offset: number) => boolean,
    offered: () => void,
  ) {
    this.#store = store;
    this.#cursor = start;
    this.#isFifo = grouping === 'fifo';
    this.#isDelayed = isDelayed;
    this.#offered = offered;
  }

  /** Until endCall, several messages of one group may be taken. */
  beginCall(): void {
    this.#isCalled = true;
  }

  endCall(): void {
    this.#isCalled = false;
    this.#current = null;
    for (const offset of this.#taken.splice(0)) {
      if (this.#isHolder(offset)) this.#group(this.#idAt(offset)).holders.push(offset);
    }
  }

  added(): void {
    // It is behind the cursor.
  }

  returned(offset: number): void {
    if (offset >= this.#cursor) return;
    if (this.#isFifo) this.#park(this.#group(this.#idAt(offset)), offset);
    else this.#candidates.push(offset);
  }

  /** Behind the cursor, in line and a candidate. */
  #park(group: Group, offset: number): void {
    group.line.push(offset);
    this.#candidates.push(offset);
    if (group.line.least === offset) group.offered = offset;
  }

  /** A message of the group was leased and is not any more. */
  freed(id: number): void {
    const group = this.#groups.get(id);
    if (group === undefined) return;
    group.out--;
    this.#offer(group);
  }

  /** A message of the group that was not leased is gone. */
  left(id: number): void {
    const group = this.#groups.get(id);
    if (group !== undefined) this.#offer(group);
  }

  /** A leased message is hidden until its time; `freed` was called. */
  hidden(offset: number, id: number): void {
    if (offset < this.#cursor) this.#group(id).holders.push(offset);
  }

  #group(id: number): Group {
    let group = this.#groups.get(id);
    if (group === undefined) this.#groups.set(id, (group = new Group(id)));
    return group;
  }

  #idAt(offset: number): number {
    const chunk = this.#store.chunks.find(offset)!;
    return chunk.group(offset - chunk.base);
  }

  /** `group` must not have `offset` handed out now. */
  #standsBack(group: Group, offset: number): boolean {
    if (!this.#isFifo) return this.#isNoisy(group);
    const holder = this.#firstHolder(group);
    return holder >= 0 && holder < offset;
  }

  #firstHolder({ holders }: Group): number {
    while (holders.size > 0 && !this.#isHolder(holders.least)) holders.pop();
    return holders.least;
  }

  /** Those of its group behind it must wait. */
  #isHolder(offset: number): boolean {
    const chunk = this.#store.chunks.find(offset);
    if (chunk === null || chunk.live === 0) return false;
    const state = chunk.state(offset - chunk.base);
    return state === State.Leased || (state === State.Hidden && this.#isDelayed(offset));
  }

  #isNoisy(group: Group): boolean {
    const { id, out } = group;
    return id !== 0 && out >= NOISY_COUNT && out > this.#store.leasedCount * NOISY_SHARE;
  }

  /** Makes the first in line of `group` a candidate, if it may be; forgets a group without need. */
  #offer(group: Group): void {
    const { line } = group;
    const first = this.#firstInLine(group);
    if (first >= 0) {
      if (this.#standsBack(group, first) || group.offered === first) return;
      this.#candidates.push(first);
      if (this.#isFifo) group.offered = first;
      else line.pop();
      if (!this.#isCalled) this.#offered();
    }
    if (line.size > 0) return;
    this.#noisy.delete(group);
    if (group.out === 0 && this.#firstHolder(group) < 0) this.#groups.delete(group.id);
  }

  #firstInLine({ line }: Group): number {
    while (line.size > 0 && !isReady(this.#store.chunks, line.least)) line.pop();
    return line.least;
  }

  peek(): number {
    if (this.#noisy.size > 0) this.#quieten();
    if (this.#current !== null) {
      const next = this.#nextOf(this.#current);
      if (next >= 0) return next;
      this.#current = null;
    }
    const offset = this.#firstCandidate();
    if (offset >= 0) return offset;
    const found = this.#seek();
    return found < 0 && this.#noisy.size > 0 ? this.#firstNoisy() : found;
  }

  #firstCandidate(): number {
    const candidates = this.#candidates;
    while (candidates.size > 0) {
      const offset = candidates.least;
      if (isReady(this.#store.chunks, offset)) {
        const group = this.#groups.get(this.#idAt(offset));
        if (group === undefined || !this.#standsBack(group, offset)) return offset;
        this.#hold(group, offset);
      }
      candidates.pop();
    }
    return -1;
  }

  /** `offset` is no candidate, or not for long. */
  #hold(group: Group, offset: number): void {
    if (this.#isFifo) {
      group.offered = -1;
      return;
    }
    group.line.push(offset);
    this.#noisy.add(group);
  }

  #nextOf(group: Group): number {
    const first = this.#firstInLine(group);
    if (first < 0) return this.#seekAhead(group);
    return this.#standsBack(group, first) ? -1 : first;
  }

  /** The next of the group beyond the cursor, which leaves those of others behind as candidates. */
  #seekAhead(group: Group): number {
    const { chunks } = this.#store;
    let steps = AHEAD_MAX;
    for (let at = chunks.indexAtOrAfter(this.#cursor); at < chunks.length; at++) {
      const chunk = chunks.at(at)!;
      if (this.#cursor < chunk.base) this.#cursor = chunk.base;
      const count = chunk.live > 0 ? chunk.count : 0;
      for (let index = this.#cursor - chunk.base; index < count; index++) {
        const offset = chunk.base + index;
        this.#cursor = offset;
        const id = chunk.group(index);
        if (this.#passes(offset, id, chunk.state(index))) continue;
        if (id === group.id) return offset;
        if (--steps < 0 || this.#candidates.size >= CANDIDATES_MAX) return -1;
        this.#park(this.#group(id), offset);
      }
      this.#cursor = chunk.end;
    }
    return -1;
  }

  #seek(): number {
    const { chunks } = this.#store;
    let steps = this.#isFifo ? FIFO_STEPS_MAX : FAIR_STEPS_MAX;
    this.isSearching = false;
    for (let at = chunks.indexAtOrAfter(this.#cursor); at < chunks.length; at++) {
      const chunk = chunks.at(at)!;
      if (this.#cursor < chunk.base) this.#cursor = chunk.base;
      const count = chunk.live > 0 ? chunk.count : 0;
      for (let index = this.#cursor - chunk.base; index < count; index++) {
        const offset = chunk.base + index;
        this.#cursor = offset;
        if (this.#passes(offset, chunk.group(index), chunk.state(index))) continue;
        return offset;
      }
      this.#cursor = chunk.end;
      steps -= count;
      if (steps <= 0 && at + 1 < chunks.length) {
        this.isSearching = true;
        return -1;
      }
    }
    return -1;
  }

  /** The cursor goes on; what it leaves behind must be known here. */
  #passes(offset: number, id: number, state: State): boolean {
    if (state === State.Ready) {
      const group = this.#groups.get(id);
      if (group === undefined || !this.#standsBack(group, offset)) return false;
      if (this.#isFifo) group.line.push(offset);
      else this.#hold(group, offset);
    } else if (state === State.Hidden && this.#isFifo && this.#isDelayed(offset)) {
      this.#group(id).holders.push(offset);
    }
    return true;
  }

  /** Groups that are not noisy any more stand back no longer. */
  #quieten(): void {
    for (const group of this.#noisy) if (!this.#isNoisy(group)) this.#offer(group);
  }

  /** There are at most a few. */
  #firstNoisy(): number {
    let first = -1;
    for (const { line } of this.#noisy) {
      while (line.size > 0 && !isReady(this.#store.chunks, line.least)) line.pop();
      if (line.size > 0 && (first < 0 || line.least < first)) first = line.least;
    }
    return first;
  }

  take(offset: number): void {
    const id = this.#idAt(offset);
    if (offset >= this.#cursor) this.#cursor = offset + 1;
    else if (this.#candidates.least === offset) this.#candidates.pop();
    else if (!this.#isFifo) this.#group(id).line.pop();
    if (id === 0 && !this.#isFifo) return;
    const group = this.#group(id);
    group.out++;
    if (!this.#isFifo) {
      if (group.line.size > 0) this.#offer(group);
      return;
    }
    if (group.line.least === offset) group.line.pop();
    if (this.#isCalled) {
      this.#taken.push(offset);
      this.#current = group;
    } else group.holders.push(offset);
  }

  begin(start: number): void {
    this.#cursor = start;
  }

  /** Nothing is ready. The cursor walks on by itself: on its way is what is hidden. */
  clear(): void {
    this.#candidates.clear();
    this.#noisy.clear();
    for (const group of this.#groups.values()) {
      group.line.clear();
      group.offered = -1;
      this.#offer(group);
    }
  }
}
