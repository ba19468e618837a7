import assert from 'node:assert/strict';
import { test } from 'node:test';
import { emptyEnvelope, Envelopes } from './envelope.ts';
import type { Envelope, Header } from './envelope.ts';
import { BrokerError } from '../errors.ts';
import { Message, Origin } from './message.ts';
import { decodeHeaders, decodeNeutral, encodeHeaders } from './neutral-headers.ts';
import { encodeNeutral, readdressNeutral } from './neutral-headers.ts';

function withHeaders(headers: readonly Header[]): Message {
  const message = new Message();
  // A copy: the encoder's own buffer is reused.
  message.headers = Uint8Array.from(encodeHeaders(headers));
  message.headerCount = headers.length;
  message.headersEnd = message.headers.length;
  return message;
}

function encoded(envelope: Partial<Envelope>): Header[] {
  const message = new Message();
  encodeNeutral({ ...emptyEnvelope(), ...envelope }, message);
  return decodeHeaders(message);
}

test('every property has a name of its own', () => {
  const envelope: Partial<Envelope> = {
    contentType: 'application/json',
    contentEncoding: 'gzip',
    correlationId: 'c',
    replyTo: 'r',
    messageId: 'm',
    type: 't',
    userId: 'u',
    appId: 'a',
    priority: 9,
    expirationMs: 1000,
  };
  assert.deepEqual(encoded(envelope), [
    { name: 'content-type', value: 'application/json' },
    { name: 'content-encoding', value: 'gzip' },
    { name: 'correlation-id', value: 'c' },
    { name: 'reply-to', value: 'r' },
    { name: 'message-id', value: 'm' },
    { name: 'type', value: 't' },
    { name: 'user-id', value: 'u' },
    { name: 'app-id', value: 'a' },
    { name: 'priority', value: '9' },
    { name: 'expiration', value: '1000' },
  ]);
  assert.deepEqual(encoded({}), []);
});

test('header values become text, bytes stay bytes, null stays null', () => {
  const value = (given: Header['value']): unknown =>
    encoded({ headers: [{ name: 'h', value: given }] })[0]!.value;
  assert.equal(value('ü'), 'ü');
  assert.equal(value(''), '');
  assert.equal(value(-1.5), '-1.5');
  assert.equal(value(2n ** 63n), '9223372036854775808');
  assert.equal(value(false), 'false');
  assert.equal(value(null), null);
  assert.equal(value(new Date(0)), '1970-01-01T00:00:00.000Z');
  assert.equal(value(['a', 1n, { b: null }]), '["a","1",{"b":null}]');
  assert.deepEqual(value(Uint8Array.of(0xff, 0)), Uint8Array.of(0xff, 0));
});

test('x-key is not written: it is the key', () => {
  const headers = [
    { name: 'x-key', value: 'k' },
    { name: 'a', value: 1 },
  ];
  assert.deepEqual(encoded({ headers }), [{ name: 'a', value: '1' }]);
});

test('plain headers are read back into properties; what repeats stays a header', () => {
  const message = withHeaders([
    { name: 'content-type', value: 'text/plain' },
    { name: 'a', value: 'x' },
    { name: 'content-type', value: 'second' },
    { name: 'a', value: 'y' },
    { name: 'type', value: Uint8Array.of(0xff) },
    { name: 'priority', value: '5' },
    { name: 'none', value: null },
  ]);
  message.hasKey = true;
  message.key = Buffer.from('xkeyx');
  message.keyStart = 1;
  message.keyEnd = 4;
  message.timestampMs = 123;
  const envelope = decodeNeutral(message);
  message.key.fill(0);
  assert.equal(envelope.contentType, 'text/plain');
  assert.equal(envelope.type, null);
  assert.equal(envelope.priority, null, 'no broker gave it a meaning there');
  assert.equal(envelope.timestampMs, 123);
  assert.equal(Buffer.from(envelope.key!).toString(), 'key');
  assert.deepEqual(envelope.headers, [
    { name: 'a', value: 'x' },
    { name: 'content-type', value: 'second' },
    { name: 'a', value: 'y' },
    { name: 'type', value: Uint8Array.of(0xff) },
    { name: 'priority', value: '5' },
    { name: 'none', value: null },
  ]);
});

test('more headers than the buffer holds, and a byte order mark, survive', () => {
  const large = 'x'.repeat(100_000);
  assert.deepEqual(encoded({ headers: [{ name: 'h', value: large }] }), [
    { name: 'h', value: large },
  ]);
  assert.equal(encoded({ headers: [{ name: 'h', value: '\uFEFFa' }] })[0]!.value, '\uFEFFa');
});

test('headers that run past their record end the list, without an error', () => {
  const message = withHeaders([
    { name: 'a', value: 'x' },
    { name: 'b', value: 'y' },
  ]);
  const whole = message.headersEnd;
  for (let end = 0; end <= whole; end++) {
    message.headersEnd = end;
    const names = decodeHeaders(message).map(({ name }) => name);
    assert.deepEqual(names, end === whole ? ['a', 'b'] : end >= whole / 2 ? ['a'] : []);
  }
  const garbage = Uint8Array.from({ length: 64 }, (_, i) => 255 - ((i * 37) % 256));
  message.headers = garbage;
  message.headersEnd = garbage.length;
  message.headerCount = 1_000_000;
  assert.ok(decodeHeaders(message).length < 64);
});

test('an address is kept, and a long one cut at a whole character', () => {
  const envelopes = new Envelopes();
  const message = new Message();
  envelopes.readdress(message, 'topic', 'ключ', true);
  assert.equal(envelopes.trust(message), true);
  assert.equal(envelopes.decode(message).exchange, 'topic');
  assert.equal(envelopes.decode(message).routingKey, 'ключ');
  readdressNeutral(message, '', 'ü'.repeat(200));
  assert.equal(envelopes.decode(message).routingKey, 'ü'.repeat(127));
});

test('what is not an address, or has no origin here, becomes a plain record', () => {
  const envelopes = new Envelopes();
  const forged = (origin: Origin, source: Uint8Array): Message => {
    const message = new Message();
    message.origin = origin;
    message.source = source;
    message.sourceEnd = source.length;
    return message;
  };
  const messages = [
    forged(Origin.None, Uint8Array.of(200, 1)),
    forged(Origin.None, new Uint8Array(300)),
    forged(Origin.Amqp091, Uint8Array.of(1)),
    forged(77 as Origin, Uint8Array.of(1)),
  ];
  for (const message of messages) {
    assert.throws(() => envelopes.decode(message), BrokerError);
    assert.equal(envelopes.trust(message), false);
    assert.equal(message.origin, Origin.None);
    assert.equal(envelopes.decode(message).routingKey, '');
  }
});
