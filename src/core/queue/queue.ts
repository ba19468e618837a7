/**
 * Queue: acknowledgements over a log. Every message is handed to one consumer, who settles it:
 * accepted (gone), released (back to its place), rejected (dead-lettered or gone).
 *
 * The log under it is its own or a topic's (queue-log.ts), the messages in line are a Backlog.
 * Dispatch pushes them to consumers, Pulls gives them to who asks. Intake knows what is asked of a
 * message before it is taken in, QueueDeaths what becomes of those that nobody accepts.
 */
import { Backlog, Counting } from './backlog.ts';
import type { Chunk } from './chunk.ts';
import { isCycle } from './dead-letter.ts';
import { Dispatch } from './dispatch.ts';
import { BrokerError, invariant } from '../errors.ts';
import type { Feed, FeedSource } from '../routing/feed.ts';
import { Intake } from './intake.ts';
import { Sync } from '../log.ts';
import type { Log } from '../log.ts';
import { DeathReason, Outcome } from '../message/message.ts';
import type { Destination, Message } from '../message/message.ts';
import { OwnLog } from './own-log.ts';
import type { PullWaiter } from './pull-waiters.ts';
import { Pulls } from './pulls.ts';
import type { Lease } from './pulls.ts';
import type { AckHolder, QueueAcks } from './queue-acks.ts';
import { QueueDeaths } from './queue-deaths.ts';
import type { QueueLog } from './queue-log.ts';
import { checkMutable, checkOptions, LEASE_MS_DEFAULT } from './queue-options.ts';
import type { MutableQueueOptions, QueueOptions } from './queue-options.ts';
import type { QueueHome, QueueServices, SharedSource } from './queue-services.ts';
import { SharedLog } from './shared-log.ts';
import { Subscription } from './subscription.ts';
import type { SubscribeOptions } from './subscription.ts';
import { UnusedTimer } from './unused-timer.ts';

export type { Lease } from './pulls.ts';
export type { PullWaiter } from './pull-waiters.ts';

export class Queue implements Destination, AckHolder, FeedSource {
  readonly name: string;
  readonly namespace: QueueHome;
  readonly options: QueueOptions;
  readonly id: number;
  feed: Feed | null = null;
  readonly #services: QueueServices;
  readonly #content: QueueLog;
  readonly #backlog: Backlog;
  readonly #deaths: QueueDeaths;
  readonly #dispatch: Dispatch;
  readonly #unused: UnusedTimer | null;
  readonly #pulls: Pulls;
  readonly #intake: Intake;
  #removed = false;

  /**
   * `log`: its own, new or recovered, or an ephemeral one, which is appended to only when memory is
   * short. With `source` (options.source): the partition whose log it is, and where a new queue
   * begins to read it; one that recovers goes on where the journal says.
   */
  constructor(
    namespace: QueueHome,
    name: string,
    id: number,
    options: QueueOptions,
    log: Log,
    source: { partition: SharedSource; startOffset: number } | null = null,
  ) {
    this.namespace = namespace;
    this.name = name;
    this.id = id;
    this.options = options;
    const services = namespace.broker;
    this.#services = services;
    const loaded = (failure: BrokerError | null): void =>
      failure === null ? this.#loaded() : this.#failed(failure);
    this.#content =
      source === null
        ? new OwnLog(services, log, options, loaded)
        : new SharedLog(services, source.partition, source.startOffset, loaded);
    checkOptions(options);
    this.#deaths = new QueueDeaths(this, this.#content.store);
    this.#backlog = new Backlog(this, this.#content, this.#deaths, () => this.#dispatch.run());
    this.#pulls = new Pulls(this.#backlog, services, (offsets) => this.#leasesEnded(offsets));
    this.#dispatch = new Dispatch(options, this.#backlog, this.#pulls, services.ports.defer);
    this.#intake = new Intake(options, services, (offset) => this.#content.trim(offset));
    if (options.durable) {
      const isNew = !services.acks.knows(id);
      this.#content.store.acks = services.acks.register(id, this);
      if (source !== null && isNew) {
        this.#content.store.acks.settledRange(0, source.startOffset);
      }
    }
    this.#unused = options.expiresMs === null ? null : this.#unusedTimer(options.expiresMs);
  }

  #unusedTimer(expiresMs: number): UnusedTimer {
    const { ports, schedule } = this.#services;
    return new UnusedTimer(
      expiresMs,
      ports.clock,
      schedule,
      () => this.#dispatch.consumers.size > 0 || this.#pulls.waiterCount > 0,
      () => this.namespace.queueUnused(this),
    );
  }

  /** Its own log (durable), the log it spills to (not durable), or the topic's. */
  get log(): Log {
    return this.#content.log;
  }

  get readyCount(): number {
    return this.#backlog.readyCount;
  }

  /** Of message bodies; of what has been read, when the log is a topic's. */
  get readyBytes(): number {
    return this.#content.store.readyBytes;
  }

  get unackedCount(): number {
    return this.#content.store.leasedCount;
  }

  /** Messages that are hidden until their time. */
  get delayedCount(): number {
    return this.#backlog.delayedCount;
  }

  /** Where the next message that is published gets its place. */
  get nextOffset(): number {
    return this.#content.tail;
  }

  get consumerCount(): number {
    return this.#dispatch.consumers.size;
  }

  /** Routed, plus AwaitCommit when the message and the queue are durable (a quorum queue takes every
   * message as durable); Refused when the queue is full or the message too large; Unrouted when the
   * queue is gone or the message would go round in a cycle of dead letters. */
  publish(message: Message): Outcome {
    if (this.#removed) return Outcome.Unrouted;
    if (message.deaths !== null && isCycle(message.deaths, this.name)) return Outcome.Unrouted;
    if (this.feed !== null) return this.#takeAndFeed(message, this.feed);
    return this.#intake.isActive ? this.#takeIn(message) : this.#take(message);
  }

  /** Also on to what is bound to this queue; not what comes back by that way. */
  #takeAndFeed(message: Message, feed: Feed): Outcome {
    if (feed.hasFed(message)) return Outcome.Unrouted;
    const { dedupId } = message;
    const isDuplicate = this.#intake.isActive && this.#intake.duplicateOf(message) >= 0;
    message.dedupId = dedupId;
    const outcome = this.#intake.isActive ? this.#takeIn(message) : this.#take(message);
    if (isDuplicate || (outcome & Outcome.Refused) !== 0) return outcome;
    return outcome | (feed.publishAddressed(message) & Outcome.AwaitCommit);
  }

  /** As this queue wants it; the publisher's `message` is left as it was. */
  #takeIn(message: Message): Outcome {
    const intake = this.#intake;
    const { deliverAtMs, dedupId } = message;
    if (!intake.admits(message)) return Outcome.Refused;
    const isDuplicate = intake.duplicateOf(message) >= 0;
    const offset = this.nextOffset;
    if (!isDuplicate) intake.prepare(message);
    // The first of two duplicates may not be committed yet.
    const outcome = isDuplicate ? this.#accepted(message) : this.#take(message);
    if (!isDuplicate && (outcome & Outcome.Routed) !== 0) intake.taken(message, offset);
    message.deliverAtMs = deliverAtMs;
    message.dedupId = dedupId;
    return outcome;
  }

  /** The offset of the message that `message` repeats, which publish() would take for done; or -1.
   * When its body is its id, the id is written into it. */
  duplicateOf(message: Message): number {
    return this.#intake.duplicateOf(message);
  }

  #accepted(message: Message): Outcome {
    return this.options.durable && (message.durable || this.options.kind === 'quorum')
      ? Outcome.Routed | Outcome.AwaitCommit
      : Outcome.Routed;
  }

  #take(message: Message): Outcome {
    const { options } = this;
    if (options.overflow !== 'drop-head' && this.#backlog.wouldOverflow(message)) {
      if (options.overflow === 'reject-publish-dlx') {
        this.#deaths.sendOn(message, DeathReason.MaxLength);
      }
      return Outcome.Refused;
    }
    this.#dispatch.publish(message, this.#intake.isActive);
    return this.#accepted(message);
  }

  /** Somebody got credit, became writable, or came. */
  pump(): void {
    this.#dispatch.pump();
  }

  #loaded(): void {
    if (this.#removed) return;
    this.#backlog.endCondemned();
    this.#pulls.loaded();
    this.#dispatch.run();
  }

  /** The next message cannot be read: who wants it is refused, and may come back. What is published
   * meanwhile waits behind it; purging the queue goes past it. */
  #failed(failure: BrokerError): void {
    if (this.#removed) return;
    this.#pulls.failed(failure);
    for (const subscription of this.#dispatch.consumers.clear()) subscription.endedByQueue(failure);
    this.touch();
  }

  /** Nothing is delivered before the next pump(): time to answer first. Throws BrokerError 'locked'
   * (another connection's exclusive queue) or 'in-use' (exclusive consumer). */
  subscribe(options: SubscribeOptions): Subscription {
    this.#admit(options.owner);
    this.#dispatch.consumers.admit(options.exclusive);
    const subscription = new Subscription(this, options);
    this.#dispatch.consumers.add(subscription);
    return subscription;
  }

  #admit(owner: object): void {
    const { exclusiveTo } = this.options;
    if (this.#removed) throw new BrokerError('not-found', `queue ${this.name} is gone`);
    if (exclusiveTo === null || exclusiveTo === owner) return;
    throw new BrokerError('locked', `queue ${this.name} is exclusive to another connection`);
  }

  /** Subscription.cancel() only. */
  unsubscribe(subscription: Subscription): void {
    if (!this.#dispatch.consumers.remove(subscription)) return;
    if (this.#dispatch.consumers.size > 0) {
      this.pump();
      return;
    }
    this.touch();
    if (this.options.autoDelete) this.namespace.queueUnused(this);
  }

  /** It was declared again, or otherwise used: the clock of expiresMs begins anew. */
  touch(): void {
    this.#unused?.touch();
  }

  /** Leases the next message and points `into` at it, or null when none is ready. A promise when
   * its bytes must be read back first, which may fail ('unreadable'). Settle at once with accept()
   * for no-ack. */
  get(into: Message, owner: object): Lease | null | Promise<Lease | null> {
    this.#admit(owner);
    this.touch();
    return this.#pulls.get(into);
  }

  /**
   * For pull protocols: leases up to `count` messages whose bytes are in memory, each until
   * `durationMs` have passed (null: the queue's leaseMs); then it is released, unless it was settled
   * or extended. Every lease counts as a delivery. `each` gets the message during the call only.
   * Returns how many.
   */
  lease(
    count: number,
    durationMs: number | null,
    owner: object,
    each: (message: Message, lease: Lease) => void,
  ): number {
    this.#admit(owner);
    this.touch();
    const { leaseMs } = this.options;
    return this.#pulls.lease(count, durationMs ?? leaseMs ?? LEASE_MS_DEFAULT, each);
  }

  #leasesEnded(offsets: readonly number[]): void {
    for (const offset of offsets) {
      const chunk = this.#backlog.leased(offset);
      if (chunk !== null) this.#backlog.release(chunk, offset - chunk.base, Counting.Done);
    }
    this.pump();
  }

  /** Moves the end of a timed lease to `durationMs` from now; 0 releases it. False when there is no
   * such lease any more. */
  extend(offset: number, durationMs: number): boolean {
    if (!this.#pulls.extend(offset, durationMs)) return false;
    if (durationMs === 0) this.release([offset], true);
    return true;
  }

  /** Handed out and not settled. */
  isLeased(offset: number): boolean {
    return this.#backlog.leased(offset) !== null;
  }

  /** It is still there: in line, leased, or hidden until its time. */
  holds(offset: number): boolean {
    return this.#backlog.held(offset) !== null;
  }

  /** How often it has been leased for a time or returned counted until now. */
  deliveriesOf(offset: number): number {
    const chunk = this.#backlog.held(offset);
    return chunk === null ? 0 : this.#content.store.deliveryCount(chunk, offset - chunk.base);
  }

  /** Points `into` at a leased message. False when it is not leased or its bytes are not in memory. */
  viewLeased(offset: number, into: Message): boolean {
    const chunk = this.#backlog.leased(offset);
    if (chunk === null || chunk.bytes === null) return false;
    this.#content.store.view(chunk, offset - chunk.base, into);
    return true;
  }

  /** When a timed lease ends; 0 when there is none. */
  leaseEndsMs(offset: number): number {
    return this.#pulls.endsMs(offset);
  }

  /** `waiter` is called once when something can be leased; at the end of this turn if that is so
   * now. */
  wait(waiter: PullWaiter): void {
    this.#pulls.wait(waiter);
  }

  /** It waits no longer. Idempotent. */
  unwait(waiter: PullWaiter): void {
    this.#pulls.unwait(waiter);
    this.touch();
  }

  /** lease() gave less than there is because the next bytes are on their way: waiters are called
   * when they have come. */
  get isLoading(): boolean {
    return this.#backlog.isLoading;
  }

  /** Settles one lease. False when it is not leased (its time was up). Credits are given back by
   * whoever settles: subscription.give(n), then queue.pump(). */
  accept(offset: number): boolean {
    const chunk = this.#leased(offset);
    if (chunk === null) return false;
    this.#backlog.settle(chunk, offset - chunk.base, true);
    return true;
  }

  /** Settles a message in whatever state it is: in line, leased to anybody or hidden until its
   * time. False when it is gone, or about to die. */
  discard(offset: number): boolean {
    this.#pulls.forget(offset);
    return this.#backlog.discard(offset);
  }

  /** Somebody is about to be told that what was settled until now is so: the next commit makes it as
   * safe as the queue's messages are. Acknowledgements that nobody answers need not be. */
  promiseSettled(): void {
    const { store, log } = this.#content;
    if (store.acks !== null && log.config.sync === Sync.Commit) this.#services.acks.promise();
  }

  #leased(offset: number): Chunk | null {
    this.#pulls.forget(offset);
    return this.#backlog.leased(offset);
  }

  /** Requeues to where they were; with `delayMs`, not to be seen before. `counted` raises the
   * delivery count, to which the delivery limit applies; a timed lease was counted when it began. */
  release(offsets: readonly number[], counted: boolean, delayMs = 0): void {
    const counting = counted ? Counting.Now : Counting.Not;
    for (let i = 0; i < offsets.length; i++) {
      const offset = offsets[i]!;
      const wasTimed = this.#pulls.forget(offset);
      const chunk = this.#backlog.leased(offset);
      if (chunk === null) continue;
      const how = wasTimed ? Counting.Done : counting;
      this.#backlog.release(chunk, offset - chunk.base, how, delayMs);
    }
    this.pump();
  }

  /** Dead-letters a leased message, or drops it when there is no dead-letter exchange. */
  reject(offset: number, reason: DeathReason): void {
    const chunk = this.#leased(offset);
    if (chunk !== null) this.#backlog.condemn(chunk, offset - chunk.base, reason);
  }

  /** Namespace only, which keeps the definition. Throws BrokerError 'invalid-argument'. */
  alter(changes: Partial<MutableQueueOptions>): void {
    const { options } = this;
    checkMutable(changes, options);
    const delayedMs = options.delayMs ?? 0;
    Object.assign(options, changes);
    const byMs = (options.delayMs ?? 0) - delayedMs;
    // In order they must stay, so all of them wait shorter or longer.
    if (options.grouping === 'fifo' && byMs !== 0) this.#backlog.shiftDelays(byMs);
    this.#intake.altered();
    this.#deaths.altered();
    this.#backlog.altered();
    this.pump();
  }

  /** Drops all ready messages; returns how many. */
  purge(): number {
    return this.#backlog.purge();
  }

  /** Drops everything, whatever its state; returns how many. What is dying goes its way. */
  clear(): number {
    const count = this.#backlog.clear();
    this.#pulls.forgetAll();
    return count;
  }

  /** After a restart, before anything else: rebuilds what is ready from log and journal. All of it
   * is redelivered: deliveries are not journaled. */
  recover(): Promise<void> {
    return this.#backlog.recover(this.id, this.#intake);
  }

  /** Namespace only: ends all subscriptions, drops everything, forgets it in the journal. Returns
   * how many ready messages were dropped. */
  remove(): number {
    invariant(!this.#removed, `queue ${this.name} is removed twice`);
    const count = this.readyCount;
    this.#removed = true;
    this.#unused?.cancel();
    this.#dispatch.end();
    this.#intake.end();
    this.#backlog.close();
    if (this.options.durable) this.#services.acks.forget(this.id);
    this.#pulls.end();
    for (const subscription of this.#dispatch.consumers.clear()) subscription.endedByQueue(null);
    return count;
  }

  get settledBefore(): number {
    return this.#content.head;
  }

  /** Acknowledgement journal only. */
  trim(offset: number): void {
    this.#intake.trim(offset);
  }

  /** Acknowledgement journal only. */
  describe(page: QueueAcks): void {
    this.#content.describe(page);
  }
}
