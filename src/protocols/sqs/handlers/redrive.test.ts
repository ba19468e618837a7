/** Dead-letter queues and the tasks that move messages out of them. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Identity } from '#core/authenticator.ts';
import { defaultQueueOptions } from '#core/queue/queue-options.ts';
import { queueArn, queueUrl } from '../queue-url.ts';
import { SITE, SqsRig, bodies, refusal } from '#test/rigs/sqs-rig.ts';

const INVALID = 'InvalidParameterValueException';
const arn = (name: string) => queueArn(SITE, name);
const policy = (target: string, count: unknown = 1) =>
  JSON.stringify({ deadLetterTargetArn: arn(target), maxReceiveCount: count });

/** `source` dead-letters to `dlq` after one receive; both show messages again at once. */
async function open(): Promise<SqsRig> {
  const rig = await SqsRig.open();
  await rig.create('dlq', { VisibilityTimeout: '0' });
  await rig.create('source', { RedrivePolicy: policy('dlq'), VisibilityTimeout: '0' });
  return rig;
}

function set(rig: SqsRig, queue: string, values: Record<string, string>) {
  return rig.run('SetQueueAttributes', queue, { Attributes: values });
}

async function kill(rig: SqsRig, queue: string, ...messages: string[]): Promise<string[]> {
  const ids: string[] = [];
  for (const body of messages) ids.push((await rig.send(queue, body)).MessageId);
  while ((await rig.receive(queue)).length > 0);
  return ids;
}

async function taskOf(rig: SqsRig) {
  const { Results } = await rig.run('ListMessageMoveTasks', '', { SourceArn: arn('dlq') });
  return Results![0];
}

test('a message that was received too often goes on with everything it had', async () => {
  const rig = await open();
  const MessageAttributes = { MyAttribute: { DataType: 'String', StringValue: 'foobar' } };
  const sent = await rig.send('source', 'message-1', { MessageAttributes, MessageGroupId: 'g' });
  const ask = { AttributeNames: ['All'], MessageAttributeNames: ['All'] };
  const [before] = await rig.receive('source', ask);
  assert.equal(before!.Attributes!['ApproximateReceiveCount'], '1');
  await rig.memory.advance(1000);
  assert.deepEqual(await rig.receive('source', ask), []);
  const [dead] = await rig.receive('dlq', ask);
  assert.equal(dead!.MessageId, sent.MessageId);
  assert.equal(dead!.Body, 'message-1');
  assert.equal(dead!.MD5OfMessageAttributes, sent.MD5OfMessageAttributes);
  assert.deepEqual(dead!.Attributes, {
    ...before!.Attributes,
    ApproximateReceiveCount: '2',
    ApproximateFirstReceiveTimestamp: '1700000001000',
    DeadLetterQueueSourceArn: arn('source'),
  });
  const { readyCount, unackedCount } = rig.node.namespace.queue('source', null);
  assert.deepEqual([readyCount, unackedCount], [0, 0]);
});

test('maxReceiveCount counts receives', async () => {
  const rig = await open();
  await set(rig, 'source', { RedrivePolicy: policy('dlq', '3') });
  await rig.send('source', 'x');
  for (let i = 0; i < 3; i++) assert.equal((await rig.receive('source')).length, 1);
  assert.deepEqual(await rig.receive('dlq'), []);
  assert.deepEqual(await rig.receive('source'), []);
  assert.equal((await rig.receive('dlq')).length, 1);
});

test('without its dead-letter queue a message stays where it is', async () => {
  const rig = await open();
  await rig.run('DeleteQueue', 'dlq', {});
  await rig.send('source', 'x');
  for (let i = 0; i < 3; i++) assert.deepEqual(bodies(await rig.receive('source')), ['x']);
});

test('a FIFO queue goes on when one of its messages has died', async () => {
  const rig = await SqsRig.open();
  const fifo = { FifoQueue: 'true', ContentBasedDeduplication: 'true' };
  await rig.create('dlq.fifo', fifo);
  await rig.create('q.fifo', { ...fifo, RedrivePolicy: policy('dlq.fifo', 2) });
  const group = { MessageGroupId: '1' };
  const sent = await rig.send('q.fifo', 'foobar', group);
  for (let i = 0; i < 3; i++) await rig.receive('q.fifo', { VisibilityTimeout: 0 });
  const [dead] = await rig.receive('dlq.fifo');
  assert.equal(dead!.MessageId, sent.MessageId);
  await rig.send('q.fifo', 'foobar2', group);
  assert.deepEqual(bodies(await rig.receive('q.fifo')), ['foobar2']);
});

test('a dead letter is no duplicate', async () => {
  const rig = await SqsRig.open();
  const fifo = { FifoQueue: 'true', ContentBasedDeduplication: 'true' };
  await rig.create('dlq.fifo', fifo);
  const RedrivePolicy = policy('dlq.fifo');
  for (const name of ['a.fifo', 'b.fifo']) {
    await rig.create(name, { ...fifo, RedrivePolicy, VisibilityTimeout: '0' });
    await rig.send(name, 'same', { MessageGroupId: name });
    await rig.receive(name);
    assert.deepEqual(await rig.receive(name), []);
  }
  assert.deepEqual(bodies(await rig.receive('dlq.fifo')), ['same', 'same']);
});

test('a queue may be its own dead-letter queue, as in AWS: then nothing leaves it', async () => {
  const rig = await open();
  await set(rig, 'source', { RedrivePolicy: policy('source') });
  await rig.send('source', 'x');
  for (let i = 0; i < 3; i++) assert.deepEqual(bodies(await rig.receive('source')), ['x']);
});

test('redrive policies that are refused', async () => {
  const rig = await open();
  await rig.create('f.fifo', { FifoQueue: 'true' });
  const given = (value: object | string) =>
    typeof value === 'string' ? value : JSON.stringify(value);
  const target = { deadLetterTargetArn: arn('dlq') };
  for (const [value, reason] of [
    [policy('nope'), 'Dead letter target does not exist.'],
    [{ ...target }, 'Redrive policy does not contain mandatory attribute: maxReceiveCount.'],
    [
      { maxReceiveCount: 1 },
      'Redrive policy does not contain mandatory attribute: deadLetterTargetArn.',
    ],
    ['x', 'Redrive policy is not a valid JSON map.'],
    ['[]', 'Redrive policy is not a valid JSON map.'],
    [
      { ...target, maxReceiveCount: 'invalid' },
      'Invalid value for maxReceiveCount: invalid, valid values are from 1 to 1000 both inclusive.',
    ],
    [
      { ...target, maxReceiveCount: 0 },
      'Invalid value for maxReceiveCount: 0, valid values are from 1 to 1000 both inclusive.',
    ],
    [policy('f.fifo'), 'Dead-letter queue must be same type of queue as the source.'],
    [{ deadLetterTargetArn: 'dummy', maxReceiveCount: 42 }, 'Dead letter target does not exist.'],
  ] as const) {
    await assert.rejects(
      set(rig, 'source', { RedrivePolicy: given(value) }),
      refusal(
        INVALID,
        `Value ${given(value)} for parameter RedrivePolicy is invalid. Reason: ${reason}`,
      ),
    );
  }
  await set(rig, 'source', { RedrivePolicy: '' });
  const { Attributes } = await rig.run('GetQueueAttributes', 'source', {
    AttributeNames: ['RedrivePolicy'],
  });
  assert.equal(Attributes, undefined);
});

test('the dead-letter queue says who may use it', async () => {
  const rig = await open();
  const allow = (value: object) => set(rig, 'dlq', { RedriveAllowPolicy: JSON.stringify(value) });
  await rig.create('other');
  await allow({ redrivePermission: 'byQueue', sourceQueueArns: [arn('other')] });
  const RedrivePolicy = policy('dlq', 5);
  await set(rig, 'other', { RedrivePolicy });
  await assert.rejects(set(rig, 'source', { RedrivePolicy }), refusal(INVALID, /permission/));
  await allow({ redrivePermission: 'denyAll' });
  await assert.rejects(set(rig, 'other', { RedrivePolicy }), refusal(INVALID, /permission/));
  await allow({ redrivePermission: 'allowAll' });
  await set(rig, 'source', { RedrivePolicy });
  for (const wrong of [
    { redrivePermission: 'maybe' },
    { redrivePermission: 'byQueue' },
    { redrivePermission: 'byQueue', sourceQueueArns: [] },
    { redrivePermission: 'allowAll', sourceQueueArns: [arn('other')] },
    { redrivePermission: 'allowAll', more: 1 },
  ]) {
    await assert.rejects(allow(wrong), refusal(INVALID, /for parameter RedriveAllowPolicy/));
  }
});

test('ListDeadLetterSourceQueues, also of queues of AMQP', async () => {
  const rig = await open();
  rig.node.namespace.declareQueue('of-amqp', {
    ...defaultQueueOptions(),
    deadLetterExchange: '',
    deadLetterRoutingKey: 'dlq',
  });
  const found = await rig.run('ListDeadLetterSourceQueues', 'dlq', {});
  assert.deepEqual(found.queueUrls, [queueUrl(SITE, 'of-amqp'), queueUrl(SITE, 'source')]);
  const page = await rig.run('ListDeadLetterSourceQueues', 'dlq', { MaxResults: 1 });
  assert.deepEqual(page.queueUrls, [queueUrl(SITE, 'of-amqp')]);
  const { NextToken } = page;
  const rest = await rig.run('ListDeadLetterSourceQueues', 'dlq', { MaxResults: 1, NextToken });
  assert.deepEqual(rest, { queueUrls: [queueUrl(SITE, 'source')], NextToken: undefined });
});

test('a task moves all to a queue, as new messages', async () => {
  const rig = await open();
  await rig.create('target');
  const ids = await kill(rig, 'source', 'a', 'b');
  await rig.memory.advance(1000);
  const { TaskHandle } = await rig.run('StartMessageMoveTask', '', {
    SourceArn: arn('dlq'),
    DestinationArn: arn('target'),
  });
  const decoded = JSON.parse(Buffer.from(TaskHandle!, 'base64').toString());
  assert.equal(decoded.sourceArn, arn('dlq'));
  assert.match(decoded.taskId, /^[0-9a-f-]{36}$/);
  await rig.memory.advance(0);
  await rig.memory.advance(0);
  assert.deepEqual(await taskOf(rig), {
    TaskHandle: undefined,
    Status: 'COMPLETED',
    SourceArn: arn('dlq'),
    DestinationArn: arn('target'),
    MaxNumberOfMessagesPerSecond: undefined,
    ApproximateNumberOfMessagesMoved: 2,
    ApproximateNumberOfMessagesToMove: 2,
    FailureReason: undefined,
    StartedTimestamp: 1_700_000_001_000,
  });
  const messages = await rig.receive('target', { AttributeNames: ['All'] });
  assert.deepEqual(bodies(messages), ['a', 'b']);
  for (const { MessageId, Attributes } of messages) {
    assert.ok(!ids.includes(MessageId));
    assert.equal(Attributes!['SentTimestamp'], '1700000001000');
    assert.equal(Attributes!['ApproximateReceiveCount'], '1');
    assert.equal(Attributes!['DeadLetterQueueSourceArn'], undefined);
  }
  assert.deepEqual(await rig.receive('dlq'), []);
});

test('a task moves each back to where it died', async () => {
  const rig = await open();
  await rig.create('second', { RedrivePolicy: policy('dlq'), VisibilityTimeout: '0' });
  await kill(rig, 'source', 'a', 'b');
  await kill(rig, 'second', 'c');
  await rig.run('StartMessageMoveTask', '', { SourceArn: arn('dlq') });
  await rig.memory.advance(0);
  await rig.memory.advance(0);
  const task = await taskOf(rig);
  assert.equal(task!.Status, 'COMPLETED');
  assert.equal(task!.DestinationArn, undefined);
  assert.equal(task!.ApproximateNumberOfMessagesMoved, 3);
  assert.deepEqual(bodies(await rig.receive('source')), ['a', 'b']);
  assert.deepEqual(bodies(await rig.receive('second')), ['c']);
});

test('a FIFO message that comes back is not taken for the duplicate of itself', async () => {
  const rig = await SqsRig.open();
  const fifo = { FifoQueue: 'true', ContentBasedDeduplication: 'true', VisibilityTimeout: '0' };
  await rig.create('dlq.fifo', fifo);
  await rig.create('q.fifo', { ...fifo, RedrivePolicy: policy('dlq.fifo') });
  await rig.send('q.fifo', 'x', { MessageGroupId: 'g' });
  await rig.receive('q.fifo');
  await rig.receive('q.fifo');
  await rig.run('StartMessageMoveTask', '', { SourceArn: arn('dlq.fifo') });
  await rig.memory.advance(0);
  await rig.memory.advance(0);
  assert.deepEqual(bodies(await rig.receive('q.fifo')), ['x']);
});

test('a task keeps to its rate, and can be cancelled', async () => {
  const rig = await open();
  await rig.create('target');
  await kill(rig, 'source', ...Array.from({ length: 10 }, (_, i) => `${i}`));
  const { TaskHandle } = await rig.run('StartMessageMoveTask', '', {
    SourceArn: arn('dlq'),
    DestinationArn: arn('target'),
    MaxNumberOfMessagesPerSecond: 1,
  });
  await rig.memory.advance(0);
  for (let i = 0; i < 20; i++) await rig.memory.advance(100);
  const running = await taskOf(rig);
  assert.equal(running!.Status, 'RUNNING');
  assert.equal(running!.TaskHandle, TaskHandle);
  assert.equal(running!.ApproximateNumberOfMessagesMoved, 3);
  await assert.rejects(
    rig.run('StartMessageMoveTask', '', { SourceArn: arn('dlq') }),
    refusal(
      INVALID,
      'There is already a task running. Only one active task is allowed for a source queue arn at a ' +
        'given time.',
    ),
  );
  const cancelled = await rig.run('CancelMessageMoveTask', '', { TaskHandle: TaskHandle! });
  assert.equal(cancelled.ApproximateNumberOfMessagesMoved, 3);
  await rig.memory.advance(10_000);
  const after = await taskOf(rig);
  assert.equal(after!.Status, 'CANCELLED');
  assert.equal(after!.ApproximateNumberOfMessagesMoved, 3);
  assert.equal((await rig.receive('target')).length, 3);
  await assert.rejects(
    rig.run('CancelMessageMoveTask', '', { TaskHandle: TaskHandle! }),
    refusal(INVALID),
  );
});

test('a rate of many is kept too', async () => {
  const rig = await open();
  await rig.create('target');
  await kill(rig, 'source', ...Array.from({ length: 100 }, (_, i) => `${i}`));
  await rig.run('StartMessageMoveTask', '', {
    SourceArn: arn('dlq'),
    DestinationArn: arn('target'),
    MaxNumberOfMessagesPerSecond: 50,
  });
  await rig.memory.advance(0);
  for (let i = 0; i < 100; i++) await rig.memory.advance(10);
  const moved = (await taskOf(rig))!.ApproximateNumberOfMessagesMoved!;
  assert.ok(moved >= 50 && moved <= 55, `${moved}`);
});

test('a task fails when its destination goes, or a message did not die anywhere', async () => {
  const rig = await open();
  await rig.create('target');
  await kill(rig, 'source', 'a', 'b');
  await rig.run('StartMessageMoveTask', '', {
    SourceArn: arn('dlq'),
    DestinationArn: arn('target'),
    MaxNumberOfMessagesPerSecond: 1,
  });
  await rig.memory.advance(0);
  await rig.run('DeleteQueue', 'target', {});
  await rig.memory.advance(1000);
  const failed = await taskOf(rig);
  assert.equal(failed!.Status, 'FAILED');
  assert.equal(failed!.FailureReason, 'AWS.SimpleQueueService.NonExistentQueue');
  assert.equal(failed!.ApproximateNumberOfMessagesMoved, 1);
  // What could not be moved is there again at once.
  const [rest] = await rig.receive('dlq');
  assert.equal(rest!.Body, 'b');
  await rig.run('PurgeQueue', 'dlq', {});
  await rig.send('dlq', 'sent here');
  await rig.run('StartMessageMoveTask', '', { SourceArn: arn('dlq') });
  await rig.memory.advance(0);
  assert.equal((await taskOf(rig))!.FailureReason, 'CouldNotDetermineMessageSource');
  assert.deepEqual(bodies(await rig.receive('dlq')), ['sent here']);
});

test('tasks that are refused', async () => {
  const rig = await open();
  const start = (SourceArn: string, DestinationArn?: string, rate?: number) =>
    rig.run('StartMessageMoveTask', '', {
      SourceArn,
      DestinationArn,
      MaxNumberOfMessagesPerSecond: rate,
    });
  const missing = (parameter: string) =>
    refusal(
      'ResourceNotFoundException',
      `The resource that you specified for the ${parameter} parameter doesn't exist.`,
    );
  await assert.rejects(
    start(arn('source')),
    refusal(INVALID, 'Source queue must be configured as a Dead Letter Queue.'),
  );
  await assert.rejects(start(arn('nope')), missing('SourceArn'));
  await assert.rejects(start(arn('dlq'), arn('nope')), missing('DestinationArn'));
  await assert.rejects(start('nope'), refusal(INVALID, /You must use this format/));
  await assert.rejects(start(arn('dlq'), arn('dlq')), refusal(INVALID, /cannot be the same/));
  for (const rate of [0, 501]) await assert.rejects(start(arn('dlq'), undefined, rate));
  const cancel = (TaskHandle: string) => rig.run('CancelMessageMoveTask', '', { TaskHandle });
  await assert.rejects(
    cancel('foobared'),
    refusal(INVALID, 'Value for parameter TaskHandle is invalid.'),
  );
  const handle = (source: string) =>
    Buffer.from(JSON.stringify({ taskId: '10f57157', sourceArn: arn(source) })).toString('base64');
  await assert.rejects(cancel(handle('nope')), missing('SourceArn'));
  await assert.rejects(
    cancel(handle('dlq')),
    refusal('ResourceNotFoundException', 'Task does not exist.'),
  );
  const list = (SourceArn: string, MaxResults?: number) =>
    rig.run('ListMessageMoveTasks', '', { SourceArn, MaxResults });
  assert.deepEqual(await list(arn('dlq')), { Results: [] });
  await assert.rejects(list(arn('nope')), missing('SourceArn'));
  await assert.rejects(list(arn('dlq'), 11), refusal(INVALID));
});

test('who names a dead-letter queue must be allowed to write to it', async () => {
  const rig = await SqsRig.open();
  await rig.create('secret');
  const app: Identity = {
    name: 'app',
    tags: [],
    mayEnter: () => true,
    subjects: null,
    may: (_permission, _namespace, name) => name.startsWith('app-'),
  };
  const denied = refusal('AccessDeniedException');
  const asked = (target: string) => ({ Attributes: { RedrivePolicy: policy(target) } });
  await assert.rejects(rig.run('CreateQueue', 'app-a', asked('secret'), app), denied);
  await rig.run('CreateQueue', 'app-a', {}, app);
  await assert.rejects(rig.run('SetQueueAttributes', 'app-a', asked('secret'), app), denied);
  await assert.rejects(rig.run('SetQueueAttributes', 'app-a', asked('absent'), app), denied);
  await rig.run('CreateQueue', 'app-dlq', {}, app);
  await rig.run('SetQueueAttributes', 'app-a', asked('app-dlq'), app);
});

test('a task waits while the disk is full', async () => {
  const rig = await open();
  await kill(rig, 'source', 'a', 'b');
  let isFull = true;
  Object.defineProperty(rig.memory.broker.store, 'hasSpace', { get: () => !isFull });
  await rig.run('StartMessageMoveTask', '', { SourceArn: arn('dlq') });
  await rig.memory.advance(5000);
  const waiting = await taskOf(rig);
  assert.deepEqual([waiting!.Status, waiting!.ApproximateNumberOfMessagesMoved], ['RUNNING', 0]);
  isFull = false;
  for (let i = 0; i < 3; i++) await rig.memory.advance(1000);
  assert.equal((await taskOf(rig))!.Status, 'COMPLETED');
  assert.deepEqual(bodies(await rig.receive('source')), ['a', 'b']);
});
