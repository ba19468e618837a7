import { test } from 'node:test';
import assert from 'node:assert/strict';
import { MemoryBroker } from '#test/drive/memory-broker.ts';
import {
  AmqpPeer,
  closeOf,
  frame,
  method,
  names,
  publish,
  shortstr,
  table,
  u16,
  u32,
  u64,
  u8,
  type ReceivedMethod,
  type Table,
} from '#test/drive/amqp-peer.ts';
import { emptyEnvelope } from '#core/message/envelope.ts';
import { Message } from '#core/message/message.ts';
import { encodeNeutral } from '#core/message/neutral-headers.ts';
import { amqp091 } from './index.ts';

async function opened(): Promise<{ memory: MemoryBroker; peer: AmqpPeer }> {
  const memory = await MemoryBroker.open();
  return { memory, peer: await new AmqpPeer(memory, amqp091(memory.broker)).open() };
}

interface Declare {
  passive?: boolean;
  durable?: boolean;
  exclusive?: boolean;
  autoDelete?: boolean;
  args?: Table;
}

function declare(name: string, options: Declare = {}, channel = 1): Buffer {
  const bits =
    (options.passive ? 1 : 0) |
    (options.durable ? 2 : 0) |
    (options.exclusive ? 4 : 0) |
    (options.autoDelete ? 8 : 0);
  return method(channel, 50, 10, u16(0), shortstr(name), u8(bits), table(options.args));
}

function consume(queue: string, tag: string, noAck = false, args: Table = {}): Buffer {
  const bits = noAck ? 2 : 0;
  return method(1, 60, 20, u16(0), shortstr(queue), shortstr(tag), u8(bits), table(args));
}

function get(queue: string, noAck = false): Buffer {
  return method(1, 60, 70, u16(0), shortstr(queue), u8(noAck ? 1 : 0));
}

function ack(tag: number, multiple = false): Buffer {
  return method(1, 60, 80, u64(tag), u8(multiple ? 1 : 0));
}

function nack(tag: number, multiple: boolean, requeue: boolean): Buffer {
  return method(1, 60, 120, u64(tag), u8((multiple ? 1 : 0) | (requeue ? 2 : 0)));
}

const CONFIRM_SELECT = method(1, 85, 10, u8(0));

/** Of a basic.deliver: tag, redelivered. */
function delivery(received: ReceivedMethod): { tag: number; redelivered: boolean; body: string } {
  const at = 1 + received.args[0]!;
  const tag = Number(received.args.readBigUInt64BE(at));
  return { tag, redelivered: received.args[at + 8] === 1, body: received.body!.toString() };
}

function bodies(received: readonly ReceivedMethod[]): (string | undefined)[] {
  return received.map(({ body }) => body?.toString());
}

test('publish, deliver, acknowledge', async () => {
  const { memory, peer } = await opened();
  const [declared] = await peer.call(declare('q'));
  assert.equal(declared!.methodId, 11);
  const sent = await peer.call(consume('q', 'c'), publish(1, 'q', 'one'), publish(1, 'q', 'two'));
  assert.deepEqual(names(sent), ['60.21', '60.60', '60.60']);
  assert.deepEqual(delivery(sent[1]!), { tag: 1, redelivered: false, body: 'one' });
  assert.deepEqual(delivery(sent[2]!), { tag: 2, redelivered: false, body: 'two' });
  const queue = memory.broker.defaultNamespace.queues.get('q')!;
  assert.equal(queue.unackedCount, 2);
  await peer.call(ack(2, true));
  assert.equal(queue.unackedCount, 0);
});

test('exchange, routing key and properties arrive byte for byte', async () => {
  const { peer } = await opened();
  await peer.call(declare('q'));
  const properties = Buffer.concat([
    u16(0xb000 | 0x0080),
    shortstr('text/plain'),
    table({ a: 1, b: 'x', c: { d: [true, 'y'] } }),
    u8(2),
    shortstr('id-1'),
  ]);
  const [, deliver] = await peer.call(
    consume('q', 'c', true),
    publish(1, 'q', 'x', { properties }),
  );
  assert.deepEqual(deliver!.properties, properties);
  assert.deepEqual(deliver!.args.subarray(2 + 9), Buffer.concat([shortstr(''), shortstr('q')]));
});

test('a body in several frames, and one over frame-max on the way out', async () => {
  const { peer } = await opened();
  await peer.call(declare('q'));
  const body = Buffer.alloc(300_000, 'abcdefghij');
  const sent = await peer.call(consume('q', 'c'), publish(1, 'q', body));
  assert.deepEqual(names(sent), ['60.21', '60.60']);
  assert.deepEqual(sent[1]!.body, body);
});

test('unacknowledged messages return in order when the channel closes', async () => {
  const { peer } = await opened();
  await peer.call(declare('q'), consume('q', 'c'));
  for (const text of ['1', '2', '3', '4']) await peer.call(publish(1, 'q', text));
  await peer.call(ack(2));
  await peer.call(method(1, 20, 40, u16(0), shortstr(''), u32(0)));
  await peer.call(method(1, 20, 10, shortstr('')));
  const again = await peer.call(consume('q', 'd', true));
  assert.deepEqual(
    again.slice(1).map((each) => delivery(each)),
    [
      { tag: 1, redelivered: true, body: '1' },
      { tag: 2, redelivered: true, body: '3' },
      { tag: 3, redelivered: true, body: '4' },
    ],
  );
});

test('basic.get, get-empty, nack with requeue, reject', async () => {
  const { peer } = await opened();
  await peer.call(declare('q'), publish(1, 'q', 'a'), publish(1, 'q', 'b'));
  const [first] = await peer.call(get('q'));
  assert.equal(first!.methodId, 71);
  assert.equal(first!.body!.toString(), 'a');
  assert.equal(first!.args.readUInt32BE(first!.args.length - 4), 1);
  await peer.call(nack(1, false, true));
  const [again] = await peer.call(get('q'));
  assert.equal(again!.body!.toString(), 'a');
  assert.equal(again!.args[8], 1);
  await peer.call(method(1, 60, 90, u64(2), u8(0)));
  assert.deepEqual(bodies(await peer.call(get('q', true))), ['b']);
  assert.deepEqual(names(await peer.call(get('q'))), ['60.72']);
});

test('prefetch of a consumer and of the channel', async () => {
  const { peer } = await opened();
  const qos = (count: number, global: boolean) =>
    method(1, 60, 10, u32(0), u16(count), u8(global ? 1 : 0));
  await peer.call(declare('q'), qos(2, false));
  const texts = ['1', '2', '3', '4', '5'];
  const got = await peer.call(consume('q', 'c'), ...texts.map((text) => publish(1, 'q', text)));
  assert.deepEqual(bodies(got), [undefined, '1', '2']);
  assert.deepEqual(bodies(await peer.call(ack(1))), ['3']);
  assert.deepEqual(names(await peer.call(qos(1, true))), ['60.11']);
  assert.deepEqual(await peer.call(ack(2)), []);
  assert.deepEqual(bodies(await peer.call(ack(3))), ['4']);
  assert.deepEqual(bodies(await peer.call(qos(0, true))), [undefined, '5']);
});

test('confirms: coalesced, after the commit, nack for what is refused', async () => {
  const { peer } = await opened();
  await peer.call(CONFIRM_SELECT, declare('d', { durable: true }), declare('t'));
  const persistent = Buffer.concat([u16(0x1000), u8(2)]);
  const both = Buffer.concat([
    publish(1, 'd', 'a', { properties: persistent }),
    publish(1, 't', 'b'),
    publish(1, 'd', 'c', { properties: persistent }),
  ]);
  const acks = await peer.call(both);
  assert.deepEqual(names(acks), ['60.80']);
  assert.equal(Number(acks[0]!.args.readBigUInt64BE(0)), 3);
  assert.equal(acks[0]!.args[8], 1);
  const [single] = await peer.call(publish(1, 't', 'b'));
  assert.equal(Number(single!.args.readBigUInt64BE(0)), 4);
  assert.equal(single!.args[8], 0);
  await peer.call(declare('full', { args: { 'x-max-length': 1, 'x-overflow': 'reject-publish' } }));
  const replies = await peer.call(
    Buffer.concat([publish(1, 'full', 'x'), publish(1, 'full', 'y')]),
  );
  assert.deepEqual(names(replies), ['60.120', '60.80']);
  assert.equal(Number(replies[0]!.args.readBigUInt64BE(0)), 6);
});

test('mandatory: returned before it is confirmed', async () => {
  const { peer } = await opened();
  const got = await peer.call(CONFIRM_SELECT, publish(1, 'nobody', 'x', { mandatory: true }));
  assert.deepEqual(names(got), ['85.11', '60.50', '60.80']);
  assert.equal(got[1]!.args.readUInt16BE(0), 312);
  assert.equal(got[1]!.body!.toString(), 'x');
});

interface Refusal {
  name: string;
  send: Buffer[];
  code: number;
  text: string;
  hard?: boolean;
}

const REFUSALS: Refusal[] = [
  {
    name: 'consume from nothing',
    send: [consume('none', '')],
    code: 404,
    text: "NOT_FOUND - no queue 'none' in vhost '/'",
  },
  {
    name: 'publish to no exchange',
    send: [publish(1, 'k', 'x', { exchange: 'none' })],
    code: 404,
    text: "NOT_FOUND - no exchange 'none' in vhost '/'",
  },
  {
    name: 'other durability',
    send: [declare('q'), declare('q', { durable: true })],
    code: 406,
    text: "PRECONDITION_FAILED - inequivalent arg 'durable' for queue 'q' in vhost '/': received 'true' but current is 'false'",
  },
  {
    name: 'missing argument',
    send: [declare('q', { args: { 'x-max-length': 5 } }), declare('q')],
    code: 406,
    text: "PRECONDITION_FAILED - inequivalent arg 'x-max-length' for queue 'q' in vhost '/': received none but current is the value '5' of type 'signedint'",
  },
  {
    name: 'other argument',
    send: [
      declare('q', { args: { 'x-message-ttl': 5 } }),
      declare('q', { args: { 'x-message-ttl': 6 } }),
    ],
    code: 406,
    text: "PRECONDITION_FAILED - inequivalent arg 'x-message-ttl' for queue 'q' in vhost '/': received '6' but current is '5'",
  },
  {
    name: 'wrong type',
    send: [declare('q', { args: { 'x-message-ttl': 'soon' } })],
    code: 406,
    text: `PRECONDITION_FAILED - invalid arg 'x-message-ttl' for queue 'q' in vhost '/': "expected integer, got longstr"`,
  },
  {
    name: 'quorum with priorities',
    send: [
      declare('q', { durable: true, args: { 'x-queue-type': 'quorum', 'x-max-priority': 5 } }),
    ],
    code: 406,
    text: "PRECONDITION_FAILED - invalid arg 'x-max-priority' for queue 'q' in vhost '/' of queue type rabbit_quorum_queue",
  },
  {
    name: 'quorum not durable',
    send: [declare('q', { args: { 'x-queue-type': 'quorum' } })],
    code: 406,
    text: "PRECONDITION_FAILED - invalid property 'non-durable' for queue 'q' in vhost '/'",
  },
  {
    name: 'an argument that nobody knows',
    send: [declare('q', { args: { 'x-colour': 'red' } })],
    code: 406,
    text: "PRECONDITION_FAILED - invalid arg 'x-colour' for queue 'q' in vhost '/' of queue type rabbit_classic_queue",
  },
  {
    name: 'reserved name',
    send: [declare('amq.mine')],
    code: 403,
    text: "ACCESS_REFUSED - queue name 'amq.mine' contains reserved prefix 'amq.*'",
  },
  {
    name: 'unknown tag',
    send: [ack(7)],
    code: 406,
    text: 'PRECONDITION_FAILED - unknown delivery tag 7',
  },
  {
    name: 'passive declare of nothing',
    send: [declare('none', { passive: true })],
    code: 404,
    text: "NOT_FOUND - no queue 'none' in vhost '/'",
  },
  {
    name: 'no queue declared before',
    send: [get('')],
    code: 404,
    text: 'NOT_FOUND - no previously declared queue',
  },
  {
    name: 'bad expiration',
    send: [
      declare('q'),
      publish(1, 'q', 'x', { properties: Buffer.concat([u16(0x0100), shortstr('soon')]) }),
    ],
    code: 406,
    text: "PRECONDITION_FAILED - invalid expiration 'soon': no_integer",
  },
  {
    name: 'a user-id of somebody else',
    send: [
      declare('q'),
      publish(1, 'q', 'x', { properties: Buffer.concat([u16(0x0010), shortstr('root')]) }),
    ],
    code: 406,
    text: "PRECONDITION_FAILED - user_id property set to 'root' but authenticated user was 'guest'",
  },
  {
    name: 'default exchange',
    send: [method(1, 50, 20, u16(0), shortstr('q'), shortstr(''), shortstr('k'), u8(0), table())],
    code: 403,
    text: 'ACCESS_REFUSED - operation not permitted on the default exchange',
  },
  {
    name: 'tag used twice',
    send: [declare('q'), consume('q', 'c'), consume('q', 'c')],
    code: 530,
    text: "NOT_ALLOWED - attempt to reuse consumer tag 'c'",
    hard: true,
  },
  {
    name: 'tx',
    send: [method(1, 90, 10)],
    code: 540,
    text: 'NOT_IMPLEMENTED - tx.select: transactions are not supported',
    hard: true,
  },
  {
    name: 'channel opened twice',
    send: [method(1, 20, 10, shortstr(''))],
    code: 504,
    text: "CHANNEL_ERROR - second 'channel.open' seen",
    hard: true,
  },
  {
    name: 'a method on no channel',
    send: [declare('q', {}, 9)],
    code: 504,
    text: "CHANNEL_ERROR - expected 'channel.open'",
    hard: true,
  },
  {
    name: 'a header out of place',
    send: [frame(2, 1, Buffer.alloc(14))],
    code: 505,
    text: 'UNEXPECTED_FRAME - expected method frame, got non method frame instead',
    hard: true,
  },
  {
    name: 'a frame over frame-max',
    send: [Buffer.concat([u8(1), u16(1), u32(200_000)])],
    code: 501,
    text: 'FRAME_ERROR - type 1, all octets = <<>>: {frame_too_large,200000,131064}',
    hard: true,
  },
  {
    name: 'immediate',
    send: [
      method(1, 60, 40, u16(0), shortstr(''), shortstr('q'), u8(2)),
      frame(2, 1, Buffer.concat([u16(60), u16(0), u64(0), u16(0)])),
    ],
    code: 540,
    text: 'NOT_IMPLEMENTED - immediate=true',
    hard: true,
  },
];

for (const { name, send, code, text, hard } of REFUSALS) {
  test(`refused: ${name}`, async () => {
    const { peer } = await opened();
    const close = (await peer.call(...send)).at(-1)!;
    assert.deepEqual(names([close]), [hard ? '10.50' : '20.40']);
    assert.deepEqual(closeOf(close), { code, text });
    assert.deepEqual(await peer.call(declare('later')), [], 'nothing is answered after an error');
  });
}

test('a closed channel can be opened again after close-ok', async () => {
  const { peer } = await opened();
  await peer.call(ack(7));
  await peer.call(method(1, 20, 41));
  assert.deepEqual(names(await peer.call(method(1, 20, 10, shortstr('')))), ['20.11']);
});

test('an exclusive queue is locked for others and goes with its connection', async () => {
  const { memory, peer } = await opened();
  await peer.call(declare('mine', { exclusive: true }));
  const other = await new AmqpPeer(memory, amqp091(memory.broker)).open();
  const [close] = await other.call(consume('mine', ''));
  assert.equal(closeOf(close!).code, 405);
  assert.match(
    closeOf(close!).text,
    /^RESOURCE_LOCKED - cannot obtain exclusive access to locked queue 'mine' in vhost '\/'\. It could be/,
  );
  peer.driven.connection.close('gone');
  assert.equal(memory.broker.defaultNamespace.queues.has('mine'), false);
});

test('consumers hear that their queue was deleted', async () => {
  const { peer } = await opened();
  await peer.call(declare('q'), consume('q', 'c'));
  const got = await peer.call(method(1, 50, 40, u16(0), shortstr('q'), u8(0)));
  assert.deepEqual(names(got), ['50.41', '60.30']);
});

test('direct reply-to', async () => {
  const { memory, peer } = await opened();
  const server = await new AmqpPeer(memory, amqp091(memory.broker)).open();
  await server.call(declare('rpc'), consume('rpc', 's', true));
  await peer.call(consume('amq.rabbitmq.reply-to', 'r', true));
  const properties = Buffer.concat([u16(0x0200), shortstr('amq.rabbitmq.reply-to')]);
  await peer.call(publish(1, 'rpc', 'ping', { properties }));
  const [request] = await server.received();
  const address = request!.properties!.subarray(3).toString();
  assert.match(address, /^amq\.rabbitmq\.reply-to\../);
  await server.call(publish(1, address, 'pong'));
  assert.deepEqual(bodies(await peer.received()), ['pong']);
});

test('dead letters say where they died', async () => {
  const { peer } = await opened();
  await peer.call(declare('dead'));
  await peer.call(
    declare('q', { args: { 'x-dead-letter-exchange': '', 'x-dead-letter-routing-key': 'dead' } }),
  );
  await peer.call(publish(1, 'q', 'x'), get('q'), nack(1, false, false));
  const [got] = await peer.call(get('dead', true));
  const text = got!.properties!.toString('latin1');
  for (const word of [
    'x-death',
    'rejected',
    'x-first-death-queue',
    'x-last-death-reason',
    'routing-keys',
  ]) {
    assert.ok(text.includes(word), word);
  }
  assert.ok(got!.args.includes(shortstr('dead')));
});

test('deliveries stop while the output is not taken, and go on', async () => {
  const { peer } = await opened();
  await peer.call(declare('q'), consume('q', 'c', true));
  peer.driven.sink.blocked = true;
  const got = await peer.call(publish(1, 'q', '1'), publish(1, 'q', '2'), publish(1, 'q', '3'));
  assert.deepEqual(bodies(got), ['1']);
  peer.driven.sink.blocked = false;
  peer.driven.connection.drained();
  assert.deepEqual(bodies(await peer.received()), ['2', '3']);
});

test('a record with more headers than a frame holds arrives without them', async () => {
  const { memory, peer } = await opened();
  await peer.call(declare('q'));
  const message = new Message();
  encodeNeutral(
    { ...emptyEnvelope(), headers: [{ name: 'h', value: 'x'.repeat(200_000) }] },
    message,
  );
  memory.broker.defaultNamespace.queues.get('q')!.publish(message);
  const [got] = await peer.call(get('q', true));
  assert.ok(got!.properties!.length < 131072);
  const dropped = Buffer.concat([shortstr('x-headers-dropped'), Buffer.from('I'), u32(1)]);
  assert.ok(got!.properties!.includes(dropped));
});

test('arguments without effect are warned of', async () => {
  const { memory, peer } = await opened();
  await peer.call(declare('q', { args: { 'x-queue-mode': 'lazy' } }));
  assert.deepEqual(memory.warnings.at(-1)!.fields['argument'], 'x-queue-mode');
});

test('publishers are blocked while memory is short, and told so', async () => {
  const { memory, peer } = await opened();
  await peer.call(declare('q'), publish(1, 'q', 'x'));
  memory.broker.alarms.memory = true;
  (peer.driven.connection as unknown as { alarmed(): void }).alarmed();
  const [blocked] = await peer.received();
  assert.deepEqual(names([blocked!]), ['10.60']);
  assert.equal(blocked!.args.subarray(1).toString(), 'low on memory');
  assert.equal(peer.driven.sink.paused, true);
  memory.broker.alarms.memory = false;
  (peer.driven.connection as unknown as { alarmed(): void }).alarmed();
  assert.deepEqual(names(await peer.received()), ['10.61']);
  assert.equal(peer.driven.sink.paused, false);
});
