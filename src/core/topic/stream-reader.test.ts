import assert from 'node:assert/strict';
import { test } from 'node:test';
import { makeBatch } from '#test/contracts/batches.ts';
import { bodyText, BrokerRig, textMessage } from '#test/rigs/broker-rig.ts';
import { Credit } from '../queue/credit.ts';
import type { Message } from '../message/message.ts';
import { StreamReader } from './stream-reader.ts';
import type { StreamStart, StreamSubscriber } from './stream-reader.ts';
import type { Topic } from './topic.ts';

class Recorder implements StreamSubscriber {
  readonly got: string[] = [];
  ended = 0;
  /** Pauses the reader after so many. */
  pauseAfter = Infinity;

  deliverRecord(message: Message, partition: number, offset: number, reader: StreamReader): void {
    this.got.push(`${partition}:${offset}:${bodyText(message)}`);
    if (this.got.length >= this.pauseAfter) reader.paused = true;
  }

  streamEnded(): void {
    this.ended++;
  }
}

async function rigWithTopic(partitions = 1): Promise<{ rig: BrokerRig; topic: Topic }> {
  const rig = await BrokerRig.open();
  const topic = rig.namespace.createTopic('t', { partitions, replicationFactor: 1, config: {} });
  return { rig, topic };
}

async function open(topic: Topic, start: StreamStart, credits: Credit[] = []) {
  const subscriber = new Recorder();
  const reader = await StreamReader.open({ topic, partition: null, start, subscriber, credits });
  reader.pump();
  return { reader, subscriber };
}

/** Three batches of two: offsets 0–1 at 1000 and 2000, 2–3 at 3000 and 4000, 4–5 at 5000 and 6000. */
async function fill(rig: BrokerRig, topic: Topic): Promise<void> {
  for (let i = 0; i < 3; i++) {
    const timestampsMs = [i * 2000 + 1000, i * 2000 + 2000];
    topic.partitions[0]!.append(makeBatch({ timestampsMs, value: Buffer.from(`b${i}`) }));
  }
  await rig.broker.committed();
}

const ALL = ['0:0:b0', '0:1:b0', '0:2:b1', '0:3:b1', '0:4:b2', '0:5:b2'];

test('starts where it is asked to', async () => {
  const { rig, topic } = await rigWithTopic();
  await fill(rig, topic);
  const from = async (start: StreamStart): Promise<string[]> => {
    const { reader, subscriber } = await open(topic, start);
    reader.cancel();
    return subscriber.got;
  };
  assert.deepEqual(await from('first'), ALL);
  assert.deepEqual(await from('last'), ALL.slice(4), 'the last batch from its beginning');
  assert.deepEqual(await from('next'), []);
  assert.deepEqual(await from({ offset: 3 }), ALL.slice(3), 'from the middle of a batch');
  assert.deepEqual(await from({ offset: 100 }), []);
  assert.deepEqual(await from({ timestampMs: 2500 }), ALL.slice(2));
  assert.deepEqual(await from({ timestampMs: 4000 }), ALL.slice(3));
  assert.deepEqual(await from({ timestampMs: 10_000 }), []);
  topic.partitions[0]!.deleteRecords(3);
  assert.deepEqual(await from('first'), ALL.slice(3));
  assert.deepEqual(await from({ offset: 0 }), ALL.slice(3));
});

test("'next' is what comes later, and 'last' of an empty topic is too", async () => {
  const { rig, topic } = await rigWithTopic();
  topic.publish(textMessage('before'));
  const next = await open(topic, 'next');
  await rig.broker.committed();
  const last = await open(topic, 'last');
  topic.publish(textMessage('after'));
  assert.deepEqual(next.subscriber.got, [], 'nothing before it is committed');
  await rig.broker.committed();
  assert.deepEqual(next.subscriber.got, ['0:1:after']);
  assert.deepEqual(last.subscriber.got, ['0:0:before', '0:1:after']);
  const { rig: emptyRig, topic: empty } = await rigWithTopic();
  const { subscriber } = await open(empty, 'last');
  empty.publish(textMessage('x'));
  await emptyRig.broker.committed();
  assert.deepEqual(subscriber.got, ['0:0:x']);
});

test('delivers as credit and the connection allow', async () => {
  const { rig, topic } = await rigWithTopic();
  await fill(rig, topic);
  const credit = new Credit(2);
  const { reader, subscriber } = await open(topic, 'first', [credit]);
  assert.deepEqual(subscriber.got, ALL.slice(0, 2));
  credit.give(1);
  reader.pump();
  assert.deepEqual(subscriber.got, ALL.slice(0, 3));
  credit.give(2);
  subscriber.pauseAfter = 4;
  reader.pump();
  assert.deepEqual(subscriber.got, ALL.slice(0, 4));
  subscriber.pauseAfter = Infinity;
  reader.paused = false;
  reader.pump();
  assert.deepEqual(subscriber.got, ALL.slice(0, 5));
  assert.equal(credit.available, false);
  assert.deepEqual([...reader.positions], [[0, 5]]);
});

test('several partitions are merged; an offset over them is refused', async () => {
  const { rig, topic } = await rigWithTopic(3);
  for (let i = 0; i < 30; i++) {
    topic.partitions[i % 3]!.append(makeBatch({ value: Buffer.from(`${i}`) }));
  }
  await rig.broker.committed();
  const { subscriber } = await open(topic, 'first', [new Credit(9)]);
  const partitions = subscriber.got.map((text) => text[0]);
  assert.deepEqual(partitions, ['0', '1', '2', '0', '1', '2', '0', '1', '2'], 'in turns');
  const all = await open(topic, 'first');
  assert.equal(all.subscriber.got.length, 30);
  for (const partition of ['0', '1', '2']) {
    const offsets = all.subscriber.got
      .filter((text) => text.startsWith(partition))
      .map((text) => Number(text.split(':')[1]));
    assert.deepEqual(offsets, [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
  }
  await assert.rejects(open(topic, { offset: 5 }), { code: 'invalid-argument' });
});

test('reads partitions that are added while it reads', async () => {
  const { rig, topic } = await rigWithTopic();
  const all = await open(topic, 'next');
  rig.namespace.createPartitions('t', 2);
  topic.partitions[1]!.append(makeBatch());
  await rig.broker.committed();
  assert.deepEqual(all.subscriber.got, ['1:0:value']);
  all.reader.cancel();
  rig.namespace.createPartitions('t', 3);
  topic.partitions[2]!.append(makeBatch());
  await rig.broker.committed();
  assert.equal(all.subscriber.got.length, 1);
});

test('ends with its topic, once; a cancelled one hears nothing', async () => {
  const { rig, topic } = await rigWithTopic(2);
  const { subscriber } = await open(topic, 'first');
  const cancelled = await open(topic, 'first');
  cancelled.reader.cancel();
  topic.publish(textMessage('x'));
  await rig.broker.committed();
  rig.namespace.deleteTopic('t');
  assert.deepEqual([subscriber.got.length, subscriber.ended], [1, 1]);
  assert.deepEqual([cancelled.subscriber.got.length, cancelled.subscriber.ended], [0, 0]);
});

test('goes on behind what retention deleted under it', async () => {
  const { rig, topic } = await rigWithTopic();
  await fill(rig, topic);
  const credit = new Credit(1);
  const { reader, subscriber } = await open(topic, 'first', [credit]);
  // It holds the bytes of what it has read ahead, so append and delete beyond that.
  const value = Buffer.alloc(600_000, 'x');
  for (let i = 0; i < 5; i++) topic.partitions[0]!.append(makeBatch({ value }));
  await rig.broker.committed();
  topic.partitions[0]!.deleteRecords(10);
  credit.limit = 0;
  reader.pump();
  assert.equal(subscriber.got.at(-1)!.slice(0, 5), '0:10:');
});
