/**
 * ReadySet: which message is next.
 *
 * FifoReady is a cursor: everything from it on that is Ready is in line, and what came back from
 * before it goes in front, in order of offset, so that a requeued message takes its old place.
 * PriorityReady has such a line per level and serves the highest first. Neither holds what is not
 * Ready for long: an offset that changed its state meanwhile is skipped when it comes up.
 */
import { State } from './chunk.ts';
import type { ChunkList } from './chunk-list.ts';
import { OffsetHeap } from './offset-heap.ts';

export interface ReadySet {
  /** A new message at the end of the line. */
  added(offset: number, priority: number): void;
  /** Ready again after it was leased or hidden. */
  returned(offset: number, priority: number): void;
  /** The next one, which stays in line; -1 = none. */
  peek(): number;
  /** Takes out what `peek` has just returned. */
  take(offset: number): void;
  /** After a restart: `start` is the first message. */
  begin(start: number): void;
  /** Nothing below `end` is ready any more. */
  clear(end: number): void;
}

export class FifoReady implements ReadySet {
  readonly #chunks: ChunkList;
  readonly #back = new OffsetHeap();
  #cursor: number;

  constructor(chunks: ChunkList, start: number) {
    this.#chunks = chunks;
    this.#cursor = start;
  }

  added(): void {
    // It is behind the cursor.
  }

  returned(offset: number): void {
    if (offset < this.#cursor) this.#back.push(offset);
  }

  peek(): number {
    const back = this.#back;
    while (back.size > 0) {
      const offset = back.least;
      if (isReady(this.#chunks, offset)) return offset;
      back.pop();
    }
    return this.#seek();
  }

  #seek(): number {
    const chunks = this.#chunks;
    let chunk = chunks.find(this.#cursor);
    if (chunk === null) {
      chunk = chunks.at(chunks.indexAtOrAfter(this.#cursor));
      if (chunk === null) return -1;
      this.#cursor = chunk.base;
    }
    for (;;) {
      if (chunk.live > 0) {
        for (let index = this.#cursor - chunk.base; index < chunk.count; index++) {
          if (chunk.state(index) !== State.Ready) continue;
          this.#cursor = chunk.base + index;
          return this.#cursor;
        }
      }
      this.#cursor = chunk.end;
      chunk = chunks.find(this.#cursor);
      if (chunk === null) return -1;
    }
  }

  take(offset: number): void {
    if (offset === this.#back.least) this.#back.pop();
    else this.#cursor = offset + 1;
  }

  begin(start: number): void {
    this.#cursor = start;
  }

  clear(end: number): void {
    this.#back.clear();
    this.#cursor = end;
  }
}

export class PriorityReady implements ReadySet {
  readonly #chunks: ChunkList;
  readonly #levels: Level[];

  constructor(chunks: ChunkList, priorityMax: number) {
    this.#chunks = chunks;
    this.#levels = Array.from({ length: priorityMax + 1 }, () => new Level());
  }

  added(offset: number, priority: number): void {
    this.#levels[priority]!.line.push(offset);
  }

  returned(offset: number, priority: number): void {
    this.#levels[priority]!.back.push(offset);
  }

  peek(): number {
    for (let i = this.#levels.length - 1; i >= 0; i--) {
      const offset = this.#levels[i]!.peek(this.#chunks);
      if (offset >= 0) return offset;
    }
    return -1;
  }

  take(offset: number): void {
    for (let i = this.#levels.length - 1; i >= 0; i--) if (this.#levels[i]!.take(offset)) return;
  }

  begin(): void {
    // It was told of every message.
  }

  clear(): void {
    for (const level of this.#levels) {
      level.back.clear();
      level.line.clear();
    }
  }
}

/** One priority: new ones in a ring, those that came back in front of them. */
class Level {
  readonly back = new OffsetHeap();
  readonly line = new OffsetRing();

  peek(chunks: ChunkList): number {
    while (this.back.size > 0) {
      if (isReady(chunks, this.back.least)) break;
      this.back.pop();
    }
    while (this.line.size > 0) {
      if (isReady(chunks, this.line.first)) break;
      this.line.shift();
    }
    if (this.back.size === 0) return this.line.size === 0 ? -1 : this.line.first;
    if (this.line.size === 0) return this.back.least;
    return Math.min(this.back.least, this.line.first);
  }

  take(offset: number): boolean {
    if (this.back.size > 0 && this.back.least === offset) this.back.pop();
    else if (this.line.size > 0 && this.line.first === offset) this.line.shift();
    else return false;
    return true;
  }
}

const RING_FIRST_ROOM = 16;

/** First in, first out, in one Float64Array whose length is a power of two. */
class OffsetRing {
  #ring = new Float64Array(RING_FIRST_ROOM);
  #head = 0;
  size = 0;

  get first(): number {
    return this.#ring[this.#head]!;
  }

  push(offset: number): void {
    if (this.size === this.#ring.length) this.#grow();
    this.#ring[(this.#head + this.size++) & (this.#ring.length - 1)] = offset;
  }

  shift(): void {
    this.#head = (this.#head + 1) & (this.#ring.length - 1);
    if (--this.size === 0) this.clear();
  }

  clear(): void {
    this.size = this.#head = 0;
    if (this.#ring.length > RING_FIRST_ROOM) this.#ring = new Float64Array(RING_FIRST_ROOM);
  }

  #grow(): void {
    const larger = new Float64Array(this.#ring.length * 2);
    const tailLength = this.#ring.length - this.#head;
    larger.set(this.#ring.subarray(this.#head));
    larger.set(this.#ring.subarray(0, this.#head), tailLength);
    this.#ring = larger;
    this.#head = 0;
  }
}

export function isReady(chunks: ChunkList, offset: number): boolean {
  const chunk = chunks.find(offset);
  return chunk !== null && chunk.live > 0 && chunk.state(offset - chunk.base) === State.Ready;
}
