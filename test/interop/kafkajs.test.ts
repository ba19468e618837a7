/** kafkajs, unmodified, against the whole server: every flow that people have with it. */
import { after, before, describe, test } from 'node:test';
import assert from 'node:assert/strict';
import {
  type Admin,
  CompressionTypes,
  type Consumer,
  Kafka,
  type KafkaMessage,
  logLevel,
  Partitioners,
  type Producer,
} from 'kafkajs';
import { eventually, startTestServer, type TestServer } from '#test/drive/server.ts';

/** ConfigResourceTypes.TOPIC, which kafkajs does not export to modules. */
const TOPIC_RESOURCE = 2;

let server: TestServer;
let kafka: Kafka;
let admin: Admin;
let producer: Producer;
const open: Consumer[] = [];

before(async () => {
  server = await startTestServer();
  kafka = new Kafka({
    clientId: 'test',
    brokers: [server.kafka],
    logLevel: logLevel.NOTHING,
    retry: { initialRetryTime: 20, retries: 20 },
  });
  admin = kafka.admin();
  producer = kafka.producer({ createPartitioner: Partitioners.DefaultPartitioner });
  await admin.connect();
  await producer.connect();
});

after(async () => {
  for (const consumer of open) await consumer.disconnect();
  await producer.disconnect();
  await admin.disconnect();
  await server.stop();
});

async function createTopic(topic: string, numPartitions = 1): Promise<void> {
  await admin.createTopics({ topics: [{ topic, numPartitions }], waitForLeaders: true });
}

interface Member {
  consumer: Consumer;
  messages: (KafkaMessage & { partition: number })[];
  assigned: number[];
}

async function member(groupId: string, topic: string, fromBeginning = true): Promise<Member> {
  const consumer = kafka.consumer({
    groupId,
    heartbeatInterval: 100,
    sessionTimeout: 6000,
    maxWaitTimeInMs: 100,
  });
  open.push(consumer);
  const result: Member = { consumer, messages: [], assigned: [] };
  consumer.on(consumer.events.GROUP_JOIN, ({ payload }) => {
    result.assigned = payload.memberAssignment[topic] ?? [];
  });
  await consumer.connect();
  await consumer.subscribe({ topic, fromBeginning });
  await consumer.run({
    eachMessage: ({ partition, message }) => {
      result.messages.push({ ...message, partition });
      return Promise.resolve();
    },
  });
  return result;
}

const values = (messages: readonly KafkaMessage[]): (string | null)[] =>
  messages.map(({ value }) => value?.toString() ?? null);

test('a topic that nobody created; keys, headers, null values, times', async () => {
  const reader = member('first', 'auto');
  await producer.send({
    topic: 'auto',
    messages: [
      {
        key: 'k',
        value: 'v',
        headers: { one: 'x', two: Buffer.from([0xff]) },
        timestamp: '1234567',
      },
      { key: 'tombstone', value: null },
      { value: 'größer als 日本' },
    ],
  });
  const { messages } = await reader;
  await eventually(() => messages.length === 3);
  assert.deepEqual(values(messages), ['v', null, 'größer als 日本']);
  const [first] = messages;
  assert.equal(first!.key!.toString(), 'k');
  assert.equal(first!.timestamp, '1234567');
  assert.equal(first!.headers!['one']!.toString(), 'x');
  assert.deepEqual(first!.headers!['two'], Buffer.from([0xff]));
  assert.deepEqual(
    messages.map((message) => message.offset),
    ['0', '1', '2'],
  );
});

test('acks 0, 1 and all; gzip; an idempotent producer', async () => {
  await createTopic('acks');
  const send = (text: string, acks: number, compression = CompressionTypes.None) =>
    producer.send({ topic: 'acks', acks, compression, messages: [{ value: text }] });
  await send('none', 0);
  const [one] = await send('leader', 1);
  assert.equal(one!.baseOffset, '1');
  await send('all', -1, CompressionTypes.GZIP);
  const idempotent = kafka.producer({ idempotent: true, maxInFlightRequests: 1 });
  await idempotent.connect();
  for (let n = 0; n < 20; n++) {
    await idempotent.send({ topic: 'acks', messages: [{ value: `i${n}` }] });
  }
  await idempotent.disconnect();
  const { messages } = await member('acks', 'acks');
  await eventually(() => messages.length === 23);
  const rest = Array.from({ length: 20 }, (_, n) => `i${n}`);
  assert.deepEqual(values(messages), ['none', 'leader', 'all', ...rest]);
});

test('large messages, many of them, and one that is too large', async () => {
  await createTopic('large');
  const body = (n: number): string => `${n}:${'x'.repeat(300_000)}`;
  for (let n = 0; n < 30; n++)
    await producer.send({ topic: 'large', messages: [{ value: body(n) }] });
  const { messages } = await member('large', 'large');
  await eventually(() => messages.length === 30);
  assert.deepEqual(
    values(messages).map((value) => value!.slice(0, 3)),
    Array.from({ length: 30 }, (_, n) => body(n).slice(0, 3)),
  );
  const tooLarge = producer.send({
    topic: 'large',
    messages: [{ value: Buffer.alloc(2_000_000) }],
  });
  await assert.rejects(tooLarge, { type: 'MESSAGE_TOO_LARGE' });
});

describe('groups', () => {
  test('members share the partitions, and take over from one that leaves', async () => {
    await createTopic('shared', 4);
    const a = await member('share', 'shared');
    await eventually(() => a.assigned.length === 4);
    const b = await member('share', 'shared');
    await eventually(() => a.assigned.length === 2 && b.assigned.length === 2);
    const messages = Array.from({ length: 40 }, (_, n) => ({ value: `${n}`, partition: n % 4 }));
    await producer.send({ topic: 'shared', messages });
    await eventually(() => a.messages.length + b.messages.length === 40);
    assert.equal(a.messages.length, 20);
    await b.consumer.disconnect();
    await eventually(() => a.assigned.length === 4);
    await producer.send({ topic: 'shared', messages });
    await eventually(() => a.messages.length === 60);
    const { groups } = await admin.describeGroups(['share']);
    assert.equal(groups[0]!.state, 'Stable');
    assert.equal(groups[0]!.members.length, 1);
  });

  test('a group goes on where it was', async () => {
    await createTopic('resume');
    const send = (text: string) => producer.send({ topic: 'resume', messages: [{ value: text }] });
    await send('one');
    const first = await member('resume', 'resume');
    await eventually(() => first.messages.length === 1);
    await first.consumer.disconnect();
    await send('two');
    const second = await member('resume', 'resume');
    await eventually(() => second.messages.length > 0);
    assert.deepEqual(values(second.messages), ['two']);
  });

  test('from the end: only what comes later', async () => {
    await createTopic('late');
    await producer.send({ topic: 'late', messages: [{ value: 'before' }] });
    const reader = await member('late', 'late', false);
    await eventually(() => reader.assigned.length === 1);
    await eventually(async () => {
      await producer.send({ topic: 'late', messages: [{ value: 'after' }] });
      return reader.messages.length > 0;
    });
    assert.equal(values(reader.messages)[0], 'after');
  });

  test('seek, pause and resume', async () => {
    await createTopic('seek');
    const messages = Array.from({ length: 10 }, (_, n) => ({ value: `${n}` }));
    await producer.send({ topic: 'seek', messages });
    const reader = await member('seek', 'seek');
    await eventually(() => reader.messages.length === 10);
    reader.consumer.seek({ topic: 'seek', partition: 0, offset: '7' });
    await eventually(() => reader.messages.length === 13);
    assert.deepEqual(values(reader.messages.slice(10)), ['7', '8', '9']);
    reader.consumer.pause([{ topic: 'seek' }]);
    await producer.send({ topic: 'seek', messages: [{ value: 'paused' }] });
    assert.equal(reader.messages.length, 13);
    reader.consumer.resume([{ topic: 'seek' }]);
    await eventually(() => reader.messages.length === 14);
  });

  test('offsets by hand: set, read, deleted with the group', async () => {
    await createTopic('hand');
    const partitions = [{ partition: 0, offset: '5', metadata: 'note' }];
    await admin.setOffsets({ groupId: 'hand', topic: 'hand', partitions });
    const [found] = await admin.fetchOffsets({ groupId: 'hand', topics: ['hand'] });
    assert.equal(found!.partitions[0]!.offset, '5');
    const { groups } = await admin.listGroups();
    assert.ok(groups.some(({ groupId }) => groupId === 'hand'));
    await admin.deleteGroups(['hand']);
    const [gone] = await admin.fetchOffsets({ groupId: 'hand', topics: ['hand'] });
    assert.equal(gone!.partitions[0]!.offset, '-1');
  });
});

describe('administration', () => {
  test('topics, partitions, offsets by time, settings', async () => {
    await createTopic('managed', 2);
    assert.ok((await admin.listTopics()).includes('managed'));
    await admin.createPartitions({ topicPartitions: [{ topic: 'managed', count: 3 }] });
    const { topics } = await admin.fetchTopicMetadata({ topics: ['managed'] });
    assert.equal(topics[0]!.partitions.length, 3);
    const times = ['1000', '2000', '3000'];
    for (const timestamp of times) {
      const messages = [{ value: 'x', partition: 0, timestamp }];
      await producer.send({ topic: 'managed', messages });
    }
    const byTime = await admin.fetchTopicOffsetsByTimestamp('managed', 1500);
    assert.equal(byTime.find(({ partition }) => partition === 0)!.offset, '1');
    await admin.deleteTopicRecords({
      topic: 'managed',
      partitions: [{ partition: 0, offset: '2' }],
    });
    const offsets = await admin.fetchTopicOffsets('managed');
    assert.deepEqual(
      offsets.find(({ partition }) => partition === 0),
      { partition: 0, offset: '3', high: '3', low: '2' },
    );
    const type = TOPIC_RESOURCE;
    const configEntries = [{ name: 'retention.ms', value: '60000' }];
    await admin.alterConfigs({
      validateOnly: false,
      resources: [{ type, name: 'managed', configEntries }],
    });
    const { resources } = await admin.describeConfigs({
      includeSynonyms: true,
      resources: [{ type, name: 'managed', configNames: ['retention.ms'] }],
    });
    assert.equal(resources[0]!.configEntries[0]!.configValue, '60000');
    await admin.deleteTopics({ topics: ['managed'] });
    assert.ok(!(await admin.listTopics()).includes('managed'));
  });

  test('errors reach the client as what they are', async () => {
    const strict = kafka.admin({ retry: { retries: 0 } });
    await strict.connect();
    await assert.rejects(
      strict.createTopics({ topics: [{ topic: 'not a topic' }] }),
      (error: Error & { errors?: { type: string }[] }) =>
        error.errors?.[0]?.type === 'INVALID_TOPIC_EXCEPTION',
    );
    await assert.rejects(
      strict.deleteTopics({ topics: ['never was'], timeout: 1000 }),
      /does not host this topic-partition/,
    );
    await strict.disconnect();
    const transactional = kafka.producer({
      transactionalId: 'tx',
      idempotent: true,
      maxInFlightRequests: 1,
      retry: { retries: 1 },
    });
    await transactional.connect();
    await assert.rejects(transactional.transaction(), /coordinator/);
    await transactional.disconnect();
  });

  test('the cluster is this one node', async () => {
    const { brokers, controller, clusterId } = await admin.describeCluster();
    assert.deepEqual(
      brokers.map(({ host, port }) => `${host}:${port}`),
      [server.kafka],
    );
    assert.equal(controller, brokers[0]!.nodeId);
    assert.equal(clusterId, server.broker.clusterId);
  });
});
