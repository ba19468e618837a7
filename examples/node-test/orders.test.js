/**
 * One message each way between the clients of four brokers, which are one. `await using` closes the
 * broker at the end of each test, whatever became of it.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ReceiveMessageCommand, SendMessageCommand, SQSClient } from '@aws-sdk/client-sqs';
import { connect as connectNats } from '@nats-io/transport-node';
import { Consumer, stringDeserializers } from '@platformatic/kafka';
import amqplib from 'amqplib';
import { startBroker } from 'posthorn';

test('what SQS is sent Kafka reads', async () => {
  await using broker = await startBroker({
    bindings: [{ from: { queue: 'orders' }, to: { topic: 'orders.log' } }],
  });
  const sqs = new SQSClient(broker.sqs.options);
  const QueueUrl = broker.sqs.queueUrl('orders');
  await sqs.send(new SendMessageCommand({ QueueUrl, MessageBody: 'order 7' }));

  const consumer = new Consumer({
    clientId: 'audit',
    groupId: 'audit',
    bootstrapBrokers: broker.kafka.brokers,
    deserializers: stringDeserializers,
  });
  const records = await consumer.consume({ topics: ['orders.log'], mode: 'earliest' });
  for await (const { value } of records) {
    assert.equal(value, 'order 7');
    break;
  }

  await consumer.close(true);
  sqs.destroy();
});

test('what NATS publishes goes into a queue that RabbitMQ consumes', async () => {
  await using broker = await startBroker();
  await broker.bind({ from: { exchange: 'amq.topic' }, to: { queue: 'orders' }, key: 'orders.#' });
  const nats = await connectNats(broker.nats.options);
  nats.publish('orders.new', 'order 8');
  await nats.flush();

  const rabbit = await amqplib.connect(broker.amqp.url);
  const channel = await rabbit.createChannel();
  const message = await channel.get('orders', { noAck: true });
  assert.equal(message && message.content.toString(), 'order 8');

  await rabbit.close();
  await nats.close();
});

test('a message that waits an hour is there when the hour is over', async () => {
  await using broker = await startBroker();
  await broker.declareQueue('reminders');
  await broker.publish('reminders', 'call back', { delayMs: 3_600_000 });
  const sqs = new SQSClient(broker.sqs.options);
  const receive = new ReceiveMessageCommand({ QueueUrl: broker.sqs.queueUrl('reminders') });

  assert.equal((await sqs.send(receive)).Messages, undefined);
  await broker.advance(3_600_000);
  const { Messages } = await sqs.send(receive);
  assert.deepEqual(
    Messages?.map((it) => it.Body),
    ['call back'],
  );
  sqs.destroy();
});
