import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { ReceiveMessageCommand, SendMessageCommand, SQSClient } from '@aws-sdk/client-sqs';
import { connect as connectNats, headers as natsHeaders } from '@nats-io/transport-node';
import amqplib from 'amqplib';
import { CompressionTypes, Kafka, logLevel } from 'kafkajs';
import type { Broker, KafkaAddress } from './api.ts';
import { startBroker } from './index.ts';
import type { SpiedMessage } from './spied.ts';

function kafkaAt({ brokers }: KafkaAddress): Kafka {
  return new Kafka({ brokers, logLevel: logLevel.ERROR });
}

/** What all protocols have to say. */
function outline(message: SpiedMessage) {
  const { event, protocol, exchange, address, key, text, durable, destinations } = message;
  return { event, protocol, exchange, address, key, text, durable, destinations };
}

async function rabbit(broker: Broker) {
  const connection = await amqplib.connect(broker.amqp.url);
  return { connection, channel: await connection.createConfirmChannel() };
}

describe('the spy sees what each protocol publishes and delivers', () => {
  test('AMQP', async () => {
    await using broker = await startBroker();
    const { connection, channel } = await rabbit(broker);
    await channel.assertExchange('logs', 'fanout');
    await channel.assertQueue('a');
    await channel.bindQueue('a', 'logs', '');
    await channel.assertQueue('b');
    await channel.bindQueue('b', 'logs', '');
    const headers = { tenant: 'x', level: 3 };
    const options = { headers, persistent: true, contentType: 'text/plain', priority: 4 };
    channel.publish('logs', 'info', Buffer.from('hello'), options);
    channel.publish('logs', 'copied', Buffer.from('cc'), { CC: ['also'] });
    channel.publish('', 'nowhere', Buffer.from('lost'));
    await channel.waitForConfirms();
    await channel.get('a', { noAck: true });
    const [hello, , lost] = broker.spy.published;
    assert.deepEqual(outline(hello!), {
      event: 'published',
      protocol: 'amqp',
      exchange: 'logs',
      address: 'info',
      key: null,
      text: 'hello',
      durable: true,
      destinations: 2,
    });
    assert.deepEqual(hello!.headers, headers);
    assert.equal(hello!.properties.contentType, 'text/plain');
    assert.equal(hello!.properties.priority, 4);
    assert.ok(Math.abs(hello!.time.getTime() - Date.now()) < 5000);
    assert.equal(broker.spy.published[1]!.destinations, 2);
    assert.equal(lost!.destinations, 0);
    assert.deepEqual(
      broker.spy.delivered.map((it) => [it.protocol, it.address, it.text, it.redeliveries]),
      [['amqp', 'a', 'hello', 0]],
    );
    await connection.close();
  });

  test('Kafka, batch by batch: compressed ones, keys, headers, offsets', async () => {
    await using broker = await startBroker();
    const kafka = kafkaAt(broker.kafka);
    const producer = kafka.producer();
    await producer.connect();
    const send = (compression: CompressionTypes, values: string[]) =>
      producer.send({
        topic: 't',
        compression,
        messages: values.map((value) => ({ key: `k${value}`, value, headers: { h: value } })),
      });
    await send(CompressionTypes.None, ['1', '2']);
    await send(CompressionTypes.GZIP, ['3', '4']);
    const consumer = kafka.consumer({ groupId: 'g', maxWaitTimeInMs: 200 });
    await consumer.connect();
    await consumer.subscribe({ topic: 't', fromBeginning: true });
    await consumer.run({ eachMessage: async () => {} });
    const last = await broker.spy.next({ event: 'delivered', text: '4' }, 5000);
    assert.deepEqual([last.offset, last.partition, last.key, last.headers['h']], [3, 0, 'k4', '4']);
    for (const list of [broker.spy.published, broker.spy.delivered]) {
      assert.deepEqual(
        list.map((it) => [it.offset, it.key, it.text, it.durable]),
        ['1', '2', '3', '4'].map((it, i) => [i, `k${it}`, it, true]),
      );
    }
    await consumer.disconnect();
    await producer.disconnect();
  });

  test('NATS', async () => {
    await using broker = await startBroker();
    const nats = await connectNats(broker.nats.options);
    nats.subscribe('shop.*');
    nats.subscribe('shop.>');
    const headers = natsHeaders();
    headers.set('tenant', 'x');
    nats.publish('shop.new', 'order', { headers });
    await nats.flush();
    const { address, exchange, destinations, durable, ...published } = broker.spy.published[0]!;
    assert.deepEqual(
      [exchange, address, destinations, durable],
      ['amq.topic', 'shop.new', 2, true],
    );
    assert.deepEqual(published.event, 'published');
    assert.deepEqual(broker.spy.published[0]!.headers, { tenant: 'x' });
    assert.deepEqual(
      broker.spy.delivered.map((it) => `${it.protocol} ${it.address} ${it.text}`).toSorted(),
      ['nats shop.* order', 'nats shop.> order'],
    );
    await nats.close();
  });

  test('SQS', async () => {
    await using broker = await startBroker();
    await broker.declareQueue('q');
    const sqs = new SQSClient(broker.sqs.options);
    const QueueUrl = broker.sqs.queueUrl('q');
    const MessageAttributes = { tenant: { DataType: 'String', StringValue: 'x' } };
    const MessageBody = 'order';
    await sqs.send(new SendMessageCommand({ QueueUrl, MessageBody, MessageAttributes }));
    const receive = new ReceiveMessageCommand({ QueueUrl, VisibilityTimeout: 1 });
    await sqs.send(receive);
    await broker.advance(1000);
    await sqs.send(receive);
    const [sent] = broker.spy.published;
    assert.deepEqual([sent!.protocol, sent!.address, sent!.durable], ['sqs', 'q', true]);
    assert.equal(sent!.headers['tenant'], 'x');
    assert.deepEqual(
      broker.spy.delivered.map((it) => [it.protocol, it.text, it.redeliveries]),
      [
        ['sqs', 'order', 0],
        ['sqs', 'order', 1],
      ],
    );
    sqs.destroy();
  });

  test('what is published without a client, and what is refused', async () => {
    await using broker = await startBroker();
    await broker.declareQueue('q', { lengthMax: 1, overflow: 'reject-publish' });
    await broker.publish('q', { id: 7 }, { key: 'k', headers: { h: 'x' }, messageId: 'm-1' });
    await assert.rejects(broker.publish('q', 'too many'), /refused/);
    const [first, second] = broker.spy.published;
    assert.deepEqual([first!.protocol, first!.key, first!.refused], ['direct', 'k', false]);
    assert.deepEqual(first!.json(), { id: 7 });
    assert.deepEqual([first!.headers, first!.properties.messageId], [{ h: 'x' }, 'm-1']);
    assert.deepEqual([second!.text, second!.refused], ['too many', true]);
    await assert.rejects(broker.publish('q', 'x', { exchange: 'none' }), /no exchange 'none'/);
  });
});

describe('next', () => {
  test('gives each message out once, past or to come', async () => {
    await using broker = await startBroker();
    await broker.declareQueue('q');
    await broker.publish('q', 'one');
    assert.equal((await broker.spy.next()).text, 'one');
    const second = broker.spy.next({ address: 'q' });
    const third = broker.spy.next((it) => it.text === 'three');
    await broker.publish('q', 'two');
    await broker.publish('q', 'three');
    assert.deepEqual([(await second).text, (await third).text], ['two', 'three']);
  });

  test('says what came instead, when nothing matches in time', async () => {
    await using broker = await startBroker();
    await broker.publish('elsewhere', 'body');
    await assert.rejects(broker.spy.next({ protocol: 'sqs', address: 'q' }, 20), {
      message:
        'no message with protocol "sqs", address "q" within 20 ms; ' +
        'what came (1):\n  published direct \'elsewhere\': "body"',
    });
  });

  test('refuses a field that there is not, and passes on what a filter throws', async () => {
    await using broker = await startBroker();
    const wrong = { queue: 'q' } as object;
    await assert.rejects(broker.spy.next(wrong), /no field of a spy filter 'queue'/);
    await broker.publish('q', 'x');
    const thrown = new Error('filter');
    const filter = (): boolean => {
      throw thrown;
    };
    await assert.rejects(broker.spy.next({ where: filter }), thrown);
    await broker.publish('q', 'the broker goes on');
  });

  test('rejects when the broker is closed', async () => {
    const broker = await startBroker();
    const waiting = broker.spy.next({}, 10_000);
    const rejected = assert.rejects(waiting, /was closed/);
    await broker.close();
    await rejected;
    await assert.rejects(broker.spy.next(), /was closed/);
  });
});

test('one after the other costs no more the more there are', async () => {
  await using broker = await startBroker();
  const count = 10_000;
  const sent = Array.from({ length: count }, (_, i) => broker.publish('q', String(i)));
  await Promise.all(sent);
  const fromMs = performance.now();
  for (let i = 0; i < count; i++) {
    assert.equal((await broker.spy.next({ event: 'published' })).text, String(i));
  }
  const tookMs = performance.now() - fromMs;
  assert.ok(tookMs < 5_000, `${Math.round(tookMs)} ms`);
});

describe('what is kept', () => {
  test('is bounded; what goes is counted', async () => {
    await using broker = await startBroker({ spy: { messages: 3 } });
    for (let i = 0; i < 5; i++) await broker.publish('q', String(i));
    assert.deepEqual(
      broker.spy.published.map((it) => it.text),
      ['2', '3', '4'],
    );
    assert.equal(broker.spy.dropped, 2);
    broker.spy.clear();
    assert.equal(broker.spy.published.length, 0);
  });

  test('are bytes of its own: bodies are exactly what was sent', async () => {
    await using broker = await startBroker();
    const body = gzipSync('x'.repeat(10_000));
    const { connection, channel } = await rabbit(broker);
    for (let i = 0; i < 50; i++) channel.publish('', 'q', Buffer.concat([body, Buffer.of(i)]));
    await channel.waitForConfirms();
    const bodies = broker.spy.published.map((it) => it.body);
    for (let i = 0; i < 50; i++) assert.ok(bodies[i]!.equals(Buffer.concat([body, Buffer.of(i)])));
    await connection.close();
  });

  test('is nothing when it is off', async () => {
    await using broker = await startBroker({ spy: false });
    assert.throws(() => broker.spy, /spy: false/);
    assert.equal(await broker.publish('q', 'x'), 0);
  });
});
