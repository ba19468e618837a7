/** Requests that have begun to arrive take a bounded amount of memory, and somebody always goes on. */
import assert from 'node:assert/strict';
import { beforeEach, describe, test } from 'node:test';
import { batch, Key, KafkaPeer, kafkaOf, request } from '#test/drive/kafka-peer.ts';
import { MemoryBroker } from '#test/drive/memory-broker.ts';
import { CloseReason, type Protocol } from '#protocols/contract.ts';
import type { Writer } from '#wire/writer.ts';
import { Assembly } from '#core/assembly.ts';
import type { KafkaConnection } from './connection.ts';

const KIB = 1024;
const LARGE_BYTES = 900 * KIB;

let memory: MemoryBroker;
let protocol: Protocol;
let large: Buffer;

beforeEach(async () => {
  memory = await MemoryBroker.open({ limits: { assembledBytesMax: 512 * KIB } });
  protocol = kafkaOf(memory);
  const options = { partitions: 1, replicationFactor: 1, config: {} };
  memory.broker.defaultNamespace.createTopic('t', options);
  large = request(Key.Produce, 7, 1, produce);
});

function produce(writer: Writer): void {
  writer.nullableString(null).int16(1).int32(1000);
  writer.arrayLength(1).string('t').arrayLength(1).int32(0);
  writer.bytes(batch(['x'.repeat(LARGE_BYTES)]));
}

function peers(count: number): KafkaPeer[] {
  return Array.from({ length: count }, () => new KafkaPeer(memory, protocol));
}

function paused(peer: KafkaPeer): boolean {
  return peer.driven.sink.paused;
}

async function finish(peer: KafkaPeer, from: number): Promise<void> {
  peer.write(large.subarray(from));
  await memory.settle();
  assert.notEqual(peer.next(Key.Produce, 7), null);
}

function alarm(isOn: boolean): void {
  memory.broker.alarms.memory = isOn;
  // As the broker tells those who listen.
  for (const peer of all) (peer.driven.connection as KafkaConnection).alarmed();
}

let all: KafkaPeer[] = [];

describe('many large requests at once', () => {
  test('past the limit only the first goes on, then the next', async () => {
    const [a, b, c] = (all = peers(3)) as [KafkaPeer, KafkaPeer, KafkaPeer];
    a.write(large.subarray(0, 200 * KIB));
    b.write(large.subarray(0, 200 * KIB));
    assert.deepEqual(all.map(paused), [false, false, false]);
    c.write(large.subarray(0, 200 * KIB));
    assert.deepEqual(all.map(paused), [false, true, true]);
    a.write(large.subarray(200 * KIB, 600 * KIB));
    assert.deepEqual(all.map(paused), [false, true, true]);
    await finish(a, 600 * KIB);
    assert.deepEqual(all.map(paused), [false, false, false]);
    b.write(large.subarray(200 * KIB, 600 * KIB));
    assert.deepEqual(all.map(paused), [false, false, true]);
    b.driven.connection.close(CloseReason.Gone);
    assert.equal(paused(c), false);
    await finish(c, 200 * KIB);
  });

  test('small requests are served meanwhile', async () => {
    const [a, b, small] = peers(3) as [KafkaPeer, KafkaPeer, KafkaPeer];
    a.write(large.subarray(0, 400 * KIB));
    b.write(large.subarray(0, 400 * KIB));
    assert.equal(paused(b), true);
    await small.ask(Key.Metadata, 1, (writer) => writer.arrayLength(0));
  });

  test('who stops in the middle, or keeps the others waiting, is closed', async () => {
    const [a, b] = peers(2) as [KafkaPeer, KafkaPeer];
    a.write(large.subarray(0, 400 * KIB));
    b.write(large.subarray(0, 400 * KIB));
    for (let i = 0; i < 13; i++) {
      memory.nowMs += 5000;
      // A byte now and then.
      if (!a.ended) a.write(large.subarray(400 * KIB + i, 400 * KIB + i + 1));
      for (const peer of [a, b]) peer.driven.connection.tick(memory.nowMs);
    }
    assert.equal(a.ended, true);
    assert.equal(b.ended, false);
    assert.equal(paused(b), false);
    memory.nowMs += 31_000;
    b.driven.connection.tick(memory.nowMs);
    assert.equal(b.ended, true);
  });

  test('a memory alarm pauses a large Produce, however alone it is', async () => {
    const [a, b] = (all = peers(2)) as [KafkaPeer, KafkaPeer];
    alarm(true);
    a.write(large.subarray(0, 100 * KIB));
    assert.equal(paused(a), true);
    await b.ask(Key.Metadata, 1, (writer) => writer.arrayLength(0));
    assert.equal(paused(b), false);
    alarm(false);
    assert.equal(paused(a), false);
    await finish(a, 100 * KIB);
  });
});

test('a whole request that waits for its turn counts, and is in nobody’s way', () => {
  const assembly = new Assembly(100);
  const woken: string[] = [];
  const who = (name: string): { assemblyChanged(): void } => ({
    assemblyChanged: () => woken.push(name),
  });
  const [a, b, c] = [who('a'), who('b'), who('c')];
  assembly.note(a, 90, false, 1);
  assembly.note(b, 90, false, 1);
  assert.deepEqual([assembly.mayGoOn(a), assembly.mayGoOn(b)], [true, false]);
  assembly.note(a, 95, true, 1);
  assert.deepEqual([assembly.mayGoOn(a), assembly.mayGoOn(b)], [false, true]);
  assembly.note(c, 10, false, 1);
  assembly.note(b, 0, false, 1);
  assert.equal(assembly.mayGoOn(c), true);
  assert.equal(assembly.bytes, 105);
  assembly.note(a, 0, false, 1);
  assembly.note(c, 0, false, 1);
  assert.equal(assembly.bytes, 0);
  assert.deepEqual(woken, ['a', 'b', 'c', 'c']);
});
