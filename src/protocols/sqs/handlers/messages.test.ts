/** Sending, receiving, deleting, visibility, delays: standard queues. */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import { Message } from '#core/message/message.ts';
import type { MessageAttributes } from '../actions.ts';
import { type SqsRig, bodies, counts, openWithQueue, refusal } from '#test/rigs/sqs-rig.ts';

const INVALID = 'InvalidParameterValueException';
const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;

const md5 = (text: string) => createHash('md5').update(text).digest('hex');

const remove = (rig: SqsRig, handle: string, queue = 'q') =>
  rig.run('DeleteMessage', queue, { ReceiptHandle: handle });

const change = (rig: SqsRig, handle: string, seconds: number, queue = 'q') =>
  rig.run('ChangeMessageVisibility', queue, { ReceiptHandle: handle, VisibilityTimeout: seconds });

test('sent, received, deleted', async () => {
  const rig = await openWithQueue();
  const sent = await rig.send('q', 'hällo');
  assert.match(sent.MessageId, UUID);
  assert.equal(sent.MD5OfMessageBody, md5('hällo'));
  assert.equal(sent.MD5OfMessageAttributes, undefined);
  assert.equal(sent.SequenceNumber, undefined);
  const [message] = await rig.receive('q');
  assert.equal(message!.Body, 'hällo');
  assert.equal(message!.MD5OfBody, md5('hällo'));
  assert.equal(message!.MessageId, sent.MessageId);
  assert.equal(message!.Attributes, undefined);
  assert.deepEqual(await counts(rig), [0, 1, 0]);
  await remove(rig, message!.ReceiptHandle);
  await remove(rig, message!.ReceiptHandle);
  assert.deepEqual(await counts(rig), [0, 0, 0]);
  await rig.memory.advance(60_000);
  assert.deepEqual(await rig.receive('q'), []);
});

test('one by default, ten at most, in the order of arrival', async () => {
  const rig = await openWithQueue();
  for (let i = 0; i < 12; i++) await rig.send('q', `${i}`);
  assert.deepEqual(bodies(await rig.receive('q', { MaxNumberOfMessages: undefined })), ['0']);
  assert.equal((await rig.receive('q')).length, 10);
  assert.deepEqual(bodies(await rig.receive('q')), ['11']);
  for (const [name, value, reason] of [
    ['MaxNumberOfMessages', 11, 'Must be between 1 and 10, if provided.'],
    ['MaxNumberOfMessages', 0, 'Must be between 1 and 10, if provided.'],
    ['WaitTimeSeconds', 21, 'Must be >= 0 and <= 20, if provided.'],
    ['WaitTimeSeconds', -1, 'Must be >= 0 and <= 20, if provided.'],
  ] as const) {
    await assert.rejects(
      rig.receive('q', { [name]: value }),
      refusal(INVALID, `Value ${value} for parameter ${name} is invalid. Reason: ${reason}`),
    );
  }
  await assert.rejects(rig.receive('q', { VisibilityTimeout: 43_201 }), refusal(INVALID));
});

test('bodies: not empty, characters of XML, size with attributes in bytes', async () => {
  const rig = await openWithQueue({ MaximumMessageSize: '1024' });
  await assert.rejects(
    rig.send('q', ''),
    refusal(
      'MissingRequiredParameterException',
      'The request must contain the parameter MessageBody.',
    ),
  );
  for (const body of ['a\u0000', '\u0008', '\u001f', '\uffff', '\ufffe', '\ud800']) {
    await assert.rejects(
      rig.send('q', body),
      refusal(
        'InvalidMessageContents',
        /^Invalid characters found\. Valid unicode characters are #x9/,
      ),
    );
  }
  await rig.send('q', '\t\n\r \ud7ff\ue000\ufffd\u{10000}\u{10ffff}"&quot;\r');
  const [message] = await rig.receive('q');
  assert.equal(message!.Body, '\t\n\r \ud7ff\ue000\ufffd\u{10000}\u{10ffff}"&quot;\r');
  const tooLong = refusal(
    INVALID,
    'One or more parameters are invalid. Reason: Message must be shorter than 1024 bytes.',
  );
  await rig.send('q', 'ä'.repeat(512));
  await assert.rejects(rig.send('q', `${'ä'.repeat(512)}a`), tooLong);
  const MessageAttributes = { k: { DataType: 'String', StringValue: 'x' } };
  await rig.send('q', 'a'.repeat(1024 - 8), { MessageAttributes });
  await assert.rejects(rig.send('q', 'a'.repeat(1024 - 7), { MessageAttributes }), tooLong);
});

test('attributes come back as they were sent, to those who ask, with their digest', async () => {
  const rig = await openWithQueue({ VisibilityTimeout: '0' });
  const MessageAttributes: MessageAttributes = {
    'Help.Me': { DataType: 'String', StringValue: 'Me' },
    Hello: { DataType: 'String', StringValue: 'There' },
    General: { DataType: 'String', StringValue: 'Kenobi' },
  };
  const sent = await rig.send('q', 'msg', { MessageAttributes });
  assert.equal(sent.MD5OfMessageAttributes, '4c360f3fdafd970e05fae2f149d997f5');
  // Digests as AWS has answered them.
  for (const [names, found, digest] of [
    [[], [], undefined],
    [['All'], ['Help.Me', 'Hello', 'General'], '4c360f3fdafd970e05fae2f149d997f5'],
    [['*'], ['Help.Me', 'Hello', 'General'], '4c360f3fdafd970e05fae2f149d997f5'],
    [['.*'], ['Help.Me', 'Hello', 'General'], '4c360f3fdafd970e05fae2f149d997f5'],
    [['Foo', 'Help'], [], undefined],
    [['Hello', 'General'], ['Hello', 'General'], 'fca026605781cb4126a1e9044df24232'],
    [['Foo', 'Hello'], ['Hello'], 'a311262e065454b75da111d535b8dacd'],
    [['Hel.*'], ['Help.Me', 'Hello'], '83fee93c1bcd8b9a5a923ffacdc636c7'],
    [['AWS.'], [], undefined],
    [['..foo'], [], undefined],
  ] as const) {
    const [message] = await rig.receive('q', { MessageAttributeNames: names });
    const attributes = message!.MessageAttributes ?? {};
    assert.deepEqual(Object.keys(attributes).toSorted(), [...found].toSorted(), names.join());
    assert.equal(message!.MD5OfMessageAttributes, digest, names.join());
    for (const name of found) assert.deepEqual(attributes[name], MessageAttributes[name]);
  }
});

test('attributes that AWS refuses', async () => {
  const rig = await openWithQueue();
  const text = (StringValue: string, DataType = 'String') => ({ DataType, StringValue });
  await rig.send('q', 'x', {
    MessageAttributes: {
      'attr.1øßä': text('Valida'),
      n: text('-1.5e10', 'Number.float'),
      b: { DataType: 'Binary.gif', BinaryValue: Uint8Array.of(0) },
    },
  });
  const wrong: [string, MessageAttributes[string], RegExp][] = [
    [
      'ErrorDetails',
      text(''),
      /^Message \(user\) attribute 'ErrorDetails' must contain a non-empty value of type 'String'\.$/,
    ],
    ['a', text('Invalid-\u0008'), /Invalid characters/],
    ['aWs.x', text('v'), /beginning with 'AWS\.'/],
    ['AMAZON.x', text('v'), /beginning with 'AWS\.'/],
    ['.x', text('v'), /start or end/],
    ['x.', text('v'), /start or end/],
    ['a..b', text('v'), /name 'a\.\.b' is invalid/],
    ['a!', text('v'), /name 'a!' is invalid/],
    ['L'.repeat(257), text('v'), /shorter than 256 Bytes/],
    ['a', text('v', 'Invalid'), /type prefixes is Binary, Number, and String/],
    ['a', text('v', 'Stringly'), /type prefixes/],
    ['a', text('v', `Number.${'L'.repeat(256)}`), /types must be shorter/],
    ['a', { StringValue: 'v' }, /must contain non-empty message attribute value/],
    [
      'a',
      text('seven', 'Number'),
      /Can't cast the value of message \(user\) attribute 'a' to a number/,
    ],
    ['a', text('v', 'Binary'), /with type 'Binary' must use field 'Binary'/],
    ['a', { DataType: 'String' }, /non-empty value/],
  ];
  for (const [name, attribute, message] of wrong) {
    await assert.rejects(
      rig.send('q', 'x', { MessageAttributes: { [name]: attribute } }),
      refusal(INVALID, message),
      name,
    );
  }
  const eleven = Object.fromEntries(Array.from({ length: 11 }, (_, i) => [`a${i}`, text('v')]));
  await assert.rejects(
    rig.send('q', 'x', { MessageAttributes: eleven }),
    refusal(INVALID, 'Number of message attributes [11] exceeds the allowed maximum [10].'),
  );
  const lists = { DataType: 'String', StringListValues: ['a'] };
  await assert.rejects(
    rig.send('q', 'x', { MessageAttributes: { a: lists } }),
    refusal('UnsupportedOperation'),
  );
});

test('system attributes: those that are asked for', async () => {
  const rig = await openWithQueue({ VisibilityTimeout: '0' });
  const MessageSystemAttributes = {
    AWSTraceHeader: { DataType: 'String', StringValue: 'Root=1-5759e988' },
  };
  const sent = await rig.send('q', 'x', { MessageSystemAttributes });
  assert.match(sent.MD5OfMessageSystemAttributes!, /^[0-9a-f]{32}$/);
  await rig.memory.advance(10);
  const ask = async (more: object) => (await rig.receive('q', more))[0]!.Attributes;
  assert.deepEqual(await ask({ AttributeNames: ['All'] }), {
    SenderId: 'guest',
    SentTimestamp: '1700000000000',
    ApproximateReceiveCount: '1',
    ApproximateFirstReceiveTimestamp: '1700000000010',
    AWSTraceHeader: 'Root=1-5759e988',
  });
  await rig.memory.advance(10);
  assert.deepEqual(
    await ask({
      AttributeNames: ['SenderId'],
      MessageSystemAttributeNames: ['ApproximateReceiveCount', 'SequenceNumber'],
    }),
    { SenderId: 'guest', ApproximateReceiveCount: '2' },
  );
  assert.deepEqual(
    await ask({ MessageSystemAttributeNames: ['ApproximateFirstReceiveTimestamp'] }),
    {
      ApproximateFirstReceiveTimestamp: '1700000000010',
    },
  );
  // The older list is that of a queue's attributes too; those are no message's.
  assert.deepEqual(await ask({ AttributeNames: ['VisibilityTimeout'] }), {});
  for (const names of [
    { AttributeNames: ['Foo'] },
    { MessageSystemAttributeNames: ['SenderId', 'Foo'] },
  ]) {
    await assert.rejects(ask(names), refusal('InvalidAttributeName', 'Unknown Attribute Foo.'));
  }
  await assert.rejects(
    rig.send('q', 'x', {
      MessageSystemAttributes: { Foo: MessageSystemAttributes.AWSTraceHeader },
    }),
    refusal(INVALID, "Message system attribute name 'Foo' is invalid."),
  );
});

test('visibility: the queue’s, the request’s, changed, ended', async () => {
  const rig = await openWithQueue({ VisibilityTimeout: '2' });
  await rig.send('q', 'x');
  const [first] = await rig.receive('q');
  await rig.memory.advance(1999);
  assert.deepEqual(await rig.receive('q'), []);
  await rig.memory.advance(1);
  const [second] = await rig.receive('q', { VisibilityTimeout: 10 });
  assert.notEqual(second!.ReceiptHandle, first!.ReceiptHandle);
  await rig.memory.advance(5000);
  await change(rig, second!.ReceiptHandle, 20);
  await rig.memory.advance(19_999);
  assert.deepEqual(await rig.receive('q'), []);
  await change(rig, second!.ReceiptHandle, 0);
  const [third] = await rig.receive('q', { VisibilityTimeout: 0 });
  assert.equal(third!.Body, 'x');
  // Visible again: no error, and it stays so.
  await change(rig, third!.ReceiptHandle, 100);
  const [fourth] = await rig.receive('q');
  // Any handle will do, as in AWS.
  await change(rig, first!.ReceiptHandle, 0);
  assert.equal((await rig.receive('q')).length, 1);
  await remove(rig, fourth!.ReceiptHandle);
  await assert.rejects(
    change(rig, fourth!.ReceiptHandle, 1),
    refusal(
      INVALID,
      /Reason: Message does not exist or is not available for visibility timeout change\.$/,
    ),
  );
});

test('visibility ends twelve hours after the receive', async () => {
  const rig = await openWithQueue();
  await rig.send('q', 'x');
  const [message] = await rig.receive('q', { VisibilityTimeout: 43_200 });
  await rig.memory.advance(3_600_000);
  await change(rig, message!.ReceiptHandle, 39_600);
  await assert.rejects(
    change(rig, message!.ReceiptHandle, 39_601),
    refusal(
      INVALID,
      'Value 39601 for parameter VisibilityTimeout is invalid. Reason: Total VisibilityTimeout for the ' +
        'message is beyond the limit [43200 seconds]',
    ),
  );
  await assert.rejects(change(rig, message!.ReceiptHandle, -1), refusal(INVALID));
});

test('an old handle of a standard queue still deletes', async () => {
  const rig = await openWithQueue({ VisibilityTimeout: '1' });
  await rig.send('q', 'x');
  const [first] = await rig.receive('q');
  await rig.memory.advance(1000);
  await remove(rig, first!.ReceiptHandle);
  assert.deepEqual(await rig.receive('q'), []);
});

test('handles: garbage and those of other queues', async () => {
  const rig = await openWithQueue();
  await rig.create('other');
  await rig.send('q', 'x');
  const [message] = await rig.receive('q');
  const handle = message!.ReceiptHandle;
  const flipped = (handle[5] === 'A' ? 'B' : 'A') + handle.slice(1);
  for (const [queue, wrong] of [
    ['q', 'garbage'],
    ['q', ''],
    ['q', flipped],
    ['q', `${handle}A`],
    ['other', handle],
  ] as const) {
    await assert.rejects(
      remove(rig, wrong, queue),
      refusal(
        'ReceiptHandleIsInvalid',
        `The input receipt handle "${wrong}" is not a valid receipt handle.`,
      ),
    );
  }
  await rig.run('DeleteQueue', 'q', {});
  await rig.create('q');
  await assert.rejects(remove(rig, handle), refusal('ReceiptHandleIsInvalid'));
});

test('delays: the message’s, else the queue’s; none means none', async () => {
  const rig = await openWithQueue({ DelaySeconds: '10' });
  await rig.send('q', 'queue');
  await rig.send('q', 'own', { DelaySeconds: 3 });
  await rig.send('q', 'now', { DelaySeconds: 0 });
  assert.deepEqual(await counts(rig), [1, 0, 2]);
  assert.deepEqual(bodies(await rig.receive('q')), ['now']);
  await rig.memory.advance(3000);
  assert.deepEqual(bodies(await rig.receive('q')), ['own']);
  await rig.memory.advance(7000);
  assert.deepEqual(bodies(await rig.receive('q')), ['queue']);
  for (const DelaySeconds of [-1, 901]) {
    await assert.rejects(
      rig.send('q', 'x', { DelaySeconds }),
      refusal(
        INVALID,
        `Value ${DelaySeconds} for parameter DelaySeconds is invalid. ` +
          'Reason: DelaySeconds must be >= 0 and <= 900.',
      ),
    );
  }
});

test('messages of others: an id that stays, attributes, base64 of what is no text', async () => {
  const rig = await openWithQueue({ VisibilityTimeout: '0' });
  const message = new Message();
  message.body = Uint8Array.of(0xff, 0, 1);
  message.bodyEnd = 3;
  message.durable = true;
  message.timestampMs = rig.memory.nowMs;
  rig.node.namespace.queue('q', null).publish(message);
  const ask = { MessageAttributeNames: ['All'], AttributeNames: ['All'] };
  const [first] = await rig.receive('q', ask);
  const [again] = await rig.receive('q', ask);
  assert.match(first!.MessageId, UUID);
  assert.equal(again!.MessageId, first!.MessageId);
  assert.equal(first!.Body, '/wAB');
  assert.equal(first!.MD5OfBody, md5('/wAB'));
  assert.deepEqual(
    { ...first!.MessageAttributes },
    {
      'content-transfer-encoding': { DataType: 'String', StringValue: 'base64' },
    },
  );
  assert.equal(first!.Attributes!['SenderId'], undefined);
});

test('messages are kept for their time', async () => {
  const rig = await openWithQueue({ MessageRetentionPeriod: '60', VisibilityTimeout: '30' });
  await rig.send('q', 'old');
  await rig.memory.advance(30_000);
  await rig.send('q', 'young');
  await rig.memory.advance(30_001);
  assert.deepEqual(bodies(await rig.receive('q')), ['young']);
});

test('a group of a standard queue means no order, but is shown', async () => {
  const rig = await openWithQueue();
  await rig.send('q', '1', { MessageGroupId: 'test' });
  await rig.send('q', '2', { MessageGroupId: 'test' });
  const messages = await rig.receive('q', { AttributeNames: ['MessageGroupId'] });
  assert.deepEqual(bodies(messages), ['1', '2']);
  assert.deepEqual(messages[0]!.Attributes, { MessageGroupId: 'test' });
  for (const id of ['', 'a'.repeat(129), 'group 123']) {
    await assert.rejects(
      rig.send('q', 'x', { MessageGroupId: id }),
      refusal(
        INVALID,
        `Value ${id} for parameter MessageGroupId is invalid. Reason: MessageGroupId can only ` +
          'include alphanumeric and punctuation characters. 1 to 128 in length.',
      ),
    );
  }
  await assert.rejects(
    rig.send('q', 'x', { MessageDeduplicationId: 'd' }),
    refusal(INVALID, /not valid for this queue type\.$/),
  );
});
