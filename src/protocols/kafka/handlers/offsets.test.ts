import assert from 'node:assert/strict';
import { beforeEach, describe, test } from 'node:test';
import { batch, Key, KafkaPeer, kafkaOf } from '#test/drive/kafka-peer.ts';
import { MemoryBroker } from '#test/drive/memory-broker.ts';
import { defaultQueueOptions } from '#core/queue/queue-options.ts';
import type { Topic } from '#core/topic/topic.ts';

let memory: MemoryBroker;
let peer: KafkaPeer;
let topic: Topic;

beforeEach(async () => {
  memory = await MemoryBroker.open();
  const { defaultNamespace } = memory.broker;
  topic = defaultNamespace.createTopic('t', { partitions: 2, replicationFactor: 3, config: {} });
  defaultNamespace.declareQueue('q', defaultQueueOptions());
  await memory.settle();
  peer = new KafkaPeer(memory, kafkaOf(memory));
});

test('DeleteRecords: up to an offset, or all; not past the end', async () => {
  topic.partitions[0]!.append(batch(['a', 'b', 'c']));
  await memory.settle();
  const remove = async (partition: number, offset: number): Promise<number[]> => {
    const answer = await peer.ask(Key.DeleteRecords, 2, (w) => {
      w.arrayLength(1).string('t').arrayLength(1).int32(partition).int64(offset);
      w.tags().tags().int32(1000).tags();
    });
    answer.int32();
    answer.arrayLength();
    answer.string();
    answer.arrayLength();
    answer.int32();
    return [answer.int64(), answer.int16()];
  };
  assert.deepEqual(await remove(0, 2), [2, 0]);
  assert.deepEqual(await remove(0, 9), [-1, 1]);
  assert.deepEqual(await remove(0, -1), [3, 0]);
  assert.deepEqual(await remove(7, 0), [-1, 3]);
});

async function listOffsets(version: number, timestamp: number, epoch = -1): Promise<number[]> {
  const answer = await peer.ask(Key.ListOffsets, version, (w) => {
    w.int32(-1);
    if (version >= 2) w.int8(0);
    w.arrayLength(1).string('t').arrayLength(1).int32(0);
    if (version >= 4) w.int32(epoch);
    w.int64(timestamp).tags().tags();
    if (version >= 10) w.int32(1000);
    w.tags();
  });
  if (version >= 2) answer.int32();
  answer.arrayLength();
  answer.string();
  answer.arrayLength();
  answer.int32();
  const found = [answer.int16(), answer.int64(), answer.int64()];
  if (version >= 4) answer.int32();
  answer.tags().tags().tags();
  assert.equal(answer.remaining, 0);
  return found;
}

describe('ListOffsets', () => {
  const start = 1_700_000_000_000;
  beforeEach(async () => {
    for (const timestampMs of [start, start + 500, start + 200]) {
      topic.partitions[0]!.append(batch(['a', 'b'], { timestampMs }));
    }
    await memory.settle();
    topic.partitions[0]!.deleteRecords(1);
    await memory.settle();
  });

  for (let version = 1; version <= 11; version++) {
    test(`v${version}: specials and times`, async () => {
      const unsupported = [35, -1, -1];
      assert.deepEqual(await listOffsets(version, -1), [0, -1, 6]);
      assert.deepEqual(await listOffsets(version, -2), [0, -1, 1]);
      assert.deepEqual(
        await listOffsets(version, -3),
        version >= 7 ? [0, start + 500, 2] : unsupported,
      );
      assert.deepEqual(await listOffsets(version, -4), version >= 8 ? [0, -1, 1] : unsupported);
      assert.deepEqual(await listOffsets(version, -5), version >= 9 ? [0, -1, -1] : unsupported);
      assert.deepEqual(await listOffsets(version, -6), version >= 11 ? [0, -1, -1] : unsupported);
      assert.deepEqual(await listOffsets(version, -7), unsupported);
      assert.deepEqual(await listOffsets(version, start + 100), [0, start + 500, 2]);
      assert.deepEqual(await listOffsets(version, start + 501), [0, -1, -1]);
      assert.deepEqual(await listOffsets(version, 0), [0, start, 1], 'not what was deleted');
    });
  }

  test('epochs are checked', async () => {
    const { leaderEpoch } = topic.partitions[0]!;
    assert.equal((await listOffsets(4, -1, leaderEpoch))[0], 0);
    assert.equal((await listOffsets(4, -1, leaderEpoch - 1))[0], 74);
    assert.equal((await listOffsets(4, -1, leaderEpoch + 1))[0], 75);
  });
});

test('OffsetForLeaderEpoch: the end of this epoch, nothing of a later one', async () => {
  topic.partitions[0]!.append(batch(['a', 'b']));
  await memory.settle();
  const { leaderEpoch } = topic.partitions[0]!;
  for (const version of [2, 3, 4]) {
    const ask = async (epoch: number): Promise<number[]> => {
      const answer = await peer.ask(Key.OffsetForLeaderEpoch, version, (w) => {
        if (version >= 3) w.int32(-2);
        w.arrayLength(1).string('t').arrayLength(1).int32(0).int32(-1).int32(epoch);
        w.tags().tags().tags();
      });
      answer.int32();
      answer.arrayLength();
      answer.string();
      answer.arrayLength();
      return [answer.int16(), answer.int32(), answer.int32(), answer.int64()];
    };
    assert.deepEqual(await ask(leaderEpoch), [0, 0, leaderEpoch, 2]);
    assert.deepEqual(await ask(leaderEpoch + 5), [0, 0, -1, -1]);
  }
});
