/**
 * Binder: makes and ends the bindings of one namespace: what may be bound to what, which bindings
 * are durable (both ends are), and that an auto-delete exchange goes with its last binding.
 *
 * Live subscribers come and go by the thousand: their bindings are known to their exchange and to
 * themselves, and to nobody else.
 */
import { bindingKey, BindingTable } from './binding.ts';
import type { Arguments, Binding, DestinationName, LiveBinding, SourceKind } from './binding.ts';
import { bindingFrom, bindingName } from '../definitions.ts';
import { refusal } from './equivalence.ts';
import { BrokerError, invariant } from '../errors.ts';
import type { Exchange } from './exchange.ts';
import { headersTest } from './exchange-kinds.ts';
import type { LiveSubscriber } from './live-subscriber.ts';
import type { Destination } from '../message/message.ts';
import type { Namespace } from '../namespace.ts';
import { RouteChanges } from './route-changes.ts';
import type { ExchangeTables } from './route-changes.ts';
import { AMQP_SYNTAX } from './subject-trie.ts';
import type { SubjectSyntax } from './subject-trie.ts';

interface Target {
  readonly exchange: Exchange | null;
  readonly target: Destination | null;
  readonly durable: boolean;
}

const LIVE: DestinationName = { kind: 'live', name: '' };
const NO_ARGUMENTS: Arguments = {};

export class Binder implements ExchangeTables {
  readonly table = new BindingTable();
  readonly changes = new RouteChanges(this, this.table);
  readonly #namespace: Namespace;

  constructor(namespace: Namespace) {
    this.#namespace = namespace;
  }

  get exchanges(): ReadonlyMap<string, Exchange> {
    return this.#namespace.exchanges;
  }

  /** As Namespace.bind. */
  bind(
    source: string,
    destination: DestinationName,
    routingKey: string,
    args: Arguments,
    owner: object | null,
  ): void {
    const kind = this.#sourceKind(source);
    const binding = this.#make(kind, source, destination, routingKey, args, owner);
    if (this.table.find(kind, source, binding.key)) return;
    this.#add(binding);
    if (binding.durable) {
      const { broker, name } = this.#namespace;
      broker.catalog.set('binding', name, bindingName(binding), 0);
    }
  }

  /** As Namespace.unbind. */
  unbind(
    source: string,
    destination: DestinationName,
    routingKey: string,
    args: Arguments,
    owner: object | null,
  ): void {
    const kind = this.#sourceKind(source);
    this.#target(destination, owner);
    const binding = this.table.find(kind, source, bindingKey(destination, routingKey, args));
    if (binding) this.#drop(binding);
  }

  /** A durable binding found in the catalog. */
  recover(name: readonly string[]): void {
    const { sourceKind, source, destination, routingKey, arguments: args } = bindingFrom(name);
    this.#add(this.#make(sourceKind, source, destination, routingKey, args, null));
  }

  /** As Namespace.subscribe. */
  subscribe(
    source: string,
    pattern: string,
    subscriber: LiveSubscriber,
    syntax: SubjectSyntax,
  ): LiveBinding {
    if (source === '') throw defaultExchangeRefused();
    const from = this.#namespace.exchange(source);
    const binding: LiveBinding = {
      source,
      sourceKind: 'exchange',
      destination: LIVE,
      routingKey: pattern,
      arguments: NO_ARGUMENTS,
      syntax,
      as: null,
      durable: false,
      exchange: null,
      target: subscriber,
      key: '',
      from,
    };
    from.matcher.add(binding);
    from.liveCount++;
    this.#changed(from, binding);
    return binding;
  }

  /** As Namespace.unsubscribe. */
  unsubscribe(binding: LiveBinding): void {
    const { from } = binding;
    from.matcher.remove(binding);
    from.liveCount--;
    this.#changed(from, binding);
    this.#dropUnused(from);
  }

  /** Idempotent; never durable. */
  bindLive(source: string, routingKey: string, args: Arguments, subscriber: LiveSubscriber): void {
    const destination: DestinationName = { kind: 'live', name: subscriber.name };
    const sourceKind = this.#sourceKind(source);
    const key = bindingKey(destination, routingKey, args);
    if (this.table.find(sourceKind, source, key)) return;
    this.#add({
      source,
      sourceKind,
      destination,
      routingKey,
      arguments: args,
      syntax: AMQP_SYNTAX,
      as: null,
      durable: false,
      exchange: null,
      target: subscriber,
      key,
    });
  }

  /** Ends all bindings to this subscriber. */
  unbindLive(subscriber: LiveSubscriber): void {
    for (const binding of this.table.to({ kind: 'live', name: subscriber.name })) {
      if (binding.target === subscriber) this.#drop(binding);
    }
  }

  /** Ends all bindings from and to what is being deleted. */
  unbindAll(kind: 'exchange' | 'queue' | 'topic', name: string): void {
    if (kind !== 'queue') {
      for (const binding of this.table.from(kind, name).values()) this.#drop(binding);
    }
    for (const binding of this.table.to({ kind, name })) this.#drop(binding);
  }

  #sourceKind(name: string): SourceKind {
    if (name === '') throw defaultExchangeRefused();
    if (this.#namespace.exchanges.has(name)) return 'exchange';
    if (this.#namespace.topics.has(name)) return 'topic';
    throw refusal('not-found', 'exchange', name, this.#namespace.name, 'is not there');
  }

  #make(
    sourceKind: SourceKind,
    source: string,
    destination: DestinationName,
    routingKey: string,
    args: Arguments,
    owner: object | null,
  ): Binding {
    const { exchange, target, durable } = this.#target(destination, owner);
    let sourceDurable = true;
    if (sourceKind === 'exchange') {
      const from = this.#namespace.exchange(source);
      sourceDurable = from.options.durable;
      if (from.options.kind === 'headers') headersTest(args);
    }
    return {
      source,
      sourceKind,
      destination: { kind: destination.kind, name: destination.name },
      routingKey,
      arguments: args,
      syntax: AMQP_SYNTAX,
      as: null,
      durable: durable && sourceDurable,
      exchange,
      target,
      key: bindingKey(destination, routingKey, args),
    };
  }

  #target({ kind, name }: DestinationName, owner: object | null): Target {
    invariant(kind !== 'live', 'a live subscriber is bound by itself');
    if (kind === 'queue') {
      const queue = this.#namespace.queue(name, owner);
      return { exchange: null, target: queue, durable: queue.options.durable };
    }
    if (kind === 'topic') {
      return { exchange: null, target: this.#namespace.topic(name), durable: true };
    }
    if (name === '') throw defaultExchangeRefused();
    const exchange = this.#namespace.exchange(name);
    return { exchange, target: null, durable: exchange.options.durable };
  }

  #add(binding: Binding): void {
    const { sourceKind, source } = binding;
    this.table.add(binding);
    const from =
      sourceKind === 'exchange'
        ? this.#namespace.exchange(source)
        : this.#namespace.topic(source).ensureFeed();
    from.matcher.add(binding);
    this.#changed(from, binding);
  }

  #drop(binding: Binding): void {
    const { sourceKind, source } = binding;
    this.table.remove(binding);
    if (binding.durable) {
      const { broker, name } = this.#namespace;
      broker.catalog.delete('binding', name, bindingName(binding));
    }
    const from = this.sourceOf(binding);
    if (!from) return;
    from.matcher.remove(binding);
    this.#changed(from, binding);
    if (sourceKind === 'exchange') {
      this.#dropUnused(from);
      return;
    }
    const topic = this.#namespace.topics.get(source);
    if (topic && this.table.from(sourceKind, source).size === 0) topic.feed = null;
  }

  /** ExchangeTables. */
  sourceOf({ sourceKind, source }: Binding): Exchange | null | undefined {
    return sourceKind === 'exchange'
      ? this.#namespace.exchanges.get(source)
      : this.#namespace.topics.get(source)?.feed;
  }

  #changed(from: Exchange, binding: Binding): void {
    this.changes.bindingChanged(from, binding);
    this.#namespace.routesVersion++;
  }

  /** Bindings of which it is the source. */
  isUsed(exchange: Exchange): boolean {
    return exchange.liveCount > 0 || this.table.from('exchange', exchange.name).size > 0;
  }

  #dropUnused(exchange: Exchange): void {
    if (!exchange.options.autoDelete || this.isUsed(exchange)) return;
    if (this.#namespace.exchanges.get(exchange.name) !== exchange) return;
    this.#namespace.dropExchange(exchange);
  }
}

function defaultExchangeRefused(): BrokerError {
  return new BrokerError('access-refused', 'operation not permitted on the default exchange');
}
