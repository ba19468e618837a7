/**
 * docs/mapping.md, row by row, with real clients: what amqplib publishes as kafkajs reads it, and
 * what kafkajs produces as amqplib gets it. A row without a check here fails, and so does a check
 * without a row.
 */
import { after, before, test } from 'node:test';
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import amqplib, { type ChannelModel, type ConsumeMessage, type Options } from 'amqplib';
import { Kafka, logLevel, type KafkaMessage, type Message } from 'kafkajs';
import { eventually, startTestServer, type TestServer } from '#test/drive/server.ts';

interface ToKafka {
  /** Published to the default exchange, unless `exchange` is set. */
  publish: Options.Publish & { body?: Buffer; exchange?: string; routingKey?: string };
  check(record: KafkaMessage): void;
}

interface ToAmqp {
  produce: Message;
  check(message: ConsumeMessage): void;
}

interface Row {
  toKafka: ToKafka;
  toAmqp: ToAmqp;
}

/** Published to by AMQP, and produced to by Kafka. */
const TOPIC = 'mapped';
const PRODUCED = 'produced';
const EXCHANGE = 'to-mapped';
const BINARY = Buffer.from([0xff, 0xfe, 0x00, 0x80]);
const TIMESTAMP_S = 1_700_000_123;

const header = (record: KafkaMessage, name: string): string | undefined =>
  record.headers?.[name]?.toString();

/** A text property of AMQP that is a header of the same name in Kafka. */
function property(name: string, amqpName: keyof Options.Publish, value = `some ${name}`): Row {
  return {
    toKafka: {
      publish: { [amqpName]: value },
      check: (record) => assert.equal(header(record, name), value),
    },
    toAmqp: {
      produce: { value: '', headers: { [name]: value } },
      check: ({ properties }) => {
        assert.equal(properties[amqpName as keyof typeof properties], value);
        assert.equal(properties.headers?.[name], undefined);
      },
    },
  };
}

/** An AMQP header type that Kafka sees as text, and the text coming back as text. */
function headerAs(value: unknown, text: string): Row {
  return {
    toKafka: {
      publish: { headers: { h: value } },
      check: (record) => assert.equal(header(record, 'h'), text),
    },
    toAmqp: {
      produce: { value: '', headers: { h: text } },
      check: ({ properties }) => assert.equal(properties.headers!['h'], text),
    },
  };
}

/** Both directions see the same. */
function plain(toKafka: ToKafka, toAmqp: ToAmqp): Row {
  return { toKafka, toAmqp };
}

const ROWS: Record<string, Row> = {
  body: plain(
    { publish: { body: BINARY }, check: ({ value }) => assert.deepEqual(value, BINARY) },
    { produce: { value: BINARY }, check: ({ content }) => assert.deepEqual(content, BINARY) },
  ),
  'empty body': plain(
    { publish: { body: Buffer.alloc(0) }, check: ({ value }) => assert.equal(value?.length, 0) },
    {
      produce: { value: Buffer.alloc(0) },
      check: ({ content }) => assert.equal(content.length, 0),
    },
  ),
  'null value': plain(
    { publish: {}, check: ({ value }) => assert.notEqual(value, null) },
    { produce: { value: null }, check: ({ content }) => assert.equal(content.length, 0) },
  ),
  key: plain(
    {
      publish: { headers: { 'x-key': 'k1' } },
      check: (record) => {
        assert.equal(record.key?.toString(), 'k1');
        assert.equal(header(record, 'x-key'), undefined);
      },
    },
    {
      produce: { key: BINARY, value: '' },
      check: ({ properties }) => assert.deepEqual(properties.headers!['x-key'], BINARY),
    },
  ),
  address: plain(
    {
      publish: { exchange: EXCHANGE, routingKey: 'a.b.c' },
      check: (record) => assert.equal(record.key?.toString(), 'a.b.c'),
    },
    {
      produce: { key: 'a.b', value: '' },
      check: ({ fields }) => {
        assert.equal(fields.exchange, '');
        assert.equal(fields.routingKey, PRODUCED);
      },
    },
  ),
  timestamp: plain(
    {
      publish: { timestamp: TIMESTAMP_S },
      check: (record) => assert.equal(record.timestamp, String(TIMESTAMP_S * 1000)),
    },
    {
      produce: { value: '', timestamp: String(TIMESTAMP_S * 1000 + 789) },
      check: ({ properties }) => assert.equal(properties.timestamp, TIMESTAMP_S),
    },
  ),
  offset: plain(
    { publish: {}, check: (record) => assert.match(record.offset, /^\d+$/) },
    {
      produce: { value: '' },
      check: ({ properties }) => {
        assert.equal(typeof properties.headers!['x-stream-offset'], 'number');
        assert.equal(properties.headers!['x-stream-partition'], undefined);
      },
    },
  ),
  'content-type': property('content-type', 'contentType'),
  'content-encoding': property('content-encoding', 'contentEncoding'),
  'correlation-id': property('correlation-id', 'correlationId'),
  'reply-to': property('reply-to', 'replyTo'),
  'message-id': property('message-id', 'messageId'),
  type: property('type', 'type'),
  'user-id': property('user-id', 'userId', 'guest'),
  'app-id': property('app-id', 'appId'),
  'delivery-mode': plain(
    {
      publish: { deliveryMode: 2 },
      check: (record) => assert.equal(header(record, 'delivery-mode'), undefined),
    },
    {
      produce: { value: '' },
      check: ({ properties }) => assert.equal(properties.deliveryMode, 2),
    },
  ),
  priority: plain(
    { publish: { priority: 7 }, check: (record) => assert.equal(header(record, 'priority'), '7') },
    {
      produce: { value: '', headers: { priority: '7' } },
      check: ({ properties }) => {
        assert.equal(properties.priority, undefined);
        assert.equal(properties.headers!['priority'], '7');
      },
    },
  ),
  expiration: plain(
    {
      publish: { expiration: '60000' },
      check: (record) => assert.equal(header(record, 'expiration'), '60000'),
    },
    {
      produce: { value: '', headers: { expiration: '1' } },
      check: ({ properties }) => {
        assert.equal(properties.expiration, undefined);
        assert.equal(properties.headers!['expiration'], '1');
      },
    },
  ),
  'cluster-id': plain(
    { publish: {}, check: (record) => assert.equal(header(record, 'cluster-id'), undefined) },
    {
      produce: { value: '' },
      check: ({ properties }) => assert.equal(properties.clusterId, undefined),
    },
  ),
  text: headerAs('grün', 'grün'),
  bytes: plain(
    {
      publish: { headers: { h: BINARY } },
      check: (record) => assert.deepEqual(record.headers!['h'], BINARY),
    },
    {
      produce: { value: '', headers: { h: BINARY } },
      check: ({ properties }) => assert.deepEqual(properties.headers!['h'], BINARY),
    },
  ),
  integer: headerAs(42, '42'),
  double: headerAs(1.5, '1.5'),
  boolean: headerAs(true, 'true'),
  'timestamp header': headerAs(
    { '!': 'timestamp', value: TIMESTAMP_S },
    new Date(TIMESTAMP_S * 1000).toISOString(),
  ),
  table: headerAs({ a: 1, b: { c: 'x' } }, '{"a":1,"b":{"c":"x"}}'),
  array: headerAs([1, 'two'], '[1,"two"]'),
  'repeated name': plain(
    {
      publish: { headers: { h: 'one' } },
      check: (record) => assert.equal(header(record, 'h'), 'one'),
    },
    {
      produce: { value: '', headers: { h: ['1', '2'] } },
      check: ({ properties }) => assert.deepEqual(properties.headers!['h'], ['1', '2']),
    },
  ),
  CC: plain(
    {
      publish: { CC: ['copies'] },
      check: (record) => assert.equal(header(record, 'CC'), '["copies"]'),
    },
    {
      produce: { value: '', headers: { CC: 'x' } },
      check: ({ properties }) => assert.equal(properties.headers!['CC'], 'x'),
    },
  ),
  BCC: plain(
    {
      publish: { BCC: ['copies'] },
      check: (record) => assert.equal(header(record, 'BCC'), undefined),
    },
    {
      produce: { value: '', headers: { BCC: 'x' } },
      check: ({ properties }) => assert.equal(properties.headers!['BCC'], 'x'),
    },
  ),
};

const NAMES = Object.keys(ROWS);
let server: TestServer;
let connection: ChannelModel;
let kafka: Kafka;
/** In the order of NAMES. */
let records: KafkaMessage[];
let messages: ConsumeMessage[];

before(async () => {
  server = await startTestServer();
  connection = await amqplib.connect(server.amqpUrl);
  kafka = new Kafka({ brokers: [server.kafka], logLevel: logLevel.ERROR });
  const admin = kafka.admin();
  await admin.connect();
  await admin.createTopics({
    topics: [
      { topic: TOPIC, numPartitions: 1 },
      { topic: PRODUCED, numPartitions: 1 },
    ],
  });
  await admin.disconnect();
  records = await amqpToKafka();
  messages = await kafkaToAmqp();
});

after(async () => {
  await connection.close();
  await server.stop();
});

async function amqpToKafka(): Promise<KafkaMessage[]> {
  const channel = await connection.createConfirmChannel();
  await channel.assertExchange(EXCHANGE, 'topic');
  await channel.bindQueue(TOPIC, EXCHANGE, '#');
  await channel.assertQueue('copies', { durable: false });
  for (const name of NAMES) {
    const {
      body = Buffer.from(name),
      exchange = '',
      routingKey = TOPIC,
      ...rest
    } = ROWS[name]!.toKafka.publish;
    channel.publish(exchange, routingKey, body, rest);
    await channel.waitForConfirms();
  }
  assert.equal((await channel.checkQueue('copies')).messageCount, 2, 'CC and BCC were routed');
  await channel.close();
  return consumeAll(TOPIC, NAMES.length);
}

async function consumeAll(topic: string, count: number): Promise<KafkaMessage[]> {
  const consumer = kafka.consumer({ groupId: `check-${topic}` });
  const found: KafkaMessage[] = [];
  await consumer.connect();
  await consumer.subscribe({ topic, fromBeginning: true });
  await consumer.run({ eachMessage: async ({ message }) => void found.push(message) });
  await eventually(() => found.length >= count, 20_000);
  await consumer.disconnect();
  return found;
}

async function kafkaToAmqp(): Promise<ConsumeMessage[]> {
  const producer = kafka.producer();
  await producer.connect();
  for (const name of NAMES) {
    await producer.send({ topic: PRODUCED, messages: [ROWS[name]!.toAmqp.produce] });
  }
  await producer.disconnect();
  return streamOf(PRODUCED, NAMES.length);
}

async function streamOf(topic: string, count: number): Promise<ConsumeMessage[]> {
  const channel = await connection.createChannel();
  await channel.prefetch(1000);
  const found: ConsumeMessage[] = [];
  await channel.consume(topic, (message) => found.push(message!), {
    arguments: { 'x-stream-offset': 'first' },
  });
  await eventually(() => found.length >= count);
  await channel.close();
  return found;
}

test('every row of docs/mapping.md has a check, and every check a row', () => {
  const page = readFileSync(new URL('../../docs/mapping.md', import.meta.url), 'utf8');
  const rows = [...page.matchAll(/^\| (?!Property|-)([^|]+?) \|/gm)].map(([, name]) => name);
  assert.ok(rows.length > 20);
  assert.equal(new Set(rows).size, rows.length, 'no row twice');
  assert.deepEqual(new Set(rows), new Set(NAMES));
});

for (const [at, name] of NAMES.entries()) {
  test(`${name}: AMQP → Kafka`, () => ROWS[name]!.toKafka.check(records[at]!));
  test(`${name}: Kafka → AMQP`, () => ROWS[name]!.toAmqp.check(messages[at]!));
}

test('through a topic an AMQP message stays what it was', async () => {
  const found = await streamOf(TOPIC, NAMES.length);
  const message = found[NAMES.indexOf('address')]!;
  assert.equal(message.fields.exchange, EXCHANGE);
  assert.equal(message.fields.routingKey, 'a.b.c');
  assert.equal(found[NAMES.indexOf('priority')]!.properties.priority, 7);
  assert.equal(found[NAMES.indexOf('expiration')]!.properties.expiration, '60000');
});

test('a Kafka producer feeds a queue that is bound to its topic', async () => {
  const channel = await connection.createChannel();
  await channel.assertQueue('fed', { durable: true });
  await channel.bindQueue('fed', PRODUCED, 'orders.#');
  const producer = kafka.producer();
  await producer.connect();
  const fed = [
    { key: 'orders.eu', value: 'yes', headers: { 'content-type': 'text/plain' } },
    { key: 'other', value: 'no' },
  ];
  await producer.send({ topic: PRODUCED, messages: fed });
  await producer.disconnect();
  const message = await eventually(() => channel.get('fed'));
  assert.equal(message.content.toString(), 'yes');
  assert.equal(message.fields.exchange, PRODUCED);
  assert.equal(message.fields.routingKey, 'orders.eu');
  assert.equal(message.properties.contentType, 'text/plain');
  assert.equal(message.properties.headers!['x-key'], 'orders.eu');
  assert.equal(await channel.get('fed'), false);
  channel.ack(message);
  await channel.close();
});
