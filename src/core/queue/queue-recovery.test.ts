/** Restarts: what was settled stays away, what was not comes back, in order, once. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Collector, QueueRig, logConfig } from '#test/rigs/queue-rig.ts';
import { AckJournal } from './ack-journal.ts';
import type { LogStore } from '../log.ts';

const DURABLE = { durable: true };

/** The store as it is after the process was killed: everything appended so far is there. */
function survivors(rig: QueueRig): LogStore {
  return rig.store;
}

test('unsettled messages come back redelivered, settled ones do not', async () => {
  const rig = await QueueRig.open();
  const queue = rig.declare('q', DURABLE);
  for (let i = 0; i < 10; i++) rig.publish(queue, `m${i}`, { durable: true });
  rig.turn();
  const consumer = new Collector(queue, { limit: 6 });
  for (const index of [0, 1, 3, 4]) queue.accept(consumer.deliveries[index]!.offset);
  rig.turn();
  await rig.restart({ q: DURABLE }, survivors(rig));
  const again = rig.queues.get('q')!;
  assert.equal(again.readyCount, 6);
  assert.equal(again.readyBytes, 12);
  const next = new Collector(again);
  await rig.settle();
  assert.deepEqual(next.texts, ['m2', 'm5', 'm6', 'm7', 'm8', 'm9']);
  assert.ok(next.deliveries.every((delivery) => delivery.deliveryCount === 1));
  for (const { offset } of next.deliveries) again.accept(offset);
  rig.publish(again, 'new');
  rig.turn();
  await rig.restart({ q: DURABLE }, survivors(rig));
  assert.deepEqual(rig.takeAll(rig.queues.get('q')!), ['new']);
});

test('settlements beyond a lost end are clipped before their offsets are used again', async () => {
  const rig = await QueueRig.open();
  const queue = rig.declare('q', DURABLE);
  for (const text of ['a', 'b', 'c', 'd']) rig.publish(queue, text);
  rig.turn();
  assert.deepEqual(rig.takeAll(queue), ['a', 'b', 'c', 'd']);
  rig.turn();
  // The journal survived, the end of the queue's log did not.
  const store = survivors(rig);
  const name = queue.log.name;
  await store.remove(queue.log);
  const shorter = store.create(name, logConfig());
  await rig.restart({ q: DURABLE }, store);
  assert.equal(shorter.endOffset, 0);
  const again = rig.queues.get('q')!;
  for (const text of ['e', 'f']) rig.publish(again, text);
  rig.turn();
  await rig.restart({ q: DURABLE }, store);
  assert.deepEqual(rig.takeAll(rig.queues.get('q')!), ['e', 'f']);
});

test('priorities, expiry, delay and delivery counts survive', async () => {
  const rig = await QueueRig.open();
  const options = { durable: true, priorityMax: 9, deliveryLimit: 100 };
  const queue = rig.declare('q', options);
  rig.publish(queue, 'low', { priority: 1 });
  rig.publish(queue, 'brief', { priority: 9, ttlMs: 1000 });
  rig.publish(queue, 'high', { priority: 8 });
  rig.publish(queue, 'later', { priority: 7, deliverAtMs: rig.nowMs + 5000 });
  const consumer = new Collector(queue, { limit: 2 });
  for (let i = 0; i < 40; i++) {
    consumer.subscription.give(1);
    queue.release([consumer.deliveries.at(-1)!.offset], true);
  }
  rig.turn();
  await rig.restart({ q: options }, survivors(rig));
  const again = rig.queues.get('q')!;
  assert.equal(again.readyCount, 3);
  rig.pass(1000);
  assert.equal(again.readyCount, 2);
  const next = new Collector(again);
  await rig.settle();
  assert.deepEqual(
    next.deliveries.map((delivery) => [delivery.text, delivery.deliveryCount]),
    [
      ['high', 40],
      ['low', 1],
    ],
  );
  rig.pass(4000);
  await rig.settle();
  assert.equal(next.texts.at(-1), 'later');
});

test('a dead letter is settled in its old queue only once it is safe in the new one', async () => {
  const rig = await QueueRig.open();
  const options = { durable: true, deadLetterExchange: '', deadLetterRoutingKey: 'dead' };
  rig.declare('dead', DURABLE);
  const queue = rig.declare('q', options);
  const consumer = new Collector(queue);
  rig.publish(queue, 'a', { durable: true });
  rig.turn();
  const journalEnd = rig.acks.log.endOffset;
  consumer.reject(consumer.deliveries[0]!.offset);
  assert.equal(queue.readyCount + queue.unackedCount, 0);
  assert.equal(rig.acks.log.endOffset, journalEnd);
  rig.turn();
  assert.ok(rig.acks.log.endOffset > journalEnd);
  await rig.restart({ q: options, dead: DURABLE }, survivors(rig));
  assert.equal(rig.queues.get('q')!.readyCount, 0);
  assert.deepEqual(rig.takeAll(rig.queues.get('dead')!), ['a']);
});

test('the log is freed behind what is settled and committed', async () => {
  const rig = await QueueRig.open();
  const queue = rig.declare('q', DURABLE);
  const body = 'x'.repeat(10_000);
  for (let i = 0; i < 100; i++) {
    rig.publish(queue, body);
    rig.turn();
  }
  for (let i = 0; i < 90; i++) assert.equal(rig.take(queue), body);
  assert.equal(queue.log.startOffset, 0);
  rig.turn();
  assert.ok(queue.log.startOffset > 60, `start is ${queue.log.startOffset}`);
  assert.equal(queue.readyCount, 10);
});

test('a deleted queue leaves nothing for the next one', async () => {
  const rig = await QueueRig.open();
  const queue = rig.declare('q', DURABLE);
  rig.publish(queue, 'a');
  assert.equal(rig.take(queue), 'a');
  rig.turn();
  queue.remove();
  rig.turn();
  await rig.restart({}, survivors(rig));
  assert.equal(rig.acks.knows(queue.id), false);
});

test('a checkpoint replaces what came before it', async () => {
  const rig = await QueueRig.open();
  const log = rig.store.create('state/small', logConfig());
  const journal = await AckJournal.open(log, rig.store.commit, 2000);
  const settled: number[] = [];
  const page = journal.register(7, {
    settledBefore: 0,
    trim: () => {},
    describe: (to) => settled.forEach((offset) => to.settled(offset)),
  });
  const rounds = 3000;
  for (let i = 0; i < rounds; i++) {
    settled.push(i * 2);
    page.settled(i * 2);
    rig.turn();
  }
  assert.ok(log.startOffset > 0, 'no checkpoint was taken');
  assert.ok(log.endOffset - log.startOffset < rounds);
  const again = await AckJournal.open(log, rig.store.commit);
  const recovered = again.take(7)!;
  for (let i = 0; i < rounds; i++) {
    assert.equal(recovered.settled.has(i * 2), true);
    assert.equal(recovered.settled.has(i * 2 + 1), false);
  }
});
