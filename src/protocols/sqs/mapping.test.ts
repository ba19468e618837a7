import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { emptyEnvelope, type Envelope, Envelopes } from '#core/message/envelope.ts';
import { Message, Origin } from '#core/message/message.ts';
import { encodeNeutral } from '#core/message/neutral-headers.ts';
import { hashesPort } from '#server/hashes.ts';
import { SeededRandom } from '#test/rigs/seeded-random.ts';
import { mutate } from '#test/fuzz/fuzzer.ts';
import type { MessageAttributes } from './actions.ts';
import {
  decodeMessage,
  type Incoming,
  ORIGIN_EXTRAS,
  type Outgoing,
  readMessage,
  writeMessage,
} from './mapping.ts';
import { md5OfAttributes } from './md5.ts';

const MESSAGE_ID = '12345678-9abc-4def-8123-456789abcdef';
const envelopes = new Envelopes();
envelopes.register(Origin.Sqs, decodeMessage, ORIGIN_EXTRAS);
const services = { envelopes, ports: { hashes: hashesPort } };

function written(outgoing: Partial<Outgoing>): { message: Message; md5: string } {
  const message = new Message();
  const md5 = writeMessage(
    message,
    {
      body: 'x',
      attributes: undefined,
      traceHeader: null,
      senderId: 'alice',
      messageId: MESSAGE_ID,
      groupId: null,
      queueName: 'orders',
      ...outgoing,
    },
    hashesPort,
  );
  // The next one is written over it.
  message.source = new Uint8Array(message.source);
  message.body = new Uint8Array(message.body);
  message.key = new Uint8Array(message.key);
  return { message, md5 };
}

const bodyOf = ({ body, bodyStart, bodyEnd }: Message): Buffer =>
  Buffer.from(body.subarray(bodyStart, bodyEnd));
const text = (StringValue: string, DataType = 'String') => ({ DataType, StringValue });

/** As a message of another protocol: its envelope, and the body. */
function foreign(envelope: Partial<Envelope>, body: Uint8Array = Buffer.from('x')): Incoming {
  const other = new Envelopes();
  other.register(Origin.Nats, () => ({ ...emptyEnvelope(), ...envelope }));
  const message = new Message();
  message.origin = Origin.Nats;
  message.body = body;
  message.bodyEnd = body.length;
  return readMessage(message, { ...services, envelopes: other });
}

describe('what SQS sent, SQS receives', () => {
  const SENT: Readonly<Record<string, Partial<Outgoing>>> = {
    'a body alone': {},
    'an empty body': { body: '' },
    'text beyond ASCII': { body: 'ä\u20ac\u{1f600}\ufffd' },
    'a group, a trace, a sender of another script': {
      groupId: 'gruppe/ä',
      traceHeader: 'Root=1',
      senderId: 'ålice',
    },
    'attributes of all types': {
      attributes: {
        'z.last': text('ä'),
        a: text('1', 'Number.int'),
        b: { DataType: 'Binary.png', BinaryValue: new Uint8Array([0, 255]) },
        __proto__x: text('only a name'),
      },
    },
    'a large body': { body: 'ä'.repeat(300_000), attributes: { a: text('b') } },
  };
  for (const [name, outgoing] of Object.entries(SENT)) {
    test(name, () => {
      const { message, md5 } = written(outgoing);
      assert.equal(ORIGIN_EXTRAS.isValid!(message), true);
      const body = outgoing.body ?? 'x';
      const incoming = readMessage(message, services);
      assert.deepEqual(
        { ...incoming, attributes: incoming.attributes && { ...incoming.attributes } },
        {
          messageId: MESSAGE_ID,
          body,
          md5OfBody: hashesPort.md5Hex(Buffer.from(body)),
          attributes: outgoing.attributes ?? null,
          traceHeader: outgoing.traceHeader ?? null,
          senderId: outgoing.senderId ?? 'alice',
          groupId: outgoing.groupId ?? null,
        },
      );
      assert.equal(md5, incoming.md5OfBody);
    });
  }
});

describe('bytes in a body', () => {
  const bytes = Buffer.from([0, 1, 2, 0xff]);
  const attributes = { 'content-transfer-encoding': text('base64'), a: text('b') };

  test('sent as base64 they are bytes for others, and come back as they were sent', () => {
    const body = bytes.toString('base64');
    const { message } = written({ body, attributes });
    assert.deepEqual(bodyOf(message), bytes);
    const incoming = readMessage(message, services);
    assert.equal(incoming.body, body);
    assert.equal(incoming.md5OfBody, hashesPort.md5Hex(Buffer.from(body)));
    assert.deepEqual({ ...incoming.attributes }, attributes);
    assert.deepEqual(decodeMessage(message).headers, [{ name: 'a', value: 'b' }]);
  });

  test('also when they would be text', () => {
    const body = Buffer.from('hello').toString('base64');
    const { message } = written({ body, attributes });
    assert.equal(bodyOf(message).toString(), 'hello');
    assert.equal(readMessage(message, services).body, body);
  });

  test('what is not canonical base64 is text', () => {
    for (const body of ['no base64!', 'YQ', 'YQ==\n', 'YR==']) {
      const { message } = written({ body, attributes });
      assert.equal(bodyOf(message).toString(), body);
      assert.equal(readMessage(message, services).body, body);
      assert.equal(decodeMessage(message).headers.length, 2);
    }
  });

  test('from elsewhere they arrive as base64, and say so', () => {
    for (const body of [bytes, Buffer.from('a\0b'), Buffer.from('\uffff')]) {
      const incoming = foreign({ headers: [{ name: 'h', value: 'v' }] }, body);
      assert.equal(incoming.body, body.toString('base64'));
      assert.equal(incoming.md5OfBody, hashesPort.md5Hex(Buffer.from(incoming.body)));
      assert.deepEqual(
        { ...incoming.attributes },
        { h: text('v'), 'content-transfer-encoding': text('base64') },
      );
    }
    assert.equal(foreign({}, Buffer.from('tab\tand\r\n')).attributes, null);
  });
});

describe('attributes become headers', () => {
  const valueOf = (attribute: MessageAttributes[string]): unknown =>
    decodeMessage(written({ attributes: { a: attribute } }).message).headers[0]!.value;

  test('by their base type', () => {
    assert.equal(valueOf(text('x')), 'x');
    assert.equal(valueOf(text('1')), '1');
    assert.equal(valueOf(text('x', 'String.colour')), 'x');
    assert.deepEqual(
      valueOf({ DataType: 'Binary', BinaryValue: Buffer.from([1]) }),
      new Uint8Array([1]),
    );
  });

  test('numbers, when their text is what the number would be written as', () => {
    const numbers: [string, unknown][] = [
      ['0', 0],
      ['-12', -12],
      ['1.5', 1.5],
      ['9007199254740993', 9007199254740993n],
      ['-18446744073709551616', -18446744073709551616n],
      ['01', '01'],
      ['1.50', '1.50'],
      ['-0', '-0'],
      ['1e3', '1e3'],
      ['+1', '+1'],
      ['Infinity', 'Infinity'],
    ];
    for (const [given, expected] of numbers) assert.equal(valueOf(text(given, 'Number')), expected);
  });

  test('names that are properties become them', () => {
    const attributes = {
      'content-type': text('a/b'),
      'content-encoding': text('gzip'),
      'correlation-id': text('c'),
      'reply-to': text('r'),
      'message-id': text('m'),
      type: text('t'),
      'user-id': text('u'),
      'app-id': text('p'),
      priority: text('3', 'Number'),
      'x-delay': text('50', 'Number'),
    };
    const { message } = written({ attributes, groupId: 'g', traceHeader: 'lost' });
    message.timestampMs = 1234;
    assert.deepEqual(decodeMessage(message), {
      ...emptyEnvelope(),
      routingKey: 'orders',
      key: new Uint8Array(Buffer.from('g')),
      headers: [
        { name: 'priority', value: 3 },
        { name: 'x-delay', value: 50 },
      ],
      contentType: 'a/b',
      contentEncoding: 'gzip',
      correlationId: 'c',
      replyTo: 'r',
      messageId: 'm',
      type: 't',
      userId: 'u',
      appId: 'p',
      timestampMs: 1234,
      delayMs: 50,
      durable: true,
    });
    const neutral = new Message();
    encodeNeutral(decodeMessage(message), neutral);
    assert.equal(neutral.headerCount, 10);
  });
});

describe('what came from elsewhere', () => {
  test('has its properties and headers as attributes', () => {
    const incoming = foreign({
      key: Buffer.from('k'),
      contentType: 'a/b',
      messageId: 'm',
      priority: 5,
      expirationMs: 1000,
      headers: [
        { name: 'text', value: 'ä' },
        { name: 'integer', value: -3 },
        { name: 'large', value: 2n ** 60n },
        { name: 'double', value: 0.5 },
        { name: 'none', value: Number.NaN },
        { name: 'bytes', value: new Uint8Array([1, 2]) },
        { name: 'flag', value: true },
        { name: 'date', value: new Date(0) },
        { name: 'list', value: [1, 'a', { b: 2n }] },
        { name: 'control', value: 'a\0' },
        { name: 'text', value: 'the second' },
        { name: 'nothing', value: null },
        { name: 'x-key', value: 'k' },
        { name: 'content-type', value: 'another' },
        { name: 'with space', value: 'lost' },
        { name: 'AWS.x', value: 'lost' },
        { name: 'amazon.x', value: 'lost' },
        { name: 'dot.', value: 'lost' },
        { name: 'two..dots', value: 'lost' },
        { name: 'x'.repeat(257), value: 'lost' },
      ],
    });
    assert.deepEqual(
      { ...incoming, attributes: { ...incoming.attributes } },
      {
        messageId: null,
        body: 'x',
        md5OfBody: hashesPort.md5Hex(Buffer.from('x')),
        traceHeader: null,
        senderId: null,
        groupId: 'k',
        attributes: {
          'content-type': text('a/b'),
          'message-id': text('m'),
          priority: text('5', 'Number'),
          expiration: text('1000', 'Number'),
          text: text('ä'),
          integer: text('-3', 'Number'),
          large: text('1152921504606846976', 'Number'),
          double: text('0.5', 'Number'),
          none: text('NaN'),
          bytes: { DataType: 'Binary', BinaryValue: new Uint8Array([1, 2]) },
          flag: text('true'),
          date: text('1970-01-01T00:00:00.000Z'),
          list: text('[1,"a",{"b":"2"}]'),
          control: { DataType: 'Binary', BinaryValue: Buffer.from('a\0') },
        },
      },
    );
  });

  test('a key that is no text is no group', () => {
    assert.equal(foreign({ key: new Uint8Array([0xff]) }).groupId, null);
  });
});

test('a dead letter gets a new address, and keeps everything else', () => {
  const { message } = written({ attributes: { a: text('b') }, traceHeader: 't' });
  const before = readMessage(message, services);
  message.sourceStart = 0;
  ORIGIN_EXTRAS.readdress!(message, 'dlx', 'dead', true);
  assert.deepEqual(readMessage(message, services), before);
  const { exchange, routingKey } = decodeMessage(message);
  assert.deepEqual([exchange, routingKey], ['dlx', 'dead']);
});

test('a forged source is refused, and nothing else happens', () => {
  const random = new SeededRandom(3);
  const { message } = written({
    attributes: { a: text('b'), c: { DataType: 'Binary', BinaryValue: Buffer.from('d') } },
    traceHeader: 't',
  });
  const good = message.source.slice(message.sourceStart, message.sourceEnd);
  let refused = 0;
  for (let i = 0; i < 20_000; i++) {
    const source = mutate(good, random);
    message.source = source;
    message.sourceStart = 0;
    message.sourceEnd = source.length;
    if (ORIGIN_EXTRAS.isValid!(message)) {
      decodeMessage(message);
      readMessage(message, services);
      ORIGIN_EXTRAS.readdress!(message, 'e', 'k', false);
    } else {
      refused++;
      assert.throws(() => decodeMessage(message), { code: 'invalid-argument' });
    }
  }
  assert.ok(refused > 5000);
});

describe('the digest of attributes', () => {
  test('is the one that SDKs compute', () => {
    const timestamp = { timestamp: text('1493147359900', 'Number') };
    assert.equal(md5OfAttributes(hashesPort, timestamp), '235c5c510d26fb653d073faed50ae77c');
  });

  test('does not depend on the order in which they were given', () => {
    const a = { b: text('1'), a: text('2'), ä: text('3'), Z: text('4') };
    const b = Object.fromEntries(Object.entries(a).toReversed());
    assert.equal(md5OfAttributes(hashesPort, a), md5OfAttributes(hashesPort, b));
  });

  test('is none of none', () => {
    assert.equal(md5OfAttributes(hashesPort, {}), undefined);
    assert.equal(md5OfAttributes(hashesPort, undefined), undefined);
  });
});
