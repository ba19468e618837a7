/** What a restart leaves: queues with all their attributes, messages, handles, running tasks. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { queueArn } from '../queue-url.ts';
import { BrokerRig } from '#test/rigs/broker-rig.ts';
import { SITE, SqsRig, bodies } from '#test/rigs/sqs-rig.ts';

const arn = (name: string) => queueArn(SITE, name);

/** The store counts how often it is opened, as one on disk does. */
async function restarted(over: BrokerRig): Promise<SqsRig> {
  (over.store as { epoch: number }).epoch++;
  await over.restart();
  return SqsRig.over(over);
}

test('queues, with attributes, tags and policies', async () => {
  const over = await BrokerRig.open();
  let rig = SqsRig.over(over);
  await rig.create('dlq');
  await rig.create('q', {
    DelaySeconds: '3',
    MaximumMessageSize: '2048',
    ReceiveMessageWaitTimeSeconds: '4',
    RedrivePolicy: JSON.stringify({ deadLetterTargetArn: arn('dlq'), maxReceiveCount: 5 }),
  });
  await rig.create('f.fifo', {
    FifoQueue: 'true',
    DeduplicationScope: 'messageGroup',
    FifoThroughputLimit: 'perMessageGroupId',
    ContentBasedDeduplication: 'true',
  });
  await rig.run('TagQueue', 'q', { Tags: { a: 'b' } });
  await rig.run('AddPermission', 'q', {
    Label: 'l',
    AWSAccountIds: ['111111111111'],
    Actions: ['*'],
  });
  const all = async () => [
    await rig.run('GetQueueAttributes', 'q', { AttributeNames: ['All'] }),
    await rig.run('GetQueueAttributes', 'f.fifo', { AttributeNames: ['All'] }),
    { ...(await rig.run('ListQueueTags', 'q', {})).Tags },
  ];
  const before = await all();
  rig = await restarted(over);
  assert.deepEqual(await all(), before);
});

test('messages keep their ids, and are answered as the duplicates that they are', async () => {
  const over = await BrokerRig.open();
  let rig = SqsRig.over(over);
  await rig.create('q.fifo', { FifoQueue: 'true', ContentBasedDeduplication: 'true' });
  const sent = await rig.send('q.fifo', 'x', { MessageGroupId: 'g' });
  rig = await restarted(over);
  assert.equal((await rig.send('q.fifo', 'x', { MessageGroupId: 'g' })).MessageId, sent.MessageId);
  const messages = await rig.receive('q.fifo', { AttributeNames: ['SequenceNumber'] });
  assert.deepEqual(bodies(messages), ['x']);
  assert.equal(messages[0]!.MessageId, sent.MessageId);
  assert.equal(messages[0]!.Attributes!['SequenceNumber'], sent.SequenceNumber);
});

test('handles from before still delete, until the message is received again', async () => {
  for (const [name, attributes] of [
    ['q', {}],
    ['q.fifo', { FifoQueue: 'true', ContentBasedDeduplication: 'true' }],
  ] as const) {
    const over = await BrokerRig.open();
    let rig = SqsRig.over(over);
    await rig.create(name, attributes);
    const group = name === 'q' ? {} : { MessageGroupId: 'g' };
    for (const body of ['a', 'b']) await rig.send(name, body, group);
    const [a, b] = await rig.receive(name);
    rig = await restarted(over);
    await rig.run('DeleteMessage', name, { ReceiptHandle: a!.ReceiptHandle });
    const [again] = await rig.receive(name);
    assert.equal(again!.Body, 'b');
    assert.notEqual(again!.ReceiptHandle, b!.ReceiptHandle);
    const late = rig.run('DeleteMessage', name, { ReceiptHandle: b!.ReceiptHandle });
    if (name === 'q') await late;
    else await assert.rejects(late, { shape: 'InvalidParameterValueException' });
    await rig.run('DeleteMessage', name, { ReceiptHandle: again!.ReceiptHandle });
    rig = await restarted(over);
    assert.deepEqual(await rig.receive(name), []);
  }
});

test('a task that was running goes on', async () => {
  const over = await BrokerRig.open();
  let rig = SqsRig.over(over);
  await rig.create('dlq', { VisibilityTimeout: '0' });
  const RedrivePolicy = JSON.stringify({ deadLetterTargetArn: arn('dlq'), maxReceiveCount: 1 });
  await rig.create('q', { RedrivePolicy });
  await rig.create('target');
  for (let i = 0; i < 5; i++) await rig.send('dlq', `${i}`);
  await rig.run('StartMessageMoveTask', '', {
    SourceArn: arn('dlq'),
    DestinationArn: arn('target'),
    MaxNumberOfMessagesPerSecond: 1,
  });
  await rig.memory.advance(0);
  await rig.memory.advance(1000);
  rig = await restarted(over);
  const task = async () => {
    const { Results } = await rig.run('ListMessageMoveTasks', '', { SourceArn: arn('dlq') });
    return Results![0]!;
  };
  assert.equal((await task()).Status, 'RUNNING');
  for (let i = 0; i < 6; i++) await rig.memory.advance(1000);
  assert.equal((await task()).Status, 'COMPLETED');
  assert.deepEqual(bodies(await rig.receive('target')).toSorted(), ['0', '1', '2', '3', '4']);
  rig = await restarted(over);
  assert.equal((await task()).Status, 'COMPLETED');
});
