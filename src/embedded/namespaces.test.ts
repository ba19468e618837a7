import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ListQueuesCommand, ReceiveMessageCommand, SQSClient } from '@aws-sdk/client-sqs';
import { connect as connectNats } from '@nats-io/transport-node';
import amqplib from 'amqplib';
import { Kafka, logLevel } from 'kafkajs';
import type { Namespace } from './api.ts';
import { startBroker } from './index.ts';

/** Makes `name` by every protocol, and says what each sees. */
async function fill(space: Namespace, name: string) {
  const rabbit = await amqplib.connect(space.amqp.url);
  const channel = await rabbit.createConfirmChannel();
  await channel.assertQueue(name, { durable: true });
  channel.sendToQueue(name, Buffer.from(`for ${name}`), { persistent: true });
  await channel.waitForConfirms();
  const kafka = new Kafka({ brokers: space.kafka.brokers, logLevel: logLevel.ERROR });
  const admin = kafka.admin();
  await admin.connect();
  await admin.createTopics({ topics: [{ topic: `${name}-topic` }] });
  const topic = `${name}-topic`;
  await admin.setOffsets({ groupId: 'same', topic, partitions: [{ partition: 0, offset: '0' }] });
  const nats = await connectNats(space.nats.options);
  const heard: string[] = [];
  nats.subscribe('>', { callback: (_error, message) => void heard.push(message.string()) });
  await nats.flush();
  const sqs = new SQSClient(space.sqs.options);
  return {
    nats,
    see: async () => ({
      queues: (await sqs.send(new ListQueuesCommand({}))).QueueUrls?.map((it) =>
        it.split('/').at(-1),
      ),
      topics: await admin.listTopics(),
      read: (await admin.fetchOffsets({ groupId: 'same' })).map((it) => it.topic),
      heard,
    }),
    receive: async () => {
      const QueueUrl = space.sqs.queueUrl(name);
      const { Messages = [] } = await sqs.send(new ReceiveMessageCommand({ QueueUrl }));
      return Messages.map((it) => it.Body);
    },
    end: async () => {
      sqs.destroy();
      await nats.close();
      await admin.disconnect();
      await rabbit.close();
    },
  };
}

test('every protocol sees one namespace on its ports, and nothing else', async () => {
  await using broker = await startBroker();
  const one = await fill(await broker.namespace('one'), 'a');
  const two = await fill(await broker.namespace('two'), 'b');
  one.nats.publish('x', 'to one');
  await one.nats.flush();
  await two.nats.flush();
  const topics = (name: string): string[] => [`${name}-topic`];
  assert.deepEqual(await one.see(), {
    queues: ['a'],
    topics: topics('a'),
    read: topics('a'),
    heard: ['to one'],
  });
  assert.deepEqual(await two.see(), {
    queues: ['b'],
    topics: topics('b'),
    read: topics('b'),
    heard: [],
  });
  assert.deepEqual(await two.receive(), ['for b']);
  assert.deepEqual(await broker.publish('a', 'not here'), 0);
  await one.end();
  await two.end();
});

test('each has a spy of its own; the broker sees all', async () => {
  await using broker = await startBroker();
  const one = await broker.namespace('one');
  const two = await broker.namespace('two');
  await one.publish('q', '1');
  await two.publish('q', '2');
  assert.deepEqual(
    one.spy.published.map((it) => [it.namespace, it.text]),
    [['one', '1']],
  );
  one.spy.clear();
  assert.deepEqual(
    broker.spy.published.map((it) => it.text),
    ['2'],
  );
});

test('the same name is the same namespace, until it is closed: then it is empty again', async () => {
  await using broker = await startBroker();
  assert.equal(await broker.namespace('/'), broker);
  const space = await broker.namespace('one');
  assert.equal(await broker.namespace('one'), space);
  const filled = await fill(space, 'a');
  await filled.end();
  const { port } = space.kafka;
  await space.close();
  await space.close();
  await using again = await broker.namespace('one');
  assert.notEqual(again, space);
  assert.notEqual(again.kafka.port, port);
  const seen = await fill(again, 'b');
  assert.deepEqual((await seen.see()).topics, ['b-topic']);
  assert.deepEqual((await seen.see()).read, ['b-topic']);
  await seen.end();
});

test('closing one ends who is connected to it', async () => {
  await using broker = await startBroker();
  const space = await broker.namespace('one');
  const nats = await connectNats({ ...space.nats.options, reconnect: false });
  const closed = nats.closed();
  await space.close();
  await closed;
});
