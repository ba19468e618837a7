import assert from 'node:assert/strict';
import { beforeEach, describe, test } from 'node:test';
import { batch, Key, KafkaPeer, kafkaOf } from '#test/drive/kafka-peer.ts';
import { MemoryBroker } from '#test/drive/memory-broker.ts';
import { defaultQueueOptions } from '#core/queue/queue-options.ts';
import type { Topic } from '#core/topic/topic.ts';
import type { Reader } from '#wire/reader.ts';

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

interface SeenTopic {
  error: number;
  name: string | null;
  partitions: number;
}

async function metadata(
  version: number,
  names: string[] | null,
  mayCreate = false,
  ids: Uint8Array[] = [],
): Promise<SeenTopic[]> {
  const answer = await peer.ask(Key.Metadata, version, (w) => {
    if (names === null) w.arrayLength(version === 0 ? 0 : -1);
    else w.arrayLength(names.length + ids.length);
    for (const name of names ?? []) {
      if (version >= 10) w.uuid(new Uint8Array(16)).nullableString(name);
      else w.string(name);
      w.tags();
    }
    for (const [i, id] of ids.entries())
      w.uuid(id)
        .nullableString(i % 2 === 0 ? '' : null)
        .tags();
    if (version >= 4) w.bool(mayCreate);
    if (version >= 8 && version <= 10) w.bool(true);
    if (version >= 8) w.bool(true);
    w.tags();
  });
  if (version >= 3) answer.int32();
  const brokers = answer.array((r) => {
    const node = [r.int32(), r.string(), r.int32()];
    if (version >= 1) r.nullableString();
    r.tags();
    return node;
  });
  assert.deepEqual(brokers, [[1, '127.0.0.1', 5000]]);
  if (version >= 2) assert.equal(answer.nullableString(), memory.broker.clusterId);
  if (version >= 1) assert.equal(answer.int32(), 1);
  const topics = answer.array((r) => readTopic(r, version));
  if (version >= 8 && version <= 10) assert.equal(answer.int32(), 8096);
  if (version >= 13) assert.equal(answer.int16(), 0);
  answer.tags();
  assert.equal(answer.remaining, 0);
  return topics;
}

function readTopic(r: Reader, version: number): SeenTopic {
  const error = r.int16();
  const name = version >= 12 ? r.nullableString() : r.string();
  if (version >= 10) {
    const id = r.uuid();
    if (name === 't') assert.deepEqual(id, topic.id);
  }
  if (version >= 1) assert.equal(r.bool(), false);
  const partitions = r.array((each) => {
    const [code, , leader] = [each.int16(), each.int32(), each.int32()];
    assert.deepEqual([code, leader], [0, 1]);
    if (version >= 7) each.int32();
    assert.deepEqual(
      each.array((one) => one.int32()),
      [1],
    );
    assert.deepEqual(
      each.array((one) => one.int32()),
      [1],
    );
    if (version >= 5) each.array((one) => one.int32());
    each.tags();
  });
  if (version >= 8 && error === 0) assert.equal(r.int32(), 3576);
  else if (version >= 8) r.int32();
  r.tags();
  return { error, name, partitions: partitions.length };
}

describe('Metadata', () => {
  for (let version = 0; version <= 13; version++) {
    test(`v${version}: all, some, unknown, a queue`, async () => {
      const t = { error: 0, name: 't', partitions: 2 };
      assert.deepEqual(await metadata(version, null), [t]);
      assert.deepEqual(await metadata(version, ['t', 'q', 'a b']), [
        t,
        { error: 17, name: 'q', partitions: 0 },
        { error: 17, name: 'a b', partitions: 0 },
      ]);
      if (version >= 1) assert.deepEqual(await metadata(version, []), []);
      if (version >= 4) assert.equal((await metadata(version, ['new']))[0]!.error, 3);
      const made = await metadata(version, ['new'], true);
      assert.deepEqual(made, [{ error: 0, name: 'new', partitions: 1 }]);
    });
  }

  test('by id', async () => {
    const found = await metadata(12, [], false, [topic.id, new Uint8Array(16).fill(9), topic.id]);
    assert.deepEqual(found, [
      { error: 0, name: 't', partitions: 2 },
      { error: 100, name: null, partitions: 0 },
      { error: 0, name: 't', partitions: 2 },
    ]);
  });

  test('topics are not made when that is switched off', async () => {
    memory = await MemoryBroker.open({ defaults: { autoCreateTopics: false } });
    peer = new KafkaPeer(memory, kafkaOf(memory));
    assert.equal((await metadata(4, ['new'], true))[0]!.error, 3);
  });
});

interface NewTopic {
  name: string;
  partitions?: number;
  replication?: number;
  assignments?: [number, number[]][];
  configs?: [string, string | null][];
}

async function create(version: number, topics: NewTopic[], validateOnly = false) {
  const answer = await peer.ask(Key.CreateTopics, version, (w) => {
    w.array(topics, (each, one) => {
      each
        .string(one.name)
        .int32(one.partitions ?? 1)
        .int16(one.replication ?? 1);
      each.array(one.assignments ?? [], (a, [index, ids]) => a.int32(index).int32Array(ids).tags());
      each.array(one.configs ?? [], (c, [name, value]) =>
        c.string(name).nullableString(value).tags(),
      );
      each.tags();
    });
    w.int32(1000).bool(validateOnly).tags();
  });
  answer.int32();
  const results = answer.array((r) => {
    const name = r.string();
    if (version >= 7) r.uuid();
    const error = r.int16();
    const text = r.nullableString();
    let shape: (number | string | undefined)[] = [];
    if (version >= 5) {
      const [partitions, replication] = [r.int32(), r.int16()];
      const configs = r.array((each) => {
        const line = [each.string(), each.nullableString()];
        each.bool();
        each.int8();
        each.bool();
        each.tags();
        return line;
      });
      const found = configs.find(([key]) => key === 'retention.ms');
      shape = [partitions, replication, found?.[1] ?? undefined];
    }
    r.tags();
    return { name, error, text, shape };
  });
  answer.tags();
  assert.equal(answer.remaining, 0);
  return results;
}

describe('CreateTopics', () => {
  for (let version = 2; version <= 7; version++) {
    test(`v${version}`, async () => {
      const configs: [string, string][] = [['retention.ms', '1234']];
      const [made, there] = await create(version, [
        { name: 'n', partitions: 3, replication: 2, configs },
        { name: 't' },
      ]);
      assert.equal(made!.error, 0);
      if (version >= 5) assert.deepEqual(made!.shape, [3, 2, '1234']);
      assert.deepEqual([there!.error, there!.text], [36, "Topic 't' already exists."]);
      const created = memory.broker.defaultNamespace.topic('n');
      assert.equal(created.partitions.length, 3);
      assert.equal(created.config.retentionMs, 1234);
    });
  }

  test('what Kafka refuses', async () => {
    const cases: [NewTopic, number, RegExp][] = [
      [{ name: 'a b' }, 17, /illegal|invalid/],
      [{ name: '..' }, 17, /not allowed/],
      [{ name: 'x'.repeat(250) }, 17, /longer/],
      [{ name: 'q' }, 17, /queue/],
      [{ name: 'n', partitions: 0 }, 37, /non-positive/],
      [{ name: 'n', replication: 0 }, 38, /larger than 0/],
      [{ name: 'n', configs: [['retention.ms', 'soon']] }, 40, /retention\.ms/],
      [{ name: 'n', configs: [['no.such', '1']] }, 40, /Unknown topic config name: no\.such/],
      [{ name: 'n', configs: [['retention.ms', null]] }, 40, /Null value/],
      [{ name: 'n', configs: [['cleanup.policy', 'compact']] }, 40, /compact/],
      [{ name: 'n', assignments: [[0, [1]]] }, 42, /manual partition assignment/],
      [{ name: 'n', partitions: -1, replication: -1, assignments: [[1, [1]]] }, 39, /0-based/],
      [{ name: 'n', partitions: -1, replication: -1, assignments: [[0, [7]]] }, 39, /other than/],
    ];
    for (const [wanted, error, text] of cases) {
      const [result] = await create(7, [wanted]);
      assert.equal(result!.error, error, JSON.stringify(wanted));
      assert.match(result!.text!, text);
    }
    const twice = await create(7, [{ name: 'n' }, { name: 'n' }]);
    assert.deepEqual(
      twice.map((each) => each.error),
      [42, 42],
    );
    assert.deepEqual([...memory.broker.defaultNamespace.topics.keys()], ['t']);
  });

  test('defaults, assignments, and a check that changes nothing', async () => {
    const any = { name: 'n', partitions: -1, replication: -1 };
    const [checked] = await create(7, [any], true);
    assert.deepEqual([checked!.error, checked!.shape.slice(0, 2)], [0, [1, 1]]);
    assert.equal(memory.broker.defaultNamespace.topics.has('n'), false);
    const assigned = {
      ...any,
      assignments: [
        [0, [1]],
        [1, [1]],
      ] as [number, number[]][],
    };
    const [made] = await create(7, [assigned]);
    assert.deepEqual([made!.error, made!.shape[0]], [0, 2]);
  });
});

describe('DeleteTopics', () => {
  for (let version = 1; version <= 6; version++) {
    test(`v${version}`, async () => {
      const answer = await peer.ask(Key.DeleteTopics, version, (w) => {
        w.arrayLength(3);
        for (const name of ['t', 'none', 'q']) {
          if (version >= 6) w.nullableString(name).uuid(new Uint8Array(16)).tags();
          else w.string(name);
        }
        w.int32(1000).tags();
      });
      answer.int32();
      const errors = answer.array((r) => {
        if (version >= 6) r.nullableString();
        else r.string();
        if (version >= 6) r.uuid();
        const error = r.int16();
        if (version >= 5) r.nullableString();
        r.tags();
        return error;
      });
      answer.tags();
      assert.equal(answer.remaining, 0);
      assert.deepEqual(errors, [0, 3, 17]);
      assert.equal(memory.broker.defaultNamespace.topics.size, 0);
    });
  }

  test('by id', async () => {
    const answer = await peer.ask(Key.DeleteTopics, 6, (w) => {
      w.arrayLength(2);
      for (const id of [topic.id, new Uint8Array(16)]) w.nullableString(null).uuid(id).tags();
      w.int32(1000).tags();
    });
    answer.int32();
    const results = answer.array((r) => {
      const name = r.nullableString();
      r.uuid();
      const error = r.int16();
      r.nullableString();
      r.tags();
      return [name, error];
    });
    assert.deepEqual(results, [
      ['t', 0],
      [null, 100],
    ]);
  });
});

test('CreatePartitions: only more of them', async () => {
  const grow = async (count: number, assignments: number[][] | null = null, name = 't') => {
    const answer = await peer.ask(Key.CreatePartitions, 3, (w) => {
      w.arrayLength(1).string(name).int32(count);
      if (assignments === null) w.arrayLength(-1);
      else w.array(assignments, (each, ids) => each.int32Array(ids).tags());
      w.tags().int32(1000).bool(false).tags();
    });
    answer.int32();
    const [result] = answer.array((r) => {
      r.string();
      const line = [r.int16(), r.nullableString()] as const;
      r.tags();
      return line;
    });
    return result!;
  };
  assert.deepEqual(await grow(2), [37, 'Topic already has 2 partition(s).']);
  assert.equal((await grow(1))[0], 37);
  assert.equal((await grow(4, [[1]]))[0], 39);
  assert.equal((await grow(4, [[1], [2]]))[0], 39);
  assert.equal((await grow(4, null, 'none'))[0], 3);
  assert.deepEqual(await grow(4, [[1], [1]]), [0, null]);
  assert.equal(topic.partitions.length, 4);
});

test('DescribeTopicPartitions goes page by page', async () => {
  memory.broker.defaultNamespace.createTopic('a', {
    partitions: 3,
    replicationFactor: 1,
    config: {},
  });
  await memory.settle();
  const seen: string[] = [];
  let cursor: [string, number] | null = null;
  for (let pages = 0; pages < 10; pages++) {
    const at: [string, number] | null = cursor;
    const answer = await peer.ask(Key.DescribeTopicPartitions, 0, (w) => {
      w.arrayLength(0).int32(2);
      if (at === null) w.int8(-1);
      else w.int8(1).string(at[0]).int32(at[1]).tags();
      w.tags();
    });
    answer.int32();
    answer.array((r) => {
      assert.equal(r.int16(), 0);
      const name = r.nullableString();
      r.uuid();
      r.bool();
      r.array((each) => {
        each.int16();
        seen.push(`${name}-${each.int32()}`);
        each.int32();
        each.int32();
        for (let i = 0; i < 5; i++) each.array((one) => one.int32());
        each.tags();
      });
      r.int32();
      r.tags();
    });
    cursor = answer.int8() === 1 ? [answer.string(), answer.int32()] : null;
    if (cursor === null) break;
  }
  assert.deepEqual(seen, ['a-0', 'a-1', 'a-2', 't-0', 't-1']);
});

test('DescribeCluster, DescribeLogDirs, FindCoordinator', async () => {
  const cluster = await peer.ask(Key.DescribeCluster, 2, (w) =>
    w.bool(false).int8(1).bool(false).tags(),
  );
  cluster.int32();
  assert.deepEqual([cluster.int16(), cluster.nullableString(), cluster.int8()], [0, null, 1]);
  assert.deepEqual([cluster.string(), cluster.int32()], [memory.broker.clusterId, 1]);
  const controllers = await peer.ask(Key.DescribeCluster, 1, (w) => w.bool(false).int8(2).tags());
  controllers.int32();
  assert.equal(controllers.int16(), 114);

  topic.partitions[1]!.append(batch(['a']));
  await memory.settle();
  const dirs = await peer.ask(Key.DescribeLogDirs, 4, (w) => w.arrayLength(-1).tags());
  dirs.int32();
  assert.equal(dirs.int16(), 0);
  dirs.arrayLength();
  dirs.int16();
  dirs.string();
  const sizes = dirs.array((r) => {
    r.string();
    return r.array((each) => {
      const line = [each.int32(), each.int64()];
      each.int64();
      each.bool();
      each.tags();
      return line;
    });
  });
  assert.deepEqual(
    sizes[0]!.map(([, bytes]) => bytes! > 0),
    [false, true],
  );

  for (let version = 0; version <= 6; version++) {
    const answer = await peer.ask(Key.FindCoordinator, version, (w) => {
      if (version < 4) w.string('g');
      if (version >= 1) w.int8(0);
      if (version >= 4) w.arrayLength(1).string('g');
      w.tags();
    });
    if (version >= 1) answer.int32();
    if (version >= 4) {
      answer.arrayLength();
      answer.string();
    } else {
      assert.equal(answer.int16(), 0);
      if (version >= 1) answer.nullableString();
    }
    assert.deepEqual([answer.int32(), answer.string(), answer.int32()], [1, '127.0.0.1', 5000]);
  }
  const transactions = await peer.ask(Key.FindCoordinator, 3, (w) => w.string('tx').int8(1).tags());
  transactions.int32();
  assert.equal(transactions.int16(), 53);
});
