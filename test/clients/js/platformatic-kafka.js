/** @platformatic/kafka: a modern client with high minimal versions; streams, groups, admin, every codec. */
import assert from 'node:assert/strict';
import {
  Admin,
  Consumer,
  Producer,
  stringDeserializers,
  stringSerializers,
} from '@platformatic/kafka';
import { eventually, kafka as broker, main, scenario, unique } from './scenario.js';

const base = { clientId: 'js', bootstrapBrokers: [broker] };

async function use(client, run) {
  try {
    return await run(client);
  } finally {
    await client.close();
  }
}

const withAdmin = (run) => use(new Admin(base), run);
const withProducer = (run, options) =>
  use(new Producer({ ...base, serializers: stringSerializers, ...options }), run);

async function createTopic(name, partitions = 1, configs = []) {
  const topic = unique(name);
  await withAdmin((admin) =>
    admin.createTopics({ topics: [topic], partitions, replicas: 1, configs }),
  );
  return topic;
}

async function member(topic, options = {}) {
  const { mode = 'earliest', groupId = unique('group'), ...rest } = options;
  const consumer = new Consumer({
    ...base,
    groupId,
    deserializers: stringDeserializers,
    sessionTimeout: 8000,
    heartbeatInterval: 300,
    ...rest,
  });
  const state = { consumer, messages: [], groupId };
  const stream = await consumer.consume({
    topics: [topic],
    mode,
    autocommit: true,
    maxWaitTime: 500,
    ...rest,
  });
  stream.on('data', (message) => state.messages.push(message));
  stream.on('error', (error) => (state.error = error));
  state.close = () => consumer.close(true);
  state.partitions = () =>
    (consumer.assignments ?? []).find((a) => a.topic === topic)?.partitions ?? [];
  return state;
}

scenario('produce and consume', async () => {
  const topic = await createTopic('plain');
  await withProducer(async (producer) => {
    const messages = Array.from({ length: 200 }, (_, n) => ({
      topic,
      key: `k${n}`,
      value: `value ${n}`,
      headers: { n: `${n}` },
    }));
    const { offsets } = await producer.send({ messages, acks: -1 });
    assert.deepEqual(
      offsets.map((o) => [o.topic, o.partition, o.offset]),
      [[topic, 0, 0n]],
    );
  });
  const reader = await member(topic);
  await eventually(() => reader.messages.length === 200);
  assert.deepEqual(
    reader.messages.map((m) => [m.key, m.value, m.headers.get('n'), m.offset]),
    Array.from({ length: 200 }, (_, n) => [`k${n}`, `value ${n}`, `${n}`, BigInt(n)]),
  );
  await reader.close();
});

for (const compression of ['none', 'gzip', 'snappy', 'lz4', 'zstd']) {
  scenario(`codec ${compression}`, async () => {
    const topic = await createTopic(compression);
    await withProducer(async (producer) => {
      for (let batch = 0; batch < 4; batch++) {
        const messages = Array.from({ length: 100 }, (_, n) => ({
          topic,
          value: `${batch * 100 + n} ${'x'.repeat(200)}`,
        }));
        await producer.send({ messages, compression });
      }
    });
    const reader = await member(topic);
    await eventually(() => reader.messages.length === 400);
    assert.deepEqual(
      reader.messages.map((m) => Number.parseInt(m.value, 10)),
      Array.from({ length: 400 }, (_, n) => n),
    );
    await reader.close();
  });
}

scenario('idempotent producer', async () => {
  const topic = await createTopic('idempotent');
  await withProducer(
    async (producer) => {
      for (let batch = 0; batch < 20; batch++) {
        await producer.send({
          messages: Array.from({ length: 20 }, (_, n) => ({ topic, value: `${batch * 20 + n}` })),
        });
      }
    },
    { idempotent: true },
  );
  const reader = await member(topic);
  await eventually(() => reader.messages.length === 400);
  assert.deepEqual(
    reader.messages.map((m) => Number(m.value)),
    Array.from({ length: 400 }, (_, n) => n),
  );
  await reader.close();
});

scenario('group: two members share, one leaves, offsets stay', async () => {
  const topic = await createTopic('shared', 4);
  const groupId = unique('group');
  const first = await member(topic, { groupId, mode: 'committed', fallbackMode: 'earliest' });
  await eventually(() => first.partitions().length === 4);
  const second = await member(topic, { groupId, mode: 'committed', fallbackMode: 'earliest' });
  await eventually(() => first.partitions().length === 2 && second.partitions().length === 2);
  assert.deepEqual(
    [...first.partitions(), ...second.partitions()].toSorted((a, b) => a - b),
    [0, 1, 2, 3],
  );
  const send = (prefix) =>
    withProducer((producer) =>
      producer.send({
        messages: [0, 1, 2, 3].map((partition) => ({
          topic,
          partition,
          value: `${prefix} ${partition}`,
        })),
      }),
    );
  await send('both');
  // This client may still deliver what a partition it just lost had under way, so values count once.
  await eventually(
    () => new Set([...first.messages, ...second.messages].map((m) => m.value)).size === 4,
  );
  await first.close();
  await eventually(() => second.partitions().length === 4);
  await send('one');
  await eventually(() => second.messages.filter((m) => m.value.startsWith('one')).length === 4);
  await withAdmin(async (admin) => {
    await eventually(async () => {
      const [group] = await admin.listConsumerGroupOffsets({ groups: [groupId] });
      const offsets = group.topics.flatMap((t) => t.partitions.map((p) => p.committedOffset));
      return offsets.length === 4 && offsets.every((offset) => offset === 2n);
    });
  });
  await second.close();
});

scenario('admin: topics, configs, partitions', async () => {
  const topic = await createTopic('admin', 2, [{ name: 'retention.ms', value: '60000' }]);
  await withAdmin(async (admin) => {
    assert.ok((await admin.listTopics()).includes(topic));
    await assert.rejects(admin.createTopics({ topics: [topic], partitions: 1, replicas: 1 }));
    const [resource] = await admin.describeConfigs({
      resources: [
        {
          resourceType: 2,
          resourceName: topic,
          configurationKeys: ['retention.ms', 'cleanup.policy'],
        },
      ],
    });
    assert.deepEqual(
      Object.fromEntries(resource.configs.map((config) => [config.name, config.value])),
      { 'retention.ms': '60000', 'cleanup.policy': 'delete' },
    );
    await admin.incrementalAlterConfigs({
      resources: [
        {
          resourceType: 2,
          resourceName: topic,
          configs: [{ name: 'retention.ms', configOperation: 0, value: '70000' }],
        },
      ],
    });
    await admin.createPartitions({ topics: [{ name: topic, count: 3, assignments: null }] });
    await eventually(
      async () =>
        (await admin.metadata({ topics: [topic], forceUpdate: true })).topics.get(topic)
          .partitionsCount === 3,
    );
    await admin.deleteTopics({ topics: [topic] });
    await eventually(async () => !(await admin.listTopics()).includes(topic));
  });
});

scenario('admin: groups', async () => {
  const topic = await createTopic('listed');
  await withProducer((producer) => producer.send({ messages: [{ topic, value: 'x' }] }));
  const reader = await member(topic, { mode: 'committed', fallbackMode: 'earliest' });
  await eventually(() => reader.messages.length === 1);
  await withAdmin(async (admin) => {
    assert.equal((await admin.listGroups()).get(reader.groupId).protocolType, 'consumer');
    const group = (await admin.describeGroups({ groups: [reader.groupId] })).get(reader.groupId);
    assert.equal(group.state.toUpperCase(), 'STABLE');
    assert.equal(group.members.size, 1);
    await reader.close();
    await admin.deleteGroups({ groups: [reader.groupId] });
    assert.equal((await admin.listGroups()).has(reader.groupId), false);
  });
});

scenario('offsets by timestamp, deleted records', async () => {
  const topic = await createTopic('times');
  await withProducer(async (producer) => {
    for (let n = 0; n < 5; n++) {
      await producer.send({
        messages: [{ topic, value: `${n}`, timestamp: BigInt(1_700_000_000_000 + n * 1000) }],
      });
    }
  });
  await withAdmin(async (admin) => {
    const at = async (timestamp) => {
      const [listed] = await admin.listOffsets({
        topics: [{ name: topic, partitions: [{ partitionIndex: 0, timestamp }] }],
      });
      return listed.partitions[0].offset;
    };
    assert.equal(await at(1_700_000_002_500n), 3n);
    assert.equal(await at(-1n), 5n);
    assert.equal(await at(-2n), 0n);
    assert.equal(await at(-3n), 4n);
    await admin.deleteRecords({
      topics: [{ name: topic, partitions: [{ partition: 0, offset: 2n }] }],
    });
    assert.equal(await at(-2n), 2n);
  });
});

await main();
