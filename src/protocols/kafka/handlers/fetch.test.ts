import assert from 'node:assert/strict';
import { beforeEach, describe, test } from 'node:test';
import { Batch } from '#core/message/batch.ts';
import type { Topic } from '#core/topic/topic.ts';
import type { Protocol } from '#protocols/contract.ts';
import { batch, Key, KafkaPeer, kafkaOf } from '#test/drive/kafka-peer.ts';
import { MemoryBroker } from '#test/drive/memory-broker.ts';
import type { Reader } from '#wire/reader.ts';
import type { Writer } from '#wire/writer.ts';

let memory: MemoryBroker;
let protocol: Protocol;
let peer: KafkaPeer;
let topic: Topic;

beforeEach(async () => {
  memory = await MemoryBroker.open();
  const request = { partitions: 3, replicationFactor: 1, config: {} };
  topic = memory.broker.defaultNamespace.createTopic('t', request);
  await memory.settle();
  protocol = kafkaOf(memory);
  peer = new KafkaPeer(memory, protocol);
});

interface Wanted {
  partition: number;
  offset: number;
  bytesMax?: number;
  epoch?: number;
  lastFetchedEpoch?: number;
}

interface FetchOptions {
  version?: number;
  maxWaitMs?: number;
  minBytes?: number;
  maxBytes?: number;
  session?: [id: number, epoch: number];
  forgotten?: number[];
  name?: string;
  id?: Uint8Array;
}

interface FetchedPartition {
  partition: number;
  error: number;
  highWatermark: number;
  logStart: number | null;
  /** Base offsets of the batches. */
  batches: number[];
  bytes: number;
  diverging: [epoch: number, endOffset: number] | null;
}

interface Fetched {
  error: number;
  sessionId: number;
  partitions: FetchedPartition[];
}

function body(wanted: Wanted[], options: FetchOptions): (w: Writer) => void {
  const { version = 12, maxWaitMs = 0, minBytes = 1, maxBytes = 1 << 20, name = 't' } = options;
  const [sessionId, sessionEpoch] = options.session ?? [0, -1];
  const writeTopic = (w: Writer): void => {
    if (version >= 13) w.uuid(options.id ?? topic.id);
    else w.string(name);
  };
  return (w) => {
    if (version < 15) w.int32(-1);
    w.int32(maxWaitMs).int32(minBytes).int32(maxBytes).int8(0);
    if (version >= 7) w.int32(sessionId).int32(sessionEpoch);
    w.arrayLength(wanted.length === 0 ? 0 : 1);
    if (wanted.length > 0) {
      writeTopic(w);
      w.array(wanted, (each, one) => {
        each.int32(one.partition);
        if (version >= 9) each.int32(one.epoch ?? -1);
        each.int64(one.offset);
        if (version >= 12) each.int32(one.lastFetchedEpoch ?? -1);
        if (version >= 5) each.int64(-1);
        each.int32(one.bytesMax ?? 1 << 20).tags();
      });
      w.tags();
    }
    if (version >= 7) {
      const { forgotten = [] } = options;
      w.arrayLength(forgotten.length === 0 ? 0 : 1);
      if (forgotten.length > 0) {
        writeTopic(w);
        w.int32Array(forgotten).tags();
      }
    }
    if (version >= 11) w.string('');
    w.tags();
  };
}

function read(reader: Reader, version: number): Fetched {
  reader.int32();
  const error = version >= 7 ? reader.int16() : 0;
  const sessionId = version >= 7 ? reader.int32() : 0;
  const partitions: FetchedPartition[] = [];
  reader.array((r) => {
    if (version >= 13) r.uuid();
    else r.string();
    r.array((each) => partitions.push(readPartition(each, version)));
    r.tags();
  });
  reader.tags();
  assert.equal(reader.remaining, 0);
  return { error, sessionId, partitions };
}

function readPartition(reader: Reader, version: number): FetchedPartition {
  const partition = reader.int32();
  const error = reader.int16();
  const highWatermark = reader.int64();
  assert.equal(reader.int64(), highWatermark);
  const logStart = version >= 5 ? reader.int64() : null;
  assert.equal(reader.arrayLength(), -1);
  if (version >= 11) assert.equal(reader.int32(), -1);
  const records = reader.ownBytes();
  const batches: number[] = [];
  for (let at = 0; at < records.length; at += Batch.sizeBytes(records, at)) {
    batches.push(Batch.baseOffset(records, at));
  }
  let diverging: [number, number] | null = null;
  if (reader.flexible) {
    reader.eachTag((tag, r) => {
      assert.equal(tag, 0);
      diverging = [r.int32(), r.int64()];
      r.tags();
    });
  }
  return { partition, error, highWatermark, logStart, batches, bytes: records.length, diverging };
}

async function fetch(wanted: Wanted[], options: FetchOptions = {}): Promise<Fetched> {
  const { version = 12 } = options;
  return read(await peer.ask(Key.Fetch, version, body(wanted, { ...options, version })), version);
}

async function append(partition: number, ...values: string[]): Promise<void> {
  topic.partitions[partition]!.append(batch(values));
  await memory.settle();
}

describe('every version', () => {
  for (let version = 4; version <= 18; version++) {
    test(`v${version}`, async () => {
      await append(0, 'a', 'b');
      await append(0, 'c');
      const { partitions } = await fetch([{ partition: 0, offset: 1 }], { version });
      const [one] = partitions;
      assert.equal(one!.error, 0);
      assert.equal(one!.highWatermark, 3);
      assert.deepEqual(one!.batches, [0, 2], 'from the batch that holds the offset');
      if (version >= 5) assert.equal(one!.logStart, 0);
    });
  }
});

describe('limits', () => {
  beforeEach(async () => {
    await append(0, 'x'.repeat(1000));
    await append(0, 'y'.repeat(1000));
    await append(1, 'z'.repeat(1000));
  });

  test('the first batch comes however large it is, a later partition only if it fits', async () => {
    const wanted = [
      { partition: 0, offset: 0, bytesMax: 10 },
      { partition: 1, offset: 0, bytesMax: 10 },
    ];
    const { partitions } = await fetch(wanted);
    assert.deepEqual(
      partitions.map((each) => each.batches),
      [[0], []],
    );
  });

  test('the whole answer keeps to max bytes', async () => {
    const wanted = [0, 1].map((partition) => ({ partition, offset: 0 }));
    const { partitions } = await fetch(wanted, { maxBytes: 2500 });
    assert.deepEqual(
      partitions.map((each) => each.batches),
      [[0, 1], []],
    );
  });

  test('offsets out of range, unknown topics and partitions', async () => {
    const errors = async (wanted: Wanted, options?: FetchOptions): Promise<number> =>
      (await fetch([wanted], options)).partitions[0]!.error;
    assert.equal(await errors({ partition: 0, offset: 3 }), 1);
    assert.equal(await errors({ partition: 0, offset: -5 }), 1);
    assert.equal(await errors({ partition: 9, offset: 0 }), 3);
    assert.equal(await errors({ partition: 0, offset: 0 }, { name: 'none' }), 3);
    const id = new Uint8Array(16).fill(3);
    assert.equal(await errors({ partition: 0, offset: 0 }, { version: 13, id }), 100);
    topic.partitions[0]!.deleteRecords(1);
    assert.equal(await errors({ partition: 0, offset: 0 }), 1);
  });

  test('epochs: an old one is fenced, a new one unknown, a divergence is told', async () => {
    const { leaderEpoch } = topic.partitions[0]!;
    const one = async (wanted: Omit<Wanted, 'partition'>): Promise<FetchedPartition> =>
      (await fetch([{ partition: 0, ...wanted }])).partitions[0]!;
    assert.equal((await one({ offset: 0, epoch: leaderEpoch })).error, 0);
    assert.equal((await one({ offset: 0, epoch: leaderEpoch - 1 })).error, 74);
    assert.equal((await one({ offset: 0, epoch: leaderEpoch + 1 })).error, 75);
    const same = await one({ offset: 1, lastFetchedEpoch: leaderEpoch });
    assert.equal(same.diverging, null);
    const diverged = await one({ offset: 9, lastFetchedEpoch: leaderEpoch });
    assert.deepEqual(diverged.diverging, [leaderEpoch, 2]);
  });
});

describe('long poll', () => {
  test('an answer comes with the commit that brings data', async () => {
    peer.send(Key.Fetch, 12, body([{ partition: 0, offset: 0 }], { maxWaitMs: 5000 }));
    await memory.settle();
    assert.equal(peer.next(Key.Fetch, 12), null);
    await append(1, 'elsewhere');
    assert.equal(peer.next(Key.Fetch, 12), null);
    await append(0, 'here');
    const { partitions } = read(peer.next(Key.Fetch, 12)!.reader, 12);
    assert.deepEqual(partitions[0]!.batches, [0]);
  });

  test('it waits for min bytes, and no longer than it says', async () => {
    const wanted = [{ partition: 0, offset: 0 }];
    peer.send(Key.Fetch, 12, body(wanted, { maxWaitMs: 500, minBytes: 1000 }));
    await append(0, 'few');
    assert.equal(peer.next(Key.Fetch, 12), null);
    await memory.advance(499);
    assert.equal(peer.next(Key.Fetch, 12), null);
    await memory.advance(1);
    const late = read(peer.next(Key.Fetch, 12)!.reader, 12);
    assert.deepEqual(late.partitions[0]!.batches, [0], 'what there is');
    peer.send(Key.Fetch, 12, body(wanted, { maxWaitMs: 500, minBytes: 1000 }));
    await append(0, 'x'.repeat(1000));
    const enough = read(peer.next(Key.Fetch, 12)!.reader, 12);
    assert.deepEqual(enough.partitions[0]!.batches, [0, 1]);
  });

  test('an error is told at once', async () => {
    const { partitions } = await fetch([{ partition: 0, offset: 99 }], { maxWaitMs: 5000 });
    assert.equal(partitions[0]!.error, 1);
  });

  test('nothing is left behind when the connection goes', async () => {
    const before = memory.broker.schedule.size;
    peer.send(Key.Fetch, 12, body([{ partition: 0, offset: 0 }], { maxWaitMs: 5000 }));
    assert.equal(memory.broker.schedule.size, before + 1);
    peer.driven.connection.close('gone');
    assert.equal(memory.broker.schedule.size, before);
    await append(0, 'late');
    await memory.advance(6000);
    assert.equal(peer.driven.sink.output.length, 0);
  });
});

describe('sessions (KIP-227)', () => {
  const all = [0, 1, 2].map((partition) => ({ partition, offset: 0 }));

  for (const version of [7, 12, 13]) {
    test(`v${version}: only what has news is answered, only what changed is asked`, async () => {
      await append(0, 'a');
      const first = await fetch(all, { version, session: [0, 0] });
      assert.notEqual(first.sessionId, 0);
      assert.equal(first.partitions.length, 3);
      const session = first.sessionId;
      const second = await fetch([{ partition: 0, offset: 1 }], { version, session: [session, 1] });
      assert.deepEqual(second.partitions, [], 'nothing new');
      await append(1, 'b');
      const third = await fetch([], { version, session: [session, 2] });
      assert.deepEqual(
        third.partitions.map((each) => [each.partition, each.batches]),
        [[1, [0]]],
      );
      // Partition 1 is still asked for at 0, and so it comes again.
      await append(2, 'c');
      const options = { version, session: [session, 3] as [number, number], forgotten: [1] };
      const fourth = await fetch([], options);
      assert.deepEqual(
        fourth.partitions.map((each) => each.partition),
        [2],
      );
    });
  }

  test('partitions that gave data go to the end', async () => {
    await append(0, 'x'.repeat(500));
    await append(1, 'y'.repeat(500));
    const { sessionId } = await fetch(all, { session: [0, 0], maxBytes: 600 });
    const order: number[][] = [];
    for (let epoch = 1; epoch <= 3; epoch++) {
      const { partitions } = await fetch([], { session: [sessionId, epoch], maxBytes: 600 });
      order.push(partitions.filter((each) => each.bytes > 0).map((each) => each.partition));
    }
    assert.deepEqual(order, [[1], [0], [1]]);
  });

  test('unknown sessions, wrong epochs, and names after ids are refused', async () => {
    const { sessionId } = await fetch(all, { session: [0, 0] });
    assert.equal((await fetch([], { session: [sessionId + 1, 1] })).error, 70);
    assert.equal((await fetch([], { session: [sessionId, 5] })).error, 71);
    assert.equal((await fetch([], { version: 13, session: [sessionId, 1] })).error, 106);
    const closed = await fetch(all, { session: [sessionId, -1] });
    assert.deepEqual([closed.error, closed.sessionId], [0, 0]);
    assert.equal((await fetch([], { session: [sessionId, 1] })).error, 70);
  });

  test('a session outlives its connection', async () => {
    const { sessionId } = await fetch(all, { session: [0, 0] });
    peer.driven.connection.close('gone');
    peer = new KafkaPeer(memory, protocol);
    assert.equal((await fetch([], { session: [sessionId, 1] })).error, 0);
  });
});
