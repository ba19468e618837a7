/**
 * Router: from an exchange and a routing key to destinations, through exchanges bound to exchanges
 * and alternate exchanges, each exchange visited once, so cycles end.
 *
 * Routes are remembered per exchange and routing key from the second time on, until something
 * changes that concerns them (RouteChanges); when there are too many those go that were not asked
 * for lately. A route through a headers exchange is worked out for every message.
 */
import type { Binding } from './binding.ts';
import { Doorkeeper } from './doorkeeper.ts';
import type { Envelope, Envelopes } from '../message/envelope.ts';
import { NO_TARGETS, Route } from './exchange.ts';
import type { Exchange } from './exchange.ts';
import { Readdressed } from './readdressed.ts';
import type { Address } from './readdressed.ts';
import type { Destination, Message, Outcome } from '../message/message.ts';

/** What the router looks things up in; a Namespace is one. */
export interface RouterTables {
  readonly exchanges: ReadonlyMap<string, Exchange>;
  /** The default exchange's: the queue, topic or live subscriber of that name. */
  destination(name: string): Destination | undefined;
}

/** From here on a set finds what came before faster than a look at each. */
const FEW = 16;

export class Router {
  readonly #tables: RouterTables;
  readonly #envelopes: Envelopes;
  readonly #cachedRoutesMax: number;
  readonly #doorkeeper = new Doorkeeper();
  /** Reused by every match. */
  readonly #matched: Binding[] = [];

  constructor(tables: RouterTables, envelopes: Envelopes, cachedRoutesMax: number) {
    this.#tables = tables;
    this.#envelopes = envelopes;
    this.#cachedRoutesMax = cachedRoutesMax;
  }

  /** Null when there is no such exchange. */
  resolve(exchangeName: string, routingKey: string): Route | null {
    const exchange = this.#tables.exchanges.get(exchangeName);
    return exchange ? this.routeFrom(exchange, routingKey) : null;
  }

  /** As `resolve`, from an exchange that need not have a name: a topic's feed. */
  routeFrom(exchange: Exchange, routingKey: string): Route {
    const { routes } = exchange;
    const known = routes.get(routingKey, this.#cachedRoutesMax);
    if (known !== undefined) return known;
    const route = new Route(exchange, routingKey, this.#find(exchange, routingKey));
    if (this.#doorkeeper.knows(exchange.name, routingKey)) {
      routes.set(routingKey, route, this.#cachedRoutesMax);
    }
    return route;
  }

  /** Null: each message decides. */
  #find(exchange: Exchange, routingKey: string): readonly Destination[] | null {
    const ends = exchange.delay === null ? this.#endsBy(exchange, routingKey) : null;
    if (ends !== null) return ends;
    const walk = new Walk(this.#tables, this.#envelopes, [routingKey], null);
    walk.from(exchange);
    return walk.needsMessage ? null : walk.targets();
  }

  /** The usual case, without a walk: the key alone decides and nothing leads on. Else null. */
  #endsBy(exchange: Exchange, routingKey: string): readonly Destination[] | null {
    if (exchange.isDefault || exchange.matcher.needsHeaders) return null;
    const matched = this.#matched;
    matched.length = 0;
    exchange.matcher.match(routingKey, null, matched);
    const isEnd = matched.length > 0 || exchange.options.alternateExchange === null;
    return isEnd ? endsOf(matched) : null;
  }

  /** The destinations of this one message. */
  targets(route: Route, routingKey: string, message: Message): readonly Destination[] {
    if (route.cacheable) return route.targets;
    const decode = (): Envelope => this.#envelopes.decode(message);
    const walk = new Walk(this.#tables, this.#envelopes, [routingKey], decode);
    walk.from(route.exchange);
    return walk.targets();
  }

  /** Where a message with several routing keys goes, each destination once. The keys travel
   * together: a bound exchange matches any of them, an alternate is asked when none matched. */
  targetsOfMany(
    exchangeName: string,
    routingKeys: readonly string[],
    message: Message,
  ): readonly Destination[] {
    const exchange = this.#tables.exchanges.get(exchangeName);
    if (!exchange) return NO_TARGETS;
    if (routingKeys.length === 1) {
      const routingKey = routingKeys[0]!;
      return this.targets(this.routeFrom(exchange, routingKey), routingKey, message);
    }
    const decode = (): Envelope => this.#envelopes.decode(message);
    const walk = new Walk(this.#tables, this.#envelopes, routingKeys, decode);
    walk.from(exchange);
    return walk.targets();
  }

  /** As `targetsOfMany`, of a message that was delayed. */
  targetsBy(exchange: Exchange, envelope: Envelope): readonly Destination[] {
    if (envelope.routingKeys === null) {
      const ends = this.#endsBy(exchange, envelope.routingKey);
      if (ends !== null) return ends;
    }
    const routingKeys = envelope.routingKeys ?? [envelope.routingKey];
    const walk = new Walk(this.#tables, this.#envelopes, routingKeys, () => envelope);
    walk.from(exchange);
    return walk.targets();
  }

  publish(route: Route, routingKey: string, message: Message): Outcome {
    return publishTo(this.targets(route, routingKey, message), message);
  }
}

/** Each destination once; null when a binding leads on to another exchange, or under another key. */
function endsOf(matched: readonly Binding[]): readonly Destination[] | null {
  if (matched.length === 0) return NO_TARGETS;
  const ends: Destination[] = [];
  let seen: Set<Destination> | null = null;
  for (let i = 0; i < matched.length; i++) {
    const { target, as } = matched[i]!;
    if (target === null || as !== null) return null;
    if (ends.length < FEW) {
      if (ends.includes(target)) continue;
    } else {
      seen ??= new Set(ends);
      if (seen.has(target)) continue;
      seen.add(target);
    }
    ends.push(target);
  }
  return ends;
}

export function publishTo(targets: readonly Destination[], message: Message): Outcome {
  let outcome = 0;
  for (let i = 0; i < targets.length; i++) outcome |= targets[i]!.publish(message);
  return outcome;
}

/** From a binding on, the message has another key; from an exchange on, it is routed by that. */
interface Turn {
  readonly exchange: Exchange;
  readonly address: Address;
}

/** One way through the exchanges. `decode` null: no message is known, who needs one is skipped. */
class Walk {
  needsMessage = false;
  readonly #tables: RouterTables;
  readonly #envelopes: Envelopes;
  readonly #routingKeys: readonly string[];
  readonly #decode: (() => Envelope) | null;
  #envelope: Envelope | null = null;
  readonly #targets = new Set<Destination>();
  readonly #readdressed: Readdressed[] = [];
  readonly #turns = new Map<string, Turn>();

  constructor(
    tables: RouterTables,
    envelopes: Envelopes,
    routingKeys: readonly string[],
    decode: (() => Envelope) | null,
  ) {
    this.#tables = tables;
    this.#envelopes = envelopes;
    this.#routingKeys = routingKeys;
    this.#decode = decode;
  }

  from(start: Exchange): void {
    this.#spread(start, this.#routingKeys, null);
    // Grows while it is walked; bindings are finite, so turns are.
    for (const { exchange, address } of this.#turns.values()) {
      this.#spread(exchange, [address.routingKey], address);
    }
  }

  #spread(start: Exchange, routingKeys: readonly string[], address: Address | null): void {
    const visited = new Set<Exchange>([start]);
    const matched: Binding[] = [];
    // The set grows while it is walked: that is the queue of exchanges still to do.
    for (const exchange of visited) {
      matched.length = 0;
      const found = this.#through(exchange, routingKeys, address, matched);
      for (const binding of matched) {
        if (binding.as !== null) this.#turn(binding, binding.as);
        else if (binding.exchange) visited.add(binding.exchange);
        else this.#reach(binding.target!, address);
      }
      const { alternateExchange } = exchange.options;
      if (found || alternateExchange === null) continue;
      const alternate = this.#tables.exchanges.get(alternateExchange);
      if (alternate) visited.add(alternate);
    }
  }

  #turn({ source, exchange, target }: Binding, as: string): void {
    const address = { exchange: source, routingKey: as };
    if (exchange === null) {
      this.#reach(target!, address);
      return;
    }
    const key = JSON.stringify([exchange.name, source, as]);
    if (!this.#turns.has(key)) this.#turns.set(key, { exchange, address });
  }

  #reach(target: Destination, address: Address | null): void {
    if (address === null) {
      this.#targets.add(target);
      return;
    }
    const known = this.#readdressed.some((one) => one.target === target && one.hasAddress(address));
    if (!known) this.#readdressed.push(new Readdressed(target, address, this.#envelopes));
  }

  targets(): readonly Destination[] {
    if (this.#targets.size + this.#readdressed.length === 0) return NO_TARGETS;
    return [...this.#targets, ...this.#readdressed];
  }

  /** False when the exchange itself led nowhere: its alternate is to be asked. */
  #through(
    exchange: Exchange,
    routingKeys: readonly string[],
    address: Address | null,
    matched: Binding[],
  ): boolean {
    if (exchange.isDefault) {
      let found = false;
      for (const routingKey of routingKeys) {
        const target = this.#tables.destination(routingKey);
        if (!target) continue;
        this.#reach(target, address);
        found = true;
      }
      return found;
    }
    const { matcher, delay } = exchange;
    if (matcher.needsHeaders || delay !== null) {
      this.needsMessage = true;
      if (this.#decode === null) return true;
      this.#envelope ??= this.#decode();
    }
    const delayMs = delay === null ? null : this.#envelope!.delayMs;
    if (delayMs !== null && delayMs > 0) {
      this.#reach(delay!.by(delayMs), address);
      return true;
    }
    const headers = this.#envelope === null ? null : this.#envelope.headers;
    for (const routingKey of routingKeys) matcher.match(routingKey, headers, matched);
    return matched.length > 0;
  }
}
