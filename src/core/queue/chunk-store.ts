/**
 * ChunkStore: the messages of one queue: where they are and in which state, whatever log they lie
 * in. Counts what is ready and what is leased, tells the acknowledgement journal what is settled,
 * frees chunks in which nothing is left, drops and reloads bytes when memory is short.
 *
 * A ChunkSource says how bytes come back from its log. The two chunks used last are never dropped,
 * nor is the one after them, which is read ahead, nor one whose bytes are on their way to the disk.
 */
import type { Chunk } from './chunk.ts';
import { COUNT_MAX, State } from './chunk.ts';
import { ChunkList } from './chunk-list.ts';
import { BrokerError } from '../errors.ts';
import type { CommitWaiter } from '../log.ts';
import type { MemoryHolder } from '../memory-budget.ts';
import type { Message } from '../message/message.ts';
import type { QueueAcks } from './queue-acks.ts';
import type { QueueServices } from './queue-services.ts';
import { decodeRecord } from '../message/record.ts';

export interface ChunkSource {
  /** The same bytes that `chunk.positions` point into, or a promise of them. */
  read(chunk: Chunk): Uint8Array | Promise<Uint8Array>;
  /** Makes sure that `read` can give them back later; false while they are only in memory. */
  canDrop(chunk: Chunk, writtenGeneration: number): boolean;
  /** Gives up room that is kept for the next message while there is none. */
  dropIdle(): void;
  /** Nothing is left in it; the front of the line has moved if it was there. */
  retired(chunk: Chunk): void;
}

/** Called when bytes arrived that `ready` had to wait for, or with the failure ('unreadable') when
 * they cannot be read now. The next `ready` tries again. */
export type Loaded = (failure: BrokerError | null) => void;

/** Chunks that must have become empty before it is worth a walk over all of them. */
const MERGE_AFTER = 256;

export class ChunkStore implements MemoryHolder, CommitWaiter {
  readonly chunks = new ChunkList();
  /** Ready messages and their body bytes. */
  readyCount = 0;
  readyBytes = 0;
  leasedCount = 0;
  /** Ready messages that expire. */
  expiringCount = 0;
  /** The journal's page; null when settlements need not survive. */
  acks: QueueAcks | null = null;
  readonly #source: ChunkSource;
  readonly #services: QueueServices;
  readonly #loaded: Loaded;
  /** Exact delivery counts of COUNT_MAX and more. */
  readonly #counts = new Map<number, number>();
  #hot: Chunk | null = null;
  #hotBefore: Chunk | null = null;
  /** Read before it is asked for. */
  #ahead: Chunk | null = null;
  #writtenGeneration = 0;
  #awaitsWrite = false;
  #gone = false;
  /** Since empty neighbours were merged. */
  #retiredCount = 0;

  constructor(services: QueueServices, source: ChunkSource, loaded: Loaded) {
    this.#services = services;
    this.#source = source;
    this.#loaded = loaded;
    services.memory.join(this);
  }

  add(chunk: Chunk): void {
    this.chunks.push(chunk);
    if (chunk.bytes !== null) this.#took(chunk, chunk.bytes.length);
  }

  /** Counts a Ready message that was just added to a chunk. */
  counted(chunk: Chunk, index: number): void {
    this.readyCount++;
    this.readyBytes += chunk.sizes[index]!;
    if (chunk.expiries !== null && chunk.expiries[index] !== 0) this.expiringCount++;
  }

  #uncount(chunk: Chunk, index: number): void {
    this.readyCount--;
    this.readyBytes -= chunk.sizes[index]!;
    if (chunk.expiries !== null && chunk.expiries[index] !== 0) this.expiringCount--;
  }

  /** Ready → Leased. */
  lease(chunk: Chunk, index: number): void {
    this.#uncount(chunk, index);
    chunk.setState(index, State.Leased);
    this.leasedCount++;
  }

  /** → Hidden */
  hide(chunk: Chunk, index: number): void {
    const state = chunk.state(index);
    if (state === State.Ready) this.#uncount(chunk, index);
    else if (state === State.Leased) this.leasedCount--;
    chunk.setState(index, State.Hidden);
  }

  /** Leased or Hidden → Ready. */
  restore(chunk: Chunk, index: number): void {
    if (chunk.state(index) === State.Leased) this.leasedCount--;
    chunk.setState(index, State.Ready);
    this.counted(chunk, index);
  }

  /** → Settled, and into the journal. */
  settle(chunk: Chunk, index: number): void {
    const state = chunk.state(index);
    if (state === State.Ready) this.#uncount(chunk, index);
    else if (state === State.Leased) this.leasedCount--;
    chunk.setState(index, State.Settled);
    if (this.acks !== null) this.acks.settled(chunk.base + index);
    if (this.#counts.size > 0) this.#counts.delete(chunk.base + index);
    if (--chunk.live === 0 && chunk.sealed) this.retire(chunk);
  }

  /** A sealed chunk in which everything is settled. */
  retire(chunk: Chunk): void {
    this.#gave(chunk);
    chunk.hollow();
    if (this.#hot === chunk) this.#hot = null;
    if (this.#hotBefore === chunk) this.#hotBefore = null;
    if (this.#ahead === chunk) this.#ahead = null;
    const chunks = this.chunks;
    for (let front = chunks.front; front !== null && front.isHollow; front = chunks.front) {
      chunks.shift();
    }
    if (++this.#retiredCount >= MERGE_AFTER && this.#retiredCount * 2 >= chunks.length) {
      this.#retiredCount = 0;
      chunks.mergeEmpty();
    }
    this.#source.retired(chunk);
  }

  deliveryCount(chunk: Chunk, index: number): number {
    const count = chunk.deliveryCount(index);
    return count < COUNT_MAX ? count : (this.#counts.get(chunk.base + index) ?? count);
  }

  setDeliveryCount(chunk: Chunk, index: number, count: number): void {
    chunk.setDeliveryCount(index, count);
    if (count >= COUNT_MAX) this.#counts.set(chunk.base + index, count);
  }

  /** Points `view` at a message whose chunk is ready. */
  view(chunk: Chunk, index: number, view: Message): void {
    decodeRecord(chunk.bytes!, chunk.positions[index]!, view, chunk.baseTimestampMs);
  }

  /** True when the bytes are there; else they are on their way and `loaded` will be called. */
  ready(chunk: Chunk): boolean {
    if (chunk === this.#hot && chunk.bytes !== null) return true;
    if (chunk !== this.#hot) {
      this.#hotBefore = this.#hot;
      this.#hot = chunk;
      if (chunk.bytes === null) this.#load(chunk);
      this.#readAhead(chunk);
    } else this.#load(chunk);
    return chunk.bytes !== null;
  }

  #readAhead(chunk: Chunk): void {
    const ahead = this.chunks.find(chunk.end);
    this.#ahead = ahead;
    if (ahead !== null && ahead.bytes === null && ahead.live > 0) this.#load(ahead);
  }

  #load(chunk: Chunk): void {
    if (chunk.loading) return;
    const bytes = this.#source.read(chunk);
    if (bytes instanceof Uint8Array) {
      chunk.bytes = bytes;
      this.#took(chunk, bytes.length);
      return;
    }
    chunk.loading = true;
    void bytes.then(
      (read) => this.#arrived(chunk, read),
      (error: unknown) => this.#failed(chunk, error),
    );
  }

  #failed(chunk: Chunk, error: unknown): void {
    // The log of a removed queue is gone.
    if (this.#gone) return;
    chunk.loading = false;
    // All of it was settled meanwhile, and its log may have dropped it.
    if (chunk.live === 0) {
      this.#loaded(null);
      return;
    }
    if (!(error instanceof BrokerError) || error.code !== 'unreadable') throw error;
    // Nobody waits yet for what was read ahead; it is tried again when somebody does.
    if (chunk !== this.#ahead || chunk === this.#hot) this.#loaded(error);
  }

  #arrived(chunk: Chunk, bytes: Uint8Array): void {
    chunk.loading = false;
    if (this.#gone) return;
    if (chunk.live > 0) {
      chunk.bytes = bytes;
      this.#took(chunk, bytes.length);
    }
    this.#loaded(null);
  }

  #took(chunk: Chunk, bytes: number): void {
    chunk.budgetBytes += bytes;
    this.#services.memory.took(bytes);
  }

  #gave(chunk: Chunk): void {
    this.#services.memory.gave(chunk.budgetBytes);
    chunk.budgetBytes = 0;
  }

  /** From the end of the line, which is needed last. */
  shed(bytes: number): number {
    const chunks = this.chunks;
    let shed = 0;
    this.#source.dropIdle();
    for (let i = chunks.length - 1; i >= 0 && shed < bytes; i--) {
      const chunk = chunks.at(i)!;
      if (chunk.bytes === null || !chunk.sealed) continue;
      if (chunk === this.#hot || chunk === this.#hotBefore || chunk === this.#ahead) continue;
      if (this.#source.canDrop(chunk, this.#writtenGeneration)) {
        shed += chunk.budgetBytes;
        chunk.bytes = null;
        this.#gave(chunk);
      } else if (!this.#awaitsWrite) {
        this.#awaitsWrite = true;
        this.#services.commit.wait(this);
      }
    }
    return shed;
  }

  /** Bytes that were on their way to the disk have arrived: now they can go. */
  committed(generation: number): void {
    this.#awaitsWrite = false;
    this.#writtenGeneration = generation;
    if (!this.#gone && this.#services.memory.tight) this.#services.memory.relieve();
  }

  /** Tells `page` all settled ranges and delivery counts from the front chunk on. */
  describe(page: QueueAcks): void {
    for (let i = 0; i < this.chunks.length; i++) {
      const chunk = this.chunks.at(i)!;
      if (chunk.live === 0) {
        if (chunk.count > 0) page.settledRange(chunk.base, chunk.end);
        continue;
      }
      for (let index = 0; index < chunk.count; index++) {
        const offset = chunk.base + index;
        if (chunk.state(index) === State.Settled) page.settled(offset);
        else if (chunk.deliveryCount(index) > 0) {
          page.returned(offset, this.deliveryCount(chunk, index));
        }
      }
    }
  }

  /** The queue is gone. */
  close(): void {
    this.#gone = true;
    for (let i = 0; i < this.chunks.length; i++) this.#gave(this.chunks.at(i)!);
    this.chunks.clear();
    this.#counts.clear();
    this.readyCount = this.readyBytes = this.leasedCount = this.expiringCount = 0;
    this.#services.memory.leave(this);
  }
}
