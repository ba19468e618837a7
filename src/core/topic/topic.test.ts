import assert from 'node:assert/strict';
import { test } from 'node:test';
import { makeBatch } from '#test/contracts/batches.ts';
import { bodyText, BrokerRig, textMessage } from '#test/rigs/broker-rig.ts';
import { Batch, Codec, LOG_APPEND_TIME_BIT } from '../message/batch.ts';
import { recompress } from '../message/batch-rewrite.ts';
import type { Envelope } from '../message/envelope.ts';
import { emptyEnvelope } from '../message/envelope.ts';
import { BrokerError } from '../errors.ts';
import { Message, Origin, Outcome } from '../message/message.ts';
import { decodeHeaders, decodeNeutral, KEY_HEADER } from '../message/neutral-headers.ts';
import { OpenBatch } from '../message/open-batch.ts';
import type { Partition } from './partition.ts';
import { RecordCursor } from '../message/record-cursor.ts';
import type { Topic } from './topic.ts';
import { crc32c } from '#wire/crc32c.ts';

interface Seen {
  offset: number;
  body: string;
  key: string | null;
  headers: Record<string, unknown>;
  origin: Origin;
  timestampMs: number;
}

function topic(rig: BrokerRig, config: Record<string, string> = {}, partitions = 1): Topic {
  return rig.namespace.createTopic('t', { partitions, replicationFactor: 1, config });
}

/** A message whose source is an envelope as JSON, as an origin of its own. */
function enveloped(rig: BrokerRig, body: string, envelope: Partial<Envelope>): Message {
  rig.broker.envelopes.register(Origin.Amqp091, (message) => {
    const { source, sourceStart, sourceEnd } = message;
    const text = Buffer.from(source.subarray(sourceStart, sourceEnd)).toString();
    if (!text.startsWith('{')) throw new BrokerError('invalid-argument', 'not an envelope');
    return { ...emptyEnvelope(), ...(JSON.parse(text) as Envelope) };
  });
  const message = textMessage(body, rig.ports.nowMs);
  message.origin = Origin.Amqp091;
  message.source = Buffer.from(JSON.stringify(envelope));
  message.sourceEnd = message.source.length;
  return message;
}

async function seen(rig: BrokerRig, partition: Partition): Promise<Seen[]> {
  await rig.broker.committed();
  const found: Seen[] = [];
  const cursor = new RecordCursor(rig.broker.codecs, 1 << 20);
  const message = new Message();
  for (const bytes of await partition.read(partition.startOffset, 1 << 20)) {
    for (let at = 0; at < bytes.length; at += Batch.sizeBytes(bytes, at)) {
      cursor.open(bytes, at);
      while (cursor.next(message)) {
        const { hasKey, key, keyStart, keyEnd, origin, timestampMs } = message;
        found.push({
          offset: cursor.offset,
          body: bodyText(message),
          key: hasKey ? Buffer.from(key.subarray(keyStart, keyEnd)).toString() : null,
          headers: Object.fromEntries(decodeHeaders(message).map((h) => [h.name, h.value])),
          origin,
          timestampMs,
        });
      }
    }
  }
  return found;
}

function allBatches(partition: Partition): Uint8Array[] {
  const chunks = partition.read(partition.startOffset, 1 << 20) as Uint8Array[];
  return chunks.flatMap((bytes) => {
    const batches: Uint8Array[] = [];
    for (let at = 0; at < bytes.length; at += Batch.sizeBytes(bytes, at)) {
      batches.push(bytes.subarray(at, at + Batch.sizeBytes(bytes, at)));
    }
    return batches;
  });
}

test('a published message becomes a record with neutral headers and its own source', async () => {
  const rig = await BrokerRig.open();
  const t = topic(rig);
  const message = enveloped(rig, 'hello', {
    exchange: 'orders',
    routingKey: 'eu.new',
    contentType: 'text/plain',
    correlationId: 'c1',
    priority: 3,
    timestampMs: rig.ports.nowMs - 5000,
    headers: [
      { name: 'a', value: 1 },
      { name: 'b', value: true },
      { name: 'c', value: { d: [1, 'x'] } },
      { name: 'e', value: null },
    ],
  });
  assert.equal(t.publish(message), Outcome.Routed | Outcome.AwaitCommit);
  assert.equal(message.hasKey, false, 'the message is given back as it was');
  assert.equal(message.headerCount, 0);
  assert.deepEqual(await seen(rig, t.partitions[0]!), [
    {
      offset: 0,
      body: 'hello',
      key: 'eu.new',
      headers: {
        'content-type': 'text/plain',
        'correlation-id': 'c1',
        priority: '3',
        a: '1',
        b: 'true',
        c: '{"d":[1,"x"]}',
        e: null,
      },
      origin: Origin.Amqp091,
      timestampMs: rig.ports.nowMs - 5000,
    },
  ]);
});

test('the key is x-key, else the routing key through a named exchange, else none', async () => {
  const rig = await BrokerRig.open();
  const t = topic(rig);
  const withKey = [{ name: KEY_HEADER, value: 'mine' }];
  t.publish(enveloped(rig, '1', { exchange: '', routingKey: 't' }));
  t.publish(enveloped(rig, '2', { exchange: 'e', routingKey: 'k' }));
  t.publish(enveloped(rig, '3', { exchange: 'e', routingKey: 'k', headers: withKey }));
  t.publish(enveloped(rig, '4', { exchange: '', routingKey: 't', headers: withKey }));
  const records = await seen(rig, t.partitions[0]!);
  assert.deepEqual(
    records.map(({ key }) => key),
    [null, 'k', 'mine', 'mine'],
  );
  assert.deepEqual(records[2]!.headers, {}, 'x-key is the key, not a header');
});

test('a time that the topic does not allow becomes the time of arrival', async () => {
  const rig = await BrokerRig.open();
  const { nowMs } = rig.ports;
  const t = topic(rig, {
    'message.timestamp.before.max.ms': '10000',
    'message.timestamp.after.max.ms': '1000',
  });
  for (const timestampMs of [nowMs - 10_000, nowMs - 10_001, nowMs + 1000, nowMs + 1001, null]) {
    t.publish(enveloped(rig, 'x', { timestampMs }));
  }
  const records = await seen(rig, t.partitions[0]!);
  assert.deepEqual(
    records.map(({ timestampMs }) => timestampMs - nowMs),
    [-10_000, 0, 1000, 0, 0],
  );
});

test("keys choose the partition as Kafka's producers do, null keys take turns", async () => {
  const rig = await BrokerRig.open();
  const t = topic(rig, {}, 3);
  // murmur2 of these, positive, modulo 3: computed from Kafka's known hashes.
  const expected = new Map([
    ['21', (-973932308 & 0x7fffffff) % 3],
    ['foobar', (-790332482 & 0x7fffffff) % 3],
    ['abc', 479470107 % 3],
  ]);
  for (const key of expected.keys()) {
    t.publish(enveloped(rig, key, { headers: [{ name: KEY_HEADER, value: key }] }));
  }
  const found = new Map<string, number>();
  for (const partition of t.partitions) {
    for (const { key } of await seen(rig, partition)) found.set(key!, partition.index);
  }
  assert.deepEqual(found, expected);
  const before = t.partitions.map(({ endOffset }) => endOffset);
  for (let i = 0; i < 9; i++) t.publish(enveloped(rig, 'x', {}));
  await rig.broker.committed();
  const added = t.partitions.map(({ endOffset }, i) => endOffset - before[i]!);
  assert.deepEqual(added, [3, 3, 3]);
});

test('what is published in one turn is one batch', async () => {
  const rig = await BrokerRig.open();
  const t = topic(rig);
  for (let i = 0; i < 100; i++) t.publish(enveloped(rig, `${i}`, {}));
  await rig.broker.committed();
  const batches = allBatches(t.partitions[0]!);
  assert.equal(batches.length, 1);
  assert.equal(Batch.count(batches[0]!, 0), 100);
  assert.equal(Batch.crc(batches[0]!, 0), crc32c(batches[0]!, 21, batches[0]!.length));
});

test('a message that the topic is too small for is refused', async () => {
  const rig = await BrokerRig.open();
  const t = topic(rig, { 'max.message.bytes': '1000' });
  assert.equal(t.publish(textMessage('x'.repeat(1000))), Outcome.Refused);
  for (let i = 0; i < 20; i++) t.publish(textMessage('x'.repeat(300)));
  await rig.broker.committed();
  for (const batch of allBatches(t.partitions[0]!)) assert.ok(batch.length <= 1000);
  assert.equal(t.partitions[0]!.endOffset, 20);
});

test('an idempotent producer is answered with the first offset again', async () => {
  const rig = await BrokerRig.open();
  const [partition] = topic(rig).partitions;
  const producer = { id: rig.broker.nextProducerId(), epoch: 0, sequence: 0 };
  const batch = (sequence: number): Uint8Array =>
    makeBatch({ timestampsMs: [1, 2, 3], producer: { ...producer, sequence } });
  assert.deepEqual(partition!.append(batch(0)), {
    baseOffset: 0,
    logAppendTimeMs: -1,
    duplicate: false,
  });
  assert.equal(partition!.append(batch(3)).baseOffset, 3);
  assert.deepEqual(partition!.append(batch(0)), {
    baseOffset: 0,
    logAppendTimeMs: -1,
    duplicate: true,
  });
  assert.equal(partition!.endOffset, 6);
  assert.throws(() => partition!.append(batch(9)), { code: 'out-of-order-sequence' });
  const old = makeBatch({ producer: { ...producer, epoch: 1 } });
  partition!.append(old);
  assert.throws(() => partition!.append(batch(6)), { code: 'stale-producer-epoch' });
  const two = Buffer.concat([batch(6), batch(9)]);
  assert.throws(() => partition!.append(two), { code: 'invalid-argument' });
});

test('too large a batch, and times too far off, are refused before anything is stored', async () => {
  const rig = await BrokerRig.open();
  const t = topic(rig, { 'max.message.bytes': '100', 'message.timestamp.before.max.ms': '1000' });
  const [partition] = t.partitions;
  const { nowMs } = rig.ports;
  assert.throws(() => partition!.append(makeBatch({ value: Buffer.alloc(100) })), {
    code: 'too-large',
  });
  for (const timestampsMs of [[nowMs + 3_600_001], [nowMs, nowMs - 1001]]) {
    assert.throws(() => partition!.append(makeBatch({ timestampsMs })), {
      code: 'invalid-argument',
    });
  }
  assert.equal(partition!.endOffset, 0);
  partition!.append(makeBatch({ timestampsMs: [nowMs - 1000] }));
  assert.equal(partition!.endOffset, 1);
});

test('LogAppendTime puts the time of arrival on every record', async () => {
  const rig = await BrokerRig.open();
  const t = topic(rig, { 'message.timestamp.type': 'LogAppendTime' });
  const [partition] = t.partitions;
  const { logAppendTimeMs } = partition!.append(makeBatch({ timestampsMs: [5, 6] }));
  assert.equal(logAppendTimeMs, rig.ports.nowMs);
  t.publish(enveloped(rig, 'x', { timestampMs: 7 }));
  const records = await seen(rig, partition!);
  assert.deepEqual(
    records.map(({ timestampMs }) => timestampMs),
    [rig.ports.nowMs, rig.ports.nowMs, rig.ports.nowMs],
  );
  for (const batch of allBatches(partition!)) {
    assert.notEqual(Batch.attributes(batch, 0) & LOG_APPEND_TIME_BIT, 0);
    assert.equal(Batch.crc(batch, 0), crc32c(batch, 21, batch.length));
  }
});

for (const [name, codec] of [
  ['gzip', Codec.Gzip],
  ['snappy', Codec.Snappy],
  ['lz4', Codec.Lz4],
  ['zstd', Codec.Zstd],
] as const) {
  test(`compression.type ${name} recompresses what comes in, by any protocol`, async () => {
    const rig = await BrokerRig.open();
    const t = topic(rig, { 'compression.type': name });
    const [partition] = t.partitions;
    const value = Buffer.alloc(400, 'abc');
    const plain = makeBatch({ value, timestampsMs: [1, 2] });
    const other = codec === Codec.Gzip ? Codec.Zstd : Codec.Gzip;
    partition!.append(recompress(plain, 0, other, null, rig.broker.codecs, 1 << 20));
    partition!.append(makeBatch({ value }));
    t.publish(enveloped(rig, value.toString(), {}));
    const records = await seen(rig, partition!);
    assert.deepEqual(
      records.map(({ body }) => body),
      Array.from({ length: 4 }, () => value.toString()),
    );
    for (const batch of allBatches(partition!)) {
      assert.equal(Batch.codec(batch, 0), codec);
      assert.equal(Batch.crc(batch, 0), crc32c(batch, 21, batch.length));
      assert.ok(batch.length < 400);
    }
  });
}

test("a producer's records feed the queues bound to the topic, by their key", async () => {
  const rig = await BrokerRig.open();
  const t = topic(rig);
  for (const name of ['all', 'eu', 'through']) rig.queue(name, { durable: true });
  rig.exchange('x', { kind: 'fanout', durable: true });
  rig.namespace.bind('t', { kind: 'queue', name: 'all' }, '#', {});
  rig.namespace.bind('t', { kind: 'queue', name: 'eu' }, 'eu.*', {});
  rig.namespace.bind('t', { kind: 'exchange', name: 'x' }, '#', {});
  rig.namespace.bind('x', { kind: 'queue', name: 'through' }, '', {});
  const batch = new OpenBatch();
  for (const key of ['eu.new', 'us.new', null]) {
    const message = textMessage(`for ${key}`, 100);
    if (key !== null) {
      message.hasKey = true;
      message.key = Buffer.from(key);
      message.keyEnd = key.length;
    }
    batch.add(message, 100);
  }
  const bytes = recompress(batch.seal(null), 0, Codec.Zstd, null, rig.broker.codecs, 1 << 20);
  t.partitions[0]!.append(bytes);
  const ready = (name: string): number => rig.namespace.queue(name, null).readyCount;
  assert.deepEqual([ready('all'), ready('eu'), ready('through')], [3, 1, 3]);
  assert.equal(rig.broker.metrics.fed, 3);
  const got = new Message();
  const lease = await rig.namespace.queue('eu', null).get(got, {});
  assert.equal(lease?.offset, 0);
  assert.equal(bodyText(got), 'for eu.new');
  const envelope = rig.broker.envelopes.decode(got);
  assert.equal(envelope.exchange, 't');
  assert.equal(envelope.routingKey, 'eu.new');
  rig.namespace.unbind('t', { kind: 'queue', name: 'all' }, '#', {});
  t.partitions[0]!.append(makeBatch());
  assert.equal(ready('all'), 3);
});

test('a record with an old time is new in the queue that it is fed to', async () => {
  const rig = await BrokerRig.open();
  const t = topic(rig);
  const queue = rig.queue('q', { retentionMs: 60_000 });
  rig.namespace.bind('t', { kind: 'queue', name: 'q' }, '#', {});
  const batch = new OpenBatch();
  batch.add(textMessage('old', 100), 100);
  t.partitions[0]!.append(batch.seal(null));
  rig.ports.nowMs += 59_999;
  rig.broker.tick(rig.ports.nowMs);
  assert.equal(queue.readyCount, 1);
  rig.ports.nowMs += 1;
  rig.broker.tick(rig.ports.nowMs);
  assert.equal(queue.readyCount, 0);
});

test('what AMQP publishes to a topic is fed on as it was published', async () => {
  const rig = await BrokerRig.open();
  const t = topic(rig);
  const u = rig.namespace.createTopic('u', { partitions: 1, replicationFactor: 1, config: {} });
  const queue = rig.queue('q');
  rig.exchange('x', { kind: 'fanout' });
  rig.namespace.bind('t', { kind: 'exchange', name: 'x' }, 'k.*', {});
  rig.namespace.bind('x', { kind: 'topic', name: 'u' }, '', {});
  rig.namespace.bind('x', { kind: 'queue', name: 'q' }, '', {});
  const headers = [{ name: 'h', value: 'v' }];
  t.publish(enveloped(rig, 'yes', { exchange: 'e', routingKey: 'k.1', headers }));
  t.publish(enveloped(rig, 'no', { exchange: 'e', routingKey: 'other' }));
  for (const each of [t, u]) {
    const [first] = await seen(rig, each.partitions[0]!);
    assert.deepEqual([first!.body, first!.key, first!.headers], ['yes', 'k.1', { h: 'v' }]);
  }
  assert.equal(u.partitions[0]!.endOffset, 1);
  const got = new Message();
  await queue.get(got, {});
  assert.deepEqual([got.origin, got.hasKey, got.headerCount], [Origin.Amqp091, false, 0]);
  assert.equal(rig.broker.envelopes.decode(got).routingKey, 'k.1');
});

test('a duplicate feeds nothing, and a topic that feeds itself takes a record once', async () => {
  const rig = await BrokerRig.open();
  const t = topic(rig);
  const queue = rig.queue('q');
  rig.exchange('x', { kind: 'fanout' });
  rig.namespace.bind('t', { kind: 'exchange', name: 'x' }, '#', {});
  rig.namespace.bind('x', { kind: 'topic', name: 't' }, '', {});
  rig.namespace.bind('x', { kind: 'queue', name: 'q' }, '', {});
  const batch = (): Uint8Array => makeBatch({ producer: { id: 1, epoch: 0, sequence: 0 } });
  t.partitions[0]!.append(batch());
  t.partitions[0]!.append(batch());
  assert.equal(queue.readyCount, 1);
  assert.equal(t.publish(textMessage('x')), Outcome.Routed | Outcome.AwaitCommit);
  await rig.broker.committed();
  assert.equal(queue.readyCount, 2);
  assert.equal(t.partitions[0]!.endOffset, 2);
});

test('a forged source is taken for a plain record, and a broken one stops its batch only', async () => {
  const rig = await BrokerRig.open();
  const t = topic(rig);
  const queue = rig.queue('q');
  rig.namespace.bind('t', { kind: 'queue', name: 'q' }, '#', {});
  const forged = enveloped(rig, 'forged', {});
  forged.source = Buffer.from('nonsense');
  forged.sourceEnd = forged.source.length;
  const batch = new OpenBatch();
  batch.add(forged, 1);
  t.partitions[0]!.append(batch.seal(null));
  const got = new Message();
  await queue.get(got, {});
  assert.equal(got.origin, Origin.None);
  assert.equal(decodeNeutral(got).exchange, 't');
  const broken = makeBatch({ timestampsMs: [1, 2] });
  broken[61] = 0x7e;
  t.partitions[0]!.append(broken);
  assert.equal(rig.broker.metrics.malformedRecords, 1);
  t.partitions[0]!.append(makeBatch());
  assert.equal(queue.readyCount, 1);
});

test('listeners hear once per commit, and when the topic is gone', async () => {
  const rig = await BrokerRig.open();
  const t = topic(rig);
  const [partition] = t.partitions;
  const heard: (number | string)[] = [];
  partition!.onCommitted({
    advanced: ({ committedOffset }) => heard.push(committedOffset),
    gone: () => heard.push('gone'),
  });
  partition!.append(makeBatch());
  partition!.append(makeBatch({ timestampsMs: [1, 2] }));
  t.publish(textMessage('x'));
  assert.deepEqual(heard, []);
  assert.equal(partition!.committedOffset, 0);
  await rig.broker.committed();
  assert.deepEqual(heard, [4]);
  partition!.append(makeBatch());
  await rig.broker.committed();
  assert.deepEqual(heard, [4, 5]);
  assert.equal(rig.namespace.topicById(t.id), t);
  rig.namespace.deleteTopic('t');
  assert.deepEqual(heard, [4, 5, 'gone']);
  assert.equal(rig.namespace.topicById(t.id), null);
});

test('records are deleted up to an offset, and stay so after a restart', async () => {
  const rig = await BrokerRig.open();
  const [partition] = topic(rig).partitions;
  partition!.append(makeBatch({ timestampsMs: [1, 2, 3] }));
  partition!.append(makeBatch({ timestampsMs: [1, 2, 3] }));
  await rig.broker.committed();
  assert.throws(() => partition!.deleteRecords(7), { code: 'offset-out-of-range' });
  assert.equal(partition!.deleteRecords(2), 2);
  assert.equal(partition!.deleteRecords(1), 2);
  await rig.restart();
  const again = rig.namespace.topic('t').partitions[0]!;
  assert.equal(again.startOffset, 2);
  assert.equal(again.deleteRecords(-1), 6);
});

test('partitions can be added, never taken away', async () => {
  const rig = await BrokerRig.open();
  const t = topic(rig);
  rig.namespace.createPartitions('t', 3);
  assert.equal(t.partitions.length, 3);
  for (const count of [3, 2, 0, 1.5]) {
    assert.throws(() => rig.namespace.createPartitions('t', count), { code: 'invalid-argument' });
  }
  assert.throws(() => rig.namespace.createPartitions('x', 3), { code: 'not-found' });
});
