/** amqplib, unmodified, with the exchange type of RabbitMQ's delayed message plugin. */
import { after, before, test } from 'node:test';
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import amqplib, { type ChannelModel, type ConfirmChannel, type ConsumeMessage } from 'amqplib';
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
  for (const delay of delays) sentAt.set(String(delay), publish('delays', 'a.b', delay));
  publish('delays', 'b.b', 10);
  await channel.waitForConfirms();
  await eventually(() => came.size === delays.length);
  assert.deepEqual([...came.keys()], ['100', '150', '200', '250', '300', '350', '400']);
  for (const [name, { message, lateMs }] of came) {
    assert.ok(lateMs >= -1 && lateMs <= LATE_MS_MAX, `${name} ms came ${lateMs} ms late`);
    assert.equal(message.properties.headers!['x-delay'], -Number(name));
    assert.equal(message.fields.exchange, 'delays');
    assert.equal(message.fields.routingKey, 'a.b');
  }
});

test('a delay may be an integer of any size, a double or text; none and less than one is none', async () => {
  const queue = await declared('kinds', 'fanout');
  await channel.bindQueue(queue, 'kinds', '');
  const typed = ['byte', 'short', 'int', 'long', 'double', 'float'].map((type) => {
    return { '!': type, value: 60 };
  });
  const delays: unknown[] = [...typed, '60', 60.9];
  for (const delay of delays) publish('kinds', '', delay);
  for (const delay of [undefined, 0, -60]) publish('kinds', '', delay);
  await channel.waitForConfirms();
  const count = async (): Promise<number> => (await channel.checkQueue(queue)).messageCount;
  assert.equal(await count(), 3);
  await eventually(async () => (await count()) === 3 + delays.length, 2000);
});

test('mandatory is honoured for what is not delayed', async () => {
  await declared('mandatory', 'direct');
  const returned: string[] = [];
  channel.on('return', (message) => returned.push(message.content.toString()));
  publish('mandatory', 'nowhere', 20, { mandatory: true });
  publish('mandatory', 'nowhere', 0, { mandatory: true });
  await channel.waitForConfirms();
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

test('survives a restart, and comes at its time or as soon as somebody is there to bring it', async () => {
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
  const two = await amqplib.connect(second.amqpUrl);
  const consumer = await two.createChannel();
  const came: string[] = [];
  await consumer.consume('kept', (message) => came.push(message!.content.toString()));
  await eventually(() => came.length === 3);
  assert.deepEqual(came.at(-1), '2500');
  await two.close();
  await second.stop();
  rmSync(dataFolder, { recursive: true, force: true });
});
