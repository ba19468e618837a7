/**
 * Binding: a source's wish to have what matches handed to a target. Its identity is source,
 * destination, routing key and arguments, as in RabbitMQ, and the key under which the message goes
 * on; BindingTable finds it by either end.
 */
import type { HeaderValue } from '../message/envelope.ts';
import type { Exchange } from './exchange.ts';
import { headerJson } from '../message/header-json.ts';
import type { Destination } from '../message/message.ts';
import type { SubjectSyntax } from './subject-trie.ts';

/** Exchanges have names of their own; queues and topics share theirs. */
export type SourceKind = 'exchange' | 'topic' | 'queue';
export type DestinationKind = 'queue' | 'exchange' | 'topic' | 'live';

export interface DestinationName {
  readonly kind: DestinationKind;
  readonly name: string;
}

export interface SourceName {
  readonly kind: SourceKind;
  readonly name: string;
}

/** What a binding is called: all of it is its identity. */
export interface BindingName {
  readonly source: SourceName;
  readonly destination: DestinationName;
  readonly routingKey: string;
  readonly arguments: Arguments;
  /** The routing key under which the message goes on; null = the one it has. */
  readonly as: string | null;
}

export type Arguments = Record<string, HeaderValue>;

export interface Binding {
  readonly source: string;
  readonly sourceKind: SourceKind;
  readonly destination: DestinationName;
  readonly routingKey: string;
  readonly arguments: Arguments;
  /** Whose wildcards the routing key has, where the source knows wildcards. */
  readonly syntax: SubjectSyntax;
  /** The routing key under which the message goes on; null = the one it has. */
  readonly as: string | null;
  /** Survives a restart: both ends do. */
  readonly durable: boolean;
  /** One of the two is set. */
  readonly exchange: Exchange | null;
  readonly target: Destination | null;
  /** Identity among the bindings of one source. */
  readonly key: string;
}

/** A live subscriber's, by which it ends it. No table knows it. */
export interface LiveBinding extends Binding {
  readonly from: Exchange;
}

export function bindingKey({ destination, routingKey, arguments: args, as }: BindingName): string {
  const name = [destination.kind, destination.name, routingKey, headerJson(args, true)];
  if (as !== null) name.push(as);
  return JSON.stringify(name);
}

const NONE: ReadonlyMap<string, Binding> = new Map();

export class BindingTable {
  readonly #bySource = new Map<string, Map<string, Binding>>();
  readonly #byDestination = new Map<string, Set<Binding>>();
  #size = 0;

  get size(): number {
    return this.#size;
  }

  find(sourceKind: SourceKind, source: string, key: string): Binding | undefined {
    return this.#bySource.get(sourceKey(sourceKind, source))?.get(key);
  }

  from(sourceKind: SourceKind, source: string): ReadonlyMap<string, Binding> {
    return this.#bySource.get(sourceKey(sourceKind, source)) ?? NONE;
  }

  /** A copy: whoever goes through it may remove. */
  to(destination: DestinationName): Binding[] {
    return [...(this.#byDestination.get(destinationKey(destination)) ?? [])];
  }

  *values(): Iterable<Binding> {
    for (const bindings of this.#bySource.values()) yield* bindings.values();
  }

  add(binding: Binding): void {
    const from = sourceKey(binding.sourceKind, binding.source);
    let bindings = this.#bySource.get(from);
    if (!bindings) this.#bySource.set(from, (bindings = new Map()));
    bindings.set(binding.key, binding);
    const to = destinationKey(binding.destination);
    let same = this.#byDestination.get(to);
    if (!same) this.#byDestination.set(to, (same = new Set()));
    same.add(binding);
    this.#size++;
  }

  remove(binding: Binding): void {
    const from = sourceKey(binding.sourceKind, binding.source);
    const bindings = this.#bySource.get(from);
    if (!bindings?.delete(binding.key)) return;
    if (bindings.size === 0) this.#bySource.delete(from);
    const to = destinationKey(binding.destination);
    const same = this.#byDestination.get(to)!;
    same.delete(binding);
    if (same.size === 0) this.#byDestination.delete(to);
    this.#size--;
  }
}

function destinationKey({ kind, name }: DestinationName): string {
  return `${kind}:${name}`;
}

function sourceKey(kind: SourceKind, name: string): string {
  return `${kind}:${name}`;
}
