/**
 * Subscription: one consumer of one queue, as the queue sees it.
 *
 * A protocol implements Subscriber once per channel or connection and gets messages pushed while
 * all of the subscription's credits are available and it is not paused. A lease outlives its
 * subscription: cancelling gives nothing back, the protocol still accepts or releases what it holds.
 */
import type { BrokerError } from '../errors.ts';
import type { Credit } from './credit.ts';
import type { Message } from '../message/message.ts';
import type { Queue } from './queue.ts';

export interface Subscriber {
  /**
   * Encode it now; `message` is valid during the call only, though its bytes may be kept by
   * reference when they are COPY_BYTES_MAX or longer (they never change). `offset` identifies the
   * lease for accept, release and reject. `deliveryCount` is how often it was handed out before,
   * 0 = not redelivered. Must not call back into the queue, except to set `paused`.
   */
  deliver(
    message: Message,
    offset: number,
    deliveryCount: number,
    subscription: Subscription,
  ): void;
  /** The queue is gone, or with a `failure` ('unreadable'), its next message cannot be read. Not
   * called for an own cancel(). */
  cancelled(subscription: Subscription, failure: BrokerError | null): void;
}

export interface SubscribeOptions {
  subscriber: Subscriber;
  /** All must be available for a delivery. Never taken from when `noAck`. */
  credits: Credit[];
  /** Delivery settles. */
  noAck: boolean;
  /** No other subscription beside this one. */
  exclusive: boolean;
  /** Higher is served first; equal ones take turns. */
  priority: number;
  /** Who asks: compared with the queue's `exclusiveTo`. */
  owner: object;
  tag: string;
}

export class Subscription {
  readonly queue: Queue;
  readonly subscriber: Subscriber;
  readonly credits: readonly Credit[];
  readonly tag: string;
  readonly noAck: boolean;
  readonly exclusive: boolean;
  readonly priority: number;
  readonly owner: object;
  /** Set by the protocol while its output is not writable; then set false and queue.pump(). */
  paused = false;
  /** False for those that wait in line of a single active consumer's queue. */
  active = true;
  #ended = false;

  constructor(queue: Queue, options: SubscribeOptions) {
    this.queue = queue;
    this.subscriber = options.subscriber;
    this.credits = options.credits;
    this.tag = options.tag;
    this.noAck = options.noAck;
    this.exclusive = options.exclusive;
    this.priority = options.priority;
    this.owner = options.owner;
  }

  /** Can be handed a message now. */
  get available(): boolean {
    if (this.paused || !this.active) return false;
    const credits = this.credits;
    for (let i = 0; i < credits.length; i++) if (!credits[i]!.available) return false;
    return true;
  }

  /** Takes one from every credit. */
  take(): void {
    const credits = this.credits;
    for (let i = 0; i < credits.length; i++) credits[i]!.take();
  }

  /** Gives back to every credit what settled leases had taken. The protocol calls it when it
   * settles, then `queue.pump()`. */
  give(count: number): void {
    if (this.noAck) return;
    const credits = this.credits;
    for (let i = 0; i < credits.length; i++) credits[i]!.give(count);
  }

  get ended(): boolean {
    return this.#ended;
  }

  /** Ends it without telling the subscriber. Idempotent. */
  cancel(): void {
    if (this.#ended) return;
    this.#ended = true;
    this.queue.unsubscribe(this);
  }

  /** The queue ends it and tells the subscriber. */
  endedByQueue(failure: BrokerError | null): void {
    if (this.#ended) return;
    this.#ended = true;
    this.subscriber.cancelled(this, failure);
  }
}
