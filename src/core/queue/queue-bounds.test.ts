/** What makes messages leave a queue by themselves: time, length, and where they go then. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Collector, QueueRig } from '#test/rigs/queue-rig.ts';
import { Outcome } from '../message/message.ts';

test('messages expire at the head by themselves, by the shorter of both times', async () => {
  const rig = await QueueRig.open();
  const queue = rig.declare('q', { ttlMs: 1000 });
  rig.publish(queue, 'short', { ttlMs: 400 });
  rig.publish(queue, 'long', { ttlMs: 5000 });
  rig.pass(399);
  assert.equal(queue.readyCount, 2);
  rig.pass(1);
  assert.equal(queue.readyCount, 1);
  rig.pass(600);
  assert.equal(queue.readyCount, 0);
});

test('what expires behind a message that does not, waits for its turn', async () => {
  const rig = await QueueRig.open();
  const queue = rig.declare('q');
  rig.publish(queue, 'stays');
  rig.publish(queue, 'goes', { ttlMs: 100 });
  rig.pass(500);
  assert.equal(queue.readyCount, 2);
  assert.deepEqual(rig.takeAll(queue), ['stays']);
});

test('time to live 0: delivered at once or never', async () => {
  const rig = await QueueRig.open();
  const queue = rig.declare('q', { ttlMs: 0 });
  rig.publish(queue, 'a');
  assert.equal(queue.readyCount, 0);
  const consumer = new Collector(queue, { limit: 1 });
  rig.publish(queue, 'b');
  rig.publish(queue, 'c');
  assert.deepEqual(consumer.texts, ['b']);
  assert.equal(queue.readyCount, 0);
  consumer.release(consumer.deliveries[0]!.offset);
  assert.equal(queue.readyCount + queue.unackedCount, 0);
});

test('a leased message does not expire; released after its time it does', async () => {
  const rig = await QueueRig.open();
  const queue = rig.declare('q', { ttlMs: 100 });
  const consumer = new Collector(queue);
  rig.publish(queue, 'a');
  rig.pass(1000);
  assert.equal(queue.unackedCount, 1);
  consumer.release(consumer.deliveries[0]!.offset);
  assert.equal(consumer.deliveries.length, 1);
  assert.equal(queue.readyCount, 0);
});

test('drop-head keeps the newest, by length and by bytes; leased ones do not count', async () => {
  const rig = await QueueRig.open();
  const byLength = rig.declare('l', { lengthMax: 2 });
  const byBytes = rig.declare('b', { bytesMax: 5 });
  const consumer = new Collector(byLength, { limit: 1 });
  for (const text of ['aa', 'bb', 'cc', 'dd']) {
    assert.equal(rig.publish(byLength, text), Outcome.Routed);
    rig.publish(byBytes, text);
  }
  assert.deepEqual(consumer.texts, ['aa']);
  assert.deepEqual(rig.takeAll(byLength), ['cc', 'dd']);
  assert.deepEqual(rig.takeAll(byBytes), ['cc', 'dd']);
});

test('length 0 with drop-head: through to a consumer or gone', async () => {
  const rig = await QueueRig.open();
  const queue = rig.declare('q', { lengthMax: 0 });
  rig.publish(queue, 'a');
  assert.equal(queue.readyCount, 0);
  const consumer = new Collector(queue);
  rig.publish(queue, 'b');
  assert.deepEqual(consumer.texts, ['b']);
});

test('reject-publish refuses, reject-publish-dlx refuses and dead-letters', async () => {
  const rig = await QueueRig.open();
  const dead = rig.declare('dead');
  const plain = rig.declare('p', { lengthMax: 1, overflow: 'reject-publish' });
  const dlx = rig.declare('d', {
    lengthMax: 1,
    overflow: 'reject-publish-dlx',
    deadLetterExchange: 'x',
    deadLetterRoutingKey: 'dead',
  });
  for (const queue of [plain, dlx]) {
    assert.equal(rig.publish(queue, 'a'), Outcome.Routed);
    const message = rig.message('b');
    assert.equal(queue.publish(message), Outcome.Refused);
    assert.equal(message.deaths, null, 'other destinations see it unchanged');
    assert.deepEqual(rig.takeAll(queue), ['a']);
  }
  const found = new Collector(dead).deliveries;
  assert.deepEqual(
    found.map((delivery) => [delivery.text, delivery.deaths![0]!.reason]),
    [['b', 'maxlen']],
  );
});

test('a dead message has its history, its new address and no expiry', async () => {
  const rig = await QueueRig.open();
  const dead = rig.declare('dead');
  const queue = rig.declare('q', { deadLetterExchange: 'dlx', deadLetterRoutingKey: 'dead' });
  rig.publish(queue, 'a', { ttlMs: 100, exchange: 'ex', routingKey: 'rk' });
  const diedAtMs = rig.nowMs + 100;
  rig.pass(100);
  const [found] = new Collector(dead).deliveries;
  assert.deepEqual(found!.deaths, [
    {
      queue: 'q',
      reason: 'expired',
      count: 1,
      timeMs: diedAtMs,
      exchange: 'ex',
      routingKeys: ['rk'],
      originalExpiration: '100',
    },
  ]);
  assert.equal(found!.address, 'dlx|dead|');
  rig.pass(100_000);
  assert.equal(dead.unackedCount, 1);
});

test('deaths are counted per queue and reason, the latest first, the first time stays', async () => {
  const rig = await QueueRig.open();
  const wait = rig.declare('wait', {
    ttlMs: 100,
    deadLetterExchange: '',
    deadLetterRoutingKey: 'work',
  });
  const work = rig.declare('work', { deadLetterExchange: '', deadLetterRoutingKey: 'wait' });
  const consumer = new Collector(work);
  rig.publish(work, 'a');
  const firstMs = rig.nowMs;
  for (let i = 0; i < 3; i++) {
    consumer.reject(consumer.deliveries.at(-1)!.offset);
    rig.pass(100);
  }
  assert.equal(wait.readyCount, 0);
  assert.deepEqual(
    consumer.deliveries.at(-1)!.deaths!.map((d) => [d.queue, d.reason, d.count, d.timeMs]),
    [
      ['wait', 'expired', 3, firstMs + 100],
      ['work', 'rejected', 3, firstMs],
    ],
  );
});

test('an automatic cycle drops the message, a rejected one goes round', async () => {
  const rig = await QueueRig.open();
  const queue = rig.declare('q', {
    ttlMs: 10,
    deadLetterExchange: '',
    deadLetterRoutingKey: 'q',
  });
  rig.publish(queue, 'a');
  rig.pass(1000);
  assert.equal(queue.readyCount, 0);
  const consumer = new Collector(queue);
  rig.publish(queue, 'b');
  consumer.reject(consumer.deliveries[0]!.offset);
  assert.deepEqual(consumer.texts, ['b', 'b']);
});

test('without a routing key of its own a dead letter keeps the keys it had', async () => {
  const rig = await QueueRig.open();
  const dead = rig.declare('rk');
  const queue = rig.declare('q', { deadLetterExchange: 'dlx', lengthMax: 1 });
  rig.publish(queue, 'a', { routingKey: 'rk' });
  rig.publish(queue, 'b', { routingKey: 'rk' });
  const [found] = new Collector(dead).deliveries;
  assert.equal(found!.text, 'a');
  assert.equal(found!.address, 'dlx|rk|');
});

test('a chain of full queues hands on without growing the stack', async () => {
  const rig = await QueueRig.open();
  const depth = 3000;
  for (let i = 0; i < depth; i++) {
    const queue = rig.declare(`q${i}`, {
      lengthMax: 1,
      deadLetterExchange: '',
      deadLetterRoutingKey: `q${i + 1}`,
    });
    rig.publish(queue, `m${i}`);
  }
  rig.publish(rig.queues.get('q0')!, 'new');
  rig.turn();
  assert.deepEqual(rig.takeAll(rig.queues.get('q0')!), ['new']);
  assert.deepEqual(rig.takeAll(rig.queues.get(`q${depth - 1}`)!), [`m${depth - 2}`]);
});

test('many that expire at once die in portions', async () => {
  const rig = await QueueRig.open();
  const dead = rig.declare('dead');
  const queue = rig.declare('q', {
    ttlMs: 100,
    deadLetterExchange: '',
    deadLetterRoutingKey: 'dead',
  });
  for (let i = 0; i < 5000; i++) rig.publish(queue, String(i));
  rig.nowMs += 100;
  rig.schedule.due(rig.nowMs);
  assert.ok(dead.readyCount > 0 && dead.readyCount < 5000);
  rig.turn();
  assert.equal(dead.readyCount, 5000);
  assert.equal(rig.take(dead), '0');
});

test('delayed messages are not seen before their time, and then in their old place', async () => {
  const rig = await QueueRig.open();
  const queue = rig.declare('q');
  rig.publish(queue, 'later', { deliverAtMs: rig.nowMs + 100 });
  rig.publish(queue, 'now');
  assert.equal(queue.readyCount, 1);
  assert.equal(rig.take(queue), 'now');
  rig.publish(queue, 'next');
  rig.pass(99);
  assert.equal(queue.readyCount, 1);
  rig.pass(1);
  assert.deepEqual(rig.takeAll(queue), ['later', 'next']);
});

test('a timed lease ends, can be extended, and counts', async () => {
  const rig = await QueueRig.open();
  const queue = rig.declare('q', { deliveryLimit: 10 });
  for (const text of ['a', 'b', 'c']) rig.publish(queue, text);
  const counts: number[] = [];
  const lease = (): number =>
    queue.lease(2, 1000, rig, (_message, { deliveryCount }) => counts.push(deliveryCount));
  assert.equal(lease(), 2);
  assert.equal(queue.unackedCount, 2);
  assert.equal(queue.extend(0, 5000), true);
  rig.pass(1000);
  assert.equal(queue.unackedCount, 1);
  assert.equal(queue.accept(1), false);
  assert.equal(lease(), 2);
  assert.deepEqual(counts, [0, 0, 1, 0]);
  assert.equal(queue.accept(1), true);
  assert.equal(queue.extend(0, 0), true);
  assert.equal(queue.extend(0, 10), false);
  assert.equal(rig.take(queue), 'a');
});

test('a release with delay hides the message meanwhile', async () => {
  const rig = await QueueRig.open();
  const queue = rig.declare('q');
  const consumer = new Collector(queue);
  rig.publish(queue, 'a');
  queue.release([0], false, 500);
  assert.equal(consumer.deliveries.length, 1);
  assert.equal(queue.readyCount + queue.unackedCount, 0);
  rig.pass(500);
  assert.equal(consumer.deliveries.length, 2);
});
