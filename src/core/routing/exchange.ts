/**
 * Exchange: a name that messages are published to and what its bindings make of them. It holds its
 * matcher and its remembered routes; declaring, binding and resolving are the namespace's.
 */
import type { Arguments } from './binding.ts';
import { makeMatcher } from './exchange-kinds.ts';
import type { ExchangeKind, Matcher } from './exchange-kinds.ts';
import type { Destination } from '../message/message.ts';
import { RouteCache } from './route-cache.ts';

export interface ExchangeOptions {
  readonly kind: ExchangeKind;
  readonly durable: boolean;
  /** Goes when its last binding as a source goes. */
  readonly autoDelete: boolean;
  /** Clients may not publish to it; the protocol refuses. */
  readonly internal: boolean;
  /** Gets what none of its bindings match. */
  readonly alternateExchange: string | null;
  /** As declared, for the protocol's equivalence texts. */
  readonly arguments: Arguments;
}

/** Where a routing key leads. Stable while the namespace's routesVersion is. */
export interface Route {
  readonly exchange: Exchange;
  /** Each destination once. Meaningless unless cacheable: then headers decide per message. */
  readonly targets: readonly Destination[];
  readonly cacheable: boolean;
}

export const PREDECLARED_EXCHANGES: readonly (readonly [string, ExchangeKind])[] = [
  ['', 'direct'],
  ['amq.direct', 'direct'],
  ['amq.fanout', 'fanout'],
  ['amq.topic', 'topic'],
  ['amq.headers', 'headers'],
  ['amq.match', 'headers'],
];

export class Exchange {
  readonly name: string;
  readonly options: ExchangeOptions;
  readonly predeclared: boolean;
  /** Namespace only. */
  readonly matcher: Matcher;
  /** By routing key; Router only. */
  readonly routes = new RouteCache();
  /** The routesVersion that `routes` are of. */
  routesVersion = -1;

  constructor(name: string, options: ExchangeOptions, predeclared = false) {
    this.name = name;
    this.options = options;
    this.predeclared = predeclared;
    this.matcher = makeMatcher(options.kind);
  }

  /** '' routes to the queue or topic named by the routing key. */
  get isDefault(): boolean {
    return this.name === '';
  }
}
