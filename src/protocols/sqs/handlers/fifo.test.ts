/** FIFO queues: groups, duplicates, sequence numbers, handles, attempts. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Input } from '../actions.ts';
import { SqsRig, bodies, refusal } from '#test/rigs/sqs-rig.ts';

const INVALID = 'InvalidParameterValueException';
const NO_DEDUPLICATION_ID =
  'The queue should either have ContentBasedDeduplication enabled or MessageDeduplicationId ' +
  'provided explicitly';
const Q = 'q.fifo';

async function open(attributes: Record<string, string> = {}): Promise<SqsRig> {
  const rig = await SqsRig.open();
  const defaults = { FifoQueue: 'true', ContentBasedDeduplication: 'true' };
  await rig.create(Q, { ...defaults, ...attributes });
  return rig;
}

const send = (rig: SqsRig, group: string, body: string, id?: string) =>
  rig.send(Q, body, { MessageGroupId: group, MessageDeduplicationId: id });
const remove = (rig: SqsRig, handle: string) =>
  rig.run('DeleteMessage', Q, { ReceiptHandle: handle });

test('what a message must have', async () => {
  const rig = await open({ ContentBasedDeduplication: 'false' });
  await assert.rejects(
    rig.send(Q, 'x', { MessageDeduplicationId: 'd' }),
    refusal(
      'MissingRequiredParameterException',
      'The request must contain the parameter MessageGroupId.',
    ),
  );
  await assert.rejects(
    rig.send(Q, 'x', { MessageGroupId: 'g' }),
    refusal(INVALID, NO_DEDUPLICATION_ID),
  );
  for (const id of ['', 'a'.repeat(129), 'group 123']) {
    await assert.rejects(
      send(rig, 'g', 'x', id),
      refusal(
        INVALID,
        `Value ${id} for parameter MessageDeduplicationId is invalid. Reason: MessageDeduplicationId ` +
          'can only include alphanumeric and punctuation characters. 1 to 128 in length.',
      ),
    );
  }
  await send(rig, '!"#$%&\'()*+,-./:;<=>?@[\\]^_`{|}~', 'x', 'a'.repeat(128));
  await assert.rejects(
    rig.send(Q, 'x', { MessageGroupId: 'g', MessageDeduplicationId: 'd', DelaySeconds: 2 }),
    refusal(
      INVALID,
      'Value 2 for parameter DelaySeconds is invalid. Reason: The request include parameter that is ' +
        'not valid for this queue type.',
    ),
  );
  await rig.send(Q, 'x', { MessageGroupId: 'g', MessageDeduplicationId: 'd', DelaySeconds: 0 });
});

test('a batch without the ids of FIFO queues is wrong as a whole', async () => {
  const rig = await open({ ContentBasedDeduplication: 'false' });
  const good = { Id: 'a', MessageBody: 'x', MessageGroupId: 'g', MessageDeduplicationId: 'd' };
  for (const [more, message] of [
    [{ MessageDeduplicationId: undefined }, NO_DEDUPLICATION_ID],
    [{ MessageGroupId: undefined }, 'The request must contain the parameter MessageGroupId.'],
  ] as const) {
    await assert.rejects(
      rig.run('SendMessageBatch', Q, { Entries: [good, { ...good, Id: 'b', ...more }] }),
      refusal(INVALID, message),
    );
  }
  assert.deepEqual(await rig.receive(Q), []);
});

test('sequence numbers have twenty digits and rise; system attributes', async () => {
  const rig = await open();
  const first = await send(rig, 'g', 'a', 'dedup-1');
  const second = await send(rig, 'h', 'b');
  assert.match(first.SequenceNumber!, /^\d{20}$/);
  assert.ok(BigInt(second.SequenceNumber!) > BigInt(first.SequenceNumber!));
  const [a, b] = await rig.receive(Q, { AttributeNames: ['All'] });
  assert.deepEqual(a!.Attributes, {
    SenderId: 'guest',
    SentTimestamp: '1700000000000',
    ApproximateReceiveCount: '1',
    ApproximateFirstReceiveTimestamp: '1700000000000',
    MessageGroupId: 'g',
    MessageDeduplicationId: 'dedup-1',
    SequenceNumber: first.SequenceNumber,
  });
  // Of its content.
  assert.equal(
    b!.Attributes!['MessageDeduplicationId'],
    '3e23e8160039594a33894f6564e1b1348bbd7a0088d42c4acb73eeaed59c009d',
  );
});

test('duplicates are answered as the first was, for five minutes, also after it is deleted', async () => {
  const rig = await open();
  const first = await send(rig, 'g', 'one', 'd');
  const again = await send(rig, 'other', 'two', 'd');
  assert.equal(again.MessageId, first.MessageId);
  assert.equal(again.SequenceNumber, first.SequenceNumber);
  const messages = await rig.receive(Q);
  assert.deepEqual(bodies(messages), ['one']);
  assert.equal(messages[0]!.MessageId, first.MessageId);
  await remove(rig, messages[0]!.ReceiptHandle);
  await rig.memory.advance(299_000);
  assert.equal((await send(rig, 'g', 'one', 'd')).MessageId, first.MessageId);
  assert.deepEqual(await rig.receive(Q), []);
  await rig.memory.advance(2000);
  assert.notEqual((await send(rig, 'g', 'one', 'd')).MessageId, first.MessageId);
  assert.deepEqual(bodies(await rig.receive(Q)), ['one']);
});

test('content makes an id, and is the same as that id', async () => {
  const rig = await open();
  const first = await send(rig, 'g', 'foobar');
  assert.equal((await send(rig, 'h', 'foobar')).MessageId, first.MessageId);
  const id = 'c3ab8ff13720e8ad9047dd39466b3c8974e592c2fa383d4a3960714caef0c4f2';
  assert.equal((await send(rig, 'g', 'else', id)).MessageId, first.MessageId);
  assert.notEqual((await send(rig, 'g', 'foobar', 'own')).MessageId, first.MessageId);
});

test('the scope of duplicates can be the group', async () => {
  const rig = await open({ DeduplicationScope: 'messageGroup' });
  const first = await send(rig, 'g', 'a', 'd');
  assert.equal((await send(rig, 'g', 'b', 'd')).MessageId, first.MessageId);
  assert.notEqual((await send(rig, 'h', 'c', 'd')).MessageId, first.MessageId);
  assert.deepEqual(bodies(await rig.receive(Q)).toSorted(), ['a', 'c']);
});

test('groups: in order, several at once in one call, one after the other between calls', async () => {
  const rig = await open();
  for (const body of ['g1-m1', 'g1-m2', 'g2-m1', 'g1-m3', 'g2-m2']) {
    await send(rig, body.slice(0, 2), body);
  }
  const first = await rig.receive(Q, { MaxNumberOfMessages: 2 });
  const ofOne = bodies(first).filter((body) => body.startsWith('g1'));
  assert.deepEqual(ofOne, ['g1-m1', 'g1-m2'].slice(0, ofOne.length));
  const rest = await rig.receive(Q);
  assert.deepEqual(bodies(rest), ['g2-m1', 'g2-m2']);
  assert.deepEqual(await rig.receive(Q), []);
  await remove(rig, first[0]!.ReceiptHandle);
  assert.deepEqual(await rig.receive(Q), []);
  await remove(rig, first[1]!.ReceiptHandle);
  assert.deepEqual(bodies(await rig.receive(Q)), ['g1-m3']);
});

test('a message that comes back is the first of its group again', async () => {
  const rig = await open({ VisibilityTimeout: '2' });
  for (const body of ['a', 'b', 'c']) await send(rig, 'g', body);
  const all = await rig.receive(Q);
  assert.deepEqual(bodies(all), ['a', 'b', 'c']);
  const visibility = (index: number, VisibilityTimeout: number) =>
    rig.run('ChangeMessageVisibility', Q, {
      ReceiptHandle: all[index]!.ReceiptHandle,
      VisibilityTimeout,
    });
  // As AWS: what is before the one that stays hidden comes back.
  await visibility(1, 30);
  await rig.memory.advance(2000);
  assert.deepEqual(bodies(await rig.receive(Q)), ['a']);
});

test('hidden for no time at all: at once again, and only once per call', async () => {
  const rig = await open();
  for (const body of ['g1-m1', 'g1-m2']) await send(rig, 'g1', body);
  await send(rig, 'g2', 'g2-m1');
  for (let i = 0; i < 2; i++) {
    const messages = await rig.receive(Q, { VisibilityTimeout: 0 });
    assert.deepEqual(bodies(messages), ['g1-m1', 'g1-m2', 'g2-m1']);
  }
});

test('a handle that has expired deletes nothing', async () => {
  const rig = await open({ VisibilityTimeout: '1' });
  await send(rig, 'g', 'x');
  const [first] = await rig.receive(Q);
  await rig.memory.advance(1000);
  const expired = refusal(
    INVALID,
    `Value ${first!.ReceiptHandle} for parameter ReceiptHandle is invalid. Reason: The receipt ` +
      'handle has expired.',
  );
  await assert.rejects(remove(rig, first!.ReceiptHandle), expired);
  const [second] = await rig.receive(Q);
  await assert.rejects(remove(rig, first!.ReceiptHandle), expired);
  await rig.run('ChangeMessageVisibility', Q, {
    ReceiptHandle: second!.ReceiptHandle,
    VisibilityTimeout: 10,
  });
  await rig.memory.advance(5000);
  await remove(rig, second!.ReceiptHandle);
  await remove(rig, second!.ReceiptHandle);
});

test('the queue’s delay holds for all, and a DelaySeconds of 0 changes nothing', async () => {
  const rig = await open({ DelaySeconds: '3' });
  await rig.send(Q, 'x', { MessageGroupId: 'g', DelaySeconds: 0 });
  assert.deepEqual(await rig.receive(Q), []);
  await rig.memory.advance(3000);
  assert.deepEqual(bodies(await rig.receive(Q)), ['x']);
});

test('an attempt that is repeated gets the same messages and handles, and hides them anew', async () => {
  const rig = await open({ VisibilityTimeout: '10' });
  for (const body of ['a', 'b', 'c']) await send(rig, 'g', body);
  const ask: Partial<Input<'ReceiveMessage'>> = {
    MaxNumberOfMessages: 2,
    ReceiveRequestAttemptId: 'attempt',
  };
  const first = await rig.receive(Q, ask);
  assert.deepEqual(bodies(first), ['a', 'b']);
  await rig.memory.advance(9000);
  assert.deepEqual(await rig.receive(Q, ask), first);
  await rig.memory.advance(9000);
  assert.deepEqual(await rig.receive(Q, { ReceiveRequestAttemptId: 'another' }), []);
  assert.deepEqual(await rig.receive(Q, ask), first);
  await remove(rig, first[0]!.ReceiptHandle);
  // Modified: it is an attempt like others.
  assert.deepEqual(await rig.receive(Q, ask), []);
  await rig.memory.advance(10_000);
  const later = await rig.receive(Q, ask);
  assert.deepEqual(bodies(later), ['b', 'c']);
  assert.notEqual(later[0]!.ReceiptHandle, first[1]!.ReceiptHandle);
});

test('attempts are for FIFO queues', async () => {
  const rig = await open();
  await rig.create('standard');
  await assert.rejects(
    rig.receive('standard', { ReceiveRequestAttemptId: 'a' }),
    refusal(INVALID, /not valid for this queue type/),
  );
  await assert.rejects(
    rig.receive(Q, { ReceiveRequestAttemptId: 'a b' }),
    refusal(INVALID, /ReceiveRequestAttemptId can only include/),
  );
});

test('a long poll hears when its group is free again', async () => {
  const rig = await open();
  await send(rig, 'g', 'a');
  await send(rig, 'g', 'b');
  const [a] = await rig.receive(Q, { MaxNumberOfMessages: 1 });
  const poll = rig.begin('ReceiveMessage', Q, { WaitTimeSeconds: 20 });
  await rig.memory.advance(1000);
  assert.equal(poll.isAnswered, false);
  await remove(rig, a!.ReceiptHandle);
  assert.deepEqual(bodies((await poll.answer).Messages!), ['b']);
});

test('a purge forgets the duplicates too, for good', async () => {
  const rig = await open();
  await send(rig, 'g', 'one', 'd');
  await rig.run('PurgeQueue', Q, {});
  await send(rig, 'g', 'two', 'd');
  await send(rig, 'g', 'three', 'd');
  assert.deepEqual(bodies(await rig.receive(Q)), ['two']);
  await rig.run('SetQueueAttributes', Q, { Attributes: { DeduplicationScope: 'messageGroup' } });
  const { MessageId } = await send(rig, 'g', 'four', 'd');
  assert.equal((await send(rig, 'g', 'five', 'd')).MessageId, MessageId);
});
