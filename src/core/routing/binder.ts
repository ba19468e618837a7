/**
 * Binder: makes and ends the bindings of one namespace: what may be bound to what, which bindings
 * are durable (both ends are), and that an auto-delete exchange goes with its last binding.
 *
 * Live subscribers come and go by the thousand: their bindings are known to their exchange and to
 * themselves, and to nobody else.
 */
import { bindingKey, BindingTable } from './binding.ts';
import type {
  Arguments,
  Binding,
  BindingName,
  DestinationName,
  LiveBinding,
  SourceName,
} from './binding.ts';
import { bindingFrom, bindingName } from '../definitions.ts';
import { BrokerError, invariant } from '../errors.ts';
import type { Exchange } from './exchange.ts';
import { Feed } from './feed.ts';
import type { FeedSource } from './feed.ts';
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

  /** As Namespace.connect. False when it was there. */
  bind(name: BindingName, owner: object | null): boolean {
    const binding = this.#make(name, owner);
    if (this.table.find(name.source.kind, name.source.name, binding.key)) return false;
    this.#add(binding);
    if (binding.durable) {
      const { broker, name: namespace } = this.#namespace;
      broker.catalog.set('binding', namespace, bindingName(binding), 0);
    }
    return true;
  }

  /** As Namespace.disconnect. False when it was not there. */
  unbind(name: BindingName, owner: object | null): boolean {
    const { source } = name;
    this.#source(source);
    this.#target(name.destination, owner);
    const binding = this.table.find(source.kind, source.name, bindingKey(name));
    if (binding) this.#drop(binding);
    return binding !== undefined;
  }

  /** A durable binding found in the catalog. */
  recover(name: readonly string[]): void {
    this.#add(this.#make(bindingFrom(name), null));
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
    this.changes.bindingChanged(from, binding);
    return binding;
  }

  /** As Namespace.unsubscribe. */
  unsubscribe(binding: LiveBinding): void {
    const { from } = binding;
    from.matcher.remove(binding);
    from.liveCount--;
    this.changes.bindingChanged(from, binding);
    this.#dropUnused(from);
  }

  /** Ends all bindings from and to what is being deleted. */
  unbindAll(kind: 'exchange' | 'queue' | 'topic', name: string): void {
    for (const binding of this.table.from(kind, name).values()) this.#drop(binding);
    for (const binding of this.table.to({ kind, name })) this.#drop(binding);
  }

  /** A name alone is an exchange, or else a topic. */
  sourceNamed(name: string): SourceName {
    if (name === '') throw defaultExchangeRefused();
    const isTopic = !this.#namespace.exchanges.has(name) && this.#namespace.topics.has(name);
    return { kind: isTopic ? 'topic' : 'exchange', name };
  }

  #make(name: BindingName, owner: object | null): Binding {
    const { source, destination, routingKey, arguments: args, as } = name;
    const sourceIsDurable = this.#source(source);
    const { exchange, target, durable } = this.#target(destination, owner);
    if (source.kind === 'exchange') {
      if (this.#namespace.exchange(source.name).options.kind === 'headers') headersTest(args);
    } else if (source.kind === destination.kind && source.name === destination.name) {
      throw new BrokerError(
        'invalid-argument',
        `${source.kind} '${source.name}' is bound to itself`,
      );
    }
    return {
      source: source.name,
      sourceKind: source.kind,
      destination: { kind: destination.kind, name: destination.name },
      routingKey,
      arguments: args,
      syntax: AMQP_SYNTAX,
      as,
      durable: durable && sourceIsDurable,
      exchange,
      target,
      key: bindingKey(name),
    };
  }

  /** Whether it is durable. Throws when it is not there or cannot be a source. */
  #source({ kind, name }: SourceName): boolean {
    if (kind === 'topic') {
      this.#namespace.topic(name);
      return true;
    }
    if (kind === 'exchange') {
      if (name === '') throw defaultExchangeRefused();
      return this.#namespace.exchange(name).options.durable;
    }
    const { durable, source } = this.#namespace.queue(name, null).options;
    if (source === null) return durable;
    throw new BrokerError(
      'unsupported',
      `what enters queue '${name}' comes from topic '${source}': bind that`,
    );
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
    this.table.add(binding);
    const from = this.#ensureSource(binding);
    from.matcher.add(binding);
    this.changes.bindingChanged(from, binding);
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
    this.changes.bindingChanged(from, binding);
    if (sourceKind === 'exchange') this.#dropUnused(from);
    else if (this.table.from(sourceKind, source).size === 0) {
      this.#feedSource(sourceKind, source)!.feed = null;
    }
  }

  /** ExchangeTables. */
  sourceOf({ sourceKind, source }: Binding): Exchange | null | undefined {
    return sourceKind === 'exchange'
      ? this.#namespace.exchanges.get(source)
      : this.#feedSource(sourceKind, source)?.feed?.exchange;
  }

  #ensureSource({ sourceKind, source }: Binding): Exchange {
    if (sourceKind === 'exchange') return this.#namespace.exchange(source);
    const from = this.#feedSource(sourceKind, source)!;
    from.feed ??= new Feed(this.#namespace, source);
    return from.feed.exchange;
  }

  #feedSource(kind: 'topic' | 'queue', name: string): FeedSource | undefined {
    return kind === 'topic' ? this.#namespace.topics.get(name) : this.#namespace.queues.get(name);
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
