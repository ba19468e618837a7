import assert from 'node:assert/strict';
import { test } from 'node:test';
import { HANDLERS } from './handlers/index.ts';
import { kafka } from './index.ts';
import { protocolContract } from '#test/contracts/protocol-contract.ts';
import { batch, Key, KafkaPeer, kafkaOf, request } from '#test/drive/kafka-peer.ts';
import { SAMPLES } from '#test/drive/kafka-samples.ts';
import { connect, MemoryBroker } from '#test/drive/memory-broker.ts';
import type { Broker } from '#core/broker.ts';

const NO_ID = new Uint8Array(16);
/** These answer with ids or times of their own, or leave members behind. */
const LEFT_OUT = new Set<number>([Key.JoinGroup]);

/** Every API in its newest version, one after the other, then a Fetch that waits. */
const session = [
  request(Key.Metadata, 4, 0, (w) => w.arrayLength(1).string('t').bool(true)),
  ...HANDLERS.filter(({ key }) => !LEFT_OUT.has(key)).map(({ key, max }) =>
    request(key, max, key, (w) => SAMPLES.get(key)!(w, max, NO_ID)),
  ),
  // Larger than a piece, and produced to a name.
  request(Key.Produce, 9, 1000, (w) => {
    w.nullableString(null).int16(1).int32(1000).arrayLength(1).string('t').arrayLength(1);
    w.int32(0)
      .bytes(batch(['x'.repeat(50_000)]))
      .tags()
      .tags()
      .tags();
  }),
  request(Key.Fetch, 12, 1001, (w) => {
    w.int32(-1).int32(60_000).int32(1).int32(1000).int8(0).int32(0).int32(-1);
    w.arrayLength(1).string('t').arrayLength(1).int32(0).int32(-1).int64(1).int32(-1).int64(-1);
    w.int32(1000).tags().tags().arrayLength(0).string('').tags();
  }),
];

/** Waiting requests have a timer; one is the coordinator's own. */
const held = (broker: Broker): number => broker.schedule.size - 1;

protocolContract('kafka', {
  create: (broker) => kafka(broker, { host: '127.0.0.1', port: 9092 }),
  session,
  garbage: [
    Buffer.from('GET / HTTP/1.1\r\nHost: localhost\r\n\r\n'),
    Buffer.from('AMQP\x00\x00\x09\x01'),
    Buffer.from([0xff, 0xff, 0xff, 0xff]),
    Buffer.from([0, 0, 0, 0]),
    request(Key.Fetch, 12, 1, () => {}),
    request(Key.Fetch, 19, 1, () => {}),
    request(4711, 0, 1, () => {}),
  ],
  held,
});

test('every API and version has a sample that is decoded to its last byte and answered', async () => {
  const memory = await MemoryBroker.open();
  const peer = new KafkaPeer(memory, kafkaOf(memory));
  const { id } = memory.broker.defaultNamespace.createTopic('t', {
    partitions: 1,
    replicationFactor: 1,
    config: {},
  });
  await memory.settle();
  let count = 0;
  for (const { key, name, min, max } of HANDLERS) {
    for (let version = min; version <= max; version++) {
      peer.send(key, version, (w) => SAMPLES.get(key)!(w, version, id));
      await memory.settle();
      await memory.advance(10_000);
      assert.equal(peer.ended, false, `${name} v${version}`);
      assert.notEqual(peer.next(key, version), null, `${name} v${version} is answered`);
      count++;
    }
  }
  assert.ok(count > 130);
});

test('a request that is one byte short is refused in every version', async () => {
  const memory = await MemoryBroker.open();
  const protocol = kafkaOf(memory);
  memory.broker.defaultNamespace.createTopic('t', {
    partitions: 1,
    replicationFactor: 1,
    config: {},
  });
  await memory.settle();
  for (const { key, name, min, max } of HANDLERS) {
    for (let version = min; version <= max; version++) {
      const whole = request(key, version, 1, (w) => SAMPLES.get(key)!(w, version, NO_ID));
      if (whole.length === request(key, version, 1, () => {}).length) continue;
      const short = Buffer.from(whole.subarray(0, -1));
      short.writeInt32BE(short.length - 4);
      const { sink, connection } = connect(protocol);
      connection.receive(short);
      assert.equal(sink.ended, true, `${name} v${version}`);
      await memory.settle();
    }
  }
});
