/** amqplib: promise and callback API, confirms, returns, bindings, dead letters, errors. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import amqplib from 'amqplib';
import callbackApi from 'amqplib/callback_api';
import { amqpUrl, eventually, main, scenario, unique } from './scenario.js';

async function withChannel(use, kind = 'createChannel') {
  const connection = await amqplib.connect(amqpUrl);
  try {
    const channel = await connection[kind]();
    channel.on('error', () => undefined);
    await use(channel, connection);
  } finally {
    await connection.close().catch(() => undefined);
  }
}

function collector(channel, queue, options) {
  const messages = [];
  const started = channel.consume(queue, (message) => messages.push(message), options);
  return {
    messages,
    async wait(count) {
      await started;
      await eventually(() => messages.length >= count);
      return messages;
    },
  };
}

scenario('hello world and work queue', () =>
  withChannel(async (channel) => {
    const queue = unique('hello');
    await channel.assertQueue(queue, { durable: true });
    for (let n = 0; n < 5; n++)
      channel.sendToQueue(queue, Buffer.from(`task ${n}`), { persistent: true });
    await channel.prefetch(1);
    const done = [];
    const { consumerTag } = await channel.consume(queue, (message) => {
      done.push(message.content.toString());
      channel.ack(message);
    });
    await eventually(() => done.length === 5);
    await channel.cancel(consumerTag);
    assert.deepEqual(
      done,
      [0, 1, 2, 3, 4].map((n) => `task ${n}`),
    );
    await channel.deleteQueue(queue);
  }),
);

scenario('publish and subscribe over every exchange type', () =>
  withChannel(async (channel) => {
    for (const [type, key, bindingKey, args, headers] of [
      ['direct', 'k', 'k'],
      ['fanout', 'ignored', ''],
      ['topic', 'a.b.c', 'a.#'],
      ['headers', '', '', { 'x-match': 'any', color: 'red' }, { color: 'red' }],
    ]) {
      const exchange = unique(type);
      await channel.assertExchange(exchange, type, { durable: false });
      const { queue } = await channel.assertQueue('', { exclusive: true });
      await channel.bindQueue(queue, exchange, bindingKey, args);
      channel.publish(exchange, key, Buffer.from(type), { headers });
      const message = await eventually(() => channel.get(queue, { noAck: true }));
      assert.equal(message.content.toString(), type);
      assert.equal(message.fields.exchange, exchange);
      assert.equal(message.fields.routingKey, key);
      await channel.unbindQueue(queue, exchange, bindingKey, args);
      await channel.deleteExchange(exchange);
    }
  }),
);

scenario('properties', () =>
  withChannel(async (channel) => {
    const { queue } = await channel.assertQueue('', { exclusive: true });
    const headers = {
      text: 'ü',
      int: 1,
      double: 1.5,
      big: 2 ** 40,
      yes: true,
      nothing: null,
      list: [1, 'a'],
      nested: { deep: { er: 'x' } },
      typed: { '!': 'timestamp', value: 1_700_000_000 },
      bytes: Buffer.from([0, 255]),
    };
    channel.sendToQueue(queue, Buffer.from([1, 2, 3]), {
      headers,
      contentType: 'x/y',
      contentEncoding: 'e',
      persistent: true,
      priority: 4,
      correlationId: 'c',
      replyTo: 'r',
      expiration: 100_000,
      messageId: 'm',
      timestamp: 1_700_000_000,
      type: 't',
      userId: 'guest',
      appId: 'a',
    });
    const { content, properties } = await eventually(() => channel.get(queue));
    assert.deepEqual([...content], [1, 2, 3]);
    assert.deepEqual({ ...properties.headers }, headers);
    assert.deepEqual(
      [
        properties.contentType,
        properties.contentEncoding,
        properties.deliveryMode,
        properties.priority,
      ],
      ['x/y', 'e', 2, 4],
    );
    assert.deepEqual(
      [properties.correlationId, properties.replyTo, properties.expiration, properties.messageId],
      ['c', 'r', '100000', 'm'],
    );
    assert.deepEqual(
      [properties.timestamp, properties.type, properties.userId, properties.appId],
      [1_700_000_000, 't', 'guest', 'a'],
    );
  }),
);

scenario('confirms, pipelined', () =>
  withChannel(async (channel) => {
    const queue = unique('confirms');
    await channel.assertQueue(queue, { durable: true });
    let confirmed = 0;
    for (let n = 0; n < 5000; n++) {
      channel.sendToQueue(queue, Buffer.from(String(n)), { persistent: true }, (error) => {
        if (error === null || error === undefined) confirmed += 1;
      });
    }
    await channel.waitForConfirms();
    assert.equal(confirmed, 5000);
    assert.equal((await channel.checkQueue(queue)).messageCount, 5000);
    assert.equal((await channel.deleteQueue(queue)).messageCount, 5000);
  }, 'createConfirmChannel'),
);

scenario('mandatory returns and nacked publishes', () =>
  withChannel(async (channel) => {
    const returned = once(channel, 'return');
    channel.publish('amq.direct', unique('nobody'), Buffer.from('lost'), { mandatory: true });
    const [message] = await returned;
    assert.equal(message.fields.replyCode, 312);
    assert.equal(message.fields.replyText, 'NO_ROUTE');
    assert.equal(message.content.toString(), 'lost');
    await channel.waitForConfirms();
    const { queue } = await channel.assertQueue('', {
      exclusive: true,
      maxLength: 1,
      arguments: { 'x-overflow': 'reject-publish' },
    });
    channel.sendToQueue(queue, Buffer.from('1'));
    await channel.waitForConfirms();
    await assert.rejects(
      new Promise((resolve, reject) => {
        channel.sendToQueue(queue, Buffer.from('2'), {}, (error) =>
          error ? reject(error) : resolve(),
        );
      }),
      /nacked/,
    );
  }, 'createConfirmChannel'),
);

scenario('dead letters', () =>
  withChannel(async (channel) => {
    const dlx = unique('dlx');
    await channel.assertExchange(dlx, 'topic', { autoDelete: true });
    const { queue: grave } = await channel.assertQueue('', { exclusive: true });
    await channel.bindQueue(grave, dlx, '#');
    const { queue } = await channel.assertQueue('', {
      exclusive: true,
      deadLetterExchange: dlx,
      deadLetterRoutingKey: 'dead.letter',
      messageTtl: 100_000,
    });
    channel.sendToQueue(queue, Buffer.from('x'));
    const message = await eventually(() => channel.get(queue));
    channel.reject(message, false);
    const dead = await eventually(() => channel.get(grave));
    const [death] = dead.properties.headers['x-death'];
    assert.equal(dead.fields.routingKey, 'dead.letter');
    assert.deepEqual(
      [death.queue, death.reason, death.count, death['routing-keys']],
      [queue, 'rejected', 1, [queue]],
    );
  }),
);

scenario('requeue, redelivered, nackAll', () =>
  withChannel(async (channel) => {
    const { queue } = await channel.assertQueue('', { exclusive: true });
    for (const n of [1, 2, 3]) channel.sendToQueue(queue, Buffer.from(String(n)));
    const first = collector(channel, queue, { consumerTag: 'first' });
    await first.wait(3);
    await channel.cancel('first');
    channel.nackAll(true);
    const again = await collector(channel, queue, { noAck: true }).wait(3);
    assert.deepEqual(
      again.map((m) => [m.content.toString(), m.fields.redelivered]),
      [
        ['1', true],
        ['2', true],
        ['3', true],
      ],
    );
  }),
);

scenario('consumer cancelled by the broker gets null', () =>
  withChannel(async (channel, connection) => {
    const queue = unique('deleted');
    await channel.assertQueue(queue);
    const consumer = collector(channel, queue);
    const other = await connection.createChannel();
    await consumer.wait(0);
    await other.deleteQueue(queue);
    assert.deepEqual(await consumer.wait(1), [null]);
  }),
);

scenario('request and response over direct reply-to', () =>
  withChannel(async (channel, connection) => {
    const server = await connection.createChannel();
    const { queue } = await server.assertQueue('', { exclusive: true });
    await server.consume(
      queue,
      (request) =>
        server.sendToQueue(request.properties.replyTo, Buffer.from(`re: ${request.content}`), {
          correlationId: request.properties.correlationId,
        }),
      { noAck: true },
    );
    const answers = collector(channel, 'amq.rabbitmq.reply-to', { noAck: true });
    await answers.wait(0);
    for (let n = 0; n < 50; n++) {
      channel.sendToQueue(queue, Buffer.from(String(n)), {
        replyTo: 'amq.rabbitmq.reply-to',
        correlationId: `c${n}`,
      });
    }
    const messages = await answers.wait(50);
    assert.deepEqual(
      messages.map((m) => `${m.properties.correlationId} ${m.content}`),
      Array.from({ length: 50 }, (_, n) => `c${n} re: ${n}`),
    );
  }),
);

scenario('errors name their operation and reason', async () => {
  const missing = unique('missing');
  await withChannel(async (channel) => {
    await assert.rejects(channel.checkQueue(missing), /404.*NOT_FOUND.*no queue '/s);
  });
  await withChannel(async (channel) => {
    const queue = unique('durable');
    await channel.assertQueue(queue, { durable: true, autoDelete: true });
    await assert.rejects(
      channel.assertQueue(queue, { durable: false, autoDelete: true }),
      /406.*PRECONDITION_FAILED.*inequivalent arg 'durable'/s,
    );
  });
});

scenario('big messages both ways at once', () =>
  withChannel(async (channel) => {
    const { queue } = await channel.assertQueue('', { exclusive: true });
    const received = collector(channel, queue, { noAck: true });
    for (let n = 0; n < 20; n++) {
      if (!channel.sendToQueue(queue, Buffer.alloc(1_000_000, n))) await once(channel, 'drain');
    }
    const messages = await received.wait(20);
    for (const [n, message] of messages.entries()) {
      assert.ok(message.content.equals(Buffer.alloc(1_000_000, n)), `message ${n} changed`);
    }
  }),
);

scenario(
  'callback API',
  () =>
    new Promise((resolve, reject) => {
      callbackApi.connect(amqpUrl, (error, connection) => {
        if (error) return reject(error);
        connection.createChannel((failed, channel) => {
          if (failed) return reject(failed);
          const queue = unique('callback');
          channel.assertQueue(queue, { autoDelete: true });
          channel.consume(queue, (message) => {
            channel.ack(message);
            connection.close(() => {
              resolve(assert.equal(message.content.toString(), 'called back'));
            });
          });
          channel.sendToQueue(queue, Buffer.from('called back'));
        });
      });
    }),
);

scenario('heartbeats keep an idle connection', async () => {
  const connection = await amqplib.connect(`${amqpUrl}?heartbeat=1`);
  let closed = false;
  connection.on('close', () => (closed = true));
  connection.on('error', () => (closed = true));
  await new Promise((resolve) => setTimeout(resolve, 3500));
  assert.equal(closed, false);
  await connection.close();
});

await main();
