/**
 * Subject bytes → route in the topic exchange, for all connections of one node.
 *
 * A hit makes no string. Direct-mapped: a new subject takes the slot of the one that hashes alike.
 * An entry holds for one `routesVersion` of its namespace; it is renewed in place, so whoever kept
 * it need not look it up again.
 */
import type { Namespace, Route } from '#core/namespace.ts';
import type { LiveSubscriber } from '#core/routing/live-subscriber.ts';
import { textOf } from './arguments.ts';
import { hasWords } from './subject.ts';

const SLOTS = 4096;
const FNV_PRIME = 16777619;
export const TOPIC_EXCHANGE = 'amq.topic';

export interface SubjectRoute {
  /** Never the same for two subjects. */
  readonly id: number;
  readonly bytes: Uint8Array;
  readonly subject: string;
  /** Null: a subject with an empty word, which leads nowhere. */
  route: Route | null;
  /** Some destination keeps what it is given. */
  stored: boolean;
  version: number;
}

export class SubjectRoutes {
  readonly #namespace: Namespace;
  readonly #slots: (SubjectRoute | undefined)[] = [];
  #nextId = 1;

  constructor(namespace: Namespace) {
    this.#namespace = namespace;
  }

  lookup(bytes: Uint8Array, start: number, end: number): SubjectRoute {
    let hash = end - start;
    for (let at = start; at < end; at++) hash = Math.imul(hash ^ bytes[at]!, FNV_PRIME);
    const slot = (hash ^ (hash >>> 15)) & (SLOTS - 1);
    let found = this.#slots[slot];
    if (found === undefined || !isEqual(found.bytes, bytes, start, end)) {
      found = {
        id: this.#nextId++,
        bytes: new Uint8Array(bytes.subarray(start, end)),
        subject: textOf(bytes, start, end),
        route: null,
        stored: false,
        version: -1,
      };
      this.#slots[slot] = found;
    }
    return this.renewed(found);
  }

  /** The same entry, with the route of now. */
  renewed(found: SubjectRoute): SubjectRoute {
    const { routesVersion } = this.#namespace;
    if (found.version === routesVersion) return found;
    const { subject } = found;
    const route = hasWords(subject) ? this.#namespace.resolve(TOPIC_EXCHANGE, subject) : null;
    found.route = route;
    // A headers exchange on the way decides per message: it may lead to a queue.
    found.stored =
      route !== null && (!route.cacheable || route.targets.some((target) => !isLive(target)));
    found.version = routesVersion;
    return found;
  }
}

export function isLive(target: object): target is LiveSubscriber {
  return 'live' in target;
}

function isEqual(known: Uint8Array, bytes: Uint8Array, start: number, end: number): boolean {
  const length = end - start;
  if (known.length !== length) return false;
  for (let i = 0; i < length; i++) if (known[i] !== bytes[start + i]) return false;
  return true;
}
