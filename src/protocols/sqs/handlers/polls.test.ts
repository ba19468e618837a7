/** Long polls, messages in flight, purging. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Message } from '#core/message/message.ts';
import { type SqsRig, bodies, counts, openWithQueue, refusal } from '#test/rigs/sqs-rig.ts';

const change = (rig: SqsRig, handle: string, seconds: number, queue = 'q') =>
  rig.run('ChangeMessageVisibility', queue, { ReceiptHandle: handle, VisibilityTimeout: seconds });

test('a long poll answers with what comes, once', async () => {
  const rig = await openWithQueue();
  const polls = [1, 2].map(() => rig.begin('ReceiveMessage', 'q', { WaitTimeSeconds: 20 }));
  await rig.memory.advance(5000);
  assert.ok(polls.every(({ isAnswered }) => !isAnswered));
  await rig.send('q', 'x');
  await rig.memory.settle();
  assert.deepEqual(bodies((await polls[0]!.answer).Messages!), ['x']);
  assert.equal(polls[1]!.isAnswered, false);
  await rig.memory.advance(14_999);
  assert.equal(polls[1]!.isAnswered, false);
  await rig.memory.advance(1);
  assert.deepEqual(await polls[1]!.answer, {});
  await rig.send('q', 'y');
  assert.deepEqual(bodies(await rig.receive('q')), ['y']);
});

test('a long poll hears of delays and visibility that end', async () => {
  const rig = await openWithQueue();
  await rig.send('q', 'delayed', { DelaySeconds: 4 });
  await rig.send('q', 'hidden');
  const [hidden] = await rig.receive('q', { VisibilityTimeout: 2 });
  assert.equal(hidden!.Body, 'hidden');
  const poll = () => rig.begin('ReceiveMessage', 'q', { WaitTimeSeconds: 20 });
  const [first, second, third] = [poll(), poll(), poll()];
  await rig.memory.advance(2000);
  assert.deepEqual(bodies((await first.answer).Messages!), ['hidden']);
  await rig.memory.advance(2000);
  const [delayed] = (await second.answer).Messages!;
  assert.equal(delayed!.Body, 'delayed');
  await change(rig, delayed!.ReceiptHandle, 0);
  await rig.memory.settle();
  assert.deepEqual(bodies((await third.answer).Messages!), ['delayed']);
});

test('the queue’s own wait', async () => {
  const rig = await openWithQueue({ ReceiveMessageWaitTimeSeconds: '3' });
  const poll = rig.begin('ReceiveMessage', 'q', {});
  await rig.memory.advance(2999);
  assert.equal(poll.isAnswered, false);
  await rig.memory.advance(1);
  assert.deepEqual(await poll.answer, {});
  assert.deepEqual(await rig.receive('q', { WaitTimeSeconds: 0 }), []);
});

test('who has gone takes nothing; who is hurried is answered; a queue that goes says so', async () => {
  const rig = await openWithQueue();
  const gone = rig.begin('ReceiveMessage', 'q', { WaitTimeSeconds: 20 });
  gone.call!.waiting!.abandon();
  await rig.send('q', 'x');
  await rig.memory.settle();
  assert.equal(gone.isAnswered, false);
  assert.equal((await rig.receive('q')).length, 1);
  const hurried = rig.begin('ReceiveMessage', 'q', { WaitTimeSeconds: 20 });
  hurried.call!.waiting!.hurry();
  assert.deepEqual(await hurried.answer, {});
  const waiting = rig.begin('ReceiveMessage', 'q', { WaitTimeSeconds: 20 });
  await rig.run('DeleteQueue', 'q', {});
  await assert.rejects(waiting.answer, refusal('QueueDoesNotExist'));
});

test('a long poll that was answered empty has left nothing behind', async () => {
  const rig = await openWithQueue();
  for (let i = 0; i < 3; i++) {
    const poll = rig.begin('ReceiveMessage', 'q', { WaitTimeSeconds: 1 });
    await rig.memory.advance(1000);
    assert.deepEqual(await poll.answer, {});
  }
  await rig.send('q', 'x');
  assert.equal((await rig.receive('q')).length, 1);
});

test('purge: everything, once a minute', async () => {
  const rig = await openWithQueue();
  await rig.send('q', 'flying');
  await rig.receive('q');
  await rig.send('q', 'visible');
  await rig.send('q', 'delayed', { DelaySeconds: 5 });
  assert.deepEqual(await counts(rig), [1, 1, 1]);
  await rig.run('PurgeQueue', 'q', {});
  assert.deepEqual(await counts(rig), [0, 0, 0]);
  await rig.memory.advance(59_999);
  assert.deepEqual(await rig.receive('q'), []);
  await assert.rejects(
    rig.run('PurgeQueue', 'q', {}),
    refusal(
      'PurgeQueueInProgress',
      'Only one PurgeQueue operation on q is allowed every 60 seconds.',
    ),
  );
  await rig.memory.advance(1);
  await rig.run('PurgeQueue', 'q', {});
});

test('120,000 in flight: a short poll is refused, a long poll waits for room', async () => {
  const rig = await openWithQueue();
  const queue = rig.node.namespace.queue('q', null);
  const message = new Message();
  message.durable = true;
  message.timestampMs = rig.memory.nowMs;
  for (let i = 0; i <= 120_000; i++) queue.publish(message);
  const offsets: number[] = [];
  queue.lease(120_000, 3_600_000, {}, (_message, { offset }) => void offsets.push(offset));
  await assert.rejects(rig.receive('q'), refusal('OverLimit'));
  const poll = rig.begin('ReceiveMessage', 'q', { WaitTimeSeconds: 5 });
  const second = rig.begin('ReceiveMessage', 'q', { WaitTimeSeconds: 1 });
  await rig.memory.advance(1000);
  assert.equal(poll.isAnswered, false);
  assert.deepEqual(await second.answer, {});
  queue.discard(offsets[0]!);
  await rig.memory.advance(250);
  assert.equal((await poll.answer).Messages!.length, 1);
});
