/**
 * The four kinds of exchange: how each finds its bindings for a routing key (direct, fanout,
 * topic) or for the headers of a message. AMQP 0-9-1, 3.1.3; headers as RabbitMQ extends them.
 */
import type { Binding } from './binding.ts';
import type { Header, HeaderValue } from '../message/envelope.ts';
import { BrokerError } from '../errors.ts';
import { sameValue } from '../message/header-json.ts';
import { SubjectTrie } from './subject-trie.ts';

export type ExchangeKind = 'direct' | 'fanout' | 'topic' | 'headers';

export interface Matcher {
  /** Looks at headers, so its matches cannot be remembered by routing key. */
  readonly needsHeaders: boolean;
  add(binding: Binding): void;
  remove(binding: Binding): void;
  /** Adds the bindings that match to `into`. `headers` is null unless needsHeaders. */
  match(routingKey: string, headers: readonly Header[] | null, into: Binding[]): void;
}

export function makeMatcher(kind: ExchangeKind): Matcher {
  if (kind === 'direct') return new DirectMatcher();
  if (kind === 'fanout') return new FanoutMatcher();
  if (kind === 'topic') return new TopicMatcher();
  return new HeadersMatcher();
}

class DirectMatcher implements Matcher {
  readonly needsHeaders = false;
  readonly #byKey = new Map<string, Set<Binding>>();

  add(binding: Binding): void {
    let same = this.#byKey.get(binding.routingKey);
    if (!same) this.#byKey.set(binding.routingKey, (same = new Set()));
    same.add(binding);
  }

  remove(binding: Binding): void {
    const same = this.#byKey.get(binding.routingKey);
    if (same?.delete(binding) && same.size === 0) this.#byKey.delete(binding.routingKey);
  }

  match(routingKey: string, _headers: readonly Header[] | null, into: Binding[]): void {
    const same = this.#byKey.get(routingKey);
    if (same) for (const binding of same) into.push(binding);
  }
}

class FanoutMatcher implements Matcher {
  readonly needsHeaders = false;
  readonly #all = new Set<Binding>();

  add(binding: Binding): void {
    this.#all.add(binding);
  }

  remove(binding: Binding): void {
    this.#all.delete(binding);
  }

  match(_routingKey: string, _headers: readonly Header[] | null, into: Binding[]): void {
    for (const binding of this.#all) into.push(binding);
  }
}

/** Also what a topic that is the source of bindings routes its records with. */
class TopicMatcher implements Matcher {
  readonly needsHeaders = false;
  readonly #trie = new SubjectTrie<Binding>();

  add(binding: Binding): void {
    this.#trie.add(binding.routingKey, binding, binding.syntax);
  }

  remove(binding: Binding): void {
    this.#trie.remove(binding.routingKey, binding, binding.syntax);
  }

  match(routingKey: string, _headers: readonly Header[] | null, into: Binding[]): void {
    this.#trie.match(routingKey, into);
  }
}

const X_MATCH = ['all', 'any', 'all-with-x', 'any-with-x'] as const;

interface HeadersTest {
  readonly all: boolean;
  readonly wanted: readonly (readonly [name: string, value: HeaderValue])[];
}

/** Throws BrokerError 'invalid-argument' when x-match is none of the four. */
export function headersTest(args: Readonly<Record<string, HeaderValue>>): HeadersTest {
  const match = args['x-match'] ?? 'all';
  if (typeof match !== 'string' || !(X_MATCH as readonly string[]).includes(match)) {
    throw new BrokerError(
      'invalid-argument',
      `Invalid x-match field value ${JSON.stringify(match)}; expected ${X_MATCH.join(', ')}`,
      { argument: 'x-match', value: match },
    );
  }
  const withX = match.endsWith('-with-x');
  const wanted = Object.entries(args).filter(
    ([name]) => name !== 'x-match' && (withX || !name.startsWith('x-')),
  );
  return { all: match.startsWith('all'), wanted };
}

class HeadersMatcher implements Matcher {
  readonly needsHeaders = true;
  readonly #tests = new Map<Binding, HeadersTest>();

  add(binding: Binding): void {
    this.#tests.set(binding, headersTest(binding.arguments));
  }

  remove(binding: Binding): void {
    this.#tests.delete(binding);
  }

  match(_routingKey: string, headers: readonly Header[] | null, into: Binding[]): void {
    const given = new Map<string, HeaderValue>();
    for (const { name, value } of headers ?? []) given.set(name, value);
    for (const [binding, test] of this.#tests) if (passes(test, given)) into.push(binding);
  }
}

/** A wanted value of null asks for presence only. 'all' of nothing is true, 'any' of nothing not. */
function passes(test: HeadersTest, given: ReadonlyMap<string, HeaderValue>): boolean {
  for (const [name, value] of test.wanted) {
    const found = given.get(name);
    const matches = found !== undefined && (value === null || sameValue(value, found));
    if (matches !== test.all) return matches;
  }
  return test.all;
}
