/** Nothing is accepted and ignored, nobody is exempt from alarms, answers are kept. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Protocol } from '#protocols/contract.ts';
import {
  AmqpPeer,
  closeOf,
  frame,
  method,
  names,
  publish,
  shortstr,
  table,
  type Table,
  u16,
  u32,
  u64,
  u8,
} from '#test/drive/amqp-peer.ts';
import { MemoryBroker } from '#test/drive/memory-broker.ts';
import { amqp091 } from './index.ts';

const DURABLE_BIT = 2;
const EXCLUSIVE_CONSUMER_BIT = 4;

async function opened(): Promise<{ memory: MemoryBroker; protocol: Protocol; peer: AmqpPeer }> {
  const memory = await MemoryBroker.open();
  const protocol = amqp091(memory.broker);
  const peer = await new AmqpPeer(memory, protocol).open();
  return { memory, protocol, peer };
}

function declare(name: string, args: Table): Buffer {
  return method(1, 50, 10, u16(0), shortstr(name), u8(DURABLE_BIT), table(args));
}

for (const [type, args] of [
  ['classic', {}],
  ['stream', { 'x-queue-type': 'stream' }],
] as const) {
  test(`an unknown argument is refused when the ${type} queue is there already`, async () => {
    const { peer } = await opened();
    assert.deepEqual(names(await peer.call(declare('q', args))), ['50.11']);
    assert.deepEqual(names(await peer.call(declare('q', args))), ['50.11']);
    const [close] = await peer.call(declare('q', { ...args, 'x-max-lenght': 5 }));
    assert.deepEqual(closeOf(close!), {
      code: 406,
      text: `PRECONDITION_FAILED - invalid arg 'x-max-lenght' for queue 'q' in vhost '/' of queue type rabbit_${type}_queue`,
    });
  });
}

test('x-posthorn-sync is that of the queue, and nothing but commit or os', async () => {
  const { memory, peer } = await opened();
  const { defaultNamespace } = memory.broker;
  await peer.call(declare('os', { 'x-posthorn-sync': 'os' }));
  await peer.call(declare('default', {}));
  assert.equal(defaultNamespace.queues.get('os')!.log.config.sync, 'os');
  assert.equal(defaultNamespace.queues.get('default')!.log.config.sync, 'commit');
  await peer.call(declare('s', { 'x-queue-type': 'stream', 'x-posthorn-sync': 'os' }));
  assert.equal(defaultNamespace.topics.get('s')!.partitions[0]!.log.config.sync, 'os');
  const [close] = await peer.call(declare('x', { 'x-posthorn-sync': 'never' }));
  assert.equal(closeOf(close!).code, 406);
});

test('an exclusive consumer of a stream is told in the log that it is none', async () => {
  const { memory, peer } = await opened();
  await peer.call(declare('s', { 'x-queue-type': 'stream' }));
  await peer.call(method(1, 60, 10, u32(0), u16(10), u8(0)));
  const bits = u8(EXCLUSIVE_CONSUMER_BIT);
  const consume = method(1, 60, 20, u16(0), shortstr('s'), shortstr('c'), bits, table());
  assert.deepEqual(names(await peer.call(consume)), ['60.21']);
  const { fields } = memory.warnings.at(-1)!;
  assert.deepEqual(fields, { argument: 'exclusive', where: "queue 's' in vhost '/'" });
});

test('an alarm stops a publisher of which no message is complete yet', async () => {
  const { memory, peer } = await opened();
  memory.broker.alarms.memory = true;
  const { sink } = peer.driven;
  const publishing = method(1, 60, 40, u16(0), shortstr(''), shortstr('q'), u8(0));
  const header = frame(2, 1, Buffer.concat([u16(60), u16(0), u64(1_000_000), u16(0)]));
  const [blocked] = await peer.call(publishing, header);
  assert.deepEqual(names([blocked!]), ['10.60']);
  assert.ok(sink.paused);
});

test('replies to a consumer that does not read are returned when too many wait', async () => {
  const { memory, protocol, peer } = await opened();
  const replies = method(
    1,
    60,
    20,
    u16(0),
    shortstr('amq.rabbitmq.reply-to'),
    u8(0),
    u8(2),
    table(),
  );
  await peer.call(replies);
  await peer.call(declare('rpc', {}));
  const flags = u16(0x0200);
  await peer.call(
    publish(1, 'rpc', 'ask', {
      properties: Buffer.concat([flags, shortstr('amq.rabbitmq.reply-to')]),
    }),
  );
  const server = await new AmqpPeer(memory, protocol).open();
  const [got] = await server.call(method(1, 60, 70, u16(0), shortstr('rpc'), u8(1)));
  const address = got!.properties!.subarray(3).toString();
  const body = Buffer.alloc(8_000_000);
  const answers: string[] = [];
  for (let i = 0; i < 10; i++) {
    answers.push(...names(await server.call(publish(1, address, body, { mandatory: true }))));
  }
  assert.deepEqual(answers, ['60.50']);
});

test('a purge of a durable queue is answered when it is written', async () => {
  const { memory, peer } = await opened();
  await peer.call(declare('q', {}));
  const persistent = Buffer.concat([u16(0x1000), u8(2)]);
  await peer.call(publish(1, 'q', 'x', { properties: persistent }));
  const { log } = memory.broker.acks;
  const before = log.committedOffset;
  peer.driven.connection.receive(method(1, 50, 30, u16(0), shortstr('q'), u8(0)));
  assert.equal(peer.driven.sink.output.length, 0);
  assert.deepEqual(names(await peer.received()), ['50.31']);
  assert.ok(log.committedOffset > before);
});

test('an exchange type nobody knows costs the channel, not the connection', async () => {
  const { memory, peer } = await opened();
  const unknown = method(
    1,
    40,
    10,
    u16(0),
    shortstr('x'),
    shortstr('x-nonsense'),
    u8(0),
    table({}),
  );
  const [close] = await peer.call(unknown);
  assert.deepEqual(closeOf(close!), {
    code: 406,
    text: "PRECONDITION_FAILED - unknown exchange type 'x-nonsense'",
  });
  assert.deepEqual(names(await peer.call(method(1, 20, 41), method(1, 20, 10, shortstr('')))), [
    '20.11',
  ]);
  assert.equal(memory.broker.defaultNamespace.exchanges.has('x'), false);
});

const EXCLUSIVE_BIT = 4;

function declareBits(name: string, bits: number, args: Table = {}): Buffer {
  return method(1, 50, 10, u16(0), shortstr(name), u8(bits), table(args));
}

test('an exclusive queue is declared again as exclusive or not at all', async () => {
  const { peer } = await opened();
  await peer.call(declareBits('q', EXCLUSIVE_BIT));
  assert.deepEqual(names(await peer.call(declareBits('q', EXCLUSIVE_BIT))), ['50.11']);
  const [close] = await peer.call(declareBits('q', 0));
  assert.equal(closeOf(close!).code, 405);
});

test('unbinding what does not exist is fine', async () => {
  const { peer } = await opened();
  await peer.call(declareBits('q', 0));
  const unbind = (queue: string, exchange: string): Buffer =>
    method(1, 50, 50, u16(0), shortstr(queue), shortstr(exchange), shortstr('k'), table({}));
  const unbindExchange = (destination: string, source: string): Buffer =>
    method(
      1,
      40,
      40,
      u16(0),
      shortstr(destination),
      shortstr(source),
      shortstr('k'),
      u8(0),
      table({}),
    );
  assert.deepEqual(
    names(
      await peer.call(
        unbind('nobody', 'amq.direct'),
        unbind('q', 'nowhere'),
        unbindExchange('nowhere', 'amq.direct'),
        unbindExchange('amq.direct', 'nowhere'),
      ),
    ),
    ['50.51', '50.51', '40.51', '40.51'],
  );
  const [close] = await peer.call(unbind('q', ''));
  assert.equal(closeOf(close!).code, 403);
});

test('to look whether a queue is there keeps it from expiring', async () => {
  const { memory, peer } = await opened();
  const { queues } = memory.broker.defaultNamespace;
  await peer.call(declareBits('q', 0, { 'x-expires': 1000 }));
  const passive = declareBits('q', 1);
  for (let i = 0; i < 3; i++) {
    await memory.advance(700);
    assert.deepEqual(names(await peer.call(passive)), ['50.11']);
  }
  await memory.advance(1001);
  assert.equal(queues.has('q'), false);
});

function consume(queue: string, tag: string, noAck = false): Buffer {
  const bits = noAck ? 2 : 0;
  return method(1, 60, 20, u16(0), shortstr(queue), shortstr(tag), u8(bits), table({}));
}

const CHANNEL_PREFETCH_1 = method(1, 60, 10, u32(0), u16(1), u8(1));

function ackTag(tag: number): Buffer {
  return method(1, 60, 80, u64(tag), u8(0));
}

test('consumers that share a limit take turns', async () => {
  const { memory, peer } = await opened();
  const { queues } = memory.broker.defaultNamespace;
  const all = ['a', 'b', 'c'];
  for (const name of all) {
    await peer.call(declareBits(name, 0));
    for (let i = 0; i < 4; i++) await peer.call(publish(1, name, 'x'));
  }
  await peer.call(CHANNEL_PREFETCH_1);
  for (const name of all) await peer.call(consume(name, name));
  for (let tag = 1; tag <= 6; tag++) await peer.call(ackTag(tag));
  for (const name of all) assert.ok(queues.get(name)!.readyCount < 4, name);
});

test('a no-ack consumer waits for the limit of its channel, and does not count towards it', async () => {
  const { peer } = await opened();
  await peer.call(declareBits('acked', 0), declareBits('free', 0), CHANNEL_PREFETCH_1);
  await peer.call(publish(1, 'acked', 'x'), publish(1, 'free', 'y'), publish(1, 'free', 'z'));
  assert.deepEqual(names(await peer.call(consume('acked', 'a'))), ['60.21', '60.60']);
  assert.deepEqual(names(await peer.call(consume('free', 'f', true))), ['60.21']);
  assert.deepEqual(names(await peer.call(ackTag(1))), ['60.60', '60.60']);
});

test('an argument that is a fraction is not equal to a whole number', async () => {
  const { peer } = await opened();
  await peer.call(declareBits('q', 0, { 'x-message-ttl': 10 }));
  const double = Buffer.alloc(9, 'd');
  double.writeDoubleBE(10, 1);
  const fields = Buffer.concat([shortstr('x-message-ttl'), double]);
  const [close] = await peer.call(
    method(1, 50, 10, u16(0), shortstr('q'), u8(0), u32(fields.length), fields),
  );
  const text = closeOf(close!).text;
  assert.match(text, /inequivalent arg 'x-message-ttl' for queue 'q' in vhost '\/'/);
  assert.match(text, /of type 'double' but current is the value '10' of type 'signedint'/);
});

test('a consumer tag that is no UTF-8 is refused: it could not be repeated', async () => {
  const { peer } = await opened();
  await peer.call(declare('q', {}));
  const tag = Buffer.concat([Buffer.of(200), Buffer.alloc(200, 0xff)]);
  const [close] = await peer.call(
    method(1, 60, 20, u16(0), shortstr('q'), tag, Buffer.of(0), table()),
  );
  assert.deepEqual(names([close!]), ['10.50']);
  assert.equal(close!.args.readUInt16BE(0), 502);
});
