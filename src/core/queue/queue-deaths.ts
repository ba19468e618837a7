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
import { DeathReason, Message } from '../message/message.ts';
import type { Queue } from './queue.ts';
import type { QueueServices } from './queue-services.ts';

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

  /** Ends a message that is Ready or Leased. False, and nothing done, when its bytes must be read
   * back first. */
  die(chunk: Chunk, index: number, reason: DeathReason): boolean {
    const store = this.#store;
    if (this.#rule === null) {
      this.#counted(reason);
      store.settle(chunk, index);
      return true;
    }
    if (!store.ready(chunk)) return false;
    this.#counted(reason);
    const message = new Message();
    store.view(chunk, index, message);
    // Hidden first: the publish may come back to this very queue.
    store.hide(chunk, index);
    this.#send(message, reason, this.#rule);
    if (store.acks === null) store.settle(chunk, index);
    else this.#settleWhenCommitted(chunk.base + index);
    return true;
  }

  /** A message that was not taken in goes on as dead. `message` stays as it is. */
  sendOn(message: Message, reason: DeathReason): void {
    if (this.#rule !== null) this.#send(Object.assign(new Message(), message), reason, this.#rule);
  }

  /** Publishes `message` as dead. Changes it. */
  #send(message: Message, reason: DeathReason, rule: DeadLetterRule): void {
    const { ports, envelopes, metrics } = this.#services;
    const keys = readdressDead(message, rule, reason, ports.clock.now(), envelopes);
    if (keys === null) {
      ports.log.warn('a message died in too many places and is dropped', { queue: rule.queue });
      return;
    }
    metrics.deadLettered++;
    this.#queue.namespace.deadLetter(this.#queue, message, rule.exchange, keys);
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
