/** kafkajs: an older client with older request versions; groups, admin, gzip, transactions refused elsewhere. */
import assert from 'node:assert/strict';
import kafkajs from 'kafkajs';
import { eventually, kafka as broker, main, scenario, unique } from './scenario.js';

const { AssignerProtocol, CompressionTypes, ConfigResourceTypes, Kafka, logLevel, Partitioners } =
  kafkajs;

const kafka = new Kafka({ clientId: 'js', brokers: [broker], logLevel: logLevel.NOTHING });
const { MemberAssignment } = AssignerProtocol;

async function use(client, run) {
  await client.connect();
  try {
    return await run(client);
  } finally {
    await client.disconnect();
  }
}

const withAdmin = (run) => use(kafka.admin(), run);
const withProducer = (run, options) =>
  use(kafka.producer({ createPartitioner: Partitioners.DefaultPartitioner, ...options }), run);

async function createTopic(name, numPartitions = 1, configEntries = []) {
  const topic = unique(name);
  await withAdmin(async (admin) => {
    await admin.createTopics({
      topics: [{ topic, numPartitions, configEntries }],
      waitForLeaders: false,
    });
    // Kafka tells a new topic's creation before all of its parts know of it.
    await eventually(() =>
      admin.fetchTopicMetadata({ topics: [topic] }).then(
        () => true,
        () => false,
      ),
    );
  });
  return topic;
}

async function member(groupId, topic, options = {}) {
  const consumer = kafka.consumer({
    groupId,
    heartbeatInterval: 300,
    sessionTimeout: 8000,
    maxWaitTimeInMs: 300,
    ...options,
  });
  const state = { consumer, messages: [], partitions: [] };
  consumer.on(consumer.events.GROUP_JOIN, ({ payload }) => {
    state.partitions = payload.memberAssignment[topic] ?? [];
  });
  await consumer.connect();
  await consumer.subscribe({ topic, fromBeginning: true });
  await consumer.run({
    eachMessage: async ({ partition, message }) => {
      state.messages.push({ partition, ...message });
    },
  });
  return state;
}

const values = (state) => state.messages.map((message) => message.value?.toString() ?? null);

scenario('produce and consume', async () => {
  const topic = unique('plain');
  await withProducer((producer) =>
    producer.send({
      topic,
      messages: Array.from({ length: 100 }, (_, n) => ({ value: `value ${n}` })),
    }),
  );
  const reader = await member(unique('group'), topic);
  await eventually(() => reader.messages.length === 100);
  assert.deepEqual(
    values(reader),
    Array.from({ length: 100 }, (_, n) => `value ${n}`),
  );
  await reader.consumer.disconnect();
});

scenario('keys, headers, tombstones, timestamps, gzip', async () => {
  for (const compression of [CompressionTypes.None, CompressionTypes.GZIP]) {
    const topic = await createTopic('shapes');
    const messages = [
      { key: 'k', value: 'v', headers: { a: '1', many: ['x', 'y'] }, timestamp: '1600000000000' },
      { key: 'tombstone', value: null, timestamp: '1600000001000' },
      { value: 'keyless', timestamp: '1600000002000' },
    ];
    const [sent] = await withProducer((producer) =>
      producer.send({ topic, messages, acks: -1, compression }),
    );
    assert.deepEqual([sent.topicName, sent.partition, sent.baseOffset], [topic, 0, '0']);
    const reader = await member(unique('group'), topic);
    await eventually(() => reader.messages.length === 3);
    const [first, tombstone, keyless] = reader.messages;
    assert.deepEqual(
      [
        first.key.toString(),
        first.headers.a.toString(),
        first.headers.many.map(String),
        first.timestamp,
      ],
      ['k', '1', ['x', 'y'], '1600000000000'],
    );
    assert.deepEqual(
      [tombstone.key.toString(), tombstone.value, keyless.key],
      ['tombstone', null, null],
    );
    await reader.consumer.disconnect();
  }
});

scenario('group: join, share, leave, resume', async () => {
  const topic = await createTopic('shared', 4);
  const groupId = unique('group');
  const first = await member(groupId, topic);
  await eventually(() => first.partitions.length === 4);
  const second = await member(groupId, topic);
  await eventually(() => first.partitions.length === 2 && second.partitions.length === 2);
  assert.deepEqual(
    [...first.partitions, ...second.partitions].toSorted((a, b) => a - b),
    [0, 1, 2, 3],
  );
  const messages = (prefix) =>
    [0, 1, 2, 3].map((partition) => ({ partition, value: `${prefix} ${partition}` }));
  await withProducer((producer) => producer.send({ topic, messages: messages('both') }));
  await eventually(() => first.messages.length + second.messages.length === 4);
  await first.consumer.disconnect();
  await eventually(() => second.partitions.length === 4);
  await withProducer((producer) => producer.send({ topic, messages: messages('one') }));
  await eventually(() => values(second).filter((value) => value.startsWith('one')).length === 4);
  await second.consumer.disconnect();
  const third = await member(groupId, topic);
  await eventually(() => third.partitions.length === 4);
  await new Promise((resolve) => setTimeout(resolve, 500));
  assert.deepEqual(values(third), [], 'everything was committed');
  await third.consumer.disconnect();
});

scenario('seek and pause', async () => {
  const topic = await createTopic('seek');
  await withProducer((producer) =>
    producer.send({
      topic,
      messages: Array.from({ length: 10 }, (_, n) => ({ value: String(n) })),
    }),
  );
  const reader = await member(unique('group'), topic);
  await eventually(() => reader.messages.length === 10);
  reader.consumer.seek({ topic, partition: 0, offset: '7' });
  await eventually(() => reader.messages.length === 13);
  assert.deepEqual(values(reader).slice(10), ['7', '8', '9']);
  reader.consumer.pause([{ topic }]);
  await withProducer((producer) => producer.send({ topic, messages: [{ value: 'paused' }] }));
  await new Promise((resolve) => setTimeout(resolve, 700));
  assert.equal(reader.messages.length, 13);
  reader.consumer.resume([{ topic }]);
  await eventually(() => reader.messages.length === 14);
  await reader.consumer.disconnect();
});

scenario('idempotent producer', async () => {
  const topic = await createTopic('idempotent');
  await withProducer(
    async (producer) => {
      for (let batch = 0; batch < 20; batch++) {
        await producer.send({
          topic,
          messages: Array.from({ length: 50 }, (_, n) => ({ value: `${batch * 50 + n}` })),
        });
      }
    },
    { idempotent: true },
  );
  const reader = await member(unique('group'), topic);
  await eventually(() => reader.messages.length === 1000);
  assert.deepEqual(
    values(reader).map(Number),
    Array.from({ length: 1000 }, (_, n) => n),
  );
  await reader.consumer.disconnect();
});

scenario('admin: topics, configs, offsets', async () => {
  const topic = await createTopic('admin', 2, [{ name: 'retention.bytes', value: '123456789' }]);
  await withAdmin(async (admin) => {
    assert.ok((await admin.listTopics()).includes(topic));
    const { topics } = await admin.fetchTopicMetadata({ topics: [topic] });
    assert.deepEqual(topics[0].partitions.map((p) => p.partitionId).toSorted(), [0, 1]);
    assert.equal(await admin.createTopics({ topics: [{ topic }] }), false, 'it exists');
    await admin.createPartitions({ topicPartitions: [{ topic, count: 3 }] });
    await withProducer((producer) =>
      producer.send({ topic, messages: [{ key: 'k', value: 'x', partition: 2 }] }),
    );
    const offsets = await admin.fetchTopicOffsets(topic);
    assert.deepEqual(
      offsets
        .toSorted((a, b) => a.partition - b.partition)
        .map((o) => [o.partition, o.low, o.high]),
      [
        [0, '0', '0'],
        [1, '0', '0'],
        [2, '0', '1'],
      ],
    );
    const { resources } = await admin.describeConfigs({
      resources: [
        {
          type: ConfigResourceTypes.TOPIC,
          name: topic,
          configNames: ['retention.bytes', 'retention.ms'],
        },
      ],
    });
    assert.deepEqual(
      Object.fromEntries(
        resources[0].configEntries.map((entry) => [entry.configName, entry.configValue]),
      ),
      { 'retention.bytes': '123456789', 'retention.ms': '604800000' },
    );
    const { brokers, controller } = await admin.describeCluster();
    assert.deepEqual(
      brokers.map((b) => b.nodeId),
      [controller],
    );
    await admin.deleteTopics({ topics: [topic] });
    await eventually(async () => !(await admin.listTopics()).includes(topic));
  });
});

scenario('admin: delete records', async () => {
  const topic = await createTopic('trimmed');
  await withProducer((producer) =>
    producer.send({
      topic,
      messages: Array.from({ length: 10 }, (_, n) => ({ value: String(n) })),
    }),
  );
  await withAdmin(async (admin) => {
    assert.equal((await admin.fetchTopicOffsets(topic))[0].low, '0');
    await admin.deleteTopicRecords({ topic, partitions: [{ partition: 0, offset: '6' }] });
    const [offsets] = await admin.fetchTopicOffsets(topic);
    assert.deepEqual([offsets.low, offsets.high], ['6', '10']);
  });
});

scenario('admin: groups and their offsets', async () => {
  const topic = await createTopic('listed');
  const groupId = unique('group');
  await withProducer((producer) =>
    producer.send({ topic, messages: [{ value: '0' }, { value: '1' }] }),
  );
  const reader = await member(groupId, topic);
  await eventually(() => reader.messages.length === 2);
  await withAdmin(async (admin) => {
    assert.ok((await admin.listGroups()).groups.some((group) => group.groupId === groupId));
    const { groups } = await admin.describeGroups([groupId]);
    assert.deepEqual(
      [groups[0].state, groups[0].protocolType, groups[0].members.length],
      ['Stable', 'consumer', 1],
    );
    const { assignment } = MemberAssignment.decode(groups[0].members[0].memberAssignment);
    assert.deepEqual({ ...assignment }, { [topic]: [0] });
    await reader.consumer.disconnect();
    const offsets = await admin.fetchOffsets({ groupId, topics: [topic] });
    assert.deepEqual(
      offsets[0].partitions.map((p) => p.offset),
      ['2'],
    );
    await admin.resetOffsets({ groupId, topic, earliest: true });
    assert.deepEqual(
      (await admin.fetchOffsets({ groupId, topics: [topic] }))[0].partitions.map((p) => p.offset),
      ['-2'],
    );
    await admin.setOffsets({ groupId, topic, partitions: [{ partition: 0, offset: '1' }] });
    const again = await member(groupId, topic);
    await eventually(() => again.messages.length === 1);
    assert.deepEqual(values(again), ['1']);
    await again.consumer.disconnect();
    await admin.deleteGroups([groupId]);
    assert.ok(!(await admin.listGroups()).groups.some((group) => group.groupId === groupId));
  });
});

scenario('offsets by timestamp', async () => {
  const topic = await createTopic('times');
  await withProducer(async (producer) => {
    for (let n = 0; n < 5; n++) {
      await producer.send({
        topic,
        messages: [{ value: String(n), timestamp: String(1_700_000_000_000 + n * 1000) }],
      });
    }
  });
  await withAdmin(async (admin) => {
    const at = async (timestamp) =>
      (await admin.fetchTopicOffsetsByTimestamp(topic, timestamp))[0].offset;
    assert.equal(await at(1_700_000_002_500), '3');
    assert.equal(await at(1_700_000_000_000), '0');
  });
});

scenario('errors: too large, unknown topic without auto creation', async () => {
  const topic = await createTopic('small', 1, [{ name: 'max.message.bytes', value: '1000' }]);
  await withProducer(
    async (producer) => {
      await assert.rejects(
        producer.send({ topic, messages: [{ value: 'x'.repeat(3000) }] }),
        /larger|MESSAGE_TOO_LARGE/,
      );
      await producer.send({ topic, messages: [{ value: 'ok' }] });
      await assert.rejects(
        producer.send({ topic: unique('missing'), messages: [{ value: 'x' }] }),
        /does not host this topic-partition/,
      );
    },
    { allowAutoTopicCreation: false, retry: { retries: 1 } },
  );
});

await main();
