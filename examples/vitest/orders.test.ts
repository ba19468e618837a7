/**
 * A shop's messages, through the clients that its services use: RabbitMQ's, Kafka's, NATS's and SQS's.
 * One broker for the file, a namespace for each test.
 */
import {
  CreateQueueCommand,
  DeleteMessageCommand,
  ReceiveMessageCommand,
  SendMessageCommand,
  SQSClient,
} from '@aws-sdk/client-sqs';
import { connect as connectNats } from '@nats-io/transport-node';
import amqplib from 'amqplib';
import { Kafka, logLevel } from 'kafkajs';
import { type Broker, type Namespace, startBroker } from 'posthorn';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest';

const MINUTE_MS = 60_000;

let broker: Broker;
let shop: Namespace;

beforeAll(async () => {
  broker = await startBroker();
});

afterAll(() => broker.close());

beforeEach(async ({ task }) => {
  shop = await broker.namespace(task.name);
});

afterEach(() => shop.close());

test('an order placed over AMQP is shipped by a worker that polls SQS', async () => {
  const rabbit = await amqplib.connect(shop.amqp.url);
  const channel = await rabbit.createConfirmChannel();
  await channel.assertQueue('orders', { durable: true });
  channel.sendToQueue('orders', Buffer.from('{"id":7}'), { persistent: true });
  await channel.waitForConfirms();

  const sqs = new SQSClient(shop.sqs.options);
  const QueueUrl = shop.sqs.queueUrl('orders');
  const { Messages = [] } = await sqs.send(new ReceiveMessageCommand({ QueueUrl }));
  expect(Messages.map((it) => it.Body)).toEqual(['{"id":7}']);
  const ReceiptHandle = Messages[0]?.ReceiptHandle;
  await sqs.send(new DeleteMessageCommand({ QueueUrl, ReceiptHandle }));
  expect(shop.depth('orders')).toEqual({ ready: 0, unacknowledged: 0 });

  sqs.destroy();
  await rabbit.close();
});

test('events that Kafka keeps are seen by NATS as they come', async () => {
  await shop.bind({
    from: { topic: 'shipped' },
    to: { exchange: 'amq.topic' },
    as: 'shop.shipped',
  });
  const nats = await connectNats(shop.nats.options);
  const shipped = nats.subscribe('shop.*', { max: 1 });
  await nats.flush();

  const kafka = new Kafka({ brokers: shop.kafka.brokers, logLevel: logLevel.ERROR });
  const producer = kafka.producer();
  await producer.connect();
  await producer.send({ topic: 'shipped', messages: [{ key: '7', value: 'parcel 7' }] });

  for await (const message of shipped) expect(message.string()).toBe('parcel 7');
  const event = await shop.spy.next({ event: 'published', protocol: 'kafka' });
  expect(event).toMatchObject({ address: 'shipped', key: '7', text: 'parcel 7', offset: 0 });

  await producer.disconnect();
  await nats.close();
});

test('an order that nobody ships within the hour is a dead letter', async () => {
  await shop.declareQueue('late');
  await shop.declareQueue('orders', {
    ttlMs: 60 * MINUTE_MS,
    deadLetterExchange: '',
    deadLetterRoutingKey: 'late',
  });
  await shop.publish('orders', { id: 8 });

  await broker.advance(59 * MINUTE_MS);
  expect(shop.depth('late').ready).toBe(0);
  await broker.advance(MINUTE_MS);
  expect(shop.depth('late').ready).toBe(1);
});

test('a worker that dies gives its message to the next one', async () => {
  const sqs = new SQSClient(shop.sqs.options);
  const { QueueUrl } = await sqs.send(new CreateQueueCommand({ QueueName: 'orders' }));
  await sqs.send(new SendMessageCommand({ QueueUrl, MessageBody: 'order 9' }));
  const receive = new ReceiveMessageCommand({ QueueUrl, VisibilityTimeout: 300 });

  expect((await sqs.send(receive)).Messages).toHaveLength(1);
  expect((await sqs.send(receive)).Messages ?? []).toHaveLength(0);
  await broker.advance(5 * MINUTE_MS);
  expect((await sqs.send(receive)).Messages).toHaveLength(1);

  expect(shop.spy.delivered.map((it) => it.redeliveries)).toEqual([0, 1]);
  sqs.destroy();
});
