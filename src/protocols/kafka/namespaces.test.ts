import assert from 'node:assert/strict';
import { test } from 'node:test';
import { kafka } from './index.ts';
import { Key, KafkaPeer, kafkaOf } from '#test/drive/kafka-peer.ts';
import { MemoryBroker } from '#test/drive/memory-broker.ts';

const ADDRESS = { host: '127.0.0.1', port: 9093 };
const SESSION_MS = 10_000;
const NONE = 0;
const UNKNOWN_MEMBER = 25;

async function topicsSeenBy(peer: KafkaPeer): Promise<string[]> {
  const answer = await peer.ask(Key.Metadata, 0, (w) => w.arrayLength(0));
  answer.array((r) => [r.int32(), r.string(), r.int32()]);
  return answer.array((r) => {
    r.int16();
    const name = r.string();
    r.array((p) => {
      p.int16();
      p.int32();
      p.int32();
      p.array((n) => n.int32());
      p.array((n) => n.int32());
    });
    return name;
  });
}

/** Joins group `g` as its only member; returns the member's id. */
async function join(peer: KafkaPeer): Promise<string> {
  const joined = await peer.ask(Key.JoinGroup, 0, (w) => {
    w.string('g').int32(SESSION_MS).string('').string('consumer');
    w.arrayLength(1).string('range').bytes(Buffer.alloc(0));
  });
  assert.equal(joined.int16(), NONE);
  joined.int32();
  joined.string();
  joined.string();
  const memberId = joined.string();
  const synced = await peer.ask(Key.SyncGroup, 0, (w) => {
    w.string('g').int32(1).string(memberId).arrayLength(1).string(memberId).bytes(Buffer.of(1));
  });
  assert.equal(synced.int16(), NONE);
  return memberId;
}

async function heartbeat(peer: KafkaPeer, memberId: string): Promise<number> {
  const answer = await peer.ask(Key.Heartbeat, 0, (w) => w.string('g').int32(1).string(memberId));
  return answer.int16();
}

test('each port sees its own namespace: topics and groups', async () => {
  const memory = await MemoryBroker.open({ namespaces: ['other'] });
  const topic = { partitions: 1, replicationFactor: 1, config: {} };
  memory.broker.defaultNamespace.createTopic('here', topic);
  memory.broker.namespace('other').createTopic('there', topic);
  await memory.settle();
  const here = new KafkaPeer(memory, kafkaOf(memory));
  const there = new KafkaPeer(memory, kafka(memory.broker, ADDRESS, 'other'));
  assert.deepEqual(await topicsSeenBy(here), ['here']);
  assert.deepEqual(await topicsSeenBy(there), ['there']);
  const memberId = await join(there);
  assert.equal(await heartbeat(there, memberId), NONE);
  assert.equal(await heartbeat(here, memberId), UNKNOWN_MEMBER);
});

test('a member whose connection stands outlives a clock that is moved; one that is gone does not', async () => {
  const memory = await MemoryBroker.open();
  const [present, absent] = [kafkaOf(memory), kafkaOf(memory)].map(
    (it) => new KafkaPeer(memory, it),
  );
  const move = async (ms: number): Promise<void> => {
    memory.nowMs += ms;
    present!.driven.connection.stepped(ms);
    memory.broker.tick(memory.nowMs);
    await memory.settle();
  };
  const memberId = await join(present!);
  for (let i = 0; i < 5; i++) await move(SESSION_MS * 2);
  assert.equal(await heartbeat(present!, memberId), NONE);
  present!.driven.connection.close('gone');
  await move(SESSION_MS * 2);
  assert.equal(await heartbeat(absent!, memberId), UNKNOWN_MEMBER);
});
