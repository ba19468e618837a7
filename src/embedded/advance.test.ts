import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import {
  ChangeMessageVisibilityCommand,
  CreateQueueCommand,
  ReceiveMessageCommand,
  SendMessageCommand,
  SQSClient,
} from '@aws-sdk/client-sqs';
import { connect as connectNats } from '@nats-io/transport-node';
import amqplib, { type ConsumeMessage } from 'amqplib';
import { Kafka, logLevel } from 'kafkajs';
import { startBroker } from './index.ts';

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
const DAY_MS = 24 * HOUR_MS;

describe('the clock', () => {
  test('goes on from where it was moved to, and never back', async () => {
    await using broker = await startBroker();
    const before = broker.now.getTime();
    await broker.advance(DAY_MS);
    const after = broker.now.getTime();
    assert.ok(after >= before + DAY_MS && after < before + DAY_MS + MINUTE_MS);
    await broker.advance(0);
    assert.ok(broker.now.getTime() >= after);
    await assert.rejects(broker.advance(-1), RangeError);
    await assert.rejects(broker.advance(NaN), RangeError);
    await assert.rejects(broker.advance(Infinity), RangeError);
  });

  test('two calls at once are one after the other', async () => {
    await using broker = await startBroker();
    const before = broker.now.getTime();
    await Promise.all([broker.advance(HOUR_MS), broker.advance(HOUR_MS)]);
    assert.ok(broker.now.getTime() >= before + 2 * HOUR_MS);
  });
});

describe('what becomes due', () => {
  test('happens at its own time: a chain of dead letters has the times of its links', async () => {
    await using broker = await startBroker();
    const connection = await amqplib.connect(broker.amqp.url);
    const channel = await connection.createChannel();
    const link = (to: string) => ({ deadLetterExchange: '', deadLetterRoutingKey: to });
    await channel.assertQueue('end', { durable: true });
    await channel.assertQueue('b', { messageTtl: 20 * MINUTE_MS, ...link('end') });
    await channel.assertQueue('a', { messageTtl: 10 * MINUTE_MS, ...link('b') });
    const startMs = broker.now.getTime();
    await broker.publish('a', 'x');
    await broker.advance(HOUR_MS);
    const message = await channel.get('end', { noAck: true });
    assert.ok(message);
    const deaths = message.properties.headers?.['x-death'] as { queue: string; time: unknown }[];
    const minutes = deaths.map(({ queue, time }) => {
      const { value } = time as { value: number };
      return [queue, Math.round((value * 1000 - startMs) / MINUTE_MS)];
    });
    assert.deepEqual(minutes, [
      ['b', 30],
      ['a', 10],
    ]);
    await connection.close();
  });

  test('is delivered to a consumer when advance resolves', async () => {
    await using broker = await startBroker();
    await broker.declareQueue('later');
    const connection = await amqplib.connect(broker.amqp.url);
    const channel = await connection.createChannel();
    const got: string[] = [];
    const take = (it: ConsumeMessage | null): void => void got.push(it?.content.toString() ?? '');
    await channel.consume('later', take, { noAck: true });
    await broker.publish('later', 'second', { delayMs: 2 * MINUTE_MS });
    await broker.publish('later', 'first', { delayMs: MINUTE_MS });
    await broker.publish('later', 'third', { delayMs: HOUR_MS });
    await broker.advance(2 * MINUTE_MS);
    const delivered = broker.spy.delivered.map((it) => it.text);
    assert.deepEqual(delivered, ['first', 'second']);
    await channel.checkQueue('later');
    assert.deepEqual(got, ['first', 'second']);
    await connection.close();
  });

  test('SQS: delays and visibility', async () => {
    await using broker = await startBroker({ protocols: ['sqs'] });
    const sqs = new SQSClient(broker.sqs.options);
    const { QueueUrl } = await sqs.send(new CreateQueueCommand({ QueueName: 'q' }));
    const bodies = async (): Promise<(string | undefined)[]> => {
      const receive = { QueueUrl, MaxNumberOfMessages: 10, VisibilityTimeout: 600 };
      const { Messages = [] } = await sqs.send(new ReceiveMessageCommand(receive));
      return Messages.map((it) => it.Body);
    };
    const delayed = { QueueUrl, MessageBody: 'x', DelaySeconds: 900 };
    await sqs.send(new SendMessageCommand(delayed));
    await broker.advance(15 * MINUTE_MS - 1000);
    assert.deepEqual(await bodies(), []);
    await broker.advance(1000);
    assert.deepEqual(await bodies(), ['x']);
    await broker.advance(9 * MINUTE_MS);
    assert.deepEqual(await bodies(), []);
    await broker.advance(MINUTE_MS);
    const { Messages = [] } = await sqs.send(new ReceiveMessageCommand({ QueueUrl }));
    const { ReceiptHandle } = Messages[0]!;
    const longer = { QueueUrl, ReceiptHandle, VisibilityTimeout: 3600 };
    await sqs.send(new ChangeMessageVisibilityCommand(longer));
    await broker.advance(HOUR_MS - MINUTE_MS);
    assert.deepEqual(await bodies(), []);
    await broker.advance(MINUTE_MS);
    assert.deepEqual(await bodies(), ['x']);
    sqs.destroy();
  });

  for (const store of ['memory', 'temporary'] as const) {
    test(`Kafka: retention, in a ${store} store`, async () => {
      await using broker = await startBroker({ store });
      const config = { 'retention.ms': String(HOUR_MS), 'segment.ms': String(MINUTE_MS) };
      await broker.declareTopic('t', { config });
      const kafka = new Kafka({ brokers: broker.kafka.brokers, logLevel: logLevel.ERROR });
      const producer = kafka.producer();
      await producer.connect();
      await producer.send({ topic: 't', messages: [{ value: 'old' }] });
      await broker.advance(50 * MINUTE_MS);
      await broker.publish('t', 'newer');
      const admin = kafka.admin();
      const low = async (): Promise<string> => (await admin.fetchTopicOffsets('t'))[0]!.low;
      await admin.connect();
      assert.equal(await low(), '0');
      await broker.advance(20 * MINUTE_MS);
      assert.equal(await low(), '1');
      await admin.disconnect();
      await producer.disconnect();
    });
  }
});

test('nobody who is connected times out by it', async () => {
  await using broker = await startBroker();
  const rabbit = await amqplib.connect(`${broker.amqp.url}?heartbeat=20`);
  const channel = await rabbit.createChannel();
  const nats = await connectNats(broker.nats.options);
  const kafka = new Kafka({ brokers: broker.kafka.brokers, logLevel: logLevel.ERROR });
  const consumer = kafka.consumer({
    groupId: 'g',
    sessionTimeout: 10_000,
    maxWaitTimeInMs: 300,
  });
  await broker.declareTopic('t');
  await consumer.connect();
  await consumer.subscribe({ topic: 't' });
  const joined = new Promise((resolve) => consumer.on(consumer.events.GROUP_JOIN, resolve));
  await consumer.run({ eachMessage: async () => {} });
  await joined;

  await broker.advance(DAY_MS);
  // Long enough for connections to hear the time.
  await new Promise((resolve) => setTimeout(resolve, 600));
  await channel.assertQueue('still here');
  await nats.flush();
  const { state, members } = await consumer.describeGroup();
  assert.deepEqual([state, members.length], ['Stable', 1]);
  await consumer.disconnect();
  await nats.close();
  await rabbit.close();
});
