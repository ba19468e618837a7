/** amqplib, unmodified, with the exchange type of RabbitMQ's delayed message plugin. */
import { after, before, test } from 'node:test';
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { connect, headers } from '@nats-io/transport-node';
import amqplib, { type ChannelModel, type ConfirmChannel, type ConsumeMessage } from 'amqplib';
import { Kafka, logLevel, Partitioners } from 'kafkajs';
import { eventually, startTestServer, type TestServer } from '#test/drive/server.ts';

const LATE_MS_MAX = 50;
const TYPE = 'x-delayed-message';

let server: TestServer;
let connection: ChannelModel;
let channel: ConfirmChannel;

before(async () => {
  server = await startTestServer();
  connection = await amqplib.connect(server.amqpUrl);
  channel = await connection.createConfirmChannel();
});

after(async () => {
  await connection.close();
  await server.stop();
});

async function declared(name: string, type: string, options: object = {}): Promise<string> {
  const args = { arguments: { 'x-delayed-type': type }, ...options };
  await channel.assertExchange(name, TYPE, args);
  const { queue } = await channel.assertQueue('', { exclusive: true });
  return queue;
}

function publish(exchange: string, key: string, delay: unknown, options: object = {}): number {
  const headers = delay === undefined ? {} : { 'x-delay': delay };
  channel.publish(exchange, key, Buffer.from(String(delay)), { headers, ...options });
  return Date.now();
}

function byText(a: string, b: string): number {
  return a < b ? -1 : 1;
}

/** The next `count` messages of `queue`, as soon as they are there. */
async function taken(queue: string, count: number): Promise<string[]> {
  const came: string[] = [];
  const { consumerTag } = await channel.consume(
    queue,
    (message) => came.push(message!.content.toString()),
    { noAck: true },
  );
  await eventually(() => came.length >= count);
  await channel.cancel(consumerTag);
  return came;
}

test('each message comes at its time, within 50 ms, and says that it was delayed', async () => {
  const queue = await declared('delays', 'topic', { durable: true });
  await channel.bindQueue(queue, 'delays', 'a.*');
  const came = new Map<string, { message: ConsumeMessage; lateMs: number }>();
  const sentAt = new Map<string, number>();
  await channel.consume(queue, (message) => {
    const name = message!.content.toString();
    const dueAt = sentAt.get(name)! + Number(name);
    came.set(name, { message: message!, lateMs: Date.now() - dueAt });
  });
  const delays = [400, 150, 300, 200, 250, 100, 350];
  // Broker and client are in this process: when that gets no time, both are late.
  const stalls = monitorEventLoopDelay({ resolution: 2 });
  stalls.enable();
  for (const delay of delays) sentAt.set(String(delay), publish('delays', 'a.b', delay));
  publish('delays', 'b.b', 10);
  await channel.waitForConfirms();
  await eventually(() => came.size === delays.length);
  const lateMsMax = LATE_MS_MAX + stalls.max / 1e6;
  stalls.disable();
  for (const [name, { message, lateMs }] of came) {
    assert.ok(lateMs >= -1 && lateMs <= lateMsMax, `${name} ms came ${lateMs} ms late`);
    assert.equal(message.properties.headers!['x-delay'], -Number(name));
    assert.equal(message.fields.exchange, 'delays');
    assert.equal(message.fields.routingKey, 'a.b');
  }
});

test('a delay may be an integer of any size, a double or text; none and less than one is none', async () => {
  const queue = await declared('kinds', 'fanout');
  await channel.bindQueue(queue, 'kinds', '');
  const typed = ['byte', 'short', 'int', 'long', 'double', 'float'].map((type) => {
    return { '!': type, value: type === 'byte' ? 127 : 700 };
  });
  const delays: unknown[] = [...typed, '700', 700.9];
  for (const delay of delays) publish('kinds', '', delay);
  for (const delay of [undefined, 0, -700]) publish('kinds', '', delay);
  await channel.waitForConfirms();
  const count = async (): Promise<number> => (await channel.checkQueue(queue)).messageCount;
  const atOnce = await count();
  assert.ok(atOnce >= 3 && atOnce < 3 + delays.length - 1, `${atOnce} came at once`);
  await eventually(async () => (await count()) === 3 + delays.length);
});

test('mandatory is honoured for what is not delayed', async () => {
  await declared('mandatory', 'direct');
  const returned: string[] = [];
  channel.on('return', (message) => returned.push(message.content.toString()));
  const { metrics } = server.broker;
  const before = metrics.delayedUnrouted;
  publish('mandatory', 'nowhere', 20, { mandatory: true });
  publish('mandatory', 'nowhere', 0, { mandatory: true });
  await channel.waitForConfirms();
  await eventually(() => metrics.delayedUnrouted === before + 1);
  // Whatever was said of it has come with this answer.
  await channel.checkExchange('mandatory');
  assert.deepEqual(returned, ['0']);
});

test('what cannot be declared or published is refused in the words of the plugin', async () => {
  await channel.assertExchange('known', TYPE, { arguments: { 'x-delayed-type': 'direct' } });
  const refused = async (
    reason: RegExp,
    task: (own: ConfirmChannel) => Promise<unknown>,
  ): Promise<void> => {
    const own = await connection.createConfirmChannel();
    const error = once(own, 'error');
    await task(own).catch(() => undefined);
    const [{ code, message }] = (await error) as [{ code: number; message: string }];
    assert.equal(code, 406);
    assert.match(message, reason);
  };
  const declare =
    (args: object, type = TYPE, name = 'new') =>
    (own: ConfirmChannel) =>
      own.assertExchange(name, type, { arguments: args });
  const mustExist = /Invalid argument, 'x-delayed-type' must be an existing exchange type/;
  await refused(mustExist, declare({}));
  await refused(mustExist, declare({ 'x-delayed-type': 5 }));
  await refused(/unknown exchange type 'nothing'/, declare({ 'x-delayed-type': 'nothing' }));
  await refused(
    /Invalid argument, 'x-delayed-message' can't be used for 'x-delayed-type'/,
    declare({ 'x-delayed-type': TYPE }),
  );
  await refused(/inequivalent arg 'type'/, declare({}, 'direct', 'known'));
  await refused(
    /inequivalent arg 'x-delayed-type'/,
    declare({ 'x-delayed-type': 'topic' }, TYPE, 'known'),
  );
  await refused(/invalid x-delay 'soon'/, async (own) => {
    own.publish('known', '', Buffer.from('x'), { headers: { 'x-delay': 'soon' } });
    await own.waitForConfirms();
  });
  await channel.assertExchange('known', TYPE, {});
});

test('headers decide where a message goes when its time has come', async () => {
  const queue = await declared('by-headers', 'headers');
  await channel.bindQueue(queue, 'by-headers', '', { 'x-match': 'all', colour: 'red' });
  for (const colour of ['red', 'blue']) {
    for (const delay of [0, 80]) {
      const headers = { colour, 'x-delay': delay };
      channel.publish('by-headers', '', Buffer.from(`${colour} ${delay}`), { headers });
    }
  }
  await channel.waitForConfirms();
  assert.deepEqual(await taken(queue, 1), ['red 0']);
  assert.deepEqual(await taken(queue, 1), ['red 80']);
  assert.equal((await channel.checkQueue(queue)).messageCount, 0);
});

test('the confirm says that it is kept, and does not wait for its time', async () => {
  const queue = await declared('confirmed', 'direct', { durable: true });
  await channel.bindQueue(queue, 'confirmed', 'k');
  const startedAt = Date.now();
  publish('confirmed', 'k', 60_000, { persistent: true });
  await channel.waitForConfirms();
  assert.ok(Date.now() - startedAt < 5000);
  assert.equal((await channel.checkQueue(queue)).messageCount, 0);
  await channel.deleteExchange('confirmed');
});

test('a queue that is deleted meanwhile gets nothing, and the exchange goes on', async () => {
  await channel.assertExchange('outlives', TYPE, { arguments: { 'x-delayed-type': 'direct' } });
  for (const name of ['deleted', 'stays']) {
    await channel.assertQueue(name);
    await channel.bindQueue(name, 'outlives', name);
    publish('outlives', name, 100);
  }
  await channel.waitForConfirms();
  await channel.deleteQueue('deleted');
  assert.deepEqual(await taken('stays', 1), ['100']);
  await channel.assertQueue('deleted');
  assert.equal((await channel.checkQueue('deleted')).messageCount, 0);
  await channel.bindQueue('deleted', 'outlives', 'deleted');
  publish('outlives', 'deleted', 50);
  assert.deepEqual(await taken('deleted', 1), ['50']);
  for (const name of ['deleted', 'stays']) await channel.deleteQueue(name);
});

test('what other protocols publish with an x-delay waits too, when a binding brings it here', async () => {
  const queue = await declared('everybody', 'fanout', { durable: true });
  await channel.bindQueue(queue, 'everybody', '');
  const namespace = server.broker.defaultNamespace;
  namespace.createTopic('later', { partitions: 1, replicationFactor: 1, config: {} });
  namespace.bind('later', { kind: 'exchange', name: 'everybody' }, '#', {});
  await channel.bindExchange('everybody', 'amq.topic', 'later.nats');
  const kafka = new Kafka({ brokers: [server.kafka], logLevel: logLevel.NOTHING });
  const producer = kafka.producer({ createPartitioner: Partitioners.DefaultPartitioner });
  const nats = await connect({ servers: server.nats });
  try {
    await producer.connect();
    const startedAt = Date.now();
    const record = { value: 'by kafka', headers: { 'x-delay': '300' } };
    await producer.send({ topic: 'later', messages: [record] });
    const delay = headers();
    delay.set('x-delay', '300');
    nats.publish('later.nats', 'by nats', { headers: delay });
    await nats.flush();
    assert.equal((await channel.checkQueue(queue)).messageCount, 0);
    assert.deepEqual((await taken(queue, 2)).toSorted(byText), ['by kafka', 'by nats']);
    assert.ok(Date.now() - startedAt >= 300);
  } finally {
    await producer.disconnect();
    await nats.close();
  }
});

test('what waits goes with its exchange', async () => {
  await declared('gone', 'fanout', { durable: true });
  publish('gone', '', 60);
  await channel.waitForConfirms();
  await channel.deleteExchange('gone');
  const queue = await declared('gone', 'fanout', { durable: true });
  await channel.bindQueue(queue, 'gone', '');
  publish('gone', '', 120);
  await eventually(async () => (await channel.checkQueue(queue)).messageCount === 1);
  const message = await channel.get(queue);
  assert.equal(message && message.content.toString(), '120');
});

test('survives a restart, and comes at its time or as soon as somebody is there to bring it', async (t) => {
  const dataFolder = mkdtempSync(join(tmpdir(), 'posthorn-delayed-'));
  const first = await startTestServer({ dataFolder, sync: 'commit' });
  const one = await amqplib.connect(first.amqpUrl);
  const publisher = await one.createConfirmChannel();
  const options = { durable: true, arguments: { 'x-delayed-type': 'direct' } };
  await publisher.assertExchange('kept', TYPE, options);
  await publisher.assertQueue('kept', { durable: true });
  await publisher.bindQueue('kept', 'kept', 'k');
  for (const delay of [2500, 1200, 1000]) {
    publisher.publish('kept', 'k', Buffer.from(`${delay}`), {
      persistent: delay !== 1000,
      headers: { 'x-delay': delay },
    });
  }
  await publisher.waitForConfirms();
  await one.close();
  await first.stop();
  const second = await startTestServer({ dataFolder, sync: 'commit' });
  t.after(async () => {
    await second.stop();
    rmSync(dataFolder, { recursive: true, force: true });
  });
  const two = await amqplib.connect(second.amqpUrl);
  const consumer = await two.createChannel();
  const came: string[] = [];
  await consumer.consume('kept', (message) => came.push(message!.content.toString()));
  await eventually(() => came.length === 3);
  assert.deepEqual(came.at(-1), '2500');
  await two.close();
});
