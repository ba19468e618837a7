/**
 * The same name is the same thing: one queue, one topic, one dead letter, seen by clients of several
 * protocols, without a bridge. What becomes of properties is matrix.test.ts.
 */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import {
  CreateQueueCommand,
  DeleteMessageCommand,
  GetQueueAttributesCommand,
  GetQueueUrlCommand,
  ReceiveMessageCommand,
  SendMessageCommand,
  SQSClient,
} from '@aws-sdk/client-sqs';
import { connect, type NatsConnection } from '@nats-io/transport-node';
import amqplib, {
  type ChannelModel,
  type ConfirmChannel,
  type ConsumeMessage,
  type GetMessage,
} from 'amqplib';
import { Kafka, logLevel } from 'kafkajs';
import { eventually, startTestServer, type TestServer } from '#test/drive/server.ts';

let server: TestServer;
let connection: ChannelModel;
let channel: ConfirmChannel;
let kafka: Kafka;
let nats: NatsConnection;
let sqs: SQSClient;

before(async () => {
  server = await startTestServer();
  connection = await amqplib.connect(server.amqpUrl);
  channel = await connection.createConfirmChannel();
  kafka = new Kafka({ brokers: [server.kafka], logLevel: logLevel.ERROR });
  nats = await connect({ servers: server.nats });
  const credentials = { accessKeyId: 'test', secretAccessKey: 'test' };
  sqs = new SQSClient({ endpoint: server.sqs, region: 'us-east-1', credentials });
});

after(async () => {
  sqs.destroy();
  await nats.close();
  await connection.close();
  await server.stop();
});

async function createQueue(name: string, attributes: Record<string, string> = {}) {
  const command = new CreateQueueCommand({ QueueName: name, Attributes: attributes });
  return (await sqs.send(command)).QueueUrl!;
}

async function arnOf(url: string): Promise<string> {
  const command = new GetQueueAttributesCommand({ QueueUrl: url, AttributeNames: ['QueueArn'] });
  return (await sqs.send(command)).Attributes!.QueueArn!;
}

async function receive(url: string) {
  const command = new ReceiveMessageCommand({
    QueueUrl: url,
    WaitTimeSeconds: 5,
    MessageSystemAttributeNames: ['All'],
    MessageAttributeNames: ['All'],
  });
  const { Messages = [] } = await sqs.send(command);
  assert.equal(Messages.length, 1);
  return Messages[0]!;
}

const get = (queue: string): Promise<GetMessage> =>
  eventually(async () => channel.get(queue, { noAck: true }));

function taken(message: GetMessage | false): GetMessage {
  assert.ok(message !== false);
  return message;
}

test('a queue that SQS made is the queue that AMQP declares, both ways', async () => {
  const url = await createQueue('orders', { VisibilityTimeout: '45' });
  await channel.assertQueue('orders', { durable: true });
  channel.sendToQueue('orders', Buffer.from('by AMQP'));
  await channel.waitForConfirms();
  assert.equal((await receive(url)).Body, 'by AMQP');
  await sqs.send(new SendMessageCommand({ QueueUrl: url, MessageBody: 'by SQS' }));
  assert.equal((await get('orders')).content.toString(), 'by SQS');
});

test('a queue that AMQP declared is found by SQS', async () => {
  await channel.assertQueue('declared', { durable: true });
  const { QueueUrl } = await sqs.send(new GetQueueUrlCommand({ QueueName: 'declared' }));
  assert.equal(await createQueue('declared'), QueueUrl);
  await sqs.send(new SendMessageCommand({ QueueUrl, MessageBody: 'x' }));
  assert.equal((await get('declared')).content.toString(), 'x');
});

test('what SQS holds invisible AMQP does not get, and what AMQP holds SQS does not', async () => {
  const url = await createQueue('held');
  await sqs.send(new SendMessageCommand({ QueueUrl: url, MessageBody: 'x' }));
  const { ReceiptHandle } = await receive(url);
  assert.equal(await channel.get('held'), false);
  await sqs.send(new DeleteMessageCommand({ QueueUrl: url, ReceiptHandle }));
  channel.sendToQueue('held', Buffer.from('y'));
  await channel.waitForConfirms();
  const leased = taken(await channel.get('held'));
  const { Messages } = await sqs.send(new ReceiveMessageCommand({ QueueUrl: url }));
  assert.equal(Messages, undefined);
  channel.nack(leased);
  assert.equal((await receive(url)).Body, 'y');
});

test("an AMQP consumer of a FIFO queue gets each group's messages one after the other", async () => {
  const url = await createQueue('steps.fifo', {
    FifoQueue: 'true',
    ContentBasedDeduplication: 'true',
  });
  for (const [group, body] of [
    ['a', 'a1'],
    ['a', 'a2'],
    ['b', 'b1'],
  ]) {
    const input = { QueueUrl: url, MessageBody: body, MessageGroupId: group };
    await sqs.send(new SendMessageCommand(input));
  }
  const found: ConsumeMessage[] = [];
  const { consumerTag } = await channel.consume('steps.fifo', (it) => found.push(it!));
  const bodies = (): string[] => found.map(({ content }) => content.toString());
  await eventually(() => found.length === 2);
  assert.deepEqual(bodies(), ['a1', 'b1']);
  channel.ack(found[0]!);
  await eventually(() => found.length === 3);
  assert.equal(bodies()[2], 'a2');
  for (const message of found.slice(1)) channel.ack(message);
  await channel.cancel(consumerTag);
});

test('dead letters of SQS are an ordinary queue: AMQP reads them and their history', async () => {
  const dead = await createQueue('sqs-dead');
  const RedrivePolicy = JSON.stringify({
    deadLetterTargetArn: await arnOf(dead),
    maxReceiveCount: 1,
  });
  const url = await createQueue('sqs-alive', { RedrivePolicy, VisibilityTimeout: '0' });
  await sqs.send(new SendMessageCommand({ QueueUrl: url, MessageBody: 'poison' }));
  await receive(url);
  const { Messages } = await sqs.send(new ReceiveMessageCommand({ QueueUrl: url }));
  assert.equal(Messages, undefined);
  const { content, properties } = await get('sqs-dead');
  assert.equal(content.toString(), 'poison');
  const [death] = properties.headers!['x-death']!;
  assert.equal(death!.queue, 'sqs-alive');
  assert.equal(death!.reason, 'delivery_limit');
});

test('dead letters of AMQP are read by SQS and by Kafka', async () => {
  const dead = await createQueue('amqp-dead');
  const admin = kafka.admin();
  await admin.connect();
  await admin.createTopics({ topics: [{ topic: 'dead-topic', numPartitions: 1 }] });
  await channel.assertExchange('dead', 'fanout');
  await channel.bindQueue('amqp-dead', 'dead', '');
  await channel.bindQueue('dead-topic', 'dead', '');
  await channel.assertQueue('amqp-alive', { durable: true, deadLetterExchange: 'dead' });
  channel.sendToQueue('amqp-alive', Buffer.from('rejected'), { headers: { n: 1 } });
  await channel.waitForConfirms();
  channel.reject(taken(await channel.get('amqp-alive')), false);
  const message = await receive(dead);
  assert.equal(message.Body, 'rejected');
  assert.equal(message.MessageAttributes!['n']!.StringValue, '1');
  assert.match(message.Attributes!.DeadLetterQueueSourceArn!, /:amqp-alive$/);
  const [end] = await eventually(async () => {
    const offsets = await admin.fetchTopicOffsets('dead-topic');
    return offsets[0]!.high === '1' ? offsets : null;
  });
  assert.equal(end!.high, '1');
  await admin.disconnect();
});

test('a NATS subject is a routing key of amq.topic', async () => {
  await channel.assertQueue('from-nats', { durable: true });
  await channel.bindQueue('from-nats', 'amq.topic', 'shop.*.created');
  nats.publish('shop.eu.created', 'hello');
  await nats.flush();
  const message = await get('from-nats');
  assert.equal(message.content.toString(), 'hello');
  assert.equal(message.fields.routingKey, 'shop.eu.created');
  const subscription = nats.subscribe('shop.>', { max: 1 });
  await nats.flush();
  channel.publish('amq.topic', 'shop.us.paid', Buffer.from('by AMQP'));
  for await (const { subject, data } of subscription) {
    assert.equal(subject, 'shop.us.paid');
    assert.equal(Buffer.from(data).toString(), 'by AMQP');
  }
});

async function streamOf(topic: string, count: number): Promise<ConsumeMessage[]> {
  const own = await connection.createChannel();
  await own.prefetch(1000);
  const found: ConsumeMessage[] = [];
  await own.consume(topic, (message) => found.push(message!), {
    arguments: { 'x-stream-offset': 'first' },
  });
  await eventually(() => found.length >= count);
  await own.close();
  return found;
}

test('through a topic an AMQP message stays what it was, and shows its offset', async () => {
  const admin = kafka.admin();
  await admin.connect();
  await admin.createTopics({ topics: [{ topic: 'kept', numPartitions: 1 }] });
  await admin.disconnect();
  await channel.assertExchange('to-kept', 'topic');
  await channel.bindQueue('kept', 'to-kept', '#');
  await channel.assertQueue('copies', { durable: false });
  channel.publish('to-kept', 'a.b.c', Buffer.from('1'), { priority: 7, expiration: '60000' });
  channel.sendToQueue('kept', Buffer.from('2'), { CC: ['copies'] });
  channel.sendToQueue('kept', Buffer.from('3'), { BCC: ['copies'] });
  await channel.waitForConfirms();
  const [first] = await streamOf('kept', 3);
  assert.equal(first!.fields.exchange, 'to-kept');
  assert.equal(first!.fields.routingKey, 'a.b.c');
  assert.equal(first!.properties.priority, 7);
  assert.equal(first!.properties.expiration, '60000');
  assert.equal(first!.properties.headers!['x-stream-offset'], 0);
  assert.equal(first!.properties.headers!['x-stream-partition'], undefined);
  assert.equal((await channel.checkQueue('copies')).messageCount, 2, 'CC and BCC were routed');
});

test('a Kafka producer feeds a queue that is bound to its topic', async () => {
  const producer = kafka.producer();
  await producer.connect();
  await producer.send({ topic: 'produced', messages: [{ value: 'before' }] });
  await channel.assertQueue('fed', { durable: true });
  await channel.bindQueue('fed', 'produced', 'orders.#');
  const messages = [
    { key: 'orders.eu', value: 'yes', headers: { 'content-type': 'text/plain' } },
    { key: 'other', value: 'no' },
  ];
  await producer.send({ topic: 'produced', messages });
  await producer.disconnect();
  const message = await get('fed');
  assert.equal(message.content.toString(), 'yes');
  assert.equal(message.fields.exchange, 'produced');
  assert.equal(message.fields.routingKey, 'orders.eu');
  assert.equal(message.properties.contentType, 'text/plain');
  assert.equal(message.properties.headers!['x-key'], 'orders.eu');
  assert.equal(await channel.get('fed'), false);
});
