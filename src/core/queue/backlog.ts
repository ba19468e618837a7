/**
 * Backlog: the messages of one queue in line: what comes in, which one is next, what expires, what
 * is too much, what comes back, what dies. Knows no consumers; Queue asks it for the next message
 * and tells it what became of it.
 *
 * Expiry and overflow act on the head of the line only, as RabbitMQ's classic queues do. Many that
 * die at once die in portions, so that others get their turn.
 */
import { State } from './chunk.ts';
import type { Chunk } from './chunk.ts';
import type { ChunkStore } from './chunk-store.ts';
import { DueOffsets } from './due-offsets.ts';
import { encodeDeaths } from '../message/death-codec.ts';
import { DeathReason } from '../message/message.ts';
import type { Message } from '../message/message.ts';
import { groupHash } from '../message/group-hash.ts';
import { GroupedReady } from './grouped-ready.ts';
import type { Intake } from './intake.ts';
import type { Queue } from './queue.ts';
import { Fate } from './queue-deaths.ts';
import type { QueueDeaths } from './queue-deaths.ts';
import type { QueueLog } from './queue-log.ts';
import type { QueueOptions } from './queue-options.ts';
import type { QueueServices } from './queue-services.ts';
import { FifoReady, PriorityReady } from './ready-set.ts';
import type { ReadySet } from './ready-set.ts';
import { Retention } from './retention.ts';
import type { Timer } from '../schedule.ts';

/** What a return does to the delivery count: nothing, raises it, or it was raised before. */
export const Counting = { Not: 0, Now: 1, Done: 2 } as const;
export type Counting = (typeof Counting)[keyof typeof Counting];

/** Most messages that die in one go. */
const DEATHS_PER_TURN = 500;

export class Backlog {
  readonly store: ChunkStore;
  readonly content: QueueLog;
  readonly #options: QueueOptions;
  readonly #services: QueueServices;
  readonly #deaths: QueueDeaths;
  readonly #wake: () => void;
  readonly #ready: ReadySet;
  /** The same, in a queue with groups. */
  readonly #groups: GroupedReady | null;
  #wakesSoon = false;
  /** Messages that are not to be seen before their time. */
  #delayed: DueOffsets | null = null;
  /** Hidden messages that die as soon as their bytes are there. */
  #condemned: { offset: number; reason: DeathReason }[] = [];
  #expiryTimer: Timer | null = null;
  /** null = messages stay, however old. */
  #retention: Retention | null = null;
  #limitsReceives = false;
  #closed = false;

  /** `wake`: there may be something to hand out. */
  constructor(queue: Queue, content: QueueLog, deaths: QueueDeaths, wake: () => void) {
    this.content = content;
    this.store = content.store;
    this.#options = queue.options;
    this.#services = queue.namespace.broker;
    this.#deaths = deaths;
    this.#wake = wake;
    const { chunks } = this.store;
    const { priorityMax } = queue.options;
    this.#groups = this.#groupedReady(queue.options.grouping);
    if (this.#groups !== null) this.#ready = this.#groups;
    else if (priorityMax !== null) this.#ready = new PriorityReady(chunks, priorityMax);
    else this.#ready = new FifoReady(chunks, content.tail);
    this.altered();
  }

  #groupedReady(grouping: 'fifo' | 'fair' | null): GroupedReady | null {
    if (grouping === null) return null;
    return new GroupedReady(
      this.store,
      this.content.tail,
      grouping,
      (offset) => this.#delayed !== null && this.#delayed.has(offset),
      () => this.#wakeSoon(),
    );
  }

  /** At the end of this turn, once for all that has changed until then. */
  #wakeSoon(): void {
    if (this.#wakesSoon) return;
    this.#wakesSoon = true;
    this.#services.ports.defer(() => {
      this.#wakesSoon = false;
      this.#wake();
    });
  }

  /** The queue's options have changed. */
  altered(): void {
    this.#limitsReceives = this.#options.receivesMax !== null;
    this.#retention?.end();
    this.#retention = null;
    if (this.#options.retentionMs === null) return;
    const drop = (offset: number): boolean => this.#dropOld(offset);
    this.#retention = new Retention(this.#options.retentionMs, this.#services, this.store, drop);
    this.#retention.sweep();
  }

  /** A ready message may have to wait for others of its group. */
  get hasGroups(): boolean {
    return this.#groups !== null;
  }

  /** Several messages of a group may be taken until endCall. */
  beginCall(): void {
    if (this.#groups !== null) this.#groups.beginCall();
  }

  endCall(): void {
    if (this.#groups !== null) this.#groups.endCall();
  }

  get delayedCount(): number {
    return this.#delayed === null ? 0 : this.#delayed.size;
  }

  /** There are ready messages, and the next one's bytes must be read first. */
  get isLoading(): boolean {
    if (this.readyCount === 0) return false;
    const offset = this.#ready.peek();
    if (offset >= 0) return this.store.chunks.find(offset)!.bytes === null;
    return this.content.unread > 0 || this.#groups?.isSearching === true;
  }

  get readyCount(): number {
    return this.store.readyCount + this.content.unread;
  }

  /** Messages here expire or are dropped when there are too many. */
  get isBounded(): boolean {
    const { lengthMax, bytesMax } = this.#options;
    return lengthMax !== null || bytesMax !== null || this.store.expiringCount > 0;
  }

  /** Stores `message` at the end of the line; it is the last of the returned chunk. */
  add(message: Message, expiresAtMs: number): Chunk {
    const { priorityMax } = this.#options;
    const priority = priorityMax === null ? 0 : Math.min(message.priority, priorityMax);
    const deathsBytes = message.deaths === null ? null : encodeDeaths(message.deaths);
    const chunk = this.content.append(message, expiresAtMs, priority, deathsBytes);
    const offset = chunk.end - 1;
    if (this.#retention !== null) this.#retention.added(message.arrivedMs || message.timestampMs);
    if (this.#groups !== null) chunk.setGroup(chunk.count - 1, groupHash(message));
    if (message.deliverAtMs !== 0) this.#delay(chunk, offset, message.deliverAtMs);
    else this.#ready.added(offset, priority);
    return chunk;
  }

  /** When `message` is to expire: the earlier of its own time and the queue's. */
  expiresAtMs(message: Message): number {
    const { ttlMs } = this.#options;
    const own = message.expiresAtMs;
    if (ttlMs === null) return own;
    const expiresAtMs = this.#nowMs() + ttlMs;
    return own === 0 ? expiresAtMs : Math.min(own, expiresAtMs);
  }

  #nowMs(): number {
    return this.#services.ports.clock.now();
  }

  #delay(chunk: Chunk, offset: number, deliverAtMs: number): void {
    const index = offset - chunk.base;
    if (deliverAtMs <= this.#nowMs()) {
      this.#ready.added(offset, chunk.priority(index));
      return;
    }
    this.store.hide(chunk, index);
    this.#hideUntil(offset, deliverAtMs);
  }

  #hideUntil(offset: number, timeMs: number): void {
    const { schedule, ports } = this.#services;
    this.#delayed ??= new DueOffsets(schedule, ports, (offsets) => this.#delayOver(offsets));
    this.#delayed.set(offset, timeMs);
  }

  /** Everything that is hidden until its time has to wait longer, or less long. */
  shiftDelays(byMs: number): void {
    this.#delayed?.shift(byMs);
  }

  #delayOver(offsets: readonly number[]): void {
    for (const offset of offsets) {
      const chunk = this.store.chunks.find(offset);
      if (chunk === null || chunk.state(offset - chunk.base) !== State.Hidden) continue;
      this.restore(chunk, offset - chunk.base);
    }
    this.#wake();
  }

  /** One more message like this would be too much. */
  wouldOverflow(message: Message): boolean {
    const { lengthMax, bytesMax } = this.#options;
    return (
      (lengthMax !== null && this.readyCount + 1 > lengthMax) ||
      (bytesMax !== null && this.store.readyBytes + message.bodyBytes > bytesMax)
    );
  }

  /**
   * The message to hand out next, which stays in line, or -1. What has expired and what is too much
   * goes first; when that must wait for bytes or takes too long, there is none until `wake`.
   * `isWanted`: somebody would receive it, which is too much for one that was received too often.
   */
  next(isWanted: boolean): number {
    const isChecked = this.#retention !== null || (isWanted && this.#limitsReceives);
    if ((isChecked || this.isBounded) && !this.#cutHead(isWanted)) return -1;
    return this.#peek();
  }

  #peek(): number {
    let offset = this.#ready.peek();
    while (offset < 0 && this.content.unread > 0 && this.content.readMore()) {
      offset = this.#ready.peek();
    }
    if (offset < 0 && this.#groups !== null && this.#groups.isSearching) this.#wakeSoon();
    return offset;
  }

  /** Ends what must not stay at the head of the line. False when it could not finish. */
  #cutHead(isWanted: boolean): boolean {
    const nowMs = this.store.expiringCount > 0 ? this.#nowMs() : 0;
    for (let deaths = 0; ; deaths++) {
      const offset = this.#peek();
      if (offset < 0) return true;
      const chunk = this.store.chunks.find(offset)!;
      const index = offset - chunk.base;
      if (this.#retention !== null) {
        if (!this.store.ready(chunk)) return false;
        if (this.#retention.isOver(chunk, index) && this.#dropOld(offset)) continue;
      }
      const reason = this.#endOf(chunk, index, nowMs, isWanted);
      if (reason === null) return true;
      if (deaths === DEATHS_PER_TURN) {
        this.#services.ports.defer(this.#wake);
        return false;
      }
      const group = chunk.group(index);
      const mustArrive = reason === DeathReason.DeliveryLimit;
      const fate = this.#deaths.die(chunk, index, reason, mustArrive);
      if (fate === Fate.Unread) return false;
      if (fate === Fate.Stays) return true;
      this.#groups?.left(group);
    }
  }

  /** Why the head of the line must not stay; null when it may. */
  #endOf(chunk: Chunk, index: number, nowMs: number, isWanted: boolean): DeathReason | null {
    const receivesMax = isWanted ? this.#options.receivesMax : null;
    const expiresAtMs = chunk.expiresAtMs(index);
    if (expiresAtMs !== 0 && expiresAtMs <= nowMs) return DeathReason.Expired;
    if (this.#overflows()) return DeathReason.MaxLength;
    return receivesMax !== null && this.store.deliveryCount(chunk, index) >= receivesMax
      ? DeathReason.DeliveryLimit
      : null;
  }

  #overflows(): boolean {
    const { lengthMax, bytesMax, overflow } = this.#options;
    if (overflow !== 'drop-head') return false;
    return (
      (lengthMax !== null && this.readyCount > lengthMax) ||
      (bytesMax !== null && this.store.readyBytes > bytesMax)
    );
  }

  /** Takes what `next` returned, or what was just added, out of the line. */
  take(offset: number): void {
    this.#ready.take(offset);
  }

  /** Sets the timer for the head of the line, when that expires. */
  armTimers(): void {
    if (this.store.expiringCount === 0 || this.#closed) return;
    const offset = this.#ready.peek();
    if (offset < 0) return;
    const chunk = this.store.chunks.find(offset)!;
    const expiresAtMs = chunk.expiresAtMs(offset - chunk.base);
    // While its bytes are on their way it is their arrival that wakes us.
    if (expiresAtMs === 0 || chunk.loading) return;
    const timer = this.#expiryTimer;
    if (timer !== null) {
      if (timer.timeMs <= expiresAtMs) return;
      this.#services.schedule.cancel(timer);
    }
    this.#expiryTimer = this.#services.schedule.at(expiresAtMs, () => {
      this.#expiryTimer = null;
      this.#wake();
    });
  }

  /** Earlier deliveries; 0 = not redelivered. */
  deliveriesBefore(chunk: Chunk, index: number): number {
    const count = this.store.deliveryCount(chunk, index);
    return count > 0 || !chunk.redelivered(index) ? count : 1;
  }

  /** The chunk of a leased message; null when it is not leased (any more). */
  leased(offset: number): Chunk | null {
    const chunk = this.store.chunks.find(offset);
    if (chunk === null || chunk.live === 0) return null;
    return chunk.state(offset - chunk.base) === State.Leased ? chunk : null;
  }

  /** Leased → Ready, or dead when that has happened too often, or hidden for `delayMs`. */
  release(chunk: Chunk, index: number, counting: Counting, delayMs = 0): void {
    chunk.setRedelivered(index);
    const count = counting === Counting.Now ? this.count(chunk, index) : 0;
    const { deliveryLimit } = this.#options;
    if (
      deliveryLimit !== null &&
      counting !== Counting.Not &&
      (count === 0 ? this.store.deliveryCount(chunk, index) : count) > deliveryLimit
    ) {
      this.condemn(chunk, index, DeathReason.DeliveryLimit);
    } else if (delayMs > 0) {
      this.store.hide(chunk, index);
      this.#hideUntil(chunk.base + index, this.#nowMs() + delayMs);
      this.#groups?.hidden(chunk.base + index, chunk.group(index));
      this.#groups?.freed(chunk.group(index));
    } else this.restore(chunk, index);
  }

  /** One more delivery of a leased message; returns how many there were. */
  count(chunk: Chunk, index: number): number {
    const count = this.store.deliveryCount(chunk, index) + 1;
    this.store.setDeliveryCount(chunk, index, count);
    const { deliveryLimit, receivesMax, kind } = this.#options;
    // Other queues count for as long as they live.
    if (deliveryLimit !== null || receivesMax !== null || kind === 'quorum') {
      this.store.acks?.returned(chunk.base + index, count);
    }
    return count;
  }

  /** The chunk of a message that is Ready, Leased or Hidden until its time; null when it is gone.
   * What is dying is gone: it is settled when its dead letter is safe. */
  held(offset: number): Chunk | null {
    const chunk = this.store.chunks.find(offset);
    if (chunk === null || chunk.live === 0) return null;
    const state = chunk.state(offset - chunk.base);
    if (state === State.Settled) return null;
    return state === State.Hidden && this.#delayed?.has(offset) !== true ? null : chunk;
  }

  /** False when somebody has it. */
  #dropOld(offset: number): boolean {
    const chunk = this.held(offset);
    if (chunk === null || chunk.state(offset - chunk.base) === State.Leased) return false;
    this.#services.metrics.expired++;
    return this.discard(offset);
  }

  /** False when it is gone. */
  discard(offset: number): boolean {
    const chunk = this.held(offset);
    if (chunk === null) return false;
    const index = offset - chunk.base;
    this.#delayed?.delete(offset);
    this.settle(chunk, index, chunk.state(index) === State.Leased);
    return true;
  }

  /** Any state → Settled; `wasOut`: it was leased, or taken out of the line. */
  settle(chunk: Chunk, index: number, wasOut: boolean): void {
    if (this.#groups === null) {
      this.store.settle(chunk, index);
      return;
    }
    const group = chunk.group(index);
    this.store.settle(chunk, index);
    if (wasOut) this.#groups.freed(group);
    else this.#groups.left(group);
  }

  /** Leased or Hidden → Ready, in its old place. */
  restore(chunk: Chunk, index: number): void {
    const wasLeased = chunk.state(index) === State.Leased;
    this.store.restore(chunk, index);
    this.#ready.returned(chunk.base + index, chunk.priority(index));
    if (this.#retention !== null) this.#retention.returned(chunk.base + index);
    if (wasLeased && this.#groups !== null) this.#groups.freed(chunk.group(index));
  }

  /** Leased → dead, now or when its bytes are there. */
  condemn(chunk: Chunk, index: number, reason: DeathReason): void {
    const wasLeased = chunk.state(index) === State.Leased;
    const group = chunk.group(index);
    if (this.#deaths.die(chunk, index, reason) === Fate.Unread) {
      this.store.hide(chunk, index);
      this.#condemned.push({ offset: chunk.base + index, reason });
    }
    if (wasLeased) this.#groups?.freed(group);
  }

  /** Bytes have arrived: who waits for them to die may now. */
  endCondemned(): void {
    const condemned = this.#condemned;
    this.#condemned = [];
    for (const { offset, reason } of condemned) {
      const chunk = this.store.chunks.find(offset);
      if (chunk !== null) this.condemn(chunk, offset - chunk.base, reason);
    }
  }

  #allChunks(): Chunk[] {
    const chunks: Chunk[] = [];
    for (let i = 0; i < this.store.chunks.length; i++) chunks.push(this.store.chunks.at(i)!);
    return chunks;
  }

  /** Drops all that is held, in whatever state; returns how many. */
  clear(): number {
    let count = this.purge();
    for (const chunk of this.#allChunks()) {
      for (let index = 0; chunk.live > 0 && index < chunk.count; index++) {
        if (this.discard(chunk.base + index)) count++;
      }
    }
    return count;
  }

  /** Drops all ready messages; returns how many. */
  purge(): number {
    const count = this.readyCount;
    for (const chunk of this.#allChunks()) {
      for (let index = 0; chunk.live > 0 && index < chunk.count; index++) {
        if (chunk.state(index) === State.Ready) this.store.settle(chunk, index);
      }
    }
    this.content.skipUnread();
    this.#ready.clear(this.content.tail);
    return count;
  }

  /** Rebuilds everything from log and journal; `intake` hears of every message. */
  async recover(queueId: number, intake: Intake): Promise<void> {
    const acks = this.#services.acks.take(queueId);
    const found: { offset: number; deliverAtMs: number }[] = [];
    const settled = (offset: number, message: Message): void => intake.recovered(message, offset);
    const unsettled = (chunk: Chunk, index: number, message: Message): void => {
      const offset = chunk.base + index;
      const { deliverAtMs } = message;
      intake.recovered(message, offset);
      if (this.#groups !== null) chunk.setGroup(index, groupHash(message));
      if (deliverAtMs > 0) found.push({ offset, deliverAtMs });
      else if (this.#options.priorityMax !== null) {
        this.#ready.added(offset, chunk.priority(index));
      }
    };
    const visitor = { unsettled, settled: intake.remembers ? settled : null };
    await this.content.recover(acks, visitor);
    this.#ready.begin(this.content.head);
    for (const { offset, deliverAtMs } of found) {
      this.#delay(this.store.chunks.find(offset)!, offset, deliverAtMs);
    }
    this.armTimers();
    this.#retention?.sweep();
  }

  close(): void {
    this.#closed = true;
    this.#retention?.end();
    this.#delayed?.clear();
    this.#condemned = [];
    if (this.#expiryTimer !== null) this.#services.schedule.cancel(this.#expiryTimer);
    this.content.close();
  }
}
