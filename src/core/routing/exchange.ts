/**
 * Exchange: a name that messages are published to and what its bindings make of them. It holds its
 * matcher and its remembered routes; declaring, binding and resolving are the namespace's.
 */
import type { Arguments } from './binding.ts';
import { makeMatcher } from './exchange-kinds.ts';
import type { ExchangeKind, Matcher } from './exchange-kinds.ts';
import type { Destination } from '../message/message.ts';
import { isStoring } from './readdressed.ts';
import { FORGOTTEN, RouteCache } from './route-cache.ts';

export interface ExchangeOptions {
  readonly kind: ExchangeKind;
  readonly durable: boolean;
  /** Goes when its last binding as a source goes. */
  readonly autoDelete: boolean;
  /** Clients may not publish to it; the protocol refuses. */
  readonly internal: boolean;
  /** Gets what none of its bindings match. */
  readonly alternateExchange: string | null;
  /** Keeps messages that have a delay until their time. Absent: no. */
  readonly delayed?: boolean;
  /** As declared, for the protocol's equivalence texts. */
  readonly arguments: Arguments;
}

export const NO_TARGETS: readonly Destination[] = [];

/** Where a routing key leads from one exchange. */
export class Route {
  readonly exchange: Exchange;
  readonly routingKey: string;
  /** Each destination once. Meaningless unless cacheable: then each message decides. */
  readonly targets: readonly Destination[];
  readonly cacheable: boolean;
  /** Some destination keeps what it is given, or may: not only live subscribers get it. */
  readonly stored: boolean;
  /** RouteCache only. */
  version = FORGOTTEN;
  readonly cache: RouteCache;

  constructor(exchange: Exchange, routingKey: string, targets: readonly Destination[] | null) {
    this.exchange = exchange;
    this.routingKey = routingKey;
    this.targets = targets ?? NO_TARGETS;
    this.cacheable = targets !== null;
    this.stored = targets === null || targets.some(isStoring);
    this.cache = exchange.routes;
  }

  /** Whoever keeps a route asks before each use; false: resolve again. A route is not current from
   * the beginning when it is not worth keeping, as its key was never asked for before. */
  get isCurrent(): boolean {
    return this.version === this.cache.version;
  }
}

export const PREDECLARED_EXCHANGES: readonly (readonly [string, ExchangeKind])[] = [
  ['', 'direct'],
  ['amq.direct', 'direct'],
  ['amq.fanout', 'fanout'],
  ['amq.topic', 'topic'],
  ['amq.headers', 'headers'],
  ['amq.match', 'headers'],
];

/** The exchanges that lead to one, as of a version of what leads where. */
export interface Upstream {
  readonly version: number;
  readonly sameKey: readonly Exchange[];
  /** On some way the message gets another routing key. */
  readonly otherKey: readonly Exchange[];
}

/** Where messages wait. */
export interface Delay {
  /** Keeps what it is given for so long. */
  by(delayMs: number): Destination;
}

export class Exchange {
  readonly name: string;
  readonly options: ExchangeOptions;
  readonly predeclared: boolean;
  /** Namespace only. */
  readonly matcher: Matcher;
  /** Live bindings, which no table knows. Binder only. */
  liveCount = 0;
  /** Where messages with a delay wait, when it is one that delays. DelayLines only sets it. */
  delay: Delay | null = null;
  /** Router only. */
  readonly routes = new RouteCache();
  /** RouteChanges only. */
  upstream: Upstream | null = null;

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
