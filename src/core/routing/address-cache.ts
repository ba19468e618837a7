/**
 * AddressCache: address bytes → route, for one connection or for all of a protocol.
 *
 * The key is the address as it lies in the protocol's frame, so a hit makes no string. Each address
 * has two slots: a new one takes the first and moves the one it finds there to the second. An
 * address that was never asked for before is not kept.
 */
import type { Route } from './exchange.ts';

const FNV_PRIME = 16_777_619;

/** Says what address the bytes [start, end) are. Only asked when they are not known. */
export interface AddressReader {
  exchange(bytes: Uint8Array, start: number, end: number): string;
  routingKey(bytes: Uint8Array, start: number, end: number): string;
}

/** A Namespace is one. */
export interface AddressResolver {
  resolve(exchange: string, routingKey: string): Route | null;
}

export class CachedAddress {
  readonly exchange: string;
  readonly routingKey: string;
  /** Null: no such exchange. */
  readonly route: Route | null;
  /** AddressCache only. */
  bytes: Uint8Array | null = null;

  constructor(exchange: string, routingKey: string, route: Route | null) {
    this.exchange = exchange;
    this.routingKey = routingKey;
    this.route = route;
  }

  /** Whoever keeps it between two messages asks before each; false: look it up again. */
  get isCurrent(): boolean {
    const { route } = this;
    return route !== null && route.isCurrent;
  }

  /** AddressCache only: it is exactly bytes[start, end), and current. */
  is(bytes: Uint8Array, start: number, end: number): boolean {
    const known = this.bytes!;
    const length = end - start;
    if (known.length !== length) return false;
    for (let i = 0; i < length; i++) if (known[i] !== bytes[start + i]) return false;
    return this.isCurrent;
  }
}

export class AddressCache {
  readonly #resolver: AddressResolver;
  readonly #reader: AddressReader;
  readonly #mask: number;
  readonly #slots: (CachedAddress | undefined)[] = [];
  /** How often a route was asked for, and how often it was not known. */
  lookups = 0;
  misses = 0;

  /** `slots` is a power of two. */
  constructor(resolver: AddressResolver, reader: AddressReader, slots: number) {
    this.#resolver = resolver;
    this.#reader = reader;
    this.#mask = slots - 1;
  }

  /** Those that are known now. */
  known(): CachedAddress[] {
    return this.#slots.filter((it) => it?.isCurrent) as CachedAddress[];
  }

  lookup(bytes: Uint8Array, start: number, end: number): CachedAddress {
    this.lookups++;
    let hash = end - start;
    for (let at = start; at < end; at++) hash = Math.imul(hash ^ bytes[at]!, FNV_PRIME);
    const slot = (hash ^ (hash >>> 15)) & this.#mask;
    const slots = this.#slots;
    const first = slots[slot];
    if (first !== undefined && first.is(bytes, start, end)) return first;
    const second = slots[slot ^ 1];
    if (second !== undefined && second.is(bytes, start, end)) return second;
    this.misses++;
    const exchange = this.#reader.exchange(bytes, start, end);
    const routingKey = this.#reader.routingKey(bytes, start, end);
    const route = this.#resolver.resolve(exchange, routingKey);
    const address = new CachedAddress(exchange, routingKey, route);
    if (address.isCurrent) {
      // A copy. `slice` would be none: of a Buffer, which a chunk may be, it is a view.
      address.bytes = new Uint8Array(bytes.subarray(start, end));
      if (first !== undefined && first.isCurrent) slots[slot ^ 1] = first;
      slots[slot] = address;
    }
    return address;
  }
}
