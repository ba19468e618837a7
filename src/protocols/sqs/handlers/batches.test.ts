/** Batches: what is wrong with the whole, and each entry for itself. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { counts, openWithQueue, refusal } from '#test/rigs/sqs-rig.ts';

test('batches: what is wrong with the whole, in the words of AWS', async () => {
  const rig = await openWithQueue();
  const entry = (Id: string, MessageBody = 'x') => ({ Id, MessageBody });
  const sendAll = (Entries: readonly ReturnType<typeof entry>[]) =>
    rig.run('SendMessageBatch', 'q', { Entries });
  const many = Array.from({ length: 20 }, (_, i) => entry(`${i}`));
  await assert.rejects(
    sendAll(many),
    refusal(
      'TooManyEntriesInBatchRequest',
      'Maximum number of entries per request are 10. You have sent 20.',
    ),
  );
  await assert.rejects(
    sendAll([]),
    refusal(
      'EmptyBatchRequest',
      'There should be at least one SendMessageBatchRequestEntry in the request.',
    ),
  );
  for (const id of ['', 'a:b', 'x'.repeat(81), 'ä']) {
    await assert.rejects(
      sendAll([entry('ok'), entry(id)]),
      refusal(
        'InvalidBatchEntryId',
        'A batch entry id can only contain alphanumeric characters, hyphens and underscores. ' +
          'It can be at most 80 letters long.',
      ),
    );
  }
  await assert.rejects(
    sendAll([entry('a'), entry('b'), entry('a')]),
    refusal('BatchEntryIdsNotDistinct', 'Id a repeated.'),
  );
  await assert.rejects(
    sendAll([entry('a', 'x'.repeat(1_048_576)), entry('b', 'x')]),
    refusal(
      'BatchRequestTooLong',
      'Batch requests cannot be longer than 1048576 bytes. You have sent 1048577 bytes.',
    ),
  );
  assert.deepEqual(await rig.receive('q'), []);
  const handles = Array.from({ length: 11 }, (_, i) => ({ Id: `${i}`, ReceiptHandle: 'x' }));
  await assert.rejects(
    rig.run('DeleteMessageBatch', 'q', { Entries: handles }),
    refusal('TooManyEntriesInBatchRequest'),
  );
  await assert.rejects(
    rig.run('ChangeMessageVisibilityBatch', 'q', { Entries: [] }),
    refusal('EmptyBatchRequest', /ChangeMessageVisibilityBatchRequestEntry/),
  );
});

test('batches: each entry for itself', async () => {
  const rig = await openWithQueue({ MaximumMessageSize: '1024' });
  const { Successful, Failed } = await rig.run('SendMessageBatch', 'q', {
    Entries: [
      { Id: 'good', MessageBody: 'a'.repeat(1024) },
      { Id: 'long', MessageBody: 'a'.repeat(1025) },
      { Id: 'odd', MessageBody: '\u0000' },
      { Id: 'late', MessageBody: 'x', DelaySeconds: 901 },
      { Id: 'fine', MessageBody: 'b' },
    ],
  });
  assert.deepEqual(
    Successful.map(({ Id }) => Id),
    ['good', 'fine'],
  );
  assert.equal(new Set(Successful.map(({ MessageId }) => MessageId)).size, 2);
  assert.deepEqual(
    Failed!.map(({ Id, Code, SenderFault }) => [Id, Code, SenderFault]),
    [
      ['long', 'InvalidParameterValue', true],
      ['odd', 'InvalidMessageContents', true],
      ['late', 'InvalidParameterValue', true],
    ],
  );
  assert.equal(
    Failed![0]!.Message,
    'One or more parameters cannot be validated. Reason: Message must be shorter than 1024 bytes.',
  );
  const messages = await rig.receive('q');
  assert.deepEqual(
    messages.map(({ MessageId }) => MessageId),
    Successful.map(({ MessageId }) => MessageId),
  );
  const [one, two] = messages.map(({ ReceiptHandle }) => ReceiptHandle);
  const changed = await rig.run('ChangeMessageVisibilityBatch', 'q', {
    Entries: [
      { Id: 'a', ReceiptHandle: one!, VisibilityTimeout: 0 },
      { Id: 'b', ReceiptHandle: two!, VisibilityTimeout: 43_201 },
      { Id: 'c', ReceiptHandle: two! },
    ],
  });
  assert.deepEqual(changed.Successful, [{ Id: 'a' }]);
  assert.deepEqual(
    changed.Failed!.map(({ Id, Code }) => [Id, Code]),
    [
      ['b', 'InvalidParameterValue'],
      ['c', 'MissingParameter'],
    ],
  );
  const deleted = await rig.run('DeleteMessageBatch', 'q', {
    Entries: [
      { Id: 'a', ReceiptHandle: one! },
      { Id: 'b', ReceiptHandle: 'nonsense' },
      { Id: 'c', ReceiptHandle: two! },
    ],
  });
  assert.deepEqual(deleted.Successful, [{ Id: 'a' }, { Id: 'c' }]);
  assert.equal(deleted.Failed![0]!.Code, 'ReceiptHandleIsInvalid');
  assert.deepEqual(await counts(rig), [0, 0, 0]);
});

test('batches: where nothing fails, nothing is said of it', async () => {
  const rig = await openWithQueue();
  const sent = await rig.run('SendMessageBatch', 'q', { Entries: [{ Id: 'a', MessageBody: 'x' }] });
  assert.equal(sent.Failed, undefined);
  const [{ ReceiptHandle } = { ReceiptHandle: '' }] = await rig.receive('q');
  const Entries = [{ Id: 'a', ReceiptHandle, VisibilityTimeout: 5 }];
  const changed = await rig.run('ChangeMessageVisibilityBatch', 'q', { Entries });
  assert.equal(changed.Failed, undefined);
  assert.equal((await rig.run('DeleteMessageBatch', 'q', { Entries })).Failed, undefined);
});
