/** What a queue's options ask and add, and that they can be altered while it is there. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Collector, QueueRig, bodyText } from '#test/rigs/queue-rig.ts';
import type { BrokerError } from '../errors.ts';
import { Message, Outcome } from '../message/message.ts';
import type { Queue } from './queue.ts';
import type { MutableQueueOptions } from './queue-options.ts';

const DEAD = { deadLetterExchange: '', deadLetterRoutingKey: 'dead' };

function leaseAll(queue: Queue, rig: QueueRig, durationMs: number | null = 1000): string[] {
  const texts: string[] = [];
  queue.lease(1000, durationMs, rig, (message, { deliveryCount }) => {
    texts.push(`${bodyText(message)} ${deliveryCount}`);
  });
  return texts;
}

test('the queue’s delay, one’s own, and none', async () => {
  const rig = await QueueRig.open();
  const queue = rig.declare('q', { delayMs: 1000 });
  const message = rig.message('queue');
  queue.publish(message);
  assert.equal(message.deliverAtMs, 0, 'the publisher’s message goes to other queues as it was');
  rig.publish(queue, 'own', { deliverAtMs: rig.nowMs + 500 });
  const consumer = new Collector(queue);
  rig.publish(queue, 'at once', { deliverAtMs: rig.nowMs });
  assert.deepEqual(consumer.texts, ['at once']);
  assert.equal(queue.delayedCount, 2);
  rig.pass(500);
  assert.deepEqual(consumer.texts, ['at once', 'own']);
  queue.alter({ delayMs: null });
  rig.publish(queue, 'altered');
  assert.deepEqual(consumer.texts, ['at once', 'own', 'altered']);
  rig.pass(500);
  assert.deepEqual(consumer.texts, ['at once', 'own', 'altered', 'queue']);
});

test('delays survive a restart, of the queue and of the message', async () => {
  const rig = await QueueRig.open();
  const options = { durable: true, delayMs: 1000 };
  const queue = rig.declare('q', options);
  rig.publish(queue, 'queue', { durable: true });
  rig.publish(queue, 'own', { durable: true, deliverAtMs: rig.nowMs + 2000 });
  rig.turn();
  rig.pass(600);
  await rig.restart({ q: options }, rig.store);
  const again = rig.queues.get('q')!;
  const consumer = new Collector(again);
  assert.equal(again.delayedCount, 2);
  rig.pass(399);
  assert.deepEqual(consumer.texts, []);
  rig.pass(1);
  await rig.settle();
  assert.deepEqual(consumer.texts, ['queue']);
  rig.pass(1000);
  await rig.settle();
  assert.deepEqual(consumer.texts, ['queue', 'own']);
});

test('altering the delay of a queue with groups in order moves what waits', async () => {
  const rig = await QueueRig.open();
  const queue = rig.declare('q', { delayMs: 1000, grouping: 'fifo' });
  rig.publish(queue, 'a1', { group: 'a' });
  rig.pass(100);
  rig.publish(queue, 'a2', { group: 'a' });
  queue.alter({ delayMs: 300 });
  rig.pass(199);
  assert.equal(queue.readyCount, 0);
  rig.pass(1);
  assert.equal(queue.readyCount, 1);
  queue.alter({ delayMs: 0 });
  rig.pass(0);
  assert.equal(queue.readyCount, 2);
});

test('larger bodies than the queue takes are refused', async () => {
  const rig = await QueueRig.open();
  const queue = rig.declare('q', { durable: true });
  queue.alter({ messageBytesMax: 3 });
  assert.equal(rig.publish(queue, 'four'), Outcome.Refused);
  assert.equal(rig.publish(queue, 'tre'), Outcome.Routed);
  queue.alter({ messageBytesMax: 4 });
  assert.equal(rig.publish(queue, 'four'), Outcome.Routed);
  assert.equal(queue.readyCount, 2);
});

test('a message that was leased too often dies when somebody would lease it again', async () => {
  const rig = await QueueRig.open();
  const dead = rig.declare('dead');
  const queue = rig.declare('q', { receivesMax: 2, ...DEAD });
  rig.publish(queue, 'a');
  rig.publish(queue, 'b');
  assert.deepEqual(leaseAll(queue, rig), ['a 0', 'b 0']);
  assert.equal(queue.deliveriesOf(0), 1);
  assert.ok(queue.extend(0, 0), 'it counts when it is given back early too');
  assert.deepEqual(leaseAll(queue, rig), ['a 1']);
  queue.accept(1);
  rig.pass(1000);
  assert.deepEqual([queue.readyCount, dead.readyCount], [1, 0], 'nobody has asked yet');
  assert.deepEqual(leaseAll(queue, rig), []);
  assert.deepEqual([queue.readyCount, dead.readyCount], [0, 1]);
  const view = new Message();
  await dead.get(view, rig);
  const [death] = view.deaths!;
  assert.deepEqual([death!.reason, death!.deliveries], ['delivery_limit', 2]);
});

test('a dead letter that nobody takes stays where it is', async () => {
  const rig = await QueueRig.open();
  const queue = rig.declare('q', { receivesMax: 1, ...DEAD });
  rig.publish(queue, 'a');
  assert.deepEqual(leaseAll(queue, rig), ['a 0']);
  rig.pass(1000);
  assert.deepEqual(leaseAll(queue, rig), ['a 1']);
  rig.pass(1000);
  const dead = rig.declare('dead');
  assert.deepEqual(leaseAll(queue, rig), []);
  assert.deepEqual(rig.takeAll(dead), ['a']);
});

test('altered: how often, and where to; the counts so far count', async () => {
  const rig = await QueueRig.open();
  const other = rig.declare('other');
  const queue = rig.declare('q');
  rig.publish(queue, 'a');
  for (let i = 0; i < 3; i++) {
    assert.deepEqual(leaseAll(queue, rig), [`a ${i}`]);
    rig.pass(1000);
  }
  queue.alter({ receivesMax: 4, deadLetterExchange: '', deadLetterRoutingKey: 'other' });
  assert.deepEqual(leaseAll(queue, rig), ['a 3']);
  rig.pass(1000);
  assert.deepEqual(leaseAll(queue, rig), []);
  assert.deepEqual(rig.takeAll(other), ['a']);
});

test('the counts of a queue that limits them survive a restart, also of what is leased', async () => {
  const rig = await QueueRig.open();
  const options = { durable: true, receivesMax: 3, ...DEAD };
  const queue = rig.declare('q', options);
  for (const text of ['a', 'b']) rig.publish(queue, text, { durable: true });
  leaseAll(queue, rig);
  queue.extend(0, 0);
  queue.lease(1, 1000, rig, () => {});
  rig.turn();
  await rig.restart({ q: options }, rig.store);
  const again = rig.queues.get('q')!;
  await rig.settle();
  leaseAll(again, rig);
  await rig.settle();
  assert.deepEqual(
    [0, 1].map((offset) => again.deliveriesOf(offset)),
    [3, 2],
  );
});

test('lease() without a time takes the queue’s, then half a minute', async () => {
  const rig = await QueueRig.open();
  const queue = rig.declare('q');
  rig.publish(queue, 'a');
  leaseAll(queue, rig, null);
  assert.equal(queue.leaseEndsMs(0), rig.nowMs + 30_000);
  queue.alter({ leaseMs: 50 });
  queue.extend(0, 0);
  leaseAll(queue, rig, null);
  assert.equal(queue.leaseEndsMs(0), rig.nowMs + 50);
});

test('discard, clear, holds and viewLeased', async () => {
  const rig = await QueueRig.open();
  const queue = rig.declare('q', { durable: true });
  for (const text of ['leased', 'ready', 'settled']) rig.publish(queue, text);
  rig.publish(queue, 'delayed', { deliverAtMs: rig.nowMs + 100 });
  queue.lease(1, 1000, rig, () => {});
  const consumer = new Collector(queue, { limit: 1 });
  assert.deepEqual(consumer.texts, ['ready']);
  const view = new Message();
  assert.ok(queue.viewLeased(0, view) && bodyText(view) === 'leased');
  assert.ok(!queue.viewLeased(2, view));
  assert.ok(queue.discard(2) && !queue.discard(2) && !queue.discard(99));
  const held = (): boolean[] => [0, 1, 2, 3, 4].map((offset) => queue.holds(offset));
  assert.deepEqual(held(), [true, true, false, true, false]);
  assert.equal(queue.clear(), 3);
  assert.deepEqual(held(), [false, false, false, false, false]);
  assert.deepEqual([queue.readyCount, queue.unackedCount, queue.delayedCount], [0, 0, 0]);
  assert.ok(!queue.accept(1), 'the consumer comes too late');
  rig.pass(5000);
  assert.deepEqual([queue.readyCount, queue.unackedCount], [0, 0]);
  rig.turn();
  await rig.restart({ q: { durable: true } }, rig.store);
  assert.equal(rig.queues.get('q')!.readyCount, 0);
});

test('what cannot be is refused, and nothing changes', async () => {
  const rig = await QueueRig.open();
  const queue = rig.declare('q', { delayMs: 5 });
  const refusals: [Partial<MutableQueueOptions>, string][] = [
    [{ delayMs: -1 }, 'delayMs'],
    [{ retentionMs: 1.5 }, 'retentionMs'],
    [{ messageBytesMax: NaN }, 'messageBytesMax'],
    [{ receivesMax: 0 }, 'receivesMax'],
    [{ duplicates: { windowMs: 1, scope: 'queue', contentBased: true } }, 'duplicates'],
  ];
  for (const [changes, field] of refusals) {
    assert.throws(
      () => queue.alter({ delayMs: 7, ...changes }),
      (error: BrokerError) => error.code === 'invalid-argument' && error.detail['field'] === field,
    );
  }
  assert.equal(queue.options.delayMs, 5);
  assert.throws(() => rig.declare('p', { grouping: 'fifo', priorityMax: 3 }), /priorities/);
});
