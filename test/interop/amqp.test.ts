/** amqplib, unmodified, against the whole server: the flows people have and the errors they match. */
import { after, before, test } from 'node:test';
import assert from 'node:assert/strict';
import { once } from 'node:events';
import amqplib, { type Channel, type ChannelModel, type ConsumeMessage } from 'amqplib';
import { eventually, startTestServer, type TestServer } from '#test/drive/server.ts';

let server: TestServer;
let connection: ChannelModel;

before(async () => {
  server = await startTestServer();
  connection = await amqplib.connect(server.amqpUrl);
});

after(async () => {
  await connection.close();
  await server.stop();
});

async function collect(channel: Channel, queue: string, options = {}): Promise<ConsumeMessage[]> {
  const messages: ConsumeMessage[] = [];
  await channel.consume(queue, (message) => message && messages.push(message), options);
  return messages;
}

const texts = (messages: readonly ConsumeMessage[]): string[] =>
  messages.map(({ content }) => content.toString());

test('a durable work queue with prefetch 1', async () => {
  const channel = await connection.createChannel();
  await channel.assertQueue('tasks', { durable: true });
  for (let n = 0; n < 20; n++)
    channel.sendToQueue('tasks', Buffer.from(`${n}`), { persistent: true });
  await channel.prefetch(1);
  const done: string[] = [];
  await channel.consume('tasks', (message) => {
    done.push(message!.content.toString());
    channel.ack(message!);
  });
  await eventually(() => done.length === 20);
  assert.deepEqual(
    done,
    Array.from({ length: 20 }, (_, n) => `${n}`),
  );
  await channel.close();
});

test('every exchange type', async () => {
  const channel = await connection.createChannel();
  const cases = [
    ['direct', 'k', 'k', {}, {}],
    ['fanout', 'any', '', {}, {}],
    ['topic', 'a.b.c', 'a.*.#', {}, {}],
    ['headers', '', '', { 'x-match': 'all', colour: 'red' }, { colour: 'red', size: 1 }],
  ] as const;
  for (const [type, key, bindingKey, args, headers] of cases) {
    await channel.assertExchange(`x-${type}`, type, { durable: false });
    const { queue } = await channel.assertQueue('', { exclusive: true });
    assert.match(queue, /^amq\.gen-/);
    await channel.bindQueue(queue, `x-${type}`, bindingKey, args);
    channel.publish(`x-${type}`, key, Buffer.from(type), { headers: { ...headers } });
    const messages = await collect(channel, queue, { noAck: true });
    await eventually(() => messages.length === 1);
    assert.deepEqual(texts(messages), [type]);
    assert.equal(messages[0]!.fields.exchange, `x-${type}`);
    assert.equal(messages[0]!.fields.routingKey, key);
  }
  await channel.close();
});

test('all properties survive', async () => {
  const channel = await connection.createChannel();
  const { queue } = await channel.assertQueue('', { exclusive: true });
  const properties = {
    contentType: 'application/json',
    contentEncoding: 'utf-8',
    headers: { text: 'ü', int: 42, double: 1.5, yes: true, nested: { list: [1, 'two', null] } },
    deliveryMode: 2,
    priority: 7,
    correlationId: 'c-1',
    replyTo: 'r',
    expiration: '60000',
    messageId: 'm-1',
    timestamp: 1_700_000_000,
    type: 't',
    userId: 'guest',
    appId: 'app',
  };
  channel.sendToQueue(queue, Buffer.from('{}'), properties);
  const message = await eventually(() => channel.get(queue, { noAck: true }));
  for (const [name, value] of Object.entries(properties)) {
    assert.deepEqual(message.properties[name as keyof typeof message.properties], value, name);
  }
  await channel.close();
});

test('confirms, returns and nacks', async () => {
  const channel = await connection.createConfirmChannel();
  await channel.assertQueue('confirmed', { durable: true });
  for (let n = 0; n < 500; n++) {
    channel.sendToQueue('confirmed', Buffer.from(`${n}`), { persistent: true });
  }
  await channel.waitForConfirms();
  assert.equal((await channel.checkQueue('confirmed')).messageCount, 500);
  const returned = once(channel, 'return');
  channel.publish('', 'nobody-has-this-name', Buffer.from('x'), { mandatory: true });
  const [{ fields }] = (await returned) as [ConsumeMessage & { fields: { replyCode: number } }];
  assert.equal(fields.replyCode, 312);
  await channel.assertQueue('small', {
    maxLength: 1,
    arguments: { 'x-overflow': 'reject-publish' },
  });
  const publish = (): Promise<void> =>
    new Promise((resolve, reject) => {
      channel.sendToQueue('small', Buffer.from('x'), {}, (error: Error | null) =>
        error ? reject(error) : resolve(),
      );
    });
  await publish();
  await assert.rejects(publish());
  await channel.close();
});

test('dead letters with their history', async () => {
  const channel = await connection.createChannel();
  await channel.assertExchange('dlx', 'fanout', { durable: false });
  await channel.assertQueue('dead', { durable: false });
  await channel.bindQueue('dead', 'dlx', '');
  await channel.assertQueue('alive', { durable: false, deadLetterExchange: 'dlx', messageTtl: 10 });
  channel.sendToQueue('alive', Buffer.from('x'), { expiration: '60000' });
  const dead = await eventually(() => channel.get('dead', { noAck: true }));
  const headers = dead.properties.headers!;
  const [death] = headers['x-death'] as unknown as Record<string, unknown>[];
  assert.equal(death!['queue'], 'alive');
  assert.equal(death!['reason'], 'expired');
  assert.equal(death!['count'], 1);
  assert.equal(death!['exchange'], '');
  assert.deepEqual(death!['routing-keys'], ['alive']);
  assert.equal(death!['original-expiration'], '60000');
  assert.equal(headers['x-first-death-reason'], 'expired');
  assert.equal(headers['x-last-death-queue'], 'alive');
  assert.equal(dead.properties.expiration, undefined);
  await channel.close();
});

test('requeue, redelivered, nackAll', async () => {
  const channel = await connection.createChannel();
  await channel.assertQueue('again', { durable: false });
  for (const text of ['a', 'b', 'c']) channel.sendToQueue('again', Buffer.from(text));
  const first = await collect(channel, 'again');
  await eventually(() => first.length === 3);
  channel.nackAll(true);
  await eventually(() => first.length === 6);
  assert.deepEqual(texts(first.slice(3)), ['a', 'b', 'c']);
  assert.deepEqual(
    first.map(({ fields }) => fields.redelivered),
    [false, false, false, true, true, true],
  );
  channel.ackAll();
  await channel.close();
});

test('a quorum queue counts deliveries and gives up', async () => {
  const channel = await connection.createChannel();
  await channel.assertQueue('counted', {
    durable: true,
    arguments: { 'x-queue-type': 'quorum', 'x-delivery-limit': 2 },
  });
  channel.sendToQueue('counted', Buffer.from('x'));
  const counts: unknown[] = [];
  await channel.consume('counted', (message) => {
    counts.push(message!.properties.headers?.['x-delivery-count']);
    channel.nack(message!, false, true);
  });
  await eventually(() => counts.length === 3);
  await eventually(async () => (await channel.checkQueue('counted')).messageCount === 0);
  assert.deepEqual(counts, [undefined, 1, 2]);
  await channel.close();
});

test('request and response over direct reply-to', async () => {
  const channel = await connection.createChannel();
  await channel.assertQueue('rpc', { durable: false });
  await channel.consume('rpc', (request) => {
    const { replyTo, correlationId } = request!.properties;
    const body = Buffer.from(request!.content.toString().toUpperCase());
    channel.sendToQueue(replyTo as string, body, { correlationId: correlationId as string });
    channel.ack(request!);
  });
  const replies = await collect(channel, 'amq.rabbitmq.reply-to', { noAck: true });
  channel.sendToQueue('rpc', Buffer.from('hi'), {
    replyTo: 'amq.rabbitmq.reply-to',
    correlationId: '1',
  });
  await eventually(() => replies.length === 1);
  assert.deepEqual(texts(replies), ['HI']);
  assert.equal(replies[0]!.properties.correlationId, '1');
  await channel.close();
});

test('a stream is read again and again', async () => {
  const channel = await connection.createChannel();
  const args = { 'x-queue-type': 'stream', 'x-max-length-bytes': 10_000_000 };
  await channel.assertQueue('events', { durable: true, arguments: args });
  for (let n = 0; n < 10; n++)
    channel.sendToQueue('events', Buffer.from(`${n}`), { headers: { n } });
  await channel.prefetch(100);
  for (const [offset, wanted] of [
    ['first', 10],
    [7, 3],
  ] as const) {
    const messages = await collect(channel, 'events', { arguments: { 'x-stream-offset': offset } });
    await eventually(() => messages.length === wanted);
    const last = messages.at(-1)!;
    assert.equal(last.content.toString(), '9');
    assert.equal(last.properties.headers!['x-stream-offset'], 9);
    assert.equal(last.properties.headers!['n'], 9);
    for (const message of messages) channel.ack(message);
  }
  await channel.close();
});

test('a consumer hears that its queue is gone; the others go on', async () => {
  const channel = await connection.createChannel();
  await channel.assertQueue('doomed', { durable: false });
  const heard: (ConsumeMessage | null)[] = [];
  await channel.consume('doomed', (message) => heard.push(message));
  await channel.deleteQueue('doomed');
  await eventually(() => heard.length === 1);
  assert.deepEqual(heard, [null]);
  await channel.close();
});

test('big bodies both ways', async () => {
  const channel = await connection.createChannel();
  const { queue } = await channel.assertQueue('', { exclusive: true });
  const body = Buffer.alloc(5_000_000, 'posthorn');
  const messages = await collect(channel, queue, { noAck: true });
  for (let n = 0; n < 4; n++) channel.sendToQueue(queue, body);
  await eventually(() => messages.length === 4);
  for (const { content } of messages) assert.ok(content.equals(body));
  await channel.close();
});

const ERRORS: [name: string, act: (channel: Channel) => Promise<unknown>, text: RegExp][] = [
  [
    'no such queue',
    (c) => c.checkQueue('none'),
    /404 \(NOT-FOUND\) with message "NOT_FOUND - no queue 'none' in vhost '\/'"/,
  ],
  [
    'no such exchange',
    (c) => c.checkExchange('none'),
    /NOT_FOUND - no exchange 'none' in vhost '\/'/,
  ],
  [
    'reserved name',
    (c) => c.assertQueue('amq.x'),
    /403 \(ACCESS-REFUSED\).*queue name 'amq\.x' contains reserved prefix 'amq\.\*'/,
  ],
  [
    'inequivalent',
    async (c) => {
      await c.assertQueue('same', { durable: false });
      await c.assertQueue('same', { durable: true });
    },
    /PRECONDITION_FAILED - inequivalent arg 'durable' for queue 'same' in vhost '\/': received 'true' but current is 'false'/,
  ],
  [
    'not empty',
    async (c) => {
      await c.assertQueue('full', { durable: false });
      c.sendToQueue('full', Buffer.from('x'));
      await c.deleteQueue('full', { ifEmpty: true });
    },
    /PRECONDITION_FAILED - queue 'full' in vhost '\/' not empty/,
  ],
  [
    'exclusive consumer',
    async (c) => {
      await c.assertQueue('alone', { durable: false });
      await c.consume('alone', () => {}, { exclusive: true });
      await c.consume('alone', () => {});
    },
    /ACCESS_REFUSED - queue 'alone' in vhost '\/' in exclusive use/,
  ],
];

for (const [name, act, text] of ERRORS) {
  test(`the error a client sees: ${name}`, async () => {
    const channel = await connection.createChannel();
    channel.on('error', () => {});
    await assert.rejects(act(channel), text);
  });
}

test('a login that is refused, and a vhost that is not there', async () => {
  const { amqpUrl } = server;
  await assert.rejects(
    amqplib.connect(amqpUrl.replace('guest:guest', 'guest:no')),
    /ACCESS-REFUSED|403/,
  );
  await assert.rejects(amqplib.connect(`${amqpUrl}/nowhere`), /ConnectionClose/);
});
