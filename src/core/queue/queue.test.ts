import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Collector, QueueRig } from '#test/rigs/queue-rig.ts';
import { Credit } from './credit.ts';
import { BrokerError } from '../errors.ts';
import { Outcome } from '../message/message.ts';

test('messages leave in the order they came, and accepted ones are gone', async () => {
  const rig = await QueueRig.open();
  const queue = rig.declare('q');
  for (const text of ['a', 'b', 'c']) assert.equal(rig.publish(queue, text), Outcome.Routed);
  assert.equal(queue.readyCount, 3);
  assert.equal(queue.readyBytes, 3);
  const consumer = new Collector(queue);
  assert.deepEqual(consumer.texts, ['a', 'b', 'c']);
  assert.equal(queue.readyCount, 0);
  assert.equal(queue.unackedCount, 3);
  for (const { offset } of consumer.deliveries) consumer.accept(offset);
  assert.equal(queue.unackedCount, 0);
  assert.equal(queue.accept(0), false);
});

test('a durable queue asks to wait for durable messages only', async () => {
  const rig = await QueueRig.open();
  const queue = rig.declare('q', { durable: true });
  assert.equal(rig.publish(queue, 'a', { durable: true }), Outcome.Routed | Outcome.AwaitCommit);
  assert.equal(rig.publish(queue, 'b'), Outcome.Routed);
  assert.equal(queue.log.endOffset, 0);
  rig.turn();
  assert.equal(queue.log.endOffset, 2);
  rig.publish(queue, 'c');
  rig.turn();
  assert.deepEqual(rig.takeAll(queue), ['a', 'b', 'c']);
});

test('a quorum queue takes every message as durable', async () => {
  const rig = await QueueRig.open();
  const queue = rig.declare('q', { durable: true, kind: 'quorum' });
  assert.equal(rig.publish(queue, 'a'), Outcome.Routed | Outcome.AwaitCommit);
});

test('credit bounds what is out, also across subscriptions that share one', async () => {
  const rig = await QueueRig.open();
  const queue = rig.declare('q');
  const channel = new Credit(3);
  const first = new Collector(queue, { limit: 2, credits: [channel] });
  const second = new Collector(queue, { limit: 2, credits: [channel] });
  for (let i = 0; i < 6; i++) rig.publish(queue, String(i));
  assert.equal(first.deliveries.length + second.deliveries.length, 3);
  assert.equal(queue.readyCount, 3);
  first.accept(first.deliveries[0]!.offset);
  assert.equal(first.deliveries.length + second.deliveries.length, 4);
  channel.limit = 0;
  queue.pump();
  assert.equal(first.deliveries.length + second.deliveries.length, 5);
});

test('equal consumers take turns, a higher priority is served first', async () => {
  const rig = await QueueRig.open();
  const queue = rig.declare('q');
  const a = new Collector(queue);
  const b = new Collector(queue);
  const high = new Collector(queue, { priority: 5, limit: 2 });
  for (let i = 0; i < 6; i++) rig.publish(queue, String(i));
  assert.deepEqual(high.texts, ['0', '1']);
  assert.deepEqual(a.texts, ['2', '4']);
  assert.deepEqual(b.texts, ['3', '5']);
});

test('a paused subscription is passed over until it is pumped', async () => {
  const rig = await QueueRig.open();
  const queue = rig.declare('q');
  const consumer = new Collector(queue, { noAck: true });
  consumer.subscription.paused = true;
  rig.publish(queue, 'a');
  assert.deepEqual(consumer.texts, []);
  consumer.subscription.paused = false;
  queue.pump();
  assert.deepEqual(consumer.texts, ['a']);
  rig.publish(queue, 'b');
  assert.deepEqual(consumer.texts, ['a', 'b']);
  assert.equal(queue.unackedCount, 0);
});

test('released messages take their old place and are redelivered', async () => {
  const rig = await QueueRig.open();
  const queue = rig.declare('q');
  const consumer = new Collector(queue, { limit: 3 });
  for (const text of ['a', 'b', 'c', 'd', 'e']) rig.publish(queue, text);
  const [a, b, c] = consumer.deliveries;
  consumer.subscription.cancel();
  queue.release([c!.offset, a!.offset], false);
  assert.equal(queue.readyCount, 4);
  const next = new Collector(queue);
  assert.deepEqual(next.texts, ['a', 'c', 'd', 'e']);
  assert.deepEqual(
    next.deliveries.map((delivery) => delivery.deliveryCount),
    [1, 1, 0, 0],
  );
  queue.release([b!.offset], false);
  assert.equal(next.texts.at(-1), 'b');
});

test('counted returns end at the delivery limit', async () => {
  const rig = await QueueRig.open();
  const dead = rig.declare('dead');
  const queue = rig.declare('q', {
    kind: 'quorum',
    durable: true,
    deliveryLimit: 2,
    deadLetterExchange: 'dlx',
    deadLetterRoutingKey: 'dead',
  });
  const consumer = new Collector(queue);
  rig.publish(queue, 'a');
  for (let i = 0; i < 3; i++) consumer.release(consumer.deliveries.at(-1)!.offset, true);
  assert.deepEqual(
    consumer.deliveries.map((delivery) => delivery.deliveryCount),
    [0, 1, 2],
  );
  assert.equal(queue.readyCount + queue.unackedCount, 0);
  const found = new Collector(dead);
  assert.equal(found.deliveries[0]!.deaths![0]!.reason, 'delivery_limit');
});

test('delivery counts beyond what a state byte holds are exact', async () => {
  const rig = await QueueRig.open();
  const queue = rig.declare('q', { deliveryLimit: 1000 });
  const consumer = new Collector(queue);
  rig.publish(queue, 'a');
  for (let i = 0; i < 100; i++) consumer.release(0, true);
  assert.equal(consumer.deliveries.at(-1)!.deliveryCount, 100);
});

test('single active consumer: the first in line, then the next', async () => {
  const rig = await QueueRig.open();
  const queue = rig.declare('q', { singleActiveConsumer: true });
  const first = new Collector(queue, { limit: 1 });
  const second = new Collector(queue, { priority: 10 });
  rig.publish(queue, 'a');
  rig.publish(queue, 'b');
  assert.deepEqual([first.texts, second.texts], [['a'], []]);
  assert.equal(second.subscription.active, false);
  first.subscription.cancel();
  assert.deepEqual(second.texts, ['b']);
  assert.throws(() => new Collector(queue, { exclusive: true }), hasCode('in-use'));
});

test('an exclusive consumer tolerates nobody beside it', async () => {
  const rig = await QueueRig.open();
  const queue = rig.declare('q');
  const only = new Collector(queue, { exclusive: true });
  assert.throws(() => new Collector(queue), hasCode('in-use'));
  only.subscription.cancel();
  const other = new Collector(queue);
  assert.throws(() => new Collector(queue, { exclusive: true }), hasCode('in-use'));
  other.subscription.cancel();
});

test('an exclusive queue is locked to its owner', async () => {
  const rig = await QueueRig.open();
  const owner = {};
  const queue = rig.declare('q', { exclusiveTo: owner });
  assert.throws(() => new Collector(queue), hasCode('locked'));
  assert.throws(() => rig.take(queue), hasCode('locked'));
  assert.equal(new Collector(queue, { owner }).subscription.active, true);
});

test('auto-delete: when the last consumer leaves, not before there was one', async () => {
  const rig = await QueueRig.open();
  const queue = rig.declare('q', { autoDelete: true });
  const a = new Collector(queue);
  const b = new Collector(queue);
  a.subscription.cancel();
  assert.deepEqual(rig.unused, []);
  b.subscription.cancel();
  assert.deepEqual(rig.unused, ['q']);
});

test('an unused queue goes after its time; consumers, gets and declares keep it', async () => {
  const rig = await QueueRig.open();
  const queue = rig.declare('q', { expiresMs: 1000 });
  rig.pass(900);
  queue.touch();
  rig.pass(900);
  assert.equal(rig.take(queue), null);
  rig.pass(900);
  const consumer = new Collector(queue);
  rig.pass(5000);
  assert.deepEqual(rig.unused, []);
  consumer.subscription.cancel();
  rig.pass(999);
  assert.deepEqual(rig.unused, []);
  rig.pass(1);
  assert.deepEqual(rig.unused, ['q']);
});

test('removing a queue tells its consumers and forgets everything', async () => {
  const rig = await QueueRig.open();
  const queue = rig.declare('q', { durable: true });
  const consumer = new Collector(queue, { limit: 1, tag: 'x' });
  for (const text of ['a', 'b', 'c']) rig.publish(queue, text);
  assert.equal(queue.remove(), 2);
  assert.deepEqual(consumer.cancelledTags, ['x']);
  assert.equal(queue.accept(consumer.deliveries[0]!.offset), false);
  queue.release([0], true);
  rig.turn();
  assert.equal(rig.memory.usedBytes, 0);
});

test('purge drops what is ready and nothing else', async () => {
  const rig = await QueueRig.open();
  const queue = rig.declare('q');
  const consumer = new Collector(queue, { limit: 1 });
  for (const text of ['a', 'b', 'c']) rig.publish(queue, text);
  assert.equal(queue.purge(), 2);
  assert.equal(queue.readyCount, 0);
  rig.publish(queue, 'd');
  consumer.release(consumer.deliveries[0]!.offset);
  consumer.accept(consumer.deliveries.at(-1)!.offset);
  assert.deepEqual(consumer.texts, ['a', 'a', 'd']);
});

test('priorities: highest first, capped, in order within one, requeued in front', async () => {
  const rig = await QueueRig.open();
  const queue = rig.declare('q', { priorityMax: 5 });
  for (const [text, priority] of [
    ['low1', 0],
    ['high1', 5],
    ['mid', 3],
    ['high2', 200],
    ['low2', 0],
  ] as const) {
    rig.publish(queue, text, { priority });
  }
  const consumer = new Collector(queue, { limit: 2 });
  assert.deepEqual(consumer.texts, ['high1', 'high2']);
  consumer.subscription.cancel();
  queue.release([consumer.deliveries[1]!.offset, consumer.deliveries[0]!.offset], false);
  assert.deepEqual(rig.takeAll(queue), ['high1', 'high2', 'mid', 'low1', 'low2']);
});

test('large bodies stay untouched after they are settled', async () => {
  const rig = await QueueRig.open();
  const queue = rig.declare('q');
  const bodies: Uint8Array[] = [];
  queue.subscribe({
    subscriber: {
      deliver: (message) => {
        bodies.push(message.body.subarray(message.bodyStart, message.bodyEnd));
      },
      cancelled: () => {},
    },
    credits: [],
    noAck: true,
    exclusive: false,
    priority: 0,
    owner: rig,
    tag: '',
  });
  queue.pump();
  const texts = ['a', 'b', 'c'].map((letter) => letter.repeat(5000));
  for (const text of texts) rig.publish(queue, text);
  assert.deepEqual(
    bodies.map((body) => Buffer.from(body).toString()),
    texts,
  );
});

function hasCode(code: string): (error: unknown) => boolean {
  return (error) => error instanceof BrokerError && error.code === code;
}
