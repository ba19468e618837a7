import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BrokerRig, exchangeOptions, textMessage } from '#test/rigs/broker-rig.ts';
import type { BrokerErrorCode } from './errors.ts';
import { BrokerError } from './errors.ts';
import type { LiveSubscriber } from './routing/live-subscriber.ts';
import { Outcome } from './message/message.ts';
import { defaultQueueOptions } from './queue/queue-options.ts';

function refuses(
  code: BrokerErrorCode,
  task: () => unknown,
  detail: Record<string, unknown> = {},
): void {
  assert.throws(task, (error: unknown) => {
    assert.ok(error instanceof BrokerError, String(error));
    assert.equal(error.code, code);
    assert.deepEqual({ ...error.detail, ...detail }, error.detail);
    return true;
  });
}

/** Names of those that a routing key leads to. */
function targets(rig: BrokerRig, exchange: string, routingKey: string): string[] {
  const route = rig.namespace.resolve(exchange, routingKey);
  assert.ok(route, `exchange ${exchange}`);
  return route.targets.map((target) => target.name).toSorted();
}

function toQueue(name: string) {
  return { kind: 'queue', name } as const;
}

function toExchange(name: string) {
  return { kind: 'exchange', name } as const;
}

test('the predeclared exchanges are there and stay', async () => {
  const { namespace } = await BrokerRig.open();
  assert.deepEqual(
    [...namespace.exchanges.values()].map(({ name, options }) => `${name}:${options.kind}`),
    [
      ':direct',
      'amq.direct:direct',
      'amq.fanout:fanout',
      'amq.topic:topic',
      'amq.headers:headers',
      'amq.match:headers',
    ],
  );
  refuses('access-refused', () => namespace.deleteExchange('', { ifUnused: false }));
  refuses('access-refused', () => namespace.deleteExchange('amq.topic', { ifUnused: false }));
});

test('the default exchange leads to the queue or topic of that name', async () => {
  const rig = await BrokerRig.open();
  rig.queue('q');
  rig.namespace.createTopic('t', { partitions: 1, replicationFactor: 1, config: {} });
  assert.deepEqual(targets(rig, '', 'q'), ['q']);
  assert.deepEqual(targets(rig, '', 't'), ['t']);
  assert.deepEqual(targets(rig, '', 'x'), []);
  assert.equal(rig.publish('', 'x', textMessage('')), Outcome.Unrouted);
  assert.equal(rig.namespace.resolve('nowhere', 'q'), null);
  refuses('access-refused', () => rig.namespace.bind('', toQueue('q'), 'k', {}));
  refuses('access-refused', () => rig.namespace.bind('amq.direct', toExchange(''), 'k', {}));
});

test('direct, fanout and topic exchanges; each queue once whatever matches', async () => {
  const rig = await BrokerRig.open();
  for (const name of ['a', 'b']) rig.queue(name);
  const { namespace } = rig;
  namespace.bind('amq.direct', toQueue('a'), 'red', {});
  namespace.bind('amq.direct', toQueue('b'), 'red', {});
  namespace.bind('amq.direct', toQueue('b'), 'green', {});
  assert.deepEqual(targets(rig, 'amq.direct', 'red'), ['a', 'b']);
  assert.deepEqual(targets(rig, 'amq.direct', 'green'), ['b']);
  assert.deepEqual(targets(rig, 'amq.direct', ''), []);
  namespace.bind('amq.fanout', toQueue('a'), 'x', {});
  namespace.bind('amq.fanout', toQueue('a'), 'y', {});
  assert.deepEqual(targets(rig, 'amq.fanout', 'anything'), ['a']);
  namespace.bind('amq.topic', toQueue('a'), '*.red', {});
  namespace.bind('amq.topic', toQueue('a'), '#', {});
  namespace.bind('amq.topic', toQueue('b'), 'big.*', {});
  assert.deepEqual(targets(rig, 'amq.topic', 'big.red'), ['a', 'b']);
  assert.deepEqual(targets(rig, 'amq.topic', 'small.red'), ['a']);
});

test('a route is the same object until something changes', async () => {
  const rig = await BrokerRig.open();
  rig.queue('a');
  rig.namespace.bind('amq.topic', toQueue('a'), '#', {});
  assert.equal(rig.namespace.resolve('amq.topic', 'k')?.isCurrent, false, 'the first time');
  const route = rig.namespace.resolve('amq.topic', 'k')!;
  assert.equal(rig.namespace.resolve('amq.topic', 'k'), route);
  assert.deepEqual([route.cacheable, route.isCurrent, route.stored], [true, true, true]);
  rig.queue('b');
  assert.equal(route.isCurrent, true, 'a queue that nothing leads to yet');
  rig.namespace.bind('amq.topic', toQueue('b'), 'k', {});
  assert.equal(route.isCurrent, false);
  assert.deepEqual(targets(rig, 'amq.topic', 'k'), ['a', 'b']);
});

test('remembered routes are bounded', async () => {
  const rig = await BrokerRig.open({ limits: { cachedRoutesMax: 10 } });
  rig.namespace.resolve('amq.topic', 'often');
  const often = rig.namespace.resolve('amq.topic', 'often');
  for (let i = 0; i < 1000; i++) {
    for (let times = 0; times < 2; times++) rig.namespace.resolve('amq.topic', `k${i}`);
    assert.equal(rig.namespace.resolve('amq.topic', 'often'), often);
  }
  const { size } = rig.namespace.exchange('amq.topic').routes;
  assert.ok(size >= 5 && size <= 10, `${size}`);
});

test('exchanges bound to exchanges, in a cycle too', async () => {
  const rig = await BrokerRig.open();
  rig.queue('q');
  for (const name of ['a', 'b', 'c']) rig.exchange(name, { kind: 'fanout' });
  rig.namespace.bind('a', toExchange('b'), '', {});
  rig.namespace.bind('b', toExchange('c'), '', {});
  rig.namespace.bind('c', toExchange('a'), '', {});
  rig.namespace.bind('c', toQueue('q'), '', {});
  assert.deepEqual(targets(rig, 'a', 'x'), ['q']);
  assert.deepEqual(targets(rig, 'b', 'x'), ['q']);
  rig.namespace.unbind('b', toExchange('c'), '', {});
  assert.deepEqual(targets(rig, 'a', 'x'), []);
});

test('an alternate exchange gets what nothing matched, and alternates may form a cycle', async () => {
  const rig = await BrokerRig.open();
  for (const name of ['hit', 'rest']) rig.queue(name);
  rig.exchange('main', { alternateExchange: 'other' });
  rig.exchange('other', { kind: 'fanout', alternateExchange: 'main' });
  rig.namespace.bind('main', toQueue('hit'), 'k', {});
  assert.deepEqual(targets(rig, 'main', 'k'), ['hit']);
  assert.deepEqual(targets(rig, 'main', 'x'), []);
  rig.namespace.bind('other', toQueue('rest'), '', {});
  assert.deepEqual(targets(rig, 'main', 'x'), ['rest']);
  assert.deepEqual(targets(rig, 'main', 'k'), ['hit']);
  rig.namespace.deleteExchange('other', { ifUnused: false });
  assert.deepEqual(targets(rig, 'main', 'x'), []);
});

test('equivalence of exchanges names the field that differs', async () => {
  const rig = await BrokerRig.open();
  const first = rig.exchange('e', { kind: 'topic', arguments: { note: 1 } });
  assert.equal(rig.exchange('e', { kind: 'topic' }), first, 'other arguments do not count');
  const differ = (field: string, options: object, received: unknown, current: unknown): void => {
    const asked = { ...exchangeOptions(), kind: 'topic', ...options } as const;
    refuses('inequivalent', () => rig.namespace.declareExchange('e', asked), {
      kind: 'exchange',
      name: 'e',
      namespace: '/',
      field,
      received,
      current,
    });
  };
  differ('type', { kind: 'direct' }, 'direct', 'topic');
  differ('durable', { durable: true }, true, false);
  differ('auto_delete', { autoDelete: true }, true, false);
  differ('internal', { internal: true }, true, false);
  differ('alternate-exchange', { alternateExchange: 'x' }, 'x', undefined);
});

test('equivalence of queues names the field or argument that differs', async () => {
  const rig = await BrokerRig.open();
  const args = { 'x-message-ttl': 1000, 'x-queue-type': 'classic' };
  const first = rig.queue('q', { durable: true, ttlMs: 1000, arguments: args });
  const same = { durable: true, ttlMs: 1000, arguments: { 'x-message-ttl': 1000n } };
  assert.equal(rig.queue('q', same), first);
  const differ = (field: string, options: object, received: unknown, current: unknown): void => {
    const asked = { ...defaultQueueOptions(), ...same, ...options };
    refuses('inequivalent', () => rig.namespace.declareQueue('q', asked), {
      kind: 'queue',
      name: 'q',
      field,
      received,
      current,
    });
  };
  differ('durable', { durable: false }, false, true);
  differ('auto_delete', { autoDelete: true }, true, false);
  differ('x-queue-type', { kind: 'quorum' }, 'quorum', 'classic');
  differ('x-message-ttl', { arguments: {} }, undefined, 1000);
  differ('x-message-ttl', { arguments: { 'x-message-ttl': '1000' } }, '1000', 1000);
  const more = { 'x-message-ttl': 1000, 'x-max-length': 5 };
  differ('x-max-length', { arguments: more }, 5, undefined);
});

test('queues and topics share one space of names', async () => {
  const rig = await BrokerRig.open();
  const request = { partitions: 1, replicationFactor: 1, config: {} };
  rig.namespace.createTopic('t', request);
  rig.queue('q');
  refuses('inequivalent', () => rig.queue('t'), {
    field: 'x-queue-type',
    received: 'classic',
    current: 'stream',
  });
  assert.throws(() => rig.queue('t'), /'t' is a topic, not a queue; a binding joins it to a queue/);
  refuses('already-exists', () => rig.namespace.createTopic('q', request), { kind: 'queue' });
  refuses('already-exists', () => rig.namespace.createTopic('t', request), { kind: 'topic' });
  for (const name of ['', '.', '..', 'a/b', 'ü', 'x'.repeat(250)]) {
    refuses('invalid-name', () => rig.namespace.createTopic(name, request));
  }
});

test("an exclusive queue is its connection's, and goes with it", async () => {
  const rig = await BrokerRig.open();
  const owner = {};
  const other = {};
  const queue = rig.queue('q', { exclusiveTo: owner, durable: true });
  assert.equal(queue.options.durable, false, 'it never survives a restart');
  assert.equal(rig.queue('q', { exclusiveTo: owner }), queue);
  refuses('locked', () => rig.queue('q', { exclusiveTo: other }));
  refuses('locked', () => rig.queue('q'));
  refuses('locked', () => rig.namespace.bind('amq.fanout', toQueue('q'), '', {}, other));
  refuses('locked', () => rig.namespace.queue('q', other));
  const all = { ifUnused: false, ifEmpty: false };
  refuses('locked', () => rig.namespace.deleteQueue('q', { ...all, owner: other }));
  rig.namespace.bind('amq.fanout', toQueue('q'), '', {}, owner);
  rig.broker.ownerGone(other);
  assert.equal(rig.namespace.queues.size, 1);
  rig.broker.ownerGone(owner);
  assert.equal(rig.namespace.queues.size, 0);
  assert.deepEqual(targets(rig, 'amq.fanout', ''), []);
  assert.equal(rig.namespace.binder.table.size, 0);
});

test('deleting asks whether it is used and empty', async () => {
  const rig = await BrokerRig.open();
  const queue = rig.queue('q');
  const options = { ifUnused: false, ifEmpty: true, owner: {} };
  assert.equal(rig.publish('', 'q', textMessage('x')), Outcome.Routed);
  assert.equal(queue.readyCount, 1);
  refuses('not-empty', () => rig.namespace.deleteQueue('q', options));
  assert.equal(rig.namespace.deleteQueue('q', { ...options, ifEmpty: false }), 1);
  refuses('not-found', () => rig.namespace.deleteQueue('q', options), { kind: 'queue' });
  rig.exchange('e');
  rig.queue('q');
  rig.namespace.bind('e', toQueue('q'), 'k', {});
  refuses('in-use', () => rig.namespace.deleteExchange('e', { ifUnused: true }));
  rig.namespace.unbind('e', toQueue('q'), 'k', {});
  rig.namespace.deleteExchange('e', { ifUnused: true });
  refuses('not-found', () => rig.namespace.deleteExchange('e', { ifUnused: true }));
});

test('an auto-delete exchange goes with its last binding, and may take others along', async () => {
  const rig = await BrokerRig.open();
  rig.queue('q');
  rig.exchange('outer', { autoDelete: true });
  rig.exchange('inner', { autoDelete: true });
  rig.namespace.bind('outer', toExchange('inner'), '', {});
  rig.namespace.bind('inner', toQueue('q'), '1', {});
  rig.namespace.bind('inner', toQueue('q'), '2', {});
  rig.namespace.unbind('inner', toQueue('q'), '1', {});
  assert.equal(rig.namespace.exchanges.has('inner'), true);
  rig.namespace.deleteQueue('q', { ifUnused: false, ifEmpty: false, owner: null });
  assert.equal(rig.namespace.exchanges.has('inner'), false);
  assert.equal(rig.namespace.exchanges.has('outer'), false);
});

test('bindings are told apart by routing key and arguments', async () => {
  const rig = await BrokerRig.open();
  rig.queue('q');
  const { table } = rig.namespace.binder;
  rig.namespace.bind('amq.headers', toQueue('q'), '', { a: 1, b: 2 });
  rig.namespace.bind('amq.headers', toQueue('q'), '', { b: 2, a: 1 });
  assert.equal(table.size, 1, 'the order of arguments does not matter');
  rig.namespace.bind('amq.headers', toQueue('q'), '', { a: 1 });
  rig.namespace.bind('amq.headers', toQueue('q'), 'k', { a: 1 });
  assert.equal(table.size, 3);
  rig.namespace.unbind('amq.headers', toQueue('q'), '', { a: 2 });
  assert.equal(table.size, 3);
  rig.namespace.unbind('amq.headers', toQueue('q'), '', { a: 1 });
  assert.equal(table.size, 2);
  assert.equal(table.from('exchange', 'amq.headers').size, 2);
  assert.equal(table.to(toQueue('q')).length, 2);
});

test('a name that is not there is refused at either end', async () => {
  const rig = await BrokerRig.open();
  refuses('not-found', () => rig.namespace.bind('e', toQueue('q'), '', {}), { kind: 'exchange' });
  refuses('not-found', () => rig.namespace.bind('amq.direct', toQueue('q'), '', {}), {
    kind: 'queue',
    name: 'q',
    namespace: '/',
  });
  refuses('not-found', () => rig.namespace.unbind('amq.direct', toQueue('q'), '', {}));
  refuses('not-found', () => rig.namespace.bind('amq.direct', toExchange('e'), '', {}));
});

test('a live subscriber is reached by name or binding, and stores nothing', async () => {
  const rig = await BrokerRig.open();
  const got: string[] = [];
  const live: LiveSubscriber = {
    live: true,
    name: 'me',
    publish(message) {
      got.push(Buffer.from(message.body).toString());
      return Outcome.Routed;
    },
  };
  rig.namespace.addLive(live);
  const binding = rig.namespace.subscribe('amq.topic', 'news.#', live);
  assert.equal(rig.publish('', 'me', textMessage('1')), Outcome.Routed);
  assert.equal(rig.publish('amq.topic', 'news.x', textMessage('2')), Outcome.Routed);
  rig.namespace.removeLive(live);
  rig.namespace.unsubscribe(binding);
  assert.equal(rig.publish('', 'me', textMessage('3')), Outcome.Unrouted);
  assert.equal(rig.publish('amq.topic', 'news.x', textMessage('4')), Outcome.Unrouted);
  assert.deepEqual(got, ['1', '2']);
});
