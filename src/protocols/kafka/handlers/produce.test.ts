import assert from 'node:assert/strict';
import { before, describe, test } from 'node:test';
import { writeInt16, writeInt32 } from '#core/message/batch.ts';
import { sealCrc } from '#core/message/batch-writer.ts';
import { defaultQueueOptions } from '#core/queue/queue-options.ts';
import type { Topic } from '#core/topic/topic.ts';
import { batch, Key, KafkaPeer, kafkaOf } from '#test/drive/kafka-peer.ts';
import { MemoryBroker } from '#test/drive/memory-broker.ts';

let memory: MemoryBroker;
let peer: KafkaPeer;
let topic: Topic;

before(async () => {
  memory = await MemoryBroker.open();
  topic = memory.broker.defaultNamespace.createTopic('t', {
    partitions: 2,
    replicationFactor: 1,
    config: { 'max.message.bytes': '10000' },
  });
  await memory.settle();
  peer = new KafkaPeer(memory, kafkaOf(memory));
});

interface Produced {
  error: number;
  baseOffset: number;
  logAppendTimeMs: number;
  logStartOffset: number | null;
  text: string | null;
}

interface ProduceOptions {
  version?: number;
  acks?: number;
  name?: string;
  id?: Uint8Array;
  partition?: number;
  transactionalId?: string | null;
}

async function produce(
  records: Uint8Array | null,
  options: ProduceOptions = {},
): Promise<Produced> {
  const { version = 9, acks = -1, name = 't', partition = 0, transactionalId = null } = options;
  const id = options.id ?? topic.id;
  const answer = await peer.ask(Key.Produce, version, (w) => {
    if (version >= 3) w.nullableString(transactionalId);
    w.int16(acks).int32(1000).arrayLength(1);
    if (version >= 13) w.uuid(id);
    else w.string(name);
    w.arrayLength(1).int32(partition);
    if (records === null) w.bytesLength(-1);
    else w.bytes(records);
    w.tags().tags().tags();
  });
  assert.equal(answer.arrayLength(), 1);
  if (version >= 13) assert.deepEqual(answer.uuid(), id);
  else assert.equal(answer.string(), name);
  assert.equal(answer.arrayLength(), 1);
  assert.equal(answer.int32(), partition);
  const produced: Produced = {
    error: answer.int16(),
    baseOffset: answer.int64(),
    logAppendTimeMs: version >= 2 ? answer.int64() : -1,
    logStartOffset: version >= 5 ? answer.int64() : null,
    text: null,
  };
  if (version >= 8) {
    assert.equal(answer.arrayLength(), 0);
    produced.text = answer.nullableString();
  }
  answer.tags().tags();
  if (version >= 1) assert.equal(answer.int32(), 0);
  answer.tags();
  assert.equal(answer.remaining, 0);
  return produced;
}

describe('every version', () => {
  for (const version of [0, 1, 2]) {
    test(`v${version} is advertised and answered with UNSUPPORTED_VERSION`, async () => {
      assert.equal((await produce(Buffer.from('old'), { version })).error, 35);
    });
  }
  for (const version of [3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13]) {
    test(`v${version} stores the batch as it came`, async () => {
      const { log } = topic.partitions[0]!;
      const end = log.endOffset;
      const bytes = batch(['a', 'b', 'c']);
      const produced = await produce(bytes, { version });
      assert.equal(produced.error, 0);
      assert.equal(produced.baseOffset, end);
      if (version >= 5) assert.equal(produced.logStartOffset, 0);
      assert.equal(log.committedOffset, end + 3);
      const stored = Buffer.concat(await log.read(end, 1000, end + 3));
      assert.deepEqual(stored.subarray(16), bytes.subarray(16), 'all but offset and epoch');
    });
  }
});

test('a batch that has the codec of its topic already is kept, not only looked at', async () => {
  const plain = memory.broker.defaultNamespace.createTopic('plain', {
    partitions: 1,
    replicationFactor: 1,
    config: { 'compression.type': 'uncompressed' },
  });
  const bytes = batch(['a', 'b']);
  assert.equal((await produce(bytes, { name: 'plain' })).error, 0);
  const stored = Buffer.concat(await plain.partitions[0]!.log.read(0, 1000, 2));
  assert.deepEqual(stored.subarray(16), bytes.subarray(16));
});

describe('refusals', () => {
  const changed = (change: (bytes: Buffer) => void, seal = true): Buffer => {
    const bytes = batch(['a', 'b']);
    change(bytes);
    if (seal) sealCrc(bytes, 0, bytes.length);
    return bytes;
  };
  const cases: [string, number, Uint8Array | null, ProduceOptions?][] = [
    ['an unknown topic', 3, batch(['a']), { name: 'none' }],
    ['an unknown partition', 3, batch(['a']), { partition: 7 }],
    ['an unknown topic id', 100, batch(['a']), { version: 13, id: new Uint8Array(16) }],
    ['no records', 87, null],
    ['acks that make no sense', 21, batch(['a']), { acks: 2 }],
    ['a transaction', 48, batch(['a']), { transactionalId: 'tx' }],
    ['a wrong CRC', 2, changed((b) => (b[b.length - 1]! ^= 1), false)],
    ['a batch that is cut', 2, batch(['a', 'b']).subarray(0, -1)],
    ['two batches', 87, Buffer.concat([batch(['a']), batch(['b'])])],
    ['message format 1', 87, changed((b) => (b[16] = 1))],
    ['a control batch', 87, changed((b) => writeInt16(b, 21, 0x20))],
    ['a transactional batch', 48, changed((b) => writeInt16(b, 21, 0x10))],
    ['an unknown codec', 87, changed((b) => writeInt16(b, 21, 5))],
    ['zstd from an old client', 76, changed((b) => writeInt16(b, 21, 4)), { version: 6 }],
    ['a count that lies', 87, changed((b) => writeInt32(b, 57, 3))],
    [
      'a count and offsets that lie together',
      87,
      changed((b) => {
        writeInt32(b, 57, 3);
        writeInt32(b, 23, 2);
      }),
    ],
    ['a record length that lies', 87, changed((b) => (b[61] = 126))],
    ['an empty batch', 87, changed((b) => writeInt32(b, 57, 0))],
    ['a batch over max.message.bytes', 10, batch(['x'.repeat(11_000)])],
    ['a producer id without an epoch', 87, batch(['a'], { producerId: 5 })],
    ['a time too far ahead', 32, batch(['a'], { timestampMs: 1_700_010_000_000 })],
  ];
  for (const [name, error, bytes, options] of cases) {
    test(name, async () => {
      const { log } = topic.partitions[0]!;
      const end = log.endOffset;
      const produced = await produce(bytes, options);
      assert.equal(produced.error, error);
      assert.equal(produced.baseOffset, -1);
      assert.equal(log.endOffset, end, 'nothing was stored');
    });
  }

  test('a queue of that name is not a topic', async () => {
    memory.broker.defaultNamespace.declareQueue('q', defaultQueueOptions());
    const before = memory.warnings.length;
    for (let times = 0; times < 2; times++) {
      const { error, text } = await produce(batch(['a']), { name: 'q' });
      assert.equal(error, 17);
      assert.match(text!, /'q' is a queue, not a topic; a binding joins/);
    }
    const [warning, ...others] = memory.warnings.slice(before);
    assert.match(warning!.message, /a topic that is a queue/);
    assert.deepEqual([warning!.fields, others], [{ queue: 'q' }, []], 'said once');
  });
});

describe('idempotence', () => {
  async function producerId(): Promise<number> {
    const answer = await peer.ask(Key.InitProducerId, 4, (w) => {
      w.nullableString(null).int32(60_000).int64(-1).int16(-1).tags();
    });
    answer.int32();
    assert.equal(answer.int16(), 0);
    const id = answer.int64();
    assert.equal(answer.int16(), 0);
    return id;
  }

  test('a repeated batch is answered with the offset it had and stored once', async () => {
    const id = await producerId();
    const options = { producerId: id, epoch: 0 };
    const first = await produce(batch(['a', 'b'], { ...options, sequence: 0 }));
    const second = await produce(batch(['c'], { ...options, sequence: 2 }));
    const end = topic.partitions[0]!.log.endOffset;
    const again = await produce(batch(['a', 'b'], { ...options, sequence: 0 }));
    assert.deepEqual([again.error, again.baseOffset], [0, first.baseOffset]);
    assert.equal(second.baseOffset, first.baseOffset + 2);
    assert.equal(topic.partitions[0]!.log.endOffset, end);
  });

  test('a gap is out of order, an old epoch is fenced, ids never repeat', async () => {
    const id = await producerId();
    assert.notEqual(await producerId(), id);
    await produce(batch(['a'], { producerId: id, epoch: 1, sequence: 0 }));
    const gap = await produce(batch(['a'], { producerId: id, epoch: 1, sequence: 5 }));
    assert.equal(gap.error, 45);
    const old = await produce(batch(['a'], { producerId: id, epoch: 0, sequence: 1 }));
    assert.equal(old.error, 47);
  });

  test('sequences wrap', async () => {
    const id = await producerId();
    const last = 0x7fffffff;
    await produce(batch(['a'], { producerId: id, epoch: 0, sequence: last }));
    const wrapped = await produce(batch(['b'], { producerId: id, epoch: 0, sequence: 0 }));
    assert.equal(wrapped.error, 0);
  });

  test('a transactional id is refused for good', async () => {
    const answer = await peer.ask(Key.InitProducerId, 1, (w) => w.nullableString('tx').int32(1000));
    answer.int32();
    assert.equal(answer.int16(), 53);
  });
});
