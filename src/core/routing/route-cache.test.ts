import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SeededRandom } from '#test/rigs/seeded-random.ts';
import { Exchange, Route } from './exchange.ts';
import { AMQP_SYNTAX, SubjectTrie } from './subject-trie.ts';

const EXCHANGE = {
  kind: 'topic',
  durable: false,
  autoDelete: false,
  internal: false,
  alternateExchange: null,
  arguments: {},
} as const;

test('a pattern takes every key it matches, and few others, whatever was remembered and forgotten', () => {
  const random = new SeededRandom(7);
  const exchange = new Exchange('e', EXCHANGE);
  const cache = exchange.routes;
  const words = ['a', 'b', 'c', ''];
  const some = (from: readonly string[]): string =>
    Array.from({ length: random.below(random.chance(0.1) ? 12 : 4) }, () => random.pick(from)).join(
      '.',
    );
  cache.forgetMatching('#', AMQP_SYNTAX);
  let remembered: Route[] = [];
  let taken = 0;
  let needless = 0;
  for (let step = 0; step < 5000; step++) {
    const key = some(words);
    if (!cache.get(key, 64)) {
      const route = new Route(exchange, key, []);
      cache.set(key, route, 64);
      remembered.push(route);
    }
    if (random.chance(0.2)) cache.forget(some(words));
    remembered = remembered.filter((route) => route.isCurrent);
    assert.equal(remembered.length, cache.size);
    assert.ok(cache.size <= 64, `${cache.size} are remembered`);
    const pattern = some([...words, '*', '#', '*']);
    cache.forgetMatching(pattern, AMQP_SYNTAX);
    const trie = new SubjectTrie<string>();
    trie.add(pattern, pattern);
    for (const route of remembered) {
      const found: string[] = [];
      trie.match(route.routingKey, found);
      const where = `step ${step}: '${pattern}' and '${route.routingKey}'`;
      if (route.isCurrent) assert.equal(found.length, 0, where);
      else if (found.length > 0) taken++;
      else needless++;
    }
  }
  assert.ok(taken > 1000, `only ${taken} were taken`);
  assert.ok(needless < taken, `${needless} needlessly, ${taken} rightly`);
});
