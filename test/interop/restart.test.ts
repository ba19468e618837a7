/** What is stored is there after a restart: also what became due meanwhile, and what came by a
 * protocol that is no longer served. */
import { test, type TestContext } from 'node:test';
import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { ReceiveMessageCommand, SQSClient } from '@aws-sdk/client-sqs';
import amqplib from 'amqplib';
import { startBroker } from '../../src/embedded/index.ts';

async function folderOf(t: TestContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'posthorn-test-'));
  t.after(() => rm(folder, { recursive: true }));
  return folder;
}

test('delayed messages that became due meanwhile are routed', { timeout: 20_000 }, async (t) => {
  const store = { folder: await folderOf(t) };
  {
    await using broker = await startBroker({ store });
    const connection = await amqplib.connect(broker.amqp.url);
    const channel = await connection.createConfirmChannel();
    await channel.assertExchange('later', 'x-delayed-message', {
      arguments: { 'x-delayed-type': 'direct' },
    });
    await channel.assertQueue('due');
    await channel.bindQueue('due', 'later', 'key');
    for (let i = 0; i < 20; i++) {
      channel.publish('later', 'key', Buffer.from(`${i}`), { headers: { 'x-delay': 300 } });
    }
    await channel.waitForConfirms();
    await connection.close();
  }
  await sleep(350);
  await using broker = await startBroker({ store });
  const connection = await amqplib.connect(broker.amqp.url);
  const channel = await connection.createChannel();
  const bodies: string[] = [];
  const all = Promise.withResolvers<void>();
  await channel.consume('due', (message) => {
    bodies.push(message!.content.toString());
    if (bodies.length === 20) all.resolve();
  });
  await all.promise;
  assert.deepEqual(
    bodies,
    Array.from({ length: 20 }, (_, i) => `${i}`),
  );
  await connection.close();
});

test('a message is read whose protocol is not served any more', async (t) => {
  const store = { folder: await folderOf(t) };
  {
    await using broker = await startBroker({ store });
    const connection = await amqplib.connect(broker.amqp.url);
    const channel = await connection.createConfirmChannel();
    await channel.assertQueue('work');
    channel.sendToQueue('work', Buffer.from('text'), { type: 'job', persistent: true });
    await channel.waitForConfirms();
    await connection.close();
  }
  await using broker = await startBroker({ store, protocols: ['sqs'] });
  const client = new SQSClient(broker.sqs.options);
  const QueueUrl = broker.sqs.queueUrl('work');
  const command = new ReceiveMessageCommand({ QueueUrl, MessageAttributeNames: ['All'] });
  const { Messages = [] } = await client.send(command);
  client.destroy();
  assert.deepEqual(
    Messages.map((it) => it.Body),
    ['text'],
  );
  assert.equal(Messages[0]!.MessageAttributes!['type']!.StringValue, 'job');
});
