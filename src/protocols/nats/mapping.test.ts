import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BrokerError } from '#core/errors.ts';
import { emptyEnvelope, type Envelope } from '#core/message/envelope.ts';
import { Message, Origin } from '#core/message/message.ts';
import { decodeMessage, encodeEnvelope, ORIGIN_EXTRAS } from './mapping.ts';

function stored(source: string | Uint8Array, body = 'body'): Message {
  const message = new Message();
  message.origin = Origin.Nats;
  const bytes = typeof source === 'string' ? Buffer.from(source, 'latin1') : source;
  // In the middle of something else, as in a record.
  message.source = Buffer.concat([Buffer.from('before '), bytes, Buffer.from(' after')]);
  message.sourceStart = 7;
  message.sourceEnd = 7 + bytes.length;
  message.body = Buffer.from(body);
  message.bodyEnd = body.length;
  return message;
}

function envelope(fields: Partial<Envelope>): Envelope {
  return { ...emptyEnvelope(), routingKey: 'a.b', ...fields };
}

const blockOf = (fields: Partial<Envelope>): string =>
  encodeEnvelope(envelope(fields))!.headers.toString();

test('a publish without headers', () => {
  const plain = decodeMessage(stored('a.b 4\r\n'));
  assert.deepEqual(plain, {
    ...emptyEnvelope(),
    exchange: 'amq.topic',
    routingKey: 'a.b',
    durable: true,
  });
  assert.equal(decodeMessage(stored('a.b answers 4\r\n')).replyTo, 'answers');
  assert.equal(decodeMessage(stored('a.b 12 4\r\n')).replyTo, '12', 'a reply may be a number');
});

test('headers: properties, key, values that repeat, bytes, a status', () => {
  const block =
    'NATS/1.0 503 No Responders \r\ncontent-type: text/plain\r\nmessage-id:m1\r\n' +
    'x-key: k\r\na: 1\r\na: 2\r\nA:  spaced \t\r\nbytes: \xff\xfe\r\nempty:\r\nno colon\r\n' +
    ': no name\r\nreply-to: other\r\nx-delay: 5\r\n\r\n';
  const found = decodeMessage(stored(`a.b ${block.length} ${block.length + 4}\r\n${block}`));
  assert.equal(found.contentType, 'text/plain');
  assert.equal(found.messageId, 'm1');
  assert.equal(found.replyTo, 'other');
  assert.equal(Buffer.from(found.key!).toString(), 'k');
  assert.equal(found.delayMs, 5);
  assert.deepEqual(found.headers, [
    { name: 'Status', value: '503' },
    { name: 'Description', value: 'No Responders' },
    { name: 'a', value: '1' },
    { name: 'a', value: '2' },
    { name: 'A', value: 'spaced' },
    { name: 'bytes', value: new Uint8Array([0xff, 0xfe]) },
    { name: 'empty', value: '' },
    { name: 'x-delay', value: '5' },
  ]);
});

test('a header block may be anything', () => {
  for (const block of ['x', '\r\n', '\n\n\n', 'NATS/1.0', ':', 'a\r\nb: c\r\n', '\0\xff:\xff']) {
    const found = decodeMessage(stored(`s r ${block.length} ${block.length}\r\n${block}`));
    assert.equal(found.routingKey, 's');
    assert.equal(found.replyTo, 'r');
  }
});

test('what is no source is refused', () => {
  const forged = [
    '',
    'a',
    'a 4',
    'a 4\n',
    'a  4\r\n',
    'a\t4\r\n',
    ' a 4\r\n',
    'a b c 4\r\n',
    'a b c 1 4\r\nx',
    'a x\r\n',
    'a -4\r\n',
    '4\r\n',
    'a 1\r\nx',
    ' ',
    ' \0',
    ' \xff\0\0',
    ' \0\xff\xff',
    ' \0\0\0',
  ];
  for (const source of forged) {
    const message = stored(source);
    assert.equal(ORIGIN_EXTRAS.isValid!(message), false, JSON.stringify(source));
    assert.throws(() => decodeMessage(message), BrokerError, JSON.stringify(source));
  }
});

test('a dead letter has another address, any text, and keeps the rest', () => {
  const block = 'NATS/1.0\r\na: b\r\n\r\n';
  const message = stored(`a.b answers ${block.length} ${block.length}\r\n${block}`);
  for (const [exchange, key] of [
    ['', 'dead'],
    ['dlx', 'a key, with spaces\r\n'],
    ['ä'.repeat(200), 'k'.repeat(70_000)],
  ]) {
    ORIGIN_EXTRAS.readdress!(message, exchange!, key!, true);
    assert.equal(ORIGIN_EXTRAS.isValid!(message), true);
    const found = decodeMessage(message);
    assert.equal(found.exchange, exchange!.slice(0, 127));
    assert.equal(found.routingKey, key!.slice(0, 65_535));
    assert.equal(found.replyTo, 'answers');
    assert.deepEqual(found.headers, [{ name: 'a', value: 'b' }]);
  }
});

test('to NATS: nothing but a body needs no headers', () => {
  const found = encodeEnvelope(envelope({}))!;
  assert.deepEqual(found.subjects, ['a.b']);
  assert.equal(found.reply, null);
  assert.equal(found.headers.length, 0);
});

test('to NATS: every property that NATS can carry', () => {
  const found = encodeEnvelope(
    envelope({
      replyTo: 'back',
      key: Buffer.from('k'),
      contentType: 'text/plain',
      contentEncoding: 'gzip',
      correlationId: 'c',
      messageId: 'm',
      type: 't',
      userId: 'u',
      appId: 'app',
      priority: 3,
      expirationMs: 60_000,
      headers: [
        { name: 'text', value: 'ä' },
        { name: 'number', value: 1.5 },
        { name: 'big', value: 2n ** 60n },
        { name: 'yes', value: true },
        { name: 'null', value: null },
        { name: 'date', value: new Date(0) },
        { name: 'bytes', value: new Uint8Array([255, 13, 10]) },
        { name: 'list', value: [1, { a: 2n }] },
        { name: 'text', value: 'again' },
      ],
    }),
  )!;
  assert.equal(found.reply, 'back');
  assert.deepEqual(found.headers.toString().split('\r\n'), [
    'NATS/1.0',
    'content-type: text/plain',
    'content-encoding: gzip',
    'correlation-id: c',
    'message-id: m',
    'type: t',
    'user-id: u',
    'app-id: app',
    'priority: 3',
    'expiration: 60000',
    'x-key: k',
    'text: ä',
    'number: 1.5',
    'big: 1152921504606846976',
    'yes: true',
    'null: ',
    'date: 1970-01-01T00:00:00.000Z',
    'bytes: /w0K',
    'list: [1,{"a":"2"}]',
    'text: again',
    '',
    '',
  ]);
});

test('to NATS: nothing that is said ends a line, and no name that clients refuse is said', () => {
  assert.equal(
    blockOf({ headers: [{ name: 'a', value: 'one\r\ntwo\nthree\rfour' }] }),
    'NATS/1.0\r\na: one two three four\r\n\r\n',
  );
  for (const name of ['', 'a:b', 'a b', 'a\r\nb', 'grün']) {
    assert.equal(blockOf({ headers: [{ name, value: 'x' }] }), '', name);
  }
  assert.equal(encodeEnvelope(envelope({ routingKey: 'a b\r\nc' }))!.subjects[0], 'a%20b%0D%0Ac');
  const spaced = encodeEnvelope(envelope({ replyTo: 'no subject' }))!;
  assert.equal(spaced.reply, null);
  assert.equal(spaced.headers.toString(), 'NATS/1.0\r\nreply-to: no subject\r\n\r\n');
});

test('to NATS: an address with an empty word has no subject', () => {
  for (const routingKey of ['', '.', 'a..b', '.a', 'a.']) {
    assert.equal(encodeEnvelope(envelope({ routingKey })), null, routingKey);
  }
  const several = encodeEnvelope(envelope({ routingKey: '', routingKeys: ['', 'x', 'y'] }))!;
  assert.deepEqual(several.subjects, ['x', 'y']);
});

test('there and back again nothing changes', () => {
  const given = envelope({
    exchange: 'amq.topic',
    replyTo: 'back',
    key: Buffer.from('k'),
    contentType: 'text/plain',
    headers: [
      { name: 'a', value: 'one' },
      { name: 'a', value: 'two' },
    ],
    durable: true,
  });
  const { subjects, reply, headers } = encodeEnvelope(given)!;
  const line = `${subjects[0]} ${reply} ${headers.length} ${headers.length + 4}\r\n`;
  assert.deepEqual(decodeMessage(stored(Buffer.concat([Buffer.from(line), headers]))), given);
});
