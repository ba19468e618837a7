/** @platformatic/kafka, unmodified: a young client that speaks only recent versions of every API. */
import { after, before, test } from 'node:test';
import assert from 'node:assert/strict';
import {
  Admin,
  Consumer,
  type Message,
  type MessagesStream,
  Producer,
  stringDeserializers,
  stringSerializers,
} from '@platformatic/kafka';
import { eventually, startTestServer, type TestServer } from '#test/drive/server.ts';

type Text = Message<string, string, string, string>;

let server: TestServer;
let admin: Admin;
const closing: (() => Promise<void>)[] = [];

const base = (): { clientId: string; bootstrapBrokers: string[] } => ({
  clientId: 'test',
  bootstrapBrokers: [server.kafka],
});

before(async () => {
  server = await startTestServer();
  admin = new Admin(base());
});

after(async () => {
  for (const close of closing.toReversed()) await close();
  await admin.close();
  await server.stop();
});

function producer(options: { idempotent?: boolean } = {}) {
  const made = new Producer({ ...base(), ...options, serializers: stringSerializers });
  closing.push(() => made.close());
  return made;
}

interface Member {
  consumer: Consumer<string, string, string, string>;
  messages: Text[];
  partitions(topic: string): number[];
  close(): Promise<void>;
}

async function member(topic: string, groupId: string): Promise<Member> {
  const consumer = new Consumer({
    ...base(),
    groupId,
    deserializers: stringDeserializers,
    sessionTimeout: 8000,
    heartbeatInterval: 200,
  });
  const messages: Text[] = [];
  const stream: MessagesStream<string, string, string, string> = await consumer.consume({
    topics: [topic],
    mode: 'committed',
    fallbackMode: 'earliest',
    autocommit: true,
    maxWaitTime: 200,
  });
  stream.on('data', (message: Text) => void messages.push(message));
  let closed: Promise<void> | null = null;
  const close = (): Promise<void> => (closed ??= consumer.close(true));
  closing.push(close);
  return {
    consumer,
    messages,
    close,
    partitions: (name) =>
      (consumer.assignments ?? []).find((each) => each.topic === name)?.partitions ?? [],
  };
}

test('produce and consume, with keys and headers', async () => {
  await admin.createTopics({ topics: ['plain'], partitions: 1, replicas: 1 });
  const messages = Array.from({ length: 100 }, (_, n) => ({
    topic: 'plain',
    key: `k${n}`,
    value: `v${n}`,
    headers: new Map([['n', `${n}`]]),
  }));
  const { offsets } = await producer().send({ messages, acks: -1 });
  assert.deepEqual(
    offsets!.map(({ topic, partition, offset }) => [topic, partition, offset]),
    [['plain', 0, 0n]],
  );
  const reader = await member('plain', 'plain');
  await eventually(() => reader.messages.length === 100);
  assert.deepEqual(
    reader.messages.map(({ key, value, headers, offset }) => [
      key,
      value,
      headers.get('n'),
      offset,
    ]),
    messages.map(({ key, value, headers }, n) => [key, value, headers.get('n'), BigInt(n)]),
  );
  await reader.close();
});

for (const compression of ['none', 'gzip', 'snappy', 'lz4', 'zstd'] as const) {
  test(`codec ${compression}: stored as it was sent`, async () => {
    const topic = `codec-${compression}`;
    await admin.createTopics({ topics: [topic], partitions: 1, replicas: 1 });
    const value = (n: number): string => `${n} ${'x'.repeat(200)}`;
    const messages = Array.from({ length: 100 }, (_, n) => ({ topic, value: value(n) }));
    await producer().send({ messages, compression });
    const [log] = server.broker.defaultNamespace.topic(topic).partitions;
    const plainBytes = 100 * 200;
    assert.equal(log!.log.sizeBytes < plainBytes, compression !== 'none');
    const reader = await member(topic, topic);
    await eventually(() => reader.messages.length === 100);
    assert.deepEqual(
      reader.messages.map((message) => message.value),
      messages.map((message) => message.value),
    );
    await reader.close();
  });
}

test('a topic with its own codec recompresses what comes', async () => {
  const configs = [{ name: 'compression.type', value: 'zstd' }];
  await admin.createTopics({ topics: ['zstd-topic'], partitions: 1, replicas: 1, configs });
  const messages = Array.from({ length: 50 }, (_, n) => ({
    topic: 'zstd-topic',
    value: `${n} ${'y'.repeat(500)}`,
  }));
  await producer().send({ messages, compression: 'gzip' });
  const [partition] = server.broker.defaultNamespace.topic('zstd-topic').partitions;
  const [bytes] = await partition!.log.read(0, 1 << 20, 50);
  assert.equal(bytes![22]! & 7, 4, 'zstd on disk');
  const reader = await member('zstd-topic', 'zstd-topic');
  await eventually(() => reader.messages.length === 50);
  assert.equal(reader.messages[49]!.value, messages[49]!.value);
  await reader.close();
});

test('an idempotent producer', async () => {
  await admin.createTopics({ topics: ['idempotent'], partitions: 1, replicas: 1 });
  const sender = producer({ idempotent: true });
  for (let round = 0; round < 10; round++) {
    const messages = Array.from({ length: 10 }, (_, n) => ({
      topic: 'idempotent',
      value: `${round * 10 + n}`,
    }));
    await sender.send({ messages });
  }
  const reader = await member('idempotent', 'idempotent');
  await eventually(() => reader.messages.length === 100);
  assert.deepEqual(
    reader.messages.map(({ value }) => Number(value)),
    Array.from({ length: 100 }, (_, n) => n),
  );
  await reader.close();
});

test('a group shares, loses a member, and goes on', async () => {
  await admin.createTopics({ topics: ['shared'], partitions: 4, replicas: 1 });
  const a = await member('shared', 'share');
  await eventually(() => a.partitions('shared').length === 4);
  const b = await member('shared', 'share');
  await eventually(
    () => a.partitions('shared').length === 2 && b.partitions('shared').length === 2,
  );
  const send = (round: string): Promise<unknown> =>
    producer().send({
      messages: Array.from({ length: 40 }, (_, n) => ({
        topic: 'shared',
        partition: n % 4,
        value: `${round} ${n}`,
      })),
    });
  // Around a rebalance this client may read twice, and show what it fetched before it.
  const seen = ({ messages }: Member, round: string): number =>
    new Set(messages.map(({ value }) => value).filter((value) => value.startsWith(round))).size;
  await send('shared');
  await eventually(() => seen(a, 'shared') >= 20 && seen(b, 'shared') >= 20);
  await b.close();
  await eventually(() => a.partitions('shared').length === 4);
  await send('alone');
  await eventually(() => seen(a, 'alone') === 40);
  await a.close();
  const groups = await admin.listGroups();
  assert.equal(groups.get('share')!.state, 'Empty');
  const described = await admin.describeGroups({ groups: ['share'] });
  assert.equal(described.get('share')!.members.size, 0);
  await admin.deleteGroups({ groups: ['share'] });
  assert.equal((await admin.listGroups()).has('share'), false);
});
