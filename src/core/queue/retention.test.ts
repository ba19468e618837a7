/** Messages that have been in a queue for too long are dropped, and die nowhere. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Collector, QueueRig, bodyText } from '#test/rigs/queue-rig.ts';
import { SeededRandom } from '#test/rigs/seeded-random.ts';
import { Message } from '../message/message.ts';
import type { Queue } from './queue.ts';
import type { QueueOptions } from './queue-options.ts';

const DEAD = { deadLetterExchange: '', deadLetterRoutingKey: 'dead' };

test('a message goes at its time, unseen, and is no dead letter', async () => {
  const rig = await QueueRig.open();
  const dead = rig.declare('dead');
  const queue = rig.declare('q', { retentionMs: 1000, ...DEAD });
  rig.publish(queue, 'a');
  rig.pass(500);
  rig.publish(queue, 'b');
  rig.pass(499);
  assert.equal(queue.readyCount, 2);
  rig.pass(1);
  assert.equal(queue.readyCount, 1);
  rig.pass(500);
  assert.equal(queue.readyCount, 0);
  assert.equal(dead.readyCount, 0);
  assert.equal(rig.schedule.size, 0);
  rig.publish(queue, 'c');
  assert.deepEqual(rig.takeAll(queue), ['c']);
});

test('hidden ones go too, leased ones when they come back', async () => {
  const rig = await QueueRig.open();
  const queue = rig.declare('q', { retentionMs: 1000 });
  rig.publish(queue, 'leased');
  rig.publish(queue, 'settled');
  rig.publish(queue, 'delayed', { deliverAtMs: rig.nowMs + 5000 });
  rig.publish(queue, 'ready');
  queue.lease(2, 3000, rig, () => {});
  rig.pass(1000);
  assert.deepEqual([queue.readyCount, queue.unackedCount, queue.delayedCount], [0, 2, 0]);
  assert.ok(queue.accept(1), 'who has it may still settle it');
  rig.pass(2000);
  assert.deepEqual([queue.readyCount, queue.unackedCount], [0, 0]);
});

test('altered while messages are there: sooner, later, never', async () => {
  const rig = await QueueRig.open();
  const queue = rig.declare('q');
  rig.publish(queue, 'a');
  rig.pass(1000);
  rig.publish(queue, 'b');
  queue.alter({ retentionMs: 1500 });
  assert.equal(queue.readyCount, 2);
  queue.alter({ retentionMs: 1000 });
  assert.equal(queue.readyCount, 1);
  queue.alter({ retentionMs: 3000 });
  rig.pass(2999);
  assert.equal(queue.readyCount, 1);
  queue.alter({ retentionMs: null });
  rig.pass(1e9);
  assert.deepEqual(rig.takeAll(queue), ['b']);
});

test('what is too old is not handed out, even behind a younger one', async () => {
  const rig = await QueueRig.open();
  const queue = rig.declare('q', { retentionMs: 1000 });
  rig.publish(queue, 'young');
  const old = rig.message('moved here');
  old.timestampMs -= 900;
  queue.publish(old);
  rig.publish(queue, 'also young');
  rig.pass(200);
  const consumer = new Collector(queue);
  assert.deepEqual(consumer.texts, ['young', 'also young']);
});

test('the next of a group comes when the first is too old', async () => {
  const rig = await QueueRig.open();
  const queue = rig.declare('q', { retentionMs: 1000, grouping: 'fifo' });
  rig.publish(queue, 'a1', { group: 'a' });
  rig.publish(queue, 'a2', { group: 'a', deliverAtMs: rig.nowMs + 5000 });
  rig.pass(500);
  rig.publish(queue, 'a3', { group: 'a' });
  queue.lease(1, 600, rig, () => {});
  const consumer = new Collector(queue);
  assert.deepEqual(consumer.texts, []);
  rig.pass(600);
  assert.deepEqual(consumer.texts, ['a3']);
});

function modelRun(rig: QueueRig, random: SeededRandom, queue: Queue): void {
  const below = (count: number): number => Math.floor(random.next() * count);
  const live = new Map<string, number>();
  for (let step = 0; step < 300; step++) {
    const dice = random.next();
    if (dice < 0.5) {
      const text = `${step}`.padEnd(1 + below(3000), '.');
      const deliverAtMs = random.next() < 0.2 ? rig.nowMs + below(2000) : 0;
      rig.publish(queue, text, { durable: true, deliverAtMs });
      live.set(text, rig.nowMs);
    } else if (dice < 0.8) {
      rig.pass(below(100));
      for (const [text, timeMs] of live) if (timeMs + 1000 <= rig.nowMs) live.delete(text);
      const { readyCount, delayedCount, unackedCount } = queue;
      assert.equal(readyCount + delayedCount + unackedCount, live.size);
    } else {
      const offsets: number[] = [];
      queue.lease(1 + below(5), 1e6, rig, (message, { offset }) => {
        assert.ok(live.delete(bodyText(message)), 'too old');
        offsets.push(offset);
      });
      for (const offset of offsets) queue.accept(offset);
    }
  }
}

test('random runs keep what is young enough and nothing else', async () => {
  for (let seed = 1; seed <= 40; seed++) {
    const rig = await QueueRig.open();
    const options = { retentionMs: 1000, durable: seed % 2 === 0 };
    const queue = rig.declare('q', options);
    modelRun(rig, new SeededRandom(seed), queue);
  }
});

test('a restart goes on counting', async () => {
  const rig = await QueueRig.open();
  const options = { durable: true, retentionMs: 1000 };
  const queue = rig.declare('q', options);
  for (let i = 0; i < 50; i++) {
    rig.publish(queue, `${i}`.padEnd(10_000, '.'), { durable: true });
    rig.pass(10);
  }
  rig.turn();
  rig.nowMs += 700;
  await rig.restart({ q: options }, rig.store);
  const again = rig.queues.get('q')!;
  // 1200 ms have passed since the first: what is on disk goes with the youngest of its chunk.
  const consumer = new Collector(again);
  await rig.settle();
  assert.deepEqual(
    consumer.texts.map((text) => Number.parseInt(text, 10)),
    Array.from({ length: 29 }, (_, i) => i + 21),
  );
});

test('retention counts from when a message came, whatever time it has, also after a restart', async () => {
  const rig = await QueueRig.open();
  const options = { durable: true, retentionMs: 10_000 };
  const queue = rig.declare('q', options);
  for (const [text, ageMs] of [
    ['old', 1e9],
    ['of the future', -1e9],
    ['usual', 0],
  ] as const) {
    const message = rig.message(text, { durable: true });
    message.timestampMs = rig.nowMs - ageMs;
    message.arrive(rig.nowMs);
    queue.publish(message);
  }
  rig.turn();
  rig.pass(9999);
  assert.equal(queue.readyCount, 3);
  await rig.restart({ q: options }, rig.store);
  const again = rig.queues.get('q')!;
  assert.equal(again.readyCount, 3);
  const view = new Message();
  assert.ok(await again.get(view, rig));
  assert.deepEqual([view.timestampMs, bodyText(view)], [rig.nowMs - 9999 - 1e9, 'old']);
  again.release([0], false);
  rig.pass(1);
  assert.equal(again.readyCount, 0);
});

test('what was received too often is as old as it was, but not in order; what died otherwise is new', async () => {
  const rig = await QueueRig.open();
  const dead = rig.declare('dead', { retentionMs: 10_000 });
  const rules: Partial<QueueOptions>[] = [
    { receivesMax: 1, ...DEAD },
    { receivesMax: 1, grouping: 'fifo', ...DEAD },
    { ttlMs: 8000, ...DEAD },
  ];
  for (const [i, rule] of rules.entries()) {
    rig.publish(rig.declare(`q${i}`, rule), `${i}`);
  }
  rig.pass(8000);
  for (const name of ['q0', 'q1']) {
    const queue = rig.queues.get(name)!;
    queue.lease(1, 0, rig, () => {});
    rig.pass(0);
    assert.equal(queue.readyCount, 1);
    queue.lease(1, 0, rig, () => {});
  }
  assert.equal(dead.readyCount, 3);
  rig.pass(2000);
  assert.equal(dead.readyCount, 3, 'the oldest lies behind a younger one: dropped when asked for');
  assert.deepEqual(rig.takeAll(dead), ['2', '1']);
});
