/** Stored messages that cannot be read, or encoded, concern the one who asked for them only. */
import assert from 'node:assert/strict';
import { beforeEach, describe, test } from 'node:test';
import { BrokerError } from '#core/errors.ts';
import type { Log } from '#core/log.ts';
import { Message } from '#core/message/message.ts';
import type { Protocol } from '#protocols/contract.ts';
import {
  AmqpPeer,
  method,
  names,
  publish,
  shortstr,
  startOk,
  table,
} from '#test/drive/amqp-peer.ts';
import { openVhost, PROTOCOL_HEADER, tuneOk, u16, u8 } from '#test/drive/amqp-peer.ts';
import { MemoryBroker } from '#test/drive/memory-broker.ts';
import { amqp091 } from './index.ts';

const CANCEL = '60.30';
const CHANNEL_CLOSE = '20.40';
const CONNECTION_CLOSE = '10.50';
const INTERNAL_ERROR = 541;

let memory: MemoryBroker;
let protocol: Protocol;

const declareStream = method(
  1,
  50,
  10,
  u16(0),
  shortstr('s'),
  u8(2),
  table({ 'x-queue-type': 'stream' }),
);
const consumeFirst = method(
  1,
  60,
  20,
  u16(0),
  shortstr('s'),
  shortstr('tag'),
  u8(0),
  table({ 'x-stream-offset': 'first' }),
);
const prefetch = method(1, 60, 10, Buffer.alloc(4), u16(10), u8(0));

beforeEach(async () => {
  memory = await MemoryBroker.open();
  protocol = amqp091(memory.broker);
  const peer = await new AmqpPeer(memory, protocol).open();
  await peer.call(declareStream);
  await peer.call(publish(1, 's', 'kept'));
  await peer.call(method(1, 50, 10, u16(0), shortstr('q'), u8(2), table()));
  await peer.call(publish(1, 'q', 'kept'));
  breakReads(memory.broker.defaultNamespace.topics.get('s')!.partitions[0]!.log);
});

function breakReads(log: Log): void {
  log.read = () => Promise.reject(new BrokerError('unreadable', 'the disk says no'));
}

async function old(): Promise<AmqpPeer> {
  const peer = new AmqpPeer(memory, protocol);
  await peer.exchange(PROTOCOL_HEADER);
  await peer.exchange(startOk('guest', 'guest', {}), tuneOk(), openVhost('/'));
  await peer.exchange(method(1, 20, 10, shortstr('')));
  return peer;
}

describe('what cannot be read', () => {
  test('a stream cancels its consumer', async () => {
    const peer = await new AmqpPeer(memory, protocol).open();
    const answers = await peer.call(prefetch, consumeFirst);
    assert.deepEqual(names(answers), ['60.11', '60.21', CANCEL]);
    assert.deepEqual(
      names(
        await peer.call(
          method(
            1,
            50,
            20,
            u16(0),
            shortstr('q'),
            shortstr('amq.direct'),
            shortstr('k'),
            u8(0),
            table(),
          ),
        ),
      ),
      ['50.21'],
    );
  });

  test('a client that does not know basic.cancel is closed with 541', async () => {
    const peer = await old();
    const answers = await peer.call(prefetch, consumeFirst);
    const last = answers.at(-1)!;
    assert.deepEqual(names([last]), [CONNECTION_CLOSE]);
    assert.equal(last.args.readUInt16BE(0), INTERNAL_ERROR);
  });

  test('basic.get of a queue: 541', async () => {
    const queue = memory.broker.defaultNamespace.queue('q', null);
    queue.get = () => Promise.reject(new BrokerError('unreadable', 'the disk says no'));
    const peer = await new AmqpPeer(memory, protocol).open();
    const [close] = await peer.call(method(1, 60, 70, u16(0), shortstr('q'), u8(0)));
    assert.deepEqual(names([close!]), [CONNECTION_CLOSE]);
    assert.equal(close!.args.readUInt16BE(0), INTERNAL_ERROR);
  });
});

test('a delivery that cannot be encoded closes its own channel; the message stays', async () => {
  const queue = memory.broker.defaultNamespace.queue('q', null);
  const { envelopes } = memory.broker;
  const decode = envelopes.decode.bind(envelopes);
  queue.purge();
  const consumer = await new AmqpPeer(memory, protocol).open();
  await consumer.call(
    prefetch,
    method(1, 60, 20, u16(0), shortstr('q'), shortstr('c'), u8(0), table()),
  );
  const publisher = await new AmqpPeer(memory, protocol).open();
  // As if a header could not be put into AMQP's words.
  memory.broker.envelopes.decode = () => {
    throw new BrokerError('invalid-argument', 'no words for it');
  };
  const message = Object.assign(new Message(), {
    body: Buffer.from('foreign'),
    bodyStart: 0,
    bodyEnd: 7,
  });
  queue.publish(message);
  const [close] = await consumer.received();
  assert.deepEqual(names([close!]), [CHANNEL_CLOSE]);
  memory.broker.envelopes.decode = decode;
  assert.equal(queue.readyCount, 1);
  await publisher.call(publish(1, 'q', 'next'));
  const next = await new AmqpPeer(memory, protocol).open();
  const deliveries = await next.call(
    prefetch,
    method(1, 60, 20, u16(0), shortstr('q'), shortstr('c'), u8(0), table()),
  );
  assert.deepEqual(
    deliveries.filter(({ body }) => body !== null).map(({ body }) => String(body)),
    ['foreign', 'next'],
  );
});
