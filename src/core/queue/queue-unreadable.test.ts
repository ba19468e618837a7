/** A queue whose next message cannot be read refuses those who want it, and nobody else. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { QueueRig, bodyText } from '#test/rigs/queue-rig.ts';
import { BrokerError, InvariantError } from '../errors.ts';
import { Message } from '../message/message.ts';
import type { Queue } from './queue.ts';

const LIMIT_BYTES = 1 << 20;
const COUNT = 4000;

async function spilled(): Promise<{ rig: QueueRig; queue: Queue }> {
  const rig = await QueueRig.open(LIMIT_BYTES);
  const queue = rig.declare('q', { durable: true });
  for (let i = 0; i < COUNT; i++) {
    rig.publish(queue, String(i).padEnd(1000, '.'));
    if (i % 100 === 99) await rig.settle();
  }
  await rig.settle();
  return { rig, queue };
}

test('consumers are cancelled with the reason, get is refused, and both may come back', async () => {
  const { rig, queue } = await spilled();
  const read = queue.log.read.bind(queue.log);
  const failure = new BrokerError('unreadable', 'the disk says no');
  queue.log.read = () => Promise.reject(failure);
  const seen: number[] = [];
  const ends: (BrokerError | null)[] = [];
  const subscribe = (): void => {
    const subscription = queue.subscribe({
      subscriber: {
        deliver: (message) => seen.push(Number.parseInt(bodyText(message), 10)),
        cancelled: (_subscription, reason) => ends.push(reason),
      },
      credits: [],
      noAck: true,
      exclusive: false,
      priority: 0,
      owner: rig,
      tag: '',
    });
    subscription.queue.pump();
  };
  subscribe();
  await rig.settle();
  assert.ok(seen.length < COUNT);
  assert.deepEqual(ends, [failure]);
  assert.equal(queue.consumerCount, 0);

  const message = new Message();
  await assert.rejects(async () => queue.get(message, rig), failure);

  queue.log.read = read;
  subscribe();
  await rig.until(() => seen.length === COUNT);
  assert.deepEqual(
    seen,
    seen.map((_, index) => index),
  );
  assert.equal(ends.length, 1);
});

test('purging goes past what cannot be read', async () => {
  const { rig, queue } = await spilled();
  queue.log.read = () => Promise.reject(new BrokerError('unreadable', 'the disk says no'));
  const message = new Message();
  // What is still in memory comes first, if there is anything.
  await assert.rejects(async () => {
    for (;;) {
      const lease = await queue.get(message, rig);
      queue.accept(lease!.offset);
    }
  });
  queue.purge();
  rig.publish(queue, 'after');
  const lease = await queue.get(message, rig);
  assert.notEqual(lease, null);
  assert.equal(bodyText(message), 'after');
});

test('a delivery that throws does not stop the queue for ever', async () => {
  const rig = await QueueRig.open(LIMIT_BYTES);
  const queue = rig.declare('q', {});
  rig.publish(queue, 'one');
  rig.publish(queue, 'two');
  let broken = true;
  const seen: string[] = [];
  queue.subscribe({
    subscriber: {
      deliver: (message) => {
        if (broken) throw new InvariantError('a fault');
        seen.push(bodyText(message));
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
  assert.throws(() => queue.pump(), InvariantError);
  broken = false;
  queue.pump();
  await rig.settle();
  assert.deepEqual(seen, ['two']);
});
