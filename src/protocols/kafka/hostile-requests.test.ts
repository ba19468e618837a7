/**
 * Bytes that no client of Kafka's sends, and that hit one client at most: every test ends by seeing
 * another connection served.
 */
import assert from 'node:assert/strict';
import { before, beforeEach, describe, test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { sealBatch } from '#core/message/batch-writer.ts';
import { Codec } from '#core/message/batch.ts';
import { defaultQueueOptions } from '#core/queue/queue-options.ts';
import { Key, KafkaPeer, kafkaOf, request } from '#test/drive/kafka-peer.ts';
import { MemoryBroker } from '#test/drive/memory-broker.ts';
import type { Protocol } from '#protocols/contract.ts';
import type { Reader } from '#wire/reader.ts';
import type { Writer } from '#wire/writer.ts';
import { ErrorCode } from './errors.ts';

const NOW_MS = 1_700_000_000_000;
const INT64_MAX = Buffer.from('7fffffffffffffff', 'hex');

let memory: MemoryBroker;
let protocol: Protocol;
let peer: KafkaPeer;

before(async () => {
  memory = await MemoryBroker.open();
  protocol = kafkaOf(memory);
  for (const name of ['t', 'packed', 'plain']) {
    memory.broker.defaultNamespace.createTopic(name, {
      partitions: 1,
      replicationFactor: 1,
      config: {},
    });
  }
  await memory.settle();
});

beforeEach(() => {
  peer = new KafkaPeer(memory, protocol);
});

async function othersAreServed(): Promise<void> {
  const other = new KafkaPeer(memory, protocol);
  await other.ask(Key.Metadata, 1, (writer) => writer.arrayLength(0));
}

/** A batch of one record whose CRC is right, whatever its records are. */
function batchOf(records: Buffer, codec: number = Codec.None): Buffer {
  const bytes = Buffer.concat([Buffer.alloc(61), records]);
  sealBatch(bytes, 0, bytes.length, 1, NOW_MS, NOW_MS, codec);
  return bytes;
}

async function produce(topic: string, batch: Buffer): Promise<number> {
  const reader = await peer.ask(Key.Produce, 7, (writer) => {
    writer.nullableString(null).int16(1).int32(1000);
    writer.arrayLength(1).string(topic).arrayLength(1).int32(0).bytes(batch);
  });
  assert.equal(reader.arrayLength(), 1);
  reader.string();
  assert.equal(reader.arrayLength(), 1);
  reader.int32();
  return reader.int16();
}

async function offsetAt(topic: string, timestampMs: number): Promise<[number, number, number]> {
  const reader = await peer.ask(Key.ListOffsets, 4, (writer) => {
    writer.int32(-1).int8(0).arrayLength(1).string(topic).arrayLength(1);
    writer.int32(0).int32(-1).int64(timestampMs);
  });
  reader.int32();
  reader.arrayLength();
  reader.string();
  reader.arrayLength();
  reader.int32();
  return [reader.int16(), reader.int64(), reader.int64()];
}

describe('records', () => {
  test('a record length that never ends is refused', async () => {
    const batch = batchOf(Buffer.alloc(20, 0xff));
    assert.equal(await produce('t', batch), ErrorCode.InvalidRecord);
    await othersAreServed();
  });

  test('a search by time goes by the header of a batch that cannot be unpacked', async () => {
    assert.equal(await produce('packed', batchOf(Buffer.alloc(20, 7), Codec.Gzip)), 0);
    assert.deepEqual(await offsetAt('packed', 1), [0, NOW_MS, 0]);
    await othersAreServed();
  });

  test('a search by time goes by the header of a batch whose records make no sense', async () => {
    // One record of one byte: its fields lie behind the end.
    assert.equal(await produce('plain', batchOf(Buffer.from([2, 0]))), 0);
    assert.deepEqual(await offsetAt('plain', 1), [0, NOW_MS, 0]);
    await othersAreServed();
  });
});

describe('strings', () => {
  test('one that is not UTF-8 ends its connection', async () => {
    const name = Buffer.alloc(0x7fff, 0xff);
    peer.write(
      request(Key.Metadata, 1, 1, (writer) => writer.arrayLength(1).int16(0x7fff).raw(name)),
    );
    await memory.settle();
    assert.ok(peer.ended);
    await othersAreServed();
  });

  test('a text that quotes a long name is cut where a length has 16 bits', async () => {
    const reader = await peer.ask(Key.CreateTopics, 2, (writer) => {
      writer.arrayLength(1).string('é'.repeat(16_383)).int32(1).int16(1);
      writer.arrayLength(0).arrayLength(0).int32(1000).bool(false);
    });
    reader.int32();
    assert.equal(reader.arrayLength(), 1);
    assert.equal(reader.string().length, 16_383);
    assert.equal(reader.int16(), ErrorCode.InvalidTopic);
    const text = Buffer.byteLength(reader.nullableString()!);
    assert.ok(text <= 0x7fff && text > 0x7fff - 2, `${text} bytes`);
    await othersAreServed();
  });

  test('a client with a long name becomes a member whose id it can send back', async () => {
    const bytes = request(Key.JoinGroup, 4, 7, join);
    // The header has the client id 'peer' at byte 12; a long one takes its place.
    const clientId = Buffer.alloc(2 + 0x7ff0, 'c');
    clientId.writeInt16BE(0x7ff0);
    const long = Buffer.concat([bytes.subarray(0, 12), clientId, bytes.subarray(18)]);
    long.writeInt32BE(long.length - 4);
    peer.write(long);
    await memory.settle();
    const { reader } = peer.next(Key.JoinGroup, 4)!;
    reader.int32();
    assert.equal(reader.int16(), ErrorCode.MemberIdRequired);
    await othersAreServed();
  });
});

function join(writer: Writer): void {
  writer.string('g').int32(10_000).int32(10_000).string('').string('consumer');
  writer.arrayLength(1).string('range').bytes(Buffer.alloc(0));
}

test('the largest offset there is can be committed and fetched', async () => {
  const committed = await peer.ask(Key.OffsetCommit, 2, (writer) => {
    writer.string('g').int32(-1).string('').int64(-1).arrayLength(1).string('t').arrayLength(1);
    writer.int32(0).raw(INT64_MAX).nullableString('');
  });
  committed.arrayLength();
  committed.string();
  committed.arrayLength();
  committed.int32();
  assert.equal(committed.int16(), ErrorCode.None);
  const fetched = await peer.ask(Key.OffsetFetch, 1, (writer) => {
    writer.string('g').arrayLength(1).string('t').arrayLength(1).int32(0);
  });
  fetched.arrayLength();
  fetched.string();
  fetched.arrayLength();
  fetched.int32();
  const at = fetched.position;
  assert.deepEqual(fetched.bytes.subarray(at, at + 8), INT64_MAX);
  await othersAreServed();
});

describe('requests that make very many partitions', () => {
  const create = async (topics: [name: string, partitions: number][]): Promise<number[]> => {
    const reader = await peer.ask(Key.CreateTopics, 2, (writer) => {
      writer.array(topics, (w, [name, partitions]) => {
        w.string(name).int32(partitions).int16(1).arrayLength(0).arrayLength(0);
      });
      writer.int32(1000).bool(false);
    });
    reader.int32();
    return reader.array((r) => {
      r.string();
      const error = r.int16();
      r.nullableString();
      return error;
    });
  };

  test('CreateTopics', async () => {
    const refusals = [ErrorCode.PolicyViolation, ErrorCode.PolicyViolation];
    assert.deepEqual(await create([['many', 10_001]]), [ErrorCode.PolicyViolation]);
    assert.deepEqual(
      await create([
        ['a', 5001],
        ['b', 5000],
      ]),
      refusals,
    );
    assert.equal(memory.broker.defaultNamespace.topics.has('many'), false);
    assert.deepEqual(await create([['a', 10]]), [ErrorCode.None]);
    await othersAreServed();
  });

  test('CreatePartitions', async () => {
    const reader = await peer.ask(Key.CreatePartitions, 0, (writer) => {
      writer.arrayLength(1).string('t').int32(10_002).arrayLength(-1).int32(1000).bool(false);
    });
    reader.int32();
    assert.equal(reader.arrayLength(), 1);
    reader.string();
    assert.equal(reader.int16(), ErrorCode.InvalidPartitions);
    assert.equal(memory.broker.defaultNamespace.topics.get('t')!.partitions.length, 1);
    await othersAreServed();
  });

  test('Metadata that creates topics: the rest when it is asked again', async () => {
    const few = await MemoryBroker.open({ limits: { requestPartitionsMax: 3 } });
    const other = new KafkaPeer(few, kafkaOf(few));
    const ask = async (): Promise<Reader> =>
      other.ask(Key.Metadata, 4, (writer) => {
        writer.array(['a', 'b', 'c', 'd'], (w, name) => w.string(name)).bool(true);
      });
    await ask();
    assert.deepEqual([...few.broker.defaultNamespace.topics.keys()], ['a', 'b', 'c']);
    await ask();
    assert.deepEqual([...few.broker.defaultNamespace.topics.keys()], ['a', 'b', 'c', 'd']);
  });
});

describe('a compressed batch that is not what it says', () => {
  const one = Buffer.of(12, 0, 0, 0, 1, 1, 0);
  const two = Buffer.of(12, 0, 0, 2, 1, 1, 0);
  const packed = (count: number, records: Buffer): Buffer => {
    const bytes = Buffer.concat([Buffer.alloc(61), records]);
    sealBatch(bytes, 0, bytes.length, count, NOW_MS, NOW_MS, Codec.Gzip);
    return bytes;
  };
  const forged: [string, Buffer, number][] = [
    ['no gzip', packed(1, Buffer.from('garbage')), ErrorCode.CorruptMessage],
    ['more records than there are', packed(9, gzipSync(one)), ErrorCode.InvalidRecord],
    ['fewer', packed(1, gzipSync(Buffer.concat([one, one]))), ErrorCode.InvalidRecord],
    ['nonsense', packed(1, gzipSync(Buffer.alloc(50, 0xff))), ErrorCode.InvalidRecord],
    ['very much of it', packed(1, gzipSync(Buffer.alloc(40 << 20))), ErrorCode.MessageTooLarge],
  ];

  before(() => {
    const namespace = memory.broker.defaultNamespace;
    const options = { partitions: 1, replicationFactor: 1 };
    namespace.createTopic('bound', { ...options, config: {} });
    namespace.declareQueue('q', defaultQueueOptions());
    namespace.bind('bound', { kind: 'queue', name: 'q' }, '#', {});
    namespace.createTopic('lz4', { ...options, config: { 'compression.type': 'lz4' } });
  });

  for (const [name, batch, error] of forged) {
    test(`${name}: refused where a queue is fed, or the batch is rewritten`, async () => {
      for (const topic of ['bound', 'lz4']) {
        assert.equal(await produce(topic, batch), error, topic);
        assert.equal(memory.broker.defaultNamespace.topics.get(topic)!.partitions[0]!.endOffset, 0);
      }
      await othersAreServed();
    });
  }

  test('a count that no batch can have is refused everywhere', async () => {
    assert.equal(
      await produce('plain', packed(0x7fffffff, gzipSync(one))),
      ErrorCode.InvalidRecord,
    );
  });

  test('what is right is stored', async () => {
    assert.equal(
      await produce('bound', packed(2, gzipSync(Buffer.concat([one, two])))),
      ErrorCode.None,
    );
  });
});
