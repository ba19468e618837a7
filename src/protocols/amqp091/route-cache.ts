/**
 * Address bytes → route, for one channel.
 *
 * The key is the publish frame's exchange and routing key as they lie there (two short strings), so
 * a hit makes no string. Direct-mapped: a new address takes the slot of the one that hashes alike.
 * An entry holds for one `routesVersion` of its namespace.
 */
import type { Namespace, Route } from '#core/namespace.ts';
import { copyOf, textOf } from './codec.ts';

const SLOTS = 1024;
const FNV_PRIME = 16777619;

export interface CachedRoute {
  address: Uint8Array;
  exchange: string;
  routingKey: string;
  /** Null: no such exchange. */
  route: Route | null;
  version: number;
}

export class RouteCache {
  readonly #namespace: Namespace;
  readonly #slots: (CachedRoute | undefined)[] = [];

  constructor(namespace: Namespace) {
    this.#namespace = namespace;
  }

  lookup(bytes: Uint8Array, start: number, end: number): CachedRoute {
    let hash = end - start;
    for (let at = start; at < end; at++) hash = Math.imul(hash ^ bytes[at]!, FNV_PRIME);
    const slot = (hash ^ (hash >>> 15)) & (SLOTS - 1);
    const cached = this.#slots[slot];
    if (
      cached &&
      cached.version === this.#namespace.routesVersion &&
      equal(cached.address, bytes, start, end)
    ) {
      return cached;
    }
    const routingKeyAt = start + 1 + bytes[start]!;
    const exchange = textOf(bytes, start + 1, routingKeyAt);
    const routingKey = textOf(bytes, routingKeyAt + 1, end);
    const route = this.#namespace.resolve(exchange, routingKey);
    const entry: CachedRoute = {
      address: copyOf(bytes, start, end),
      exchange,
      routingKey,
      route,
      // What may be remembered by nobody is asked for again each time.
      version: route === null || route.cacheable ? this.#namespace.routesVersion : -1,
    };
    this.#slots[slot] = entry;
    return entry;
  }
}

/** True when `address` is exactly bytes[start, end). */
function equal(address: Uint8Array, bytes: Uint8Array, start: number, end: number): boolean {
  const length = end - start;
  if (address.length !== length) return false;
  for (let i = 0; i < length; i++) if (address[i] !== bytes[start + i]) return false;
  return true;
}
