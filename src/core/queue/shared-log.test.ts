/** A queue over a topic's log: the topic appends and deletes, the queue keeps its own account. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { gzipSync, gunzipSync } from 'node:zlib';
import { Collector, QueueRig, logConfig } from '#test/rigs/queue-rig.ts';
import { BATCH_HEADER_BYTES, Codec, CONTROL_BIT } from '../message/batch.ts';
import { sealBatch } from '../message/batch-writer.ts';
import type { Log } from '../log.ts';
import { Queue } from './queue.ts';
import { QueueAcks } from './queue-acks.ts';
import { defaultQueueOptions } from './queue-options.ts';
import type { QueueOptions } from './queue-options.ts';
import type { SharedSource, SourceListener } from './queue-services.ts';
import { writeVarint, varintLength } from '#wire/varint.ts';

class FakePartition implements SharedSource {
  readonly log: Log;
  readonly listeners = new Set<SourceListener>();

  constructor(log: Log) {
    this.log = log;
  }

  onCommitted(listener: SourceListener): void {
    this.listeners.add(listener);
  }

  offCommitted(listener: SourceListener): void {
    this.listeners.delete(listener);
  }

  advance(): void {
    for (const listener of this.listeners) listener.advanced();
  }
}

/** Records as a Kafka client writes them: no key, no headers. */
function records(texts: readonly string[]): Uint8Array {
  const parts = texts.map((text, index) => {
    const value = Buffer.from(text);
    const length = 5 + varintLength(value.length) + value.length;
    const record = new Uint8Array(varintLength(length) + length);
    let at = writeVarint(record, 0, length) + 1;
    at = writeVarint(record, at, 0);
    at = writeVarint(record, at, index);
    at = writeVarint(record, at, -1);
    at = writeVarint(record, at, value.length);
    record.set(value, at);
    return record;
  });
  return Buffer.concat(parts);
}

function batch(texts: readonly string[], attributes = 0, body = records(texts)): Uint8Array {
  const bytes = new Uint8Array(BATCH_HEADER_BYTES + body.length);
  bytes.set(body, BATCH_HEADER_BYTES);
  sealBatch(bytes, 0, bytes.length, texts.length, 1000, 1000, attributes);
  return bytes;
}

class Topic {
  readonly rig: QueueRig;
  readonly partition: FakePartition;
  id = 100;

  constructor(rig: QueueRig) {
    this.rig = rig;
    const log = rig.store.create('topics/t-0', logConfig());
    this.partition = new FakePartition(log);
  }

  produce(...batches: Uint8Array[]): void {
    for (const bytes of batches) this.partition.log.append(bytes, true);
    this.rig.turn();
    this.partition.advance();
  }

  queue(options: Partial<QueueOptions> = {}, startOffset = 0, id = this.id++): Queue {
    const all = { ...defaultQueueOptions(), durable: true, source: 't', ...options };
    const { partition } = this;
    return new Queue(this.rig.home, `q${id}`, id, all, partition.log, { partition, startOffset });
  }
}

test('every queue over a topic has its own account of the same records', async () => {
  const rig = await QueueRig.open();
  const topic = new Topic(rig);
  const first = topic.queue();
  const consumer = new Collector(first, { limit: 2 });
  topic.produce(batch(['a', 'b']), batch(['c']));
  const second = topic.queue();
  assert.deepEqual(consumer.texts, ['a', 'b']);
  assert.equal(first.readyCount, 1);
  assert.equal(second.readyCount, 3);
  consumer.accept(1);
  consumer.release(0);
  assert.deepEqual(consumer.texts, ['a', 'b', 'c', 'a']);
  assert.equal(consumer.deliveries.at(-1)!.deliveryCount, 1);
  assert.deepEqual(rig.takeAll(second), ['a', 'b', 'c']);
});

test('a new queue begins where it is told to', async () => {
  const rig = await QueueRig.open();
  const topic = new Topic(rig);
  topic.produce(batch(['a', 'b', 'c']));
  const queue = topic.queue({}, 2);
  topic.produce(batch(['d']));
  assert.equal(queue.readyCount, 2);
  assert.deepEqual(rig.takeAll(queue), ['c', 'd']);
});

test('what retention deletes leaves the queue, unless it is leased', async () => {
  const rig = await QueueRig.open();
  const topic = new Topic(rig);
  const queue = topic.queue();
  const consumer = new Collector(queue, { limit: 1 });
  topic.produce(batch(['a', 'b']), batch(['c', 'd']), batch(['e']));
  topic.partition.log.deleteBefore(4);
  topic.partition.advance();
  assert.equal(queue.readyCount, 1);
  consumer.accept(0);
  assert.deepEqual(consumer.texts, ['a', 'e']);
  consumer.accept(4);
  topic.produce(batch(['f']));
  assert.deepEqual(consumer.texts, ['a', 'e', 'f']);
});

test('purge also passes over what was never read', async () => {
  const rig = await QueueRig.open();
  const topic = new Topic(rig);
  const queue = topic.queue();
  topic.produce(batch(['a', 'b']));
  assert.equal(queue.purge(), 2);
  topic.produce(batch(['c']));
  assert.deepEqual(rig.takeAll(queue), ['c']);
});

test('compressed batches are opened; control and broken ones are passed over', async () => {
  const rig = await QueueRig.open();
  rig.home = {
    ...rig.home,
    broker: {
      ...rig.home.broker,
      codecs: {
        compress: () => new Uint8Array(),
        decompress: (_codec, bytes) => gunzipSync(bytes),
      },
    },
  };
  const topic = new Topic(rig);
  const queue = topic.queue();
  const broken = records(['x', 'y']);
  broken[broken.length - 1] = 0x55;
  broken[0] = 0x7e;
  topic.produce(
    batch(['a', 'b'], Codec.Gzip, gzipSync(records(['a', 'b']))),
    batch(['control'], CONTROL_BIT),
    batch(['x', 'y'], 0, broken),
    batch(['c']),
  );
  assert.deepEqual(rig.takeAll(queue), ['a', 'b', 'c']);
  assert.equal(rig.warnings.length, 1);
  assert.equal(queue.readyCount, 0);
});

test('the account survives a restart, also what was settled far ahead', async () => {
  const rig = await QueueRig.open();
  const topic = new Topic(rig);
  const queue = topic.queue({}, 0, 7);
  const consumer = new Collector(queue);
  for (let i = 0; i < 10; i++) topic.produce(batch([`m${i}a`, `m${i}b`]));
  for (const { offset } of consumer.deliveries) {
    if (offset !== 3 && offset < 18) queue.accept(offset);
  }
  queue.release([3], true);
  rig.turn();
  for (let restart = 0; restart < 2; restart++) {
    let again!: Queue;
    await rig.restart({}, rig.store, async () => {
      again = topic.queue({}, 999, 7);
      await again.recover();
    });
    const next = new Collector(again);
    assert.deepEqual(
      next.deliveries.map((delivery) => [delivery.text, delivery.deliveryCount]),
      [
        ['m1b', 1],
        ['m9a', 1],
        ['m9b', 1],
      ],
    );
  }
});

test('settlements of records that a crash has taken are not those of later records', async () => {
  const rig = await QueueRig.open();
  const topic = new Topic(rig);
  const consumer = new Collector(topic.queue({}, 0, 7));
  topic.produce(batch(['a']), batch(['b', 'c']));
  consumer.release(1);
  for (let offset = 0; offset < 3; offset++) consumer.accept(offset);
  rig.turn();
  const shorter = new FakePartition(rig.store.create('topics/t-0-after', logConfig()));
  shorter.log.append(batch(['a']), true);
  rig.turn();
  const home = { rig, partition: shorter, id: 7 };
  let again!: Queue;
  await rig.restart({}, rig.store, async () => {
    again = Topic.prototype.queue.call(home, {}, 0, 7);
    await again.recover();
  });
  Topic.prototype.produce.call(home, batch(['x', 'y', 'z']));
  assert.deepEqual(rig.takeAll(again), ['x', 'y', 'z']);
  const settled: number[][] = [];
  const page = new QueueAcks(7, again, () => {});
  page.settledRange = (from, to) => settled.push([from, to]);
  again.describe(page);
  assert.deepEqual(settled, [[0, 4]]);
});

test('a queue over a topic refuses what is the topic’s to decide', async () => {
  const rig = await QueueRig.open();
  const topic = new Topic(rig);
  assert.throws(() => topic.queue({ priorityMax: 3 }), { code: 'unsupported' });
  assert.throws(() => rig.publish(topic.queue(), 'x'), { code: 'unsupported' });
});
