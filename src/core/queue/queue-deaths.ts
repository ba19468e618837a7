/**
 * QueueDeaths: how messages leave a queue without having been accepted.
 *
 * Without a dead-letter exchange a message is settled and gone. With one it is published again
 * (dead-letter.ts) and, in a durable queue, settled only when that publish is committed: a crash in
 * between may leave it in both places, never in none. Until then it is hidden.
 */
import type { Chunk } from './chunk.ts';
import type { ChunkStore } from './chunk-store.ts';
import type { DeadLetterRule } from './dead-letter.ts';
import { readdressDead } from './dead-letter.ts';
import type { CommitWaiter } from '../log.ts';
import { DeathReason, Message, Outcome } from '../message/message.ts';
import type { Queue } from './queue.ts';
import type { QueueServices } from './queue-services.ts';

/** What became of a message that was to die. */
export const Fate = {
  Died: 0,
  /** Nothing yet: its bytes must be read first. */
  Unread: 1,
  /** Nobody wanted its dead letter, and it may not be lost. */
  Stays: 2,
} as const;
export type Fate = (typeof Fate)[keyof typeof Fate];

export class QueueDeaths {
  readonly #queue: Queue;
  readonly #store: ChunkStore;
  readonly #services: QueueServices;
  #rule: DeadLetterRule | null = null;
  #dying: Dying | null = null;

  constructor(queue: Queue, store: ChunkStore) {
    this.#queue = queue;
    this.#store = store;
    this.#services = queue.namespace.broker;
    this.altered();
  }

  /** The queue's options have changed. */
  altered(): void {
    const { deadLetterExchange: exchange, deadLetterRoutingKey: routingKey } = this.#queue.options;
    this.#rule = exchange === null ? null : { queue: this.#queue.name, exchange, routingKey };
  }

  /**
   * Ends a message that is Ready or Leased. With `mustArrive` only if somebody takes its dead letter;
   * without a dead-letter exchange there is none to take.
   */
  die(chunk: Chunk, index: number, reason: DeathReason, mustArrive = false): Fate {
    const store = this.#store;
    if (this.#rule === null) {
      this.#counted(reason);
      store.settle(chunk, index);
      return Fate.Died;
    }
    if (!store.ready(chunk)) return Fate.Unread;
    const message = new Message();
    store.view(chunk, index, message);
    const deliveries = store.deliveryCount(chunk, index);
    if (!this.#keepsItsAge(mustArrive)) message.arrive(this.#services.ports.clock.now());
    // Hidden first: the publish may come back to this very queue.
    store.hide(chunk, index);
    if (!this.#send(message, reason, this.#rule, deliveries) && mustArrive) {
      store.restore(chunk, index);
      return Fate.Stays;
    }
    this.#counted(reason);
    if (store.acks === null) store.settle(chunk, index);
    else this.#settleWhenCommitted(chunk.base + index);
    return Fate.Died;
  }

  /** What was received too often is in its next queue as old as it was, so that it does not stay
   * for twice the time; not so where order is kept, nor what has the times of a topic. */
  #keepsItsAge(wasReceivedTooOften: boolean): boolean {
    const { grouping, source } = this.#queue.options;
    return wasReceivedTooOften && grouping !== 'fifo' && source === null;
  }

  /** A message that was not taken in goes on as dead. `message` stays as it is. */
  sendOn(message: Message, reason: DeathReason): void {
    const rule = this.#rule;
    if (rule !== null) this.#send(Object.assign(new Message(), message), reason, rule, 0);
  }

  /** Publishes `message` as dead. Changes it. False when nobody took it. */
  #send(message: Message, reason: DeathReason, rule: DeadLetterRule, deliveries: number): boolean {
    const { ports, envelopes, metrics } = this.#services;
    const death = { reason, timeMs: ports.clock.now(), deliveries };
    const keys = readdressDead(message, rule, death, envelopes);
    if (keys === null) {
      ports.log.warn('a message died in too many places and is dropped', { queue: rule.queue });
      return false;
    }
    const { exchange } = rule;
    const outcome = this.#queue.namespace.deadLetter(this.#queue, message, exchange, keys);
    metrics.deadLettered++;
    return (outcome & Outcome.Routed) !== 0;
  }

  #counted(reason: DeathReason): void {
    if (reason === DeathReason.Expired) this.#services.metrics.expired++;
    else if (reason === DeathReason.MaxLength) this.#services.metrics.overflowed++;
  }

  #settleWhenCommitted(offset: number): void {
    const { commit } = this.#services;
    if (this.#dying === null || this.#dying.generation !== commit.generation) {
      this.#dying = new Dying(this.#store, commit.generation);
      commit.wait(this.#dying);
    }
    this.#dying.offsets.push(offset);
  }
}

/** Messages whose dead letters are in one generation of the commit. */
class Dying implements CommitWaiter {
  readonly generation: number;
  readonly offsets: number[] = [];
  readonly #store: ChunkStore;

  constructor(store: ChunkStore, generation: number) {
    this.#store = store;
    this.generation = generation;
  }

  committed(): void {
    for (const offset of this.offsets) {
      const chunk = this.#store.chunks.find(offset);
      // The queue may be gone by now.
      if (chunk !== null) this.#store.settle(chunk, offset - chunk.base);
    }
  }
}
