/** The AWS SDK's SQS client, unmodified, against the whole server: the flows people have and the errors
 * they match. It checks every MD5 by itself. */
import { after, before, describe, test } from 'node:test';
import assert from 'node:assert/strict';
import {
  type BatchResultErrorEntry,
  ChangeMessageVisibilityBatchCommand,
  ChangeMessageVisibilityCommand,
  CreateQueueCommand,
  DeleteMessageBatchCommand,
  DeleteMessageCommand,
  DeleteQueueCommand,
  GetQueueAttributesCommand,
  GetQueueUrlCommand,
  ListQueuesCommand,
  type Message,
  PurgeQueueCommand,
  QueueDoesNotExist,
  QueueNameExists,
  ReceiveMessageCommand,
  type ReceiveMessageCommandInput,
  ReceiptHandleIsInvalid,
  SendMessageBatchCommand,
  SendMessageCommand,
  SQSClient,
  type SQSClientConfig,
  SQSServiceException,
  TagQueueCommand,
  ListQueueTagsCommand,
  TooManyEntriesInBatchRequest,
} from '@aws-sdk/client-sqs';
import { eventually, startTestServer, type TestServer } from '#test/drive/server.ts';

let server: TestServer;
let client: SQSClient;
let names = 0;

function clientOf(endpoint: string, config: SQSClientConfig = {}): SQSClient {
  return new SQSClient({
    endpoint,
    region: 'eu-west-1',
    credentials: { accessKeyId: 'any', secretAccessKey: 'thing' },
    maxAttempts: 1,
    ...config,
  });
}

before(async () => {
  server = await startTestServer();
  client = clientOf(server.sqs);
});

after(async () => {
  client.destroy();
  await server.stop();
});

/** A new queue; its URL. */
async function queue(Attributes: Record<string, string> = {}, suffix = ''): Promise<string> {
  const QueueName = `queue-${++names}${suffix}`;
  const { QueueUrl } = await client.send(new CreateQueueCommand({ QueueName, Attributes }));
  return QueueUrl!;
}

async function send(QueueUrl: string, ...bodies: readonly string[]): Promise<void> {
  for (const MessageBody of bodies) {
    await client.send(new SendMessageCommand({ QueueUrl, MessageBody }));
  }
}

async function receive(
  QueueUrl: string,
  input: Omit<ReceiveMessageCommandInput, 'QueueUrl'> = {},
): Promise<Message[]> {
  const { Messages } = await client.send(
    new ReceiveMessageCommand({ QueueUrl, MaxNumberOfMessages: 10, ...input }),
  );
  return Messages ?? [];
}

const bodies = (messages: readonly Message[]): (string | undefined)[] =>
  messages.map(({ Body }) => Body);

test('send, receive, delete: with attributes of every type, and whatever text there is', async () => {
  const QueueUrl = await queue();
  const MessageBody = 'hällo \u{1f600} "<&>\t\r\n\\';
  const MessageAttributes = {
    text: { DataType: 'String', StringValue: 'ä"<&>' },
    number: { DataType: 'Number', StringValue: '42.5' },
    bytes: { DataType: 'Binary', BinaryValue: new Uint8Array([0, 1, 255]) },
    'own.type': { DataType: 'String.colour', StringValue: 'red' },
  };
  const AWSTraceHeader = { DataType: 'String', StringValue: 'Root=1-5759e988' };
  const sent = await client.send(
    new SendMessageCommand({
      QueueUrl,
      MessageBody,
      MessageAttributes,
      MessageSystemAttributes: { AWSTraceHeader },
    }),
  );
  assert.ok(sent.MD5OfMessageAttributes && sent.MD5OfMessageSystemAttributes);
  const [message] = await receive(QueueUrl, {
    MessageAttributeNames: ['All'],
    MessageSystemAttributeNames: ['All'],
  });
  assert.equal(message!.MessageId, sent.MessageId);
  assert.equal(message!.Body, MessageBody);
  assert.deepEqual(message!.MessageAttributes, MessageAttributes);
  assert.equal(message!.MD5OfMessageAttributes, sent.MD5OfMessageAttributes);
  assert.equal(message!.Attributes!.AWSTraceHeader, 'Root=1-5759e988');
  assert.equal(message!.Attributes!.ApproximateReceiveCount, '1');
  const { ReceiptHandle } = message!;
  await client.send(new DeleteMessageCommand({ QueueUrl, ReceiptHandle }));
  const { Attributes } = await client.send(
    new GetQueueAttributesCommand({ QueueUrl, AttributeNames: ['All'] }),
  );
  assert.equal(Attributes!.ApproximateNumberOfMessages, '0');
  assert.equal(Attributes!.ApproximateNumberOfMessagesNotVisible, '0');
  assert.equal(Attributes!.QueueArn, `arn:aws:sqs:eu-west-1:000000000000:queue-${names}`);
});

test('only the attributes that were asked for come back, and their digest fits', async () => {
  const QueueUrl = await queue();
  const MessageAttributes = {
    'a.one': { DataType: 'String', StringValue: '1' },
    'a.two': { DataType: 'String', StringValue: '2' },
    b: { DataType: 'String', StringValue: '3' },
  };
  await client.send(new SendMessageCommand({ QueueUrl, MessageBody: 'x', MessageAttributes }));
  const [message] = await receive(QueueUrl, { MessageAttributeNames: ['a.*'] });
  assert.deepEqual(Object.keys(message!.MessageAttributes!), ['a.one', 'a.two']);
});

test('batches: what is wrong with one entry is that entry’s', async () => {
  const QueueUrl = await queue();
  const sent = await client.send(
    new SendMessageBatchCommand({
      QueueUrl,
      Entries: [
        { Id: 'a', MessageBody: 'one' },
        { Id: 'b', MessageBody: 'two', DelaySeconds: 901 },
        { Id: 'c', MessageBody: 'three' },
      ],
    }),
  );
  assert.deepEqual(
    sent.Successful!.map(({ Id }) => Id),
    ['a', 'c'],
  );
  const failed: BatchResultErrorEntry = sent.Failed![0]!;
  assert.deepEqual(
    [failed.Id, failed.Code, failed.SenderFault],
    ['b', 'InvalidParameterValue', true],
  );
  const messages = await receive(QueueUrl);
  assert.deepEqual(bodies(messages), ['one', 'three']);
  const [one, three] = messages.map(({ ReceiptHandle }) => ReceiptHandle);
  await client.send(
    new ChangeMessageVisibilityBatchCommand({
      QueueUrl,
      Entries: [{ Id: 'x', ReceiptHandle: one, VisibilityTimeout: 0 }],
    }),
  );
  assert.deepEqual(bodies(await receive(QueueUrl)), ['one']);
  const deleted = await client.send(
    new DeleteMessageBatchCommand({
      QueueUrl,
      Entries: [
        { Id: 'x', ReceiptHandle: three },
        { Id: 'y', ReceiptHandle: 'none' },
      ],
    }),
  );
  assert.deepEqual(
    deleted.Successful!.map(({ Id }) => Id),
    ['x'],
  );
  assert.equal(deleted.Failed![0]!.Code, 'ReceiptHandleIsInvalid');
});

describe('a long poll', () => {
  test('is answered as soon as something is there', async () => {
    const QueueUrl = await queue();
    const began = performance.now();
    const waiting = receive(QueueUrl, { WaitTimeSeconds: 20 });
    await new Promise((resolve) => setTimeout(resolve, 100));
    await send(QueueUrl, 'here');
    assert.deepEqual(bodies(await waiting), ['here']);
    assert.ok(performance.now() - began < 5000);
  });

  test('comes back empty when its time is over', async () => {
    const QueueUrl = await queue();
    const began = performance.now();
    assert.deepEqual(await receive(QueueUrl, { WaitTimeSeconds: 1 }), []);
    assert.ok(performance.now() - began >= 990);
  });

  test('of many, each gets its message', async () => {
    const QueueUrl = await queue();
    const waiting = Array.from({ length: 10 }, () =>
      receive(QueueUrl, { WaitTimeSeconds: 20, MaxNumberOfMessages: 1 }),
    );
    await new Promise((resolve) => setTimeout(resolve, 100));
    await send(QueueUrl, ...Array.from({ length: 10 }, (_, i) => `${i}`));
    const got = (await Promise.all(waiting)).flatMap(bodies);
    assert.deepEqual(
      got.toSorted((a, b) => Number(a) - Number(b)),
      Array.from({ length: 10 }, (_, i) => `${i}`),
    );
  });

  test('whose client went away takes no message with it', async () => {
    const QueueUrl = await queue({ VisibilityTimeout: '600' });
    const gone = clientOf(server.sqs);
    const aborted = new AbortController();
    const lost = gone.send(new ReceiveMessageCommand({ QueueUrl, WaitTimeSeconds: 20 }), {
      abortSignal: aborted.signal,
    });
    await new Promise((resolve) => setTimeout(resolve, 100));
    aborted.abort();
    await assert.rejects(lost, { name: 'AbortError' });
    gone.destroy();
    await new Promise((resolve) => setTimeout(resolve, 100));
    await send(QueueUrl, 'kept');
    assert.deepEqual(bodies(await receive(QueueUrl, { WaitTimeSeconds: 5 })), ['kept']);
  });

  test('is woken by a message whose visibility timeout or delay is over', async () => {
    const QueueUrl = await queue();
    await send(QueueUrl, 'again');
    await receive(QueueUrl, { VisibilityTimeout: 1 });
    assert.deepEqual(bodies(await receive(QueueUrl, { WaitTimeSeconds: 10 })), ['again']);
    const late = new SendMessageCommand({ QueueUrl, MessageBody: 'late', DelaySeconds: 1 });
    await client.send(late);
    assert.deepEqual(bodies(await receive(QueueUrl, { WaitTimeSeconds: 10 })), ['late']);
  });
});

test('a FIFO queue: order in a group, groups beside each other, duplicates answered alike', async () => {
  const QueueUrl = await queue({ FifoQueue: 'true' }, '.fifo');
  const put = (MessageGroupId: string, MessageBody: string, MessageDeduplicationId = MessageBody) =>
    client.send(
      new SendMessageCommand({ QueueUrl, MessageBody, MessageGroupId, MessageDeduplicationId }),
    );
  const first = await put('a', 'a1');
  const again = await put('a', 'other', 'a1');
  assert.deepEqual(
    [again.MessageId, again.SequenceNumber],
    [first.MessageId, first.SequenceNumber],
  );
  const second = await put('a', 'a2');
  assert.ok(BigInt(second.SequenceNumber!) > BigInt(first.SequenceNumber!));
  await put('b', 'b1');
  const [head] = await receive(QueueUrl, { MaxNumberOfMessages: 1 });
  assert.equal(head!.Body, 'a1');
  assert.deepEqual(bodies(await receive(QueueUrl)), ['b1']);
  const { ReceiptHandle } = head!;
  await client.send(new DeleteMessageCommand({ QueueUrl, ReceiptHandle }));
  assert.deepEqual(bodies(await receive(QueueUrl)), ['a2']);
});

test('what is received too often goes to the dead-letter queue', async () => {
  const deadLetters = await queue();
  const { Attributes } = await client.send(
    new GetQueueAttributesCommand({ QueueUrl: deadLetters, AttributeNames: ['QueueArn'] }),
  );
  const RedrivePolicy = JSON.stringify({
    deadLetterTargetArn: Attributes!.QueueArn,
    maxReceiveCount: 1,
  });
  const QueueUrl = await queue({ RedrivePolicy });
  await send(QueueUrl, 'poison');
  const [message] = await receive(QueueUrl);
  const { ReceiptHandle, MessageId } = message!;
  await client.send(
    new ChangeMessageVisibilityCommand({ QueueUrl, ReceiptHandle, VisibilityTimeout: 0 }),
  );
  assert.deepEqual(await receive(QueueUrl), []);
  const [dead] = await receive(deadLetters, { WaitTimeSeconds: 5 });
  assert.deepEqual([dead!.Body, dead!.MessageId], ['poison', MessageId]);
});

test('a body of the largest size, and of bytes that cost most', async () => {
  const QueueUrl = await queue();
  for (const character of ['x', '"', '\u20ac', '\n']) {
    const size = Math.floor(1_048_576 / Buffer.byteLength(character));
    await send(QueueUrl, character.repeat(size));
    const [message] = await receive(QueueUrl, { WaitTimeSeconds: 5 });
    assert.ok(message!.Body === character.repeat(size));
  }
  await assert.rejects(send(QueueUrl, 'x'.repeat(1_048_577)), {
    name: 'InvalidParameterValue',
    message:
      'One or more parameters are invalid. Reason: Message must be shorter than 1048576 bytes.',
  });
});

test('queues: URLs, lists, tags, deletion', async () => {
  const QueueUrl = await queue();
  const QueueName = QueueUrl.split('/').at(-1)!;
  assert.equal(QueueUrl, `${server.sqs}/000000000000/${QueueName}`);
  const found = await client.send(new GetQueueUrlCommand({ QueueName }));
  assert.equal(found.QueueUrl, QueueUrl);
  const list = await client.send(new ListQueuesCommand({ QueueNamePrefix: QueueName }));
  assert.ok(list.QueueUrls!.includes(QueueUrl));
  await client.send(new TagQueueCommand({ QueueUrl, Tags: { team: 'a&b' } }));
  const { Tags } = await client.send(new ListQueueTagsCommand({ QueueUrl }));
  assert.deepEqual(Tags, { team: 'a&b' });
  await send(QueueUrl, 'x');
  await client.send(new PurgeQueueCommand({ QueueUrl }));
  assert.deepEqual(await receive(QueueUrl), []);
  await client.send(new DeleteQueueCommand({ QueueUrl }));
  await assert.rejects(receive(QueueUrl), QueueDoesNotExist);
});

describe('an error is the SDK’s own:', () => {
  test('no such queue', async () => {
    const asked = client.send(new GetQueueUrlCommand({ QueueName: 'none' }));
    const error = await asked.catch((reason: unknown) => reason);
    assert.ok(error instanceof QueueDoesNotExist);
    assert.equal(error.message, 'The specified queue does not exist.');
    assert.equal(error.$metadata.httpStatusCode, 400);
    assert.ok(error.$metadata.requestId);
  });

  test('another queue of that name', async () => {
    const QueueUrl = await queue({ DelaySeconds: '1' });
    const QueueName = QueueUrl.split('/').at(-1)!;
    const Attributes = { DelaySeconds: '2' };
    await assert.rejects(
      client.send(new CreateQueueCommand({ QueueName, Attributes })),
      (error) => error instanceof QueueNameExists && /attribute DelaySeconds/.test(error.message),
    );
  });

  test('a receipt handle that is none', async () => {
    const QueueUrl = await queue();
    await assert.rejects(
      client.send(new DeleteMessageCommand({ QueueUrl, ReceiptHandle: 'x' })),
      ReceiptHandleIsInvalid,
    );
  });

  test('a batch that is too long', async () => {
    const QueueUrl = await queue();
    const Entries = Array.from({ length: 11 }, (_, i) => ({ Id: `${i}`, MessageBody: 'x' }));
    await assert.rejects(
      client.send(new SendMessageBatchCommand({ QueueUrl, Entries })),
      TooManyEntriesInBatchRequest,
    );
  });

  test('a parameter that is not there, or out of range', async () => {
    const QueueUrl = await queue();
    await assert.rejects(send(QueueUrl, ''), {
      name: 'MissingParameter',
      message: 'The request must contain the parameter MessageBody.',
    });
    await assert.rejects(receive(QueueUrl, { WaitTimeSeconds: 21 }), {
      name: 'InvalidParameterValue',
      message:
        'Value 21 for parameter WaitTimeSeconds is invalid. ' +
        'Reason: Must be >= 0 and <= 20, if provided.',
    });
  });
});

describe('with users', () => {
  const users = [
    { name: 'alice', password: 'wonder/land+', token: 'session' },
    {
      name: 'bob',
      password: 'builder',
      permissions: { '/': { configure: '^$', write: '^open$', read: '^$' } },
    },
  ];
  let guarded: TestServer;
  let alice: SQSClient;

  const as = (accessKeyId: string, secretAccessKey: string, more: SQSClientConfig = {}) =>
    clientOf(guarded.sqs, { credentials: { accessKeyId, secretAccessKey }, ...more });

  before(async () => {
    guarded = await startTestServer({ users });
    alice = as('alice', 'wonder/land+');
  });

  after(async () => {
    alice.destroy();
    await guarded.stop();
  });

  test('who signs with the right secret comes in', async () => {
    const QueueName = 'open';
    const { QueueUrl } = await alice.send(new CreateQueueCommand({ QueueName }));
    const MessageBody = 'signed "ä"';
    await alice.send(new SendMessageCommand({ QueueUrl, MessageBody }));
    const { Messages } = await alice.send(new ReceiveMessageCommand({ QueueUrl }));
    assert.equal(Messages![0]!.Body, MessageBody);
  });

  test('a session token is the user’s own, or refused', async () => {
    const list = (sessionToken: string) => {
      const credentials = {
        accessKeyId: 'alice',
        secretAccessKey: 'wonder/land+',
        sessionToken,
      };
      return as('', '', { credentials }).send(new ListQueuesCommand());
    };
    await list('session');
    await assert.rejects(list('other'), { name: 'InvalidClientTokenId' });
  });

  test('a wrong secret, an unknown user, a wrong clock', async () => {
    const list = new ListQueuesCommand();
    await assert.rejects(as('alice', 'wrong').send(list), {
      name: 'SignatureDoesNotMatch',
      message: /^The request signature we calculated does not match the signature you provided/,
    });
    await assert.rejects(as('nobody', 'x').send(list), { name: 'InvalidClientTokenId' });
    const late = as('alice', 'wonder/land+', { systemClockOffset: -16 * 60_000 });
    await assert.rejects(late.send(list), { message: /^Signature expired: / });
    // It has learnt the time from the header Date of that answer.
    await late.send(list);
  });

  test('what a user may not do is named', async () => {
    const bob = as('bob', 'builder');
    const QueueUrl = `${guarded.sqs}/000000000000/open`;
    await bob.send(new SendMessageCommand({ QueueUrl, MessageBody: 'x' }));
    await assert.rejects(bob.send(new ReceiveMessageCommand({ QueueUrl })), {
      name: 'AccessDenied',
      message:
        /^User: arn:aws:iam::000000000000:user\/bob is not authorized to perform: sqs:receivemessage/,
    });
    await assert.rejects(
      bob.send(new CreateQueueCommand({ QueueName: 'mine' })),
      (error) => error instanceof SQSServiceException && error.$metadata.httpStatusCode === 403,
    );
  });
});

test('a stop answers long polls at once, and what was sent is there after it', async () => {
  const own = await startTestServer();
  const own1 = clientOf(own.sqs);
  const { QueueUrl } = await own1.send(new CreateQueueCommand({ QueueName: 'q' }));
  const waiting = own1.send(new ReceiveMessageCommand({ QueueUrl, WaitTimeSeconds: 20 }));
  await eventually(() => own.broker.metrics.protocol('sqs').requests === 2);
  const began = performance.now();
  await own.stop();
  assert.equal((await waiting).Messages, undefined);
  assert.ok(performance.now() - began < 2500);
  own1.destroy();
});
