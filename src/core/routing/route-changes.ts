/**
 * RouteChanges: what must be forgotten when a binding or a name comes or goes: the routes of its
 * exchange that its key or pattern concerns, and the same ones of every exchange that leads there
 * (a message keeps its routing keys on the way, unless a binding has another one for it), but
 * nothing else. So ten thousand subscriptions a second leave everybody else's routes alone.
 */
import type { Binding, BindingTable } from './binding.ts';
import type { Exchange, Upstream } from './exchange.ts';
import type { RouteCache } from './route-cache.ts';
import type { SubjectSyntax } from './subject-trie.ts';

export interface ExchangeTables {
  readonly exchanges: ReadonlyMap<string, Exchange>;
  /** What the binding hangs on; undefined when it is gone. */
  sourceOf(binding: Binding): Exchange | null | undefined;
}

const NOBODY: readonly Exchange[] = [];

export class RouteChanges {
  readonly #tables: ExchangeTables;
  readonly #bindings: BindingTable;
  /** Rises when exchanges lead elsewhere. */
  #version = 0;

  constructor(tables: ExchangeTables, bindings: BindingTable) {
    this.#tables = tables;
    this.#bindings = bindings;
  }

  /** Of `exchange`. */
  bindingChanged(exchange: Exchange, binding: Binding): void {
    if (binding.exchange !== null) this.#version++;
    const { kind } = exchange.options;
    const { routingKey, syntax } = binding;
    const forget = (routes: RouteCache): void => {
      if (kind === 'topic') forgetPattern(routes, routingKey, syntax);
      else if (kind === 'direct') routes.forget(routingKey);
      else routes.clear();
    };
    forget(exchange.routes);
    const upstream = this.#upstream(exchange);
    for (const { routes } of upstream.sameKey) forget(routes);
    for (const { routes } of upstream.otherKey) routes.clear();
  }

  /** A queue, a topic or a live subscriber of that name came or went. */
  nameChanged(name: string): void {
    const exchange = this.#tables.exchanges.get('')!;
    exchange.routes.forget(name);
    const upstream = this.#upstream(exchange);
    for (const { routes } of upstream.sameKey) routes.forget(name);
    for (const { routes } of upstream.otherKey) routes.clear();
  }

  /** It was declared, or is about to go. */
  exchangeChanged(exchange: Exchange): void {
    this.#version++;
    exchange.routes.clear();
    const upstream = this.#upstream(exchange);
    for (const { routes } of upstream.sameKey) routes.clear();
    for (const { routes } of upstream.otherKey) routes.clear();
    this.#version++;
  }

  #upstream(exchange: Exchange): Upstream {
    if (exchange.upstream?.version !== this.#version) exchange.upstream = this.#search(exchange);
    return exchange.upstream;
  }

  #search(start: Exchange): Upstream {
    const version = this.#version;
    // Nothing leads to the nameless exchange of a topic or queue.
    if (this.#tables.exchanges.get(start.name) !== start) {
      return { version, sameKey: NOBODY, otherKey: NOBODY };
    }
    const otherKey = new Set<Exchange>();
    const sameKey = new Set<Exchange>([start]);
    // The sets grow while they are walked.
    for (const exchange of sameKey) this.#leadingTo(exchange, sameKey, otherKey);
    for (const exchange of otherKey) this.#leadingTo(exchange, otherKey, otherKey);
    sameKey.delete(start);
    return { version, sameKey: [...sameKey], otherKey: [...otherKey] };
  }

  #leadingTo(to: Exchange, sameKey: Set<Exchange>, otherKey: Set<Exchange>): void {
    for (const binding of this.#bindings.to({ kind: 'exchange', name: to.name })) {
      const source = this.#tables.sourceOf(binding);
      if (source) (binding.as === null ? sameKey : otherKey).add(source);
    }
    for (const exchange of this.#tables.exchanges.values()) {
      if (exchange.options.alternateExchange === to.name) sameKey.add(exchange);
    }
  }
}

function forgetPattern(routes: RouteCache, pattern: string, syntax: SubjectSyntax): void {
  const { one, many, rest } = syntax;
  const isPattern =
    pattern.includes(one) ||
    (many !== null && pattern.includes(many)) ||
    (rest !== null && pattern.includes(rest));
  if (isPattern) routes.forgetMatching(pattern, syntax);
  else routes.forget(pattern);
}
