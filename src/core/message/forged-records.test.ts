/**
 * A Kafka client may put any bytes into a batch whose CRC is right. Whatever they are, feeding
 * queues, reading streams and decoding properties must go on, for everybody else too.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BrokerRig, textMessage } from '#test/rigs/broker-rig.ts';
import { encodeEnvelope, decodeMessage, ORIGIN_EXTRAS } from '#protocols/amqp091/mapping.ts';
import { BATCH_HEADER_BYTES } from './batch.ts';
import { emptyEnvelope } from './envelope.ts';
import { Message, Origin } from './message.ts';
import { OpenBatch } from './open-batch.ts';
import { StreamReader } from '../topic/stream-reader.ts';

function batchOfBoth(): Uint8Array {
  const batch = new OpenBatch();
  const message = textMessage('body', 1000);
  message.origin = Origin.Amqp091;
  message.source = encodeEnvelope({
    ...emptyEnvelope(),
    exchange: 'e',
    routingKey: 'k',
    contentType: 'text/plain',
    headers: [
      { name: 'a', value: 1 },
      { name: 'b', value: { c: [true, null, 'x'] } },
    ],
  });
  message.sourceEnd = message.source.length;
  message.deaths = [
    {
      queue: 'other',
      reason: 'expired',
      count: 1,
      timeMs: 5,
      exchange: 'e',
      routingKeys: ['k'],
      originalExpiration: '10',
    },
  ];
  batch.add(message, 1000);
  const plain = textMessage('other', 1000);
  plain.hasKey = true;
  plain.key = Buffer.from('key');
  plain.keyEnd = 3;
  batch.add(plain, 1001);
  return batch.seal(null);
}

test('whatever bytes records are made of, the broker goes on', async () => {
  const rig = await BrokerRig.open();
  rig.broker.envelopes.register(Origin.Amqp091, decodeMessage, ORIGIN_EXTRAS);
  const topic = rig.namespace.createTopic('t', { partitions: 1, replicationFactor: 1, config: {} });
  const queue = rig.queue('q');
  rig.namespace.bind('t', { kind: 'queue', name: 'q' }, '#', {});
  let read = 0;
  const subscriber = {
    deliverRecord(message: Message): void {
      encodeEnvelope(rig.broker.envelopes.decode(message));
      read++;
    },
    streamEnded: (): never => assert.fail('it ended'),
  };
  const reader = await StreamReader.open({
    topic,
    partition: null,
    start: 'first',
    subscriber,
    credits: [],
  });
  const original = batchOfBoth();
  const { random } = rig.ports;
  const below = (limit: number): number => Math.floor(random.next() * limit);
  const got = new Message();
  const rounds = 6000;
  for (let round = 0; round < rounds; round++) {
    const bytes = Uint8Array.from(original);
    for (let edits = 1 + below(3); edits > 0; edits--) {
      const at = BATCH_HEADER_BYTES + below(bytes.length - BATCH_HEADER_BYTES);
      bytes[at] = below(4) === 0 ? 0xff : below(256);
    }
    topic.partitions[0]!.append(bytes);
    for (;;) {
      const lease = await queue.get(got, subscriber);
      if (!lease) break;
      encodeEnvelope(rig.broker.envelopes.decode(got));
      queue.accept(lease.offset);
    }
    if (round % 500 === 0) {
      await rig.broker.committed();
      topic.partitions[0]!.deleteRecords(-1);
    }
  }
  await rig.broker.committed();
  reader.pump();
  assert.ok(read > rounds / 4, `${read} records were readable`);
  assert.ok(rig.broker.metrics.malformedRecords > 100, 'few were malformed');
  const before = rig.broker.metrics.fed;
  topic.partitions[0]!.append(batchOfBoth());
  assert.equal(rig.broker.metrics.fed, before + 2);
});
