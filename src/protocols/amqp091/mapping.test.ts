import { test } from 'node:test';
import assert from 'node:assert/strict';
import { emptyEnvelope, type Envelope } from '#core/message/envelope.ts';
import { BrokerError } from '#core/errors.ts';
import { Message, Origin } from '#core/message/message.ts';
import { SeededRandom } from '#test/rigs/seeded-random.ts';
import { mutate } from '#test/fuzz/fuzzer.ts';
import { decodeMessage, encodeEnvelope, ORIGIN_EXTRAS } from './mapping.ts';

function messageOf(source: Uint8Array): Message {
  const message = new Message();
  message.origin = Origin.Amqp091;
  message.source = source;
  message.sourceEnd = source.length;
  return message;
}

function full(): Envelope {
  return {
    ...emptyEnvelope(),
    exchange: 'orders',
    routingKey: 'eu.new',
    key: Buffer.from('k'),
    contentType: 'text/plain',
    contentEncoding: 'gzip',
    correlationId: 'c',
    replyTo: 'r',
    messageId: 'm',
    type: 't',
    userId: 'u',
    appId: 'a',
    timestampMs: 1_700_000_000_000,
    expirationMs: 5000,
    priority: 3,
    durable: true,
    headers: [
      { name: 'text', value: 'ü' },
      { name: 'int', value: -5 },
      { name: 'long', value: 2 ** 40 },
      { name: 'huge', value: 2n ** 60n },
      { name: 'double', value: 0.5 },
      { name: 'yes', value: true },
      { name: 'nothing', value: null },
      { name: 'bytes', value: new Uint8Array([0xff, 0]) },
      { name: 'date', value: new Date(1_700_000_000_000) },
      { name: 'list', value: ['a', 1, [false]] },
    ],
  };
}

test('every property and header type goes there and back', () => {
  const decoded = decodeMessage(messageOf(encodeEnvelope(full())));
  assert.deepEqual(decoded, full());
});

test('a table is a table without a prototype', () => {
  const envelope = emptyEnvelope();
  envelope.headers.push({ name: 't', value: { a: { __proto__: null, b: 1 }, constructor: 'x' } });
  const [header] = decodeMessage(messageOf(encodeEnvelope(envelope))).headers;
  assert.deepEqual(JSON.stringify(header!.value), '{"a":{"b":1},"constructor":"x"}');
  assert.equal(Object.getPrototypeOf(header!.value), null);
});

test('long names and texts are cut at a whole character', () => {
  const envelope = emptyEnvelope();
  envelope.routingKey = `${'x'.repeat(254)}ü`;
  envelope.headers.push({ name: 'ü'.repeat(200), value: 1 });
  const decoded = decodeMessage(messageOf(encodeEnvelope(envelope)));
  assert.equal(decoded.routingKey, 'x'.repeat(254));
  assert.equal(decoded.headers[0]!.name, 'ü'.repeat(127));
});

test('a new address takes the expiration away and, with another key, CC', () => {
  const envelope = full();
  envelope.headers = [{ name: 'CC', value: ['copy'] }];
  const message = messageOf(encodeEnvelope(envelope));
  assert.deepEqual(decodeMessage(message).routingKeys, ['eu.new', 'copy']);
  ORIGIN_EXTRAS.readdress!(message, 'dlx', 'eu.new', true);
  const same = decodeMessage(message);
  assert.deepEqual([same.exchange, same.routingKey, same.expirationMs], ['dlx', 'eu.new', null]);
  assert.deepEqual(same.routingKeys, ['eu.new', 'copy']);
  ORIGIN_EXTRAS.readdress!(message, 'dlx', 'other', true);
  assert.equal(decodeMessage(message).routingKeys, null);
});

test('forged sources are refused, never believed and never fatal', () => {
  const random = new SeededRandom(3);
  const source = encodeEnvelope(full());
  let refused = 0;
  for (let n = 0; n < 20_000; n++) {
    const message = messageOf(new Uint8Array(mutate(source, random)));
    const valid = ORIGIN_EXTRAS.isValid!(message);
    try {
      decodeMessage(message);
      assert.equal(valid, true);
    } catch (error) {
      assert.ok(error instanceof BrokerError && error.code === 'invalid-argument');
      assert.equal(valid, false);
      refused++;
    }
  }
  assert.ok(refused > 5000);
});
