/**
 * Namespace: the names of one tenant (an AMQP vhost): exchanges, and queues and topics, which share
 * one space because the same name is the same thing in every protocol.
 *
 * All declaring, deleting and binding goes through here, so that every change makes the remembered
 * routes it concerns be forgotten. What is durable goes to the catalog in the same turn; who
 * answers a client for it waits by `afterCommit`.
 */
import { Binder } from './routing/binder.ts';
import type { Arguments, BindingName, DestinationName, LiveBinding } from './routing/binding.ts';
import type { Broker } from './broker.ts';
import { DelayLines } from './routing/delay-lines.ts';
import { exchangeFrom, exchangeJson, queueJson } from './definitions.ts';
import type { QueueDefinition, TopicDefinition } from './definitions.ts';
import { checkExchange, checkQueue, refusal, topicOfThatName } from './routing/equivalence.ts';
import { BrokerError } from './errors.ts';
import type { BrokerErrorCode } from './errors.ts';
import { Exchange, PREDECLARED_EXCHANGES } from './routing/exchange.ts';
import type { ExchangeOptions, Route } from './routing/exchange.ts';
import type { GroupCoordinator } from './group/group-coordinator.ts';
import type { LiveSubscriber } from './routing/live-subscriber.ts';
import type { CommitWaiter } from './log.ts';
import type { Destination, Message, Outcome } from './message/message.ts';
import { Queue } from './queue/queue.ts';
import type { MutableQueueOptions, QueueOptions } from './queue/queue-options.ts';
import type { QueueHome } from './queue/queue-services.ts';
import { FeedRounds } from './routing/feed.ts';
import { publishTo, Router } from './routing/router.ts';
import type { RouterTables } from './routing/router.ts';
import { AMQP_SYNTAX } from './routing/subject-trie.ts';
import type { Topic } from './topic/topic.ts';
import { TopicTable } from './topic/topic-table.ts';
import type { TopicRequest } from './topic/topic-table.ts';

export type { Route } from './routing/exchange.ts';

export interface DeleteQueueOptions {
  /** Refuse ('in-use') while it has consumers. */
  readonly ifUnused: boolean;
  /** Refuse ('not-empty') while it has ready messages. */
  readonly ifEmpty: boolean;
  /** Who asks; null = the broker itself, which no exclusive queue is locked for. */
  readonly owner: object | null;
}

export class Namespace implements RouterTables, QueueHome {
  readonly name: string;
  readonly broker: Broker;
  readonly router: Router;
  readonly exchanges = new Map<string, Exchange>();
  readonly queues = new Map<string, Queue>();
  readonly binder: Binder;
  readonly delays: DelayLines;
  readonly feedRounds = new FeedRounds();
  readonly #topics: TopicTable;
  readonly #live = new Map<string, LiveSubscriber>();
  readonly #owned = new Map<object, Set<Queue>>();

  constructor(broker: Broker, name: string) {
    this.name = name;
    this.broker = broker;
    this.router = new Router(this, broker.envelopes, broker.limits.cachedRoutesMax);
    this.binder = new Binder(this);
    this.delays = new DelayLines(this);
    this.#topics = new TopicTable(this);
    for (const [exchangeName, kind] of PREDECLARED_EXCHANGES) {
      const options = {
        kind,
        durable: true,
        autoDelete: false,
        internal: false,
        alternateExchange: null,
        arguments: {},
      };
      this.exchanges.set(exchangeName, new Exchange(exchangeName, options, true));
    }
  }

  get topics(): ReadonlyMap<string, Topic> {
    return this.#topics.byName;
  }

  /** Consumer groups. */
  get groups(): GroupCoordinator {
    return this.broker.groups.of(this.name);
  }

  // ---- Exchanges

  /** The exchange of that name and those options, new or there. Throws BrokerError 'inequivalent'.
   * That only the broker declares `amq.*` is the protocol's rule. */
  declareExchange(name: string, options: ExchangeOptions): Exchange {
    const existing = this.exchanges.get(name);
    if (existing) {
      const declared = { kind: 'exchange', name, namespace: this.name } as const;
      checkExchange(declared, options, existing.options);
      return existing;
    }
    this.#checkName('exchange', name);
    const exchange = new Exchange(name, options);
    this.#addExchange(exchange);
    if (options.delayed) this.delays.declare(exchange);
    if (options.durable) {
      this.broker.catalog.set('exchange', this.name, [name], exchangeJson(options));
    }
    return exchange;
  }

  /** Throws BrokerError 'not-found', 'access-refused' (predeclared), 'in-use' (ifUnused and it has
   * bindings as a source). */
  deleteExchange(name: string, { ifUnused }: { readonly ifUnused: boolean }): void {
    const exchange = this.exchange(name);
    if (exchange.predeclared) {
      throw this.#refusal('access-refused', 'exchange', name, 'cannot be deleted');
    }
    if (ifUnused && this.binder.isUsed(exchange))
      throw this.#refusal('in-use', 'exchange', name, 'is in use');
    this.dropExchange(exchange);
  }

  /** Broker only: a durable exchange found in the catalog. */
  recoverExchange(name: string, value: unknown): void {
    this.#addExchange(new Exchange(name, exchangeFrom(value)));
  }

  #addExchange(exchange: Exchange): void {
    this.exchanges.set(exchange.name, exchange);
    this.binder.changes.exchangeChanged(exchange);
  }

  /** Binder only, but for this class. */
  dropExchange(exchange: Exchange): void {
    const { name } = exchange;
    if (!this.exchanges.has(name)) return;
    this.binder.changes.exchangeChanged(exchange);
    this.exchanges.delete(name);
    if (exchange.options.durable) this.broker.catalog.delete('exchange', this.name, [name]);
    this.binder.unbindAll('exchange', name);
    this.delays.drop(exchange);
  }

  /** Throws BrokerError 'not-found'. */
  exchange(name: string): Exchange {
    const exchange = this.exchanges.get(name);
    if (exchange) return exchange;
    throw this.#refusal('not-found', 'exchange', name, 'is not there');
  }

  // ---- Queues

  /**
   * The queue of that name and those options, new or there. Throws BrokerError 'locked' (another
   * connection's, or the exclusive property differs), 'inequivalent'; a topic of that name is
   * inequivalent in `x-queue-type`.
   */
  declareQueue(name: string, asked: QueueOptions): Queue {
    // An exclusive queue ends with its connection, so it never survives a restart.
    const options = { ...asked, durable: asked.durable && asked.exclusiveTo === null };
    const declared = { kind: 'queue', name, namespace: this.name } as const;
    if (this.topics.has(name)) {
      throw topicOfThatName(declared, options.kind);
    }
    const existing = this.queues.get(name);
    if (existing) {
      if (existing.options.exclusiveTo !== options.exclusiveTo)
        throw this.#refusal('locked', 'queue', name, 'belongs to another connection');
      checkQueue(declared, options, existing.options);
      existing.touch();
      return existing;
    }
    this.#checkName('queue', name);
    if (this.broker.queueCount >= this.broker.limits.queuesMax) {
      throw new BrokerError('limit-exceeded', `there are ${this.broker.limits.queuesMax} queues`);
    }
    const id = this.broker.nextQueueId();
    const queue =
      options.source === null
        ? new Queue(
            this,
            name,
            id,
            options,
            this.broker.createQueueLog(this.name, name, id, options),
          )
        : this.#sharedQueue(name, id, options, options.source, true);
    this.#addQueue(queue);
    if (options.durable) {
      this.broker.catalog.set('queue', this.name, [name], queueJson(id, options));
    }
    return queue;
  }

  /** One that shares a topic's log. A new one begins with what comes after it. */
  #sharedQueue(
    name: string,
    id: number,
    options: QueueOptions,
    source: string,
    isNew: boolean,
  ): Queue {
    const { partitions } = this.topic(source);
    const partition = partitions[0]!;
    if (partitions.length !== 1) {
      throw new BrokerError('unsupported', 'a queue shares the log of a topic with one partition');
    }
    const startOffset = isNew ? partition.endOffset : partition.startOffset;
    return new Queue(this, name, id, options, partition.log, { partition, startOffset });
  }

  #addQueue(queue: Queue): void {
    this.queues.set(queue.name, queue);
    this.#nameChanged(queue.name);
    const owner = queue.options.exclusiveTo;
    if (owner !== null) {
      let owned = this.#owned.get(owner);
      if (!owned) this.#owned.set(owner, (owned = new Set()));
      owned.add(queue);
    }
  }

  /** Broker only: a durable queue found in the catalog. */
  async recoverQueue(name: string, { id, options }: QueueDefinition): Promise<void> {
    const queue =
      options.source === null
        ? new Queue(
            this,
            name,
            id,
            options,
            await this.broker.openQueueLog(this.name, name, id, options),
          )
        : this.#sharedQueue(name, id, options, options.source, false);
    this.#addQueue(queue);
    await queue.recover();
  }

  /** Throws BrokerError 'not-found', 'locked'. */
  queue(name: string, owner: object | null): Queue {
    const queue = this.queues.get(name);
    if (!queue) throw this.#refusal('not-found', 'queue', name, 'is not there');
    const { exclusiveTo } = queue.options;
    if (owner !== null && exclusiveTo !== null && exclusiveTo !== owner)
      throw this.#refusal('locked', 'queue', name, 'belongs to another connection');
    return queue;
  }

  /** Takes effect at once, and is kept. Throws BrokerError 'not-found', 'invalid-argument',
   * 'unsupported'. */
  alterQueue(name: string, changes: Partial<MutableQueueOptions>): void {
    const queue = this.queue(name, null);
    queue.alter(changes);
    if (!queue.options.durable) return;
    this.broker.catalog.set('queue', this.name, [name], queueJson(queue.id, queue.options));
  }

  /** Returns how many messages were dropped. Throws BrokerError 'not-found', 'locked', 'in-use',
   * 'not-empty'. */
  deleteQueue(name: string, { ifUnused, ifEmpty, owner }: DeleteQueueOptions): number {
    const queue = this.queue(name, owner);
    if (ifUnused && queue.consumerCount > 0)
      throw this.#refusal('in-use', 'queue', name, 'is in use');
    if (ifEmpty && queue.readyCount > 0) {
      throw this.#refusal('not-empty', 'queue', name, 'is not empty');
    }
    return this.#dropQueue(queue);
  }

  #dropQueue(queue: Queue): number {
    const { name, options } = queue;
    this.queues.delete(name);
    this.#nameChanged(name);
    if (options.exclusiveTo !== null) {
      const owned = this.#owned.get(options.exclusiveTo);
      owned?.delete(queue);
      if (owned?.size === 0) this.#owned.delete(options.exclusiveTo);
    }
    if (options.durable) this.broker.catalog.delete('queue', this.name, [name]);
    this.binder.unbindAll('queue', name);
    const dropped = queue.remove();
    if (options.source === null) this.broker.removeLog(queue.log);
    return dropped;
  }

  /** QueueHome. */
  queueUnused(queue: Queue): void {
    if (this.queues.get(queue.name) === queue) this.#dropQueue(queue);
  }

  /** The connection is gone, and its exclusive queues with it. */
  ownerGone(owner: object): void {
    for (const queue of this.#owned.get(owner) ?? []) this.#dropQueue(queue);
  }

  // ---- Topics

  /** Throws BrokerError 'already-exists' (a topic or a queue), 'invalid-name', 'invalid-argument'. */
  createTopic(name: string, request: TopicRequest): Topic {
    if (this.queues.has(name)) {
      throw new BrokerError('already-exists', `'${name}' is a queue`, { kind: 'queue', name });
    }
    const topic = this.#topics.create(name, request);
    this.#nameChanged(name);
    return topic;
  }

  recoverTopic(name: string, definition: TopicDefinition): Promise<void> {
    return this.#topics.recover(name, definition);
  }

  /** Throws BrokerError 'not-found'. */
  topic(name: string): Topic {
    const topic = this.topics.get(name);
    if (topic) return topic;
    throw this.#refusal('not-found', 'topic', name, 'is not there');
  }

  topicById(id: Uint8Array): Topic | null {
    return this.#topics.byId(id);
  }

  deleteTopic(name: string): void {
    const topic = this.topic(name);
    this.binder.unbindAll('topic', name);
    for (const queue of this.queues.values()) {
      if (queue.options.source === name) this.#dropQueue(queue);
    }
    this.#topics.delete(topic);
    this.#nameChanged(name);
  }

  /** `count` is the new number of all partitions. Throws BrokerError 'not-found',
   * 'invalid-argument'. */
  createPartitions(name: string, count: number): void {
    this.#topics.grow(this.topic(name), count);
  }

  /** null = back to the default. Throws BrokerError 'not-found', 'invalid-argument'. */
  alterTopic(name: string, changes: Iterable<readonly [string, string | null]>): void {
    this.#topics.alter(this.topic(name), changes);
  }

  /** Topic only. */
  topicStartMoved(topic: Topic, partition: number, startOffset: number): void {
    this.broker.catalog.set('start', this.name, [topic.name, String(partition)], startOffset);
  }

  // ---- Bindings

  /**
   * Idempotent. `source` is an exchange or, when there is none of that name, a topic, whose records
   * are then routed by their key as by a topic exchange. Throws BrokerError 'not-found',
   * 'access-refused' (the default exchange), 'locked', 'invalid-argument' (x-match).
   */
  bind(
    source: string,
    destination: DestinationName,
    routingKey: string,
    args: Arguments,
    owner: object | null = null,
  ): void {
    const name = this.binder.sourceNamed(source);
    this.connect({ source: name, destination, routingKey, arguments: args, as: null }, owner);
  }

  /** Idempotent, as RabbitMQ's is. Throws BrokerError 'not-found' for either end, 'locked'. */
  unbind(
    source: string,
    destination: DestinationName,
    routingKey: string,
    args: Arguments,
    owner: object | null = null,
  ): void {
    const name = this.binder.sourceNamed(source);
    this.disconnect({ source: name, destination, routingKey, arguments: args, as: null }, owner);
  }

  /** Idempotent; false when the binding was there. A queue or topic is a source of all that enters
   * it. Throws as `bind`, and 'unsupported' (a queue over a topic as a source). */
  connect(binding: BindingName, owner: object | null = null): boolean {
    return this.binder.bind(binding, owner);
  }

  /** Idempotent; false when the binding was not there. Throws BrokerError 'not-found' for either
   * end, 'locked'. */
  disconnect(binding: BindingName, owner: object | null = null): boolean {
    return this.binder.unbind(binding, owner);
  }

  /** Somebody who stores nothing is reached through '' by its name, unless a queue or topic has it,
   * until `removeLive`. */
  addLive(subscriber: LiveSubscriber): void {
    this.#live.set(subscriber.name, subscriber);
    this.#nameChanged(subscriber.name);
  }

  removeLive(subscriber: LiveSubscriber): void {
    if (this.#live.get(subscriber.name) === subscriber) this.#live.delete(subscriber.name);
    this.#nameChanged(subscriber.name);
  }

  /** Hands what matches the pattern to somebody who stores nothing, until `unsubscribe`, which is
   * called once. Throws BrokerError 'not-found', 'access-refused' (the default exchange). */
  subscribe(
    exchange: string,
    pattern: string,
    subscriber: LiveSubscriber,
    syntax = AMQP_SYNTAX,
  ): LiveBinding {
    return this.binder.subscribe(exchange, pattern, subscriber, syntax);
  }

  unsubscribe(binding: LiveBinding): void {
    this.binder.unsubscribe(binding);
  }

  #nameChanged(name: string): void {
    this.binder.changes.nameChanged(name);
  }

  // ---- Publishing

  /** Of the default exchange. */
  destination(name: string): Destination | undefined {
    return this.queues.get(name) ?? this.topics.get(name) ?? this.#live.get(name);
  }

  /** Null when there is no such exchange. Worth keeping while it is current. */
  resolve(exchange: string, routingKey: string): Route | null {
    return this.router.resolve(exchange, routingKey);
  }

  publish(route: Route, routingKey: string, message: Message): Outcome {
    return this.router.publish(route, routingKey, message);
  }

  /** Each destination of any of the keys once. None when there is no such exchange. */
  resolveMany(
    exchange: string,
    routingKeys: readonly string[],
    message: Message,
  ): readonly Destination[] {
    return this.router.targetsOfMany(exchange, routingKeys, message);
  }

  /** QueueHome. */
  deadLetter(
    _queue: Queue,
    message: Message,
    exchange: string,
    routingKeys: readonly string[],
  ): Outcome {
    return publishTo(this.resolveMany(exchange, routingKeys, message), message);
  }

  /** For answers to durable declarations. */
  afterCommit(waiter: CommitWaiter): void {
    this.broker.commit.wait(waiter);
  }

  #checkName(kind: 'exchange' | 'queue', name: string): void {
    if (Buffer.byteLength(name) <= this.broker.limits.nameBytesMax) return;
    throw new BrokerError('invalid-name', `a name of a ${kind} is too long`, { kind, name });
  }

  #refusal(code: BrokerErrorCode, kind: string, name: string, what: string): BrokerError {
    return refusal(code, kind, name, this.name, what);
  }
}
