/**
 * Queue: acknowledgements over a log. Skeleton of the contract; being filled in.
 */
import { InvariantError } from './errors.ts';
import type { Flusher, Log } from './log.ts';
import type { DeathReason, Destination, Message, Outcome } from './message.ts';
import type { QueueOptions } from './queue-options.ts';
import type { QueueHome, SharedSource } from './queue-services.ts';
import { Subscription } from './subscription.ts';
import type { SubscribeOptions } from './subscription.ts';

/** A message handed out, to be settled by its offset. */
export interface Lease {
  offset: number;
  /** How often it was handed out before; 0 = not redelivered. */
  deliveryCount: number;
}

function later(): never {
  throw new InvariantError('the queue is a skeleton still');
}

export class Queue implements Destination, Flusher {
  readonly name: string;
  readonly namespace: QueueHome;
  readonly options: QueueOptions;
  readonly id: number;
  /** Its own log (durable), the log it spills to (not durable), or the topic's. */
  readonly log: Log;

  /** `log`: its own, new or recovered, or an ephemeral one, which is appended to only when memory
   * is short. With options.source: the partition's log, and `source` the partition. */
  constructor(
    namespace: QueueHome,
    name: string,
    id: number,
    options: QueueOptions,
    log: Log,
    source: SharedSource | null = null,
  ) {
    this.namespace = namespace;
    this.name = name;
    this.id = id;
    this.options = options;
    this.log = log;
    if (source !== null) later();
  }

  get readyCount(): number {
    return 0;
  }

  /** Of message bodies. */
  get readyBytes(): number {
    return 0;
  }

  get unackedCount(): number {
    return 0;
  }

  get consumerCount(): number {
    return 0;
  }

  /** Routed, plus AwaitCommit when the message and the queue are durable, or Refused. */
  publish(_message: Message): Outcome {
    return later();
  }

  /** Throws BrokerError 'locked' (another connection's exclusive queue) or 'in-use' (exclusive
   * consumer). */
  subscribe(options: SubscribeOptions): Subscription {
    const subscription = new Subscription(this, options);
    return subscription;
  }

  unsubscribe(_subscription: Subscription): void {
    later();
  }

  /** Leases the next message and points `into` at it, or null when none is ready. A promise when
   * its bytes must be read back first. Settle at once with accept() for no-ack. */
  get(_into: Message, _owner: object): Lease | null | Promise<Lease | null> {
    return later();
  }

  /** Settles one lease. Credits are given back by whoever settles: subscription.give(n), then
   * queue.pump(). */
  accept(_offset: number): void {
    later();
  }

  /** Settles all leases in [from, to]; all must be leased. */
  acceptRange(_from: number, _to: number): void {
    later();
  }

  /** Requeues to where they were. `counted` raises the delivery count, to which the delivery limit
   * applies. */
  release(_offsets: readonly number[], _counted: boolean): void {
    later();
  }

  /** Dead-letters, or drops when there is no dead-letter exchange. */
  reject(_offset: number, _reason: DeathReason): void {
    later();
  }

  /** Drops all ready messages; returns how many. */
  purge(): number {
    return later();
  }

  /** Somebody got credit or became writable. */
  pump(): void {
    later();
  }

  /** Resets the clock of expiresMs: it was declared again. */
  touch(): void {
    later();
  }

  /** Commit only: closes the open batch and gives it to the log. */
  flush(): void {
    later();
  }

  /** After a restart, before anything else: rebuilds what is ready from log and journal. */
  recover(): Promise<void> {
    return later();
  }

  /** Namespace only: ends all subscriptions, drops everything, forgets it in the journal. Returns
   * how many messages were dropped. */
  remove(): number {
    return later();
  }
}
