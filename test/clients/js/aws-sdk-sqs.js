/** @aws-sdk/client-sqs v3, which checks the MD5 of bodies itself and follows queue URLs. */
import assert from 'node:assert/strict';
import {
  ChangeMessageVisibilityBatchCommand,
  ChangeMessageVisibilityCommand,
  CreateQueueCommand,
  DeleteMessageBatchCommand,
  DeleteMessageCommand,
  DeleteQueueCommand,
  GetQueueAttributesCommand,
  GetQueueUrlCommand,
  ListDeadLetterSourceQueuesCommand,
  ListMessageMoveTasksCommand,
  ListQueuesCommand,
  ListQueueTagsCommand,
  paginateListQueues,
  PurgeQueueCommand,
  PurgeQueueInProgress,
  QueueDoesNotExist,
  ReceiveMessageCommand,
  SendMessageBatchCommand,
  SendMessageCommand,
  SetQueueAttributesCommand,
  SQSClient,
  StartMessageMoveTaskCommand,
  TagQueueCommand,
  UntagQueueCommand,
} from '@aws-sdk/client-sqs';
import { eventually, main, scenario, unique } from './scenario.js';

const { env } = process;
/** ElasticMQ is known not to be as Amazon is in what is asked of Posthorn alone. */
const posthorn = env.TARGET === 'posthorn';
const endpoint = `http://localhost:${env.SQS_PORT}`;
const credentials = { accessKeyId: 'test', secretAccessKey: 'test' };
const sqs = new SQSClient({ endpoint, region: 'us-east-1', credentials, maxAttempts: 1 });
const send = (Command, input) => sqs.send(new Command(input));

async function queue(use, Attributes = {}) {
  const fifo = Attributes.FifoQueue === 'true';
  const QueueName = unique('queue') + (fifo ? '.fifo' : '');
  const { QueueUrl } = await send(CreateQueueCommand, { QueueName, Attributes });
  try {
    return await use(QueueUrl);
  } finally {
    await send(DeleteQueueCommand, { QueueUrl });
  }
}

async function receive(QueueUrl, options = {}) {
  const input = {
    QueueUrl,
    MaxNumberOfMessages: 10,
    MessageSystemAttributeNames: ['All'],
    ...options,
  };
  const { Messages = [] } = await send(ReceiveMessageCommand, input);
  return Messages;
}

async function take(QueueUrl, count, options = {}) {
  const messages = [];
  await eventually(async () => {
    messages.push(...(await receive(QueueUrl, { WaitTimeSeconds: 1, ...options })));
    return messages.length >= count;
  });
  assert.equal(messages.length, count);
  return messages;
}

async function attribute(QueueUrl, name) {
  const { Attributes } = await send(GetQueueAttributesCommand, {
    QueueUrl,
    AttributeNames: [name],
  });
  return Attributes?.[name];
}

async function refused(Command, input, client = sqs) {
  return client.send(new Command(input)).then(
    () => assert.fail(`${Command.name} was not refused`),
    (error) => error,
  );
}

scenario('send, receive, delete', () =>
  queue(async (QueueUrl) => {
    const MessageAttributes = {
      text: { DataType: 'String', StringValue: 'ä' },
      bytes: { DataType: 'Binary', BinaryValue: Uint8Array.from([0, 255, 10]) },
      number: { DataType: 'Number', StringValue: '12.50' },
    };
    const MessageBody = 'hello ä€😀 <&>';
    const sent = await send(SendMessageCommand, { QueueUrl, MessageBody, MessageAttributes });
    const [message] = await take(QueueUrl, 1, { MessageAttributeNames: ['All'] });
    assert.equal(message.Body, MessageBody);
    assert.equal(message.MessageId, sent.MessageId);
    assert.equal(message.MD5OfMessageAttributes, sent.MD5OfMessageAttributes);
    assert.deepEqual(message.MessageAttributes, MessageAttributes);
    assert.equal(message.Attributes.ApproximateReceiveCount, '1');
    const { ReceiptHandle } = message;
    await send(ChangeMessageVisibilityCommand, { QueueUrl, ReceiptHandle, VisibilityTimeout: 0 });
    const [again] = await take(QueueUrl, 1);
    assert.equal(again.Attributes.ApproximateReceiveCount, '2');
    await send(DeleteMessageCommand, { QueueUrl, ReceiptHandle: again.ReceiptHandle });
    assert.equal(await attribute(QueueUrl, 'ApproximateNumberOfMessagesNotVisible'), '0');
  }),
);

scenario('batches', () =>
  queue(async (QueueUrl) => {
    const Entries = Array.from({ length: 10 }, (_, n) => ({
      Id: `${n}`,
      MessageBody: `body ${n}`,
    }));
    const sent = await send(SendMessageBatchCommand, { QueueUrl, Entries });
    assert.equal(sent.Successful.length, 10);
    const messages = await take(QueueUrl, 10);
    const handles = messages.map(({ ReceiptHandle }, n) => ({ Id: `${n}`, ReceiptHandle }));
    const changed = await send(ChangeMessageVisibilityBatchCommand, {
      QueueUrl,
      Entries: handles.map((entry) => ({ ...entry, VisibilityTimeout: 60 })),
    });
    assert.equal(changed.Successful.length, 10);
    const deleted = await send(DeleteMessageBatchCommand, {
      QueueUrl,
      Entries: [...handles.slice(0, 9), { Id: 'wrong', ReceiptHandle: 'wrong' }],
    });
    assert.equal(deleted.Successful.length, 9);
    assert.deepEqual(
      deleted.Failed.map(({ Id, SenderFault }) => [Id, SenderFault]),
      [['wrong', true]],
    );
  }),
);

scenario('long polls side by side', () =>
  queue(async (QueueUrl) => {
    const waiting = Array.from({ length: 20 }, () =>
      receive(QueueUrl, { MaxNumberOfMessages: 1, WaitTimeSeconds: 20 }),
    );
    await new Promise((resolve) => setTimeout(resolve, 300));
    for (let n = 0; n < 20; n++) await send(SendMessageCommand, { QueueUrl, MessageBody: `${n}` });
    const got = (await Promise.all(waiting)).flat().map((message) => Number(message.Body));
    assert.deepEqual(
      got.toSorted((a, b) => a - b),
      Array.from({ length: 20 }, (_, n) => n),
    );
  }),
);

scenario('delays of the queue and of the message', () =>
  queue(
    async (QueueUrl) => {
      await send(SendMessageCommand, { QueueUrl, MessageBody: 'by the queue' });
      await send(SendMessageCommand, { QueueUrl, MessageBody: 'at once', DelaySeconds: 0 });
      const bodies = (await receive(QueueUrl)).map(({ Body }) => Body);
      assert.deepEqual(bodies, ['at once']);
      assert.equal(await attribute(QueueUrl, 'ApproximateNumberOfMessagesDelayed'), '1');
      const startedAt = Date.now();
      assert.equal((await take(QueueUrl, 1))[0].Body, 'by the queue');
      assert.ok(Date.now() - startedAt < 3000);
    },
    { DelaySeconds: '1' },
  ),
);

scenario('visibility', () =>
  queue(
    async (QueueUrl) => {
      await send(SendMessageCommand, { QueueUrl, MessageBody: 'x' });
      const [{ ReceiptHandle }] = await take(QueueUrl, 1);
      await send(ChangeMessageVisibilityCommand, {
        QueueUrl,
        ReceiptHandle,
        VisibilityTimeout: 2,
      });
      const startedAt = Date.now();
      assert.deepEqual(await receive(QueueUrl, { WaitTimeSeconds: 1 }), []);
      const [again] = await take(QueueUrl, 1, { WaitTimeSeconds: 10, VisibilityTimeout: 30 });
      const tookMs = Date.now() - startedAt;
      assert.ok(tookMs > 1500 && tookMs < 4000, `${tookMs} ms`);
      assert.equal(again.Attributes.ApproximateReceiveCount, '2');
      assert.equal(await attribute(QueueUrl, 'ApproximateNumberOfMessagesNotVisible'), '1');
    },
    { VisibilityTimeout: '1' },
  ),
);

scenario('attributes of a queue', () =>
  queue(
    async (QueueUrl) => {
      await send(SetQueueAttributesCommand, { QueueUrl, Attributes: { DelaySeconds: '4' } });
      const { Attributes } = await send(GetQueueAttributesCommand, {
        QueueUrl,
        AttributeNames: ['All'],
      });
      assert.equal(Attributes.VisibilityTimeout, '45');
      assert.equal(Attributes.DelaySeconds, '4');
      assert.match(Attributes.QueueArn, /^arn:aws:sqs:us-east-1:000000000000:js-queue-/);
      assert.equal(Attributes.ApproximateNumberOfMessages, '0');
      const QueueName = QueueUrl.split('/').at(-1);
      assert.deepEqual((await send(GetQueueUrlCommand, { QueueName })).QueueUrl, QueueUrl);
    },
    { VisibilityTimeout: '45' },
  ),
);

scenario('a poll that is given up takes no message with it', () =>
  queue(async (QueueUrl) => {
    const abort = new AbortController();
    const poll = sqs.send(new ReceiveMessageCommand({ QueueUrl, WaitTimeSeconds: 20 }), {
      abortSignal: abort.signal,
    });
    setTimeout(() => abort.abort(), 300);
    await assert.rejects(poll);
    await new Promise((resolve) => setTimeout(resolve, 200));
    await send(SendMessageCommand, { QueueUrl, MessageBody: 'kept' });
    // ElasticMQ hands it to the one who is gone.
    if (posthorn) assert.equal((await take(QueueUrl, 1))[0].Body, 'kept');
  }),
);

scenario('FIFO: order, groups, duplicates', () =>
  queue(
    async (QueueUrl) => {
      for (const body of ['1', '2', '2', '3'])
        await send(SendMessageCommand, { QueueUrl, MessageBody: body, MessageGroupId: 'a' });
      await send(SendMessageCommand, { QueueUrl, MessageBody: 'other', MessageGroupId: 'b' });
      const [first] = await receive(QueueUrl, { MaxNumberOfMessages: 1 });
      assert.equal(first.Body, '1');
      assert.deepEqual(
        (await receive(QueueUrl)).map(({ Body }) => Body),
        ['other'],
      );
      await send(DeleteMessageCommand, { QueueUrl, ReceiptHandle: first.ReceiptHandle });
      const rest = await receive(QueueUrl);
      assert.deepEqual(
        rest.map(({ Body, Attributes }) => [Body, Attributes.MessageGroupId]),
        [
          ['2', 'a'],
          ['3', 'a'],
        ],
      );
      assert.ok(
        BigInt(rest[1].Attributes.SequenceNumber) > BigInt(rest[0].Attributes.SequenceNumber),
      );
    },
    { FifoQueue: 'true', ContentBasedDeduplication: 'true' },
  ),
);

scenario('dead letters and back', () =>
  queue(async (dead) => {
    const deadLetterTargetArn = await attribute(dead, 'QueueArn');
    const RedrivePolicy = JSON.stringify({ deadLetterTargetArn, maxReceiveCount: '1' });
    await queue(
      async (QueueUrl) => {
        await send(SendMessageCommand, { QueueUrl, MessageBody: 'poison' });
        await take(QueueUrl, 1);
        assert.deepEqual(await receive(QueueUrl), []);
        await eventually(
          async () => (await attribute(dead, 'ApproximateNumberOfMessages')) === '1',
        );
        if (posthorn) {
          const { queueUrls } = await send(ListDeadLetterSourceQueuesCommand, { QueueUrl: dead });
          assert.deepEqual(queueUrls, [QueueUrl]);
        }
        await send(StartMessageMoveTaskCommand, { SourceArn: deadLetterTargetArn });
        await send(SetQueueAttributesCommand, {
          QueueUrl,
          Attributes: { VisibilityTimeout: '30' },
        });
        assert.equal((await take(QueueUrl, 1))[0].Body, 'poison');
        const tasks = await send(ListMessageMoveTasksCommand, { SourceArn: deadLetterTargetArn });
        assert.equal(tasks.Results.length, 1);
      },
      { RedrivePolicy, VisibilityTimeout: '0' },
    );
  }),
);

scenario('tags, purge, pages', () =>
  queue(async (QueueUrl) => {
    await send(TagQueueCommand, { QueueUrl, Tags: { a: '1', b: '2' } });
    await send(UntagQueueCommand, { QueueUrl, TagKeys: ['a'] });
    assert.deepEqual((await send(ListQueueTagsCommand, { QueueUrl })).Tags, { b: '2' });
    await send(SendMessageCommand, { QueueUrl, MessageBody: 'x' });
    await send(PurgeQueueCommand, { QueueUrl });
    await eventually(
      async () => (await attribute(QueueUrl, 'ApproximateNumberOfMessages')) === '0',
    );
    const QueueNamePrefix = QueueUrl.split('/').at(-1);
    const pages = await Array.fromAsync(paginateListQueues({ client: sqs }, { QueueNamePrefix }));
    assert.deepEqual(
      pages.flatMap((page) => page.QueueUrls ?? []),
      [QueueUrl],
    );
  }),
);

scenario('without an endpoint of its own the client follows the queue URL', () =>
  queue(async (QueueUrl) => {
    const follower = new SQSClient({ region: 'us-east-1', credentials, maxAttempts: 1 });
    await follower.send(new SendMessageCommand({ QueueUrl, MessageBody: 'followed' }));
    assert.equal((await take(QueueUrl, 1))[0].Body, 'followed');
    follower.destroy();
  }),
);

const entries = (count, MessageBody = 'x') =>
  Array.from({ length: count }, (_, n) => ({ Id: `${n}`, MessageBody }));

/** What both refuse: the request and the status; the names are Amazon's. */
const refusals = {
  handle: [DeleteMessageCommand, { ReceiptHandle: 'wrong' }, 'ReceiptHandleIsInvalid', 404],
  tooLarge: [SendMessageCommand, { MessageBody: 'x'.repeat(1_048_577) }, 'InvalidParameterValue'],
  contents: [SendMessageCommand, { MessageBody: '\u0001' }, 'InvalidMessageContents'],
  twice: [
    SendMessageBatchCommand,
    { Entries: entries(2).map((entry) => ({ ...entry, Id: 'same' })) },
    'BatchEntryIdsNotDistinct',
  ],
  tooMany: [SendMessageBatchCommand, { Entries: entries(11) }, 'TooManyEntriesInBatchRequest'],
  number: [ReceiveMessageCommand, { MaxNumberOfMessages: 11 }, 'InvalidParameterValue'],
  wait: [ReceiveMessageCommand, { WaitTimeSeconds: 21 }, 'InvalidParameterValue'],
  delay: [SendMessageCommand, { MessageBody: 'x', DelaySeconds: 901 }, 'InvalidParameterValue'],
};

/** What ElasticMQ lets pass, or has no name for. */
const refusalsOfAmazon = {
  tooLong: [
    SendMessageBatchCommand,
    { Entries: entries(6, 'x'.repeat(200_000)) },
    'BatchRequestTooLong',
  ],
  empty: [SendMessageBatchCommand, { Entries: [] }, 'EmptyBatchRequest'],
  id: [
    SendMessageBatchCommand,
    { Entries: [{ Id: 'a b', MessageBody: 'x' }] },
    'InvalidBatchEntryId',
  ],
  attribute: [SetQueueAttributesCommand, { Attributes: { Odd: '1' } }, 'InvalidAttributeName'],
  value: [
    SetQueueAttributesCommand,
    { Attributes: { DelaySeconds: '-1' } },
    'InvalidAttributeValue',
  ],
  hidden: [
    ChangeMessageVisibilityCommand,
    { ReceiptHandle: 'wrong', VisibilityTimeout: 43_201 },
    'InvalidParameterValue',
  ],
};

scenario('errors', () =>
  queue(async (QueueUrl) => {
    const missing = await refused(GetQueueUrlCommand, { QueueName: unique('missing') });
    assert.ok(missing instanceof QueueDoesNotExist, missing);
    assert.equal(missing.$metadata.httpStatusCode, 400);
    assert.equal(missing.$fault, 'client');
    const elsewhere = { QueueUrl: `${QueueUrl}-missing`, MessageBody: 'x' };
    assert.ok((await refused(SendMessageCommand, elsewhere)) instanceof QueueDoesNotExist);
    const expected = posthorn ? { ...refusals, ...refusalsOfAmazon } : refusals;
    for (const [what, [Command, input, name, status = 400]] of Object.entries(expected)) {
      const error = await refused(Command, Object.assign({ QueueUrl }, input));
      const wanted = posthorn ? [name, status] : [error.name, 400];
      assert.deepEqual([what, error.name, error.$metadata.httpStatusCode], [what, ...wanted]);
    }
  }),
);

if (posthorn) {
  scenario('purging twice', () =>
    queue(async (QueueUrl) => {
      await send(PurgeQueueCommand, { QueueUrl });
      const error = await refused(PurgeQueueCommand, { QueueUrl });
      assert.ok(error instanceof PurgeQueueInProgress, error);
    }),
  );

  scenario('signatures', async () => {
    const signed = (accessKeyId, secretAccessKey, options = {}) =>
      new SQSClient({
        endpoint: `http://localhost:${env.SQS_SIGNED_PORT}`,
        region: 'us-east-1',
        credentials: { accessKeyId, secretAccessKey, ...options.credentials },
        maxAttempts: 1,
        systemClockOffset: options.systemClockOffset ?? 0,
      });
    const good = signed('app', 'secret');
    const QueueName = unique('signed');
    const { QueueUrl } = await good.send(new CreateQueueCommand({ QueueName }));
    await good.send(new SendMessageCommand({ QueueUrl, MessageBody: 'ä & b' }));
    await good.send(new DeleteQueueCommand({ QueueUrl }));
    const session = { credentials: { sessionToken: 'session-token' } };
    await signed('visitor', 'secret', session).send(new ListQueuesCommand({}));
    const late = { systemClockOffset: -20 * 60_000 };
    const early = { systemClockOffset: 20 * 60_000 };
    const forged = { credentials: { sessionToken: 'forged' } };
    for (const [client, name, words] of [
      [signed('app', 'wrong'), 'SignatureDoesNotMatch', /does not match/],
      [signed('nobody', 'secret'), 'InvalidClientTokenId', /security token/],
      [signed('visitor', 'secret', forged), 'InvalidClientTokenId', /security token/],
      [signed('app', 'secret', late), 'SignatureDoesNotMatch', /Signature expired/],
      [signed('app', 'secret', early), 'SignatureDoesNotMatch', /Signature not yet current/],
    ]) {
      const error = await refused(ListQueuesCommand, {}, client);
      assert.deepEqual([error.name, error.$metadata.httpStatusCode], [name, 403]);
      assert.match(error.message, words);
    }
  });
}

await main();
