/**
 * Binder: makes and ends the bindings of one namespace: what may be bound to what, which bindings
 * are durable (both ends are), and that an auto-delete exchange goes with its last binding.
 */
import { bindingKey, BindingTable } from './binding.ts';
import type { Arguments, Binding, DestinationName, SourceKind } from './binding.ts';
import { bindingFrom, bindingName } from '../definitions.ts';
import { refusal } from './equivalence.ts';
import { BrokerError, invariant } from '../errors.ts';
import type { Exchange } from './exchange.ts';
import { headersTest } from './exchange-kinds.ts';
import type { LiveSubscriber } from './live-subscriber.ts';
import type { Destination } from '../message/message.ts';
import type { Namespace } from '../namespace.ts';

interface Target {
  readonly exchange: Exchange | null;
  readonly target: Destination | null;
  readonly durable: boolean;
}

export class Binder {
  readonly table = new BindingTable();
  readonly #namespace: Namespace;

  constructor(namespace: Namespace) {
    this.#namespace = namespace;
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
    this.#namespace.routesVersion++;
  }

  #drop(binding: Binding): void {
    const { sourceKind, source } = binding;
    this.table.remove(binding);
    this.#namespace.routesVersion++;
    if (binding.durable) {
      const { broker, name } = this.#namespace;
      broker.catalog.delete('binding', name, bindingName(binding));
    }
    const isLast = this.table.from(sourceKind, source).size === 0;
    if (sourceKind === 'topic') {
      const topic = this.#namespace.topics.get(source);
      topic?.feed?.matcher.remove(binding);
      if (topic && isLast) topic.feed = null;
      return;
    }
    const exchange = this.#namespace.exchanges.get(source);
    exchange?.matcher.remove(binding);
    if (exchange?.options.autoDelete && isLast) this.#namespace.dropExchange(exchange);
  }
}

function defaultExchangeRefused(): BrokerError {
  return new BrokerError('access-refused', 'operation not permitted on the default exchange');
}
