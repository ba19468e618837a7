import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BrokerRig, textMessage } from '#test/rigs/broker-rig.ts';
import type { LiveSubscriber } from './live-subscriber.ts';
import { Message, Outcome } from '../message/message.ts';
import type { Route } from './exchange.ts';
import type { ExchangeKind } from './exchange-kinds.ts';

interface ModelBinding {
  source: string;
  kind: 'queue' | 'exchange';
  name: string;
  routingKey: string;
}

const KEYS = ['a', 'b', 'a.b', 'a.b.c', ''];
const PATTERNS = [...KEYS, '#', '*', 'a.*', '#.c', '*.b.#'];

/** The rules of routing, said once more and as simply as possible. */
class Model {
  readonly exchanges = new Map<string, { kind: ExchangeKind; alternate: string | null }>();
  readonly queues = new Set<string>();
  bindings: ModelBinding[] = [];

  route(start: string, keys: readonly string[]): string[] {
    const targets = new Set<string>();
    const todo = [start];
    const visited = new Set<string>();
    while (todo.length > 0) {
      const name = todo.shift()!;
      const exchange = this.exchanges.get(name);
      if (!exchange || visited.has(name)) continue;
      visited.add(name);
      const matched = this.bindings.filter(
        ({ source, routingKey }) =>
          source === name && keys.some((key) => matches(exchange.kind, routingKey, key)),
      );
      for (const binding of matched) {
        if (binding.kind === 'queue') targets.add(binding.name);
        else todo.push(binding.name);
      }
      if (matched.length === 0 && exchange.alternate !== null) todo.push(exchange.alternate);
    }
    return [...targets].toSorted();
  }
}

function matches(kind: ExchangeKind, pattern: string, key: string): boolean {
  if (kind === 'fanout') return true;
  if (kind === 'direct') return pattern === key;
  const source = pattern
    .split('.')
    .map((word) => (word === '*' ? '[^.]+' : word))
    .join('\\.')
    .replace(/^#$/, '.*')
    .replace(/^#\\\./, '(?:.*\\.)?')
    .replace(/\\\.#$/, '(?:\\..*)?');
  return pattern === '' ? key === '' : new RegExp(`^${source}$`).test(key);
}

test('routes as the plain rules say, whatever is declared, bound and deleted in between', async () => {
  const rig = await BrokerRig.open({ limits: { cachedRoutesMax: 6 } });
  const { random } = rig.ports;
  const pick = <T>(from: readonly T[]): T => from[Math.floor(random.next() * from.length)]!;
  const exchanges = ['e1', 'e2', 'e3', 'e4'];
  const queues = ['q1', 'q2', 'q3'];
  const kinds = ['direct', 'fanout', 'topic'] as const;
  const model = new Model();
  let routed = 0;

  const declare = (): void => {
    const name = pick(exchanges);
    if (model.exchanges.has(name)) return;
    const options = { kind: pick(kinds), alternateExchange: pick([null, null, ...exchanges]) };
    rig.exchange(name, options);
    model.exchanges.set(name, { kind: options.kind, alternate: options.alternateExchange });
  };
  const remove = (): void => {
    const name = pick([...exchanges, ...queues]);
    if (model.queues.delete(name)) {
      rig.namespace.deleteQueue(name, { ifUnused: false, ifEmpty: false, owner: null });
    } else if (model.exchanges.delete(name)) {
      rig.namespace.deleteExchange(name, { ifUnused: false });
    } else {
      return;
    }
    model.bindings = model.bindings.filter(
      (binding) => binding.source !== name && binding.name !== name,
    );
  };
  const bind = (): void => {
    const kind = pick(['queue', 'queue', 'exchange'] as const);
    const binding: ModelBinding = {
      source: pick(exchanges),
      kind,
      name: pick(kind === 'queue' ? queues : exchanges),
      routingKey: pick(PATTERNS),
    };
    if (!model.exchanges.has(binding.source)) return;
    if (kind === 'exchange' && !model.exchanges.has(binding.name)) return;
    if (kind === 'queue' && !model.queues.has(binding.name)) {
      rig.queue(binding.name);
      model.queues.add(binding.name);
    }
    const { source, name, routingKey } = binding;
    const same = (other: ModelBinding): boolean =>
      other.source === source &&
      other.kind === kind &&
      other.name === name &&
      other.routingKey === routingKey;
    const isThere = model.bindings.some(same);
    if (isThere && random.next() < 0.7) {
      rig.namespace.unbind(source, { kind, name }, routingKey, {});
      model.bindings = model.bindings.filter((other) => !same(other));
    } else {
      rig.namespace.bind(source, { kind, name }, routingKey, {});
      if (!isThere) model.bindings.push(binding);
    }
  };

  const kept = new Map<string, Route>();
  let current = 0;
  for (let step = 0; step < 4000; step++) {
    pick([declare, bind, bind, bind, bind, bind, remove])();
    for (const [address, route] of kept) {
      if (!route.isCurrent) continue;
      current++;
      const found = route.targets.map((target) => target.name).toSorted();
      const expected = model.route(route.exchange.name, [route.routingKey]);
      assert.deepEqual(found, expected, `step ${step}: ${address} is no longer current`);
    }
    for (const exchange of model.exchanges.keys()) {
      const key = pick(KEYS);
      const route = rig.namespace.resolve(exchange, key)!;
      const found = route.targets.map((target) => target.name).toSorted();
      assert.deepEqual(found, model.route(exchange, [key]), `step ${step}: ${exchange} '${key}'`);
      assert.equal(route.isCurrent || rig.namespace.resolve(exchange, key)!.isCurrent, true);
      kept.set(`${exchange} '${key}'`, rig.namespace.resolve(exchange, key)!);
      routed += found.length;
      const keys = [key, pick(KEYS)];
      const ofBoth = rig.namespace.resolveMany(exchange, keys, new Message());
      assert.deepEqual(
        ofBoth.map((target) => target.name).toSorted(),
        model.route(exchange, keys),
        `step ${step}: ${exchange} '${keys.join("' '")}'`,
      );
    }
  }
  assert.equal(rig.namespace.binder.table.size, model.bindings.length);
  assert.ok(routed > 2000, `only ${routed} routes led anywhere`);
  assert.ok(current > 2000, `only ${current} routes were kept`);
});

class Ear implements LiveSubscriber {
  readonly live = true;
  readonly name = '';
  heard = 0;
  publish(): Outcome {
    this.heard++;
    return Outcome.Routed;
  }
}

test('subscriptions leave the routes of other subjects alone', async () => {
  const { namespace } = await BrokerRig.open();
  const remembered = (key: string): Route => {
    namespace.resolve('amq.topic', key);
    return namespace.resolve('amq.topic', key)!;
  };
  // The first pattern begins to keep keys by their words.
  namespace.unsubscribe(namespace.subscribe('amq.topic', '*', new Ear()));
  const routes = ['a', 'a.b', 'a.b.c', 'b', 'b.c'].map(remembered);
  const survivors = (pattern: string): string => {
    namespace.unsubscribe(namespace.subscribe('amq.topic', pattern, new Ear()));
    const found = routes.filter((route) => route.isCurrent).map((route) => route.routingKey);
    for (const [i, { routingKey }] of routes.entries()) routes[i] = remembered(routingKey);
    return found.join(' ');
  };
  assert.equal(survivors('c.#'), 'a a.b a.b.c b b.c');
  assert.equal(survivors('a.b'), 'a a.b.c b b.c');
  assert.equal(survivors('a.*'), 'a a.b.c b b.c');
  assert.equal(survivors('*.b.*'), 'a a.b b b.c');
  assert.equal(survivors('b.#'), 'a a.b a.b.c');
  assert.equal(survivors('#'), '');
});

test('a change is heard of in every exchange that leads there, whatever key it is by', async () => {
  const rig = await BrokerRig.open();
  const { namespace } = rig;
  rig.exchange('front', { kind: 'fanout' });
  rig.exchange('first', { kind: 'direct', alternateExchange: 'front' });
  namespace.bind('front', { kind: 'exchange', name: 'amq.topic' }, '', {});
  const resolve = (exchange: string, key: string): Route => {
    namespace.resolve(exchange, key);
    return namespace.resolve(exchange, key)!;
  };
  const routes = ['amq.topic', 'front', 'first'].flatMap((exchange) =>
    ['a.b', 'c'].map((key) => resolve(exchange, key)),
  );
  const current = (): boolean[] => routes.map((route) => route.isCurrent);
  const ear = new Ear();
  const binding = namespace.subscribe('amq.topic', 'c', ear);
  assert.deepEqual(current(), [true, false, true, false, true, false]);
  assert.deepEqual(resolve('first', 'c').targets, [ear]);
  assert.deepEqual(resolve('first', 'a.b').targets, []);
  namespace.unsubscribe(binding);
  assert.deepEqual(resolve('first', 'c').targets, []);
});

test('an exchange that live subscribers listen to is in use, and goes with the last of them', async () => {
  const rig = await BrokerRig.open();
  rig.exchange('e', { kind: 'topic', autoDelete: true });
  const bindings = ['a', 'a'].map((key) => rig.namespace.subscribe('e', key, new Ear()));
  assert.throws(() => rig.namespace.deleteExchange('e', { ifUnused: true }), { code: 'in-use' });
  rig.namespace.unsubscribe(bindings[0]!);
  assert.ok(rig.namespace.exchanges.has('e'));
  rig.namespace.unsubscribe(bindings[1]!);
  assert.ok(!rig.namespace.exchanges.has('e'));

  rig.exchange('e', { kind: 'topic' });
  const orphan = rig.namespace.subscribe('e', 'a', new Ear());
  const route = rig.namespace.resolve('e', 'a')!;
  rig.namespace.deleteExchange('e', { ifUnused: false });
  assert.equal(route.isCurrent, false);
  rig.namespace.unsubscribe(orphan);
});

test('ten thousand subscribers of one subject each hear it once; a queue beside them too', async () => {
  const rig = await BrokerRig.open();
  const ears = Array.from({ length: 10_000 }, () => new Ear());
  for (const ear of ears) rig.namespace.subscribe('amq.topic', 'one.subject', ear);
  const queue = rig.queue('q');
  rig.namespace.bind('amq.topic', { kind: 'queue', name: 'q' }, 'one.*', {});
  rig.namespace.bind('amq.topic', { kind: 'queue', name: 'q' }, 'one.subject', {});
  assert.equal(rig.publish('amq.topic', 'one.subject', textMessage('x')), Outcome.Routed);
  assert.ok(ears.every((ear) => ear.heard === 1));
  assert.equal(queue.readyCount, 1);
});
