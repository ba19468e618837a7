import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import amqplib from 'amqplib';
import { startBroker } from './index.ts';

const READY_MS_MAX = 50;

async function publishAndGet(url: string, queue: string, body: string): Promise<string> {
  const connection = await amqplib.connect(url);
  const channel = await connection.createConfirmChannel();
  await channel.assertQueue(queue, { durable: true });
  channel.sendToQueue(queue, Buffer.from(body), { persistent: true });
  await channel.waitForConfirms();
  const message = await channel.get(queue, { noAck: true });
  await connection.close();
  return message ? message.content.toString() : '';
}

describe('a broker in a process', () => {
  test('is ready in no time once its modules are loaded', async () => {
    await (await startBroker()).close();
    const times: number[] = [];
    for (let i = 0; i < 5; i++) {
      const fromMs = performance.now();
      await using broker = await startBroker();
      assert.ok(broker.kafka.port > 0);
      times.push(performance.now() - fromMs);
    }
    const [fastest = Infinity] = times.toSorted((a, b) => a - b);
    assert.ok(fastest < READY_MS_MAX, `${times.map(Math.round).join(', ')} ms`);
  });

  test('several side by side know nothing of each other', async () => {
    await using one = await startBroker();
    await using two = await startBroker();
    await one.declareQueue('here');
    assert.equal(await one.publish('here', 'x'), 1);
    assert.equal(await two.publish('here', 'x'), 0);
    assert.throws(() => two.depth('here'), /is not there/);
  });

  test('has a port for each protocol that is asked for, and no other', async () => {
    await using broker = await startBroker({ protocols: ['amqp', 'http'] });
    assert.equal(await publishAndGet(broker.amqp.url, 'q', 'body'), 'body');
    const health = await fetch(`${broker.http.url}/healthz/ready`);
    assert.equal(health.status, 200);
    assert.throws(() => broker.kafka, /does not listen for kafka/);
    assert.throws(() => broker.sqs, /does not listen for sqs/);
  });

  test('lets in only configured users, when there are some', async () => {
    const users = [{ name: 'me', password: 'secret/1' }];
    await using broker = await startBroker({ users });
    assert.equal(await publishAndGet(broker.amqp.url, 'q', 'body'), 'body');
    const guest = broker.amqp.url.replace(/\/\/.*@/, '//guest:guest@');
    await assert.rejects(amqplib.connect(guest), /403|ACCESS/);
    assert.deepEqual(broker.nats.options, {
      servers: `127.0.0.1:${broker.nats.port}`,
      user: 'me',
      pass: 'secret/1',
    });
    assert.equal(broker.sqs.credentials.accessKeyId, 'me');
  });

  test('declares bindings and namespaces at the start', async () => {
    await using broker = await startBroker({
      bindings: [{ from: { topic: 'events' }, to: { queue: 'copies' } }],
    });
    assert.equal(await broker.publish('events', 'x', { key: 'k' }), 1);
    assert.equal(broker.depth('copies').ready, 1);
  });
});

describe('stores', () => {
  test('a folder is opened again with what was in it', async (t) => {
    const folder = await mkdtemp(join(tmpdir(), 'posthorn-test-'));
    t.after(() => rm(folder, { recursive: true }));
    {
      await using broker = await startBroker({ store: { folder } });
      await broker.declareQueue('kept');
      await broker.publish('kept', 'body');
      await assert.rejects(startBroker({ store: { folder } }), /uses the data folder/);
    }
    await using again = await startBroker({ store: { folder } });
    assert.equal(again.depth('kept').ready, 1);
  });

  test('a temporary one goes with the broker', async () => {
    const broker = await startBroker({ store: 'temporary' });
    const { folder } = broker;
    assert.ok(folder !== null && existsSync(folder));
    await broker.declareTopic('t', { partitions: 2 });
    await broker.publish('t', 'x');
    await broker.close();
    assert.equal(existsSync(folder), false);
  });
});

describe('the end', () => {
  test('clients that were left connected are ended', async () => {
    const broker = await startBroker();
    const connection = await amqplib.connect(broker.amqp.url);
    const closed = new Promise((resolve) => connection.once('close', resolve));
    const silent = connect(broker.kafka.port, '127.0.0.1');
    const ended = new Promise((resolve) => silent.once('close', resolve));
    await new Promise((resolve) => silent.once('connect', resolve));
    silent.resume();
    await broker.close();
    await Promise.all([closed, ended]);
  });

  test('nothing works any more, and closing again does nothing', async () => {
    const broker = await startBroker();
    await broker.close();
    await broker.close();
    await assert.rejects(broker.advance(1), /is closed/);
    await assert.rejects(broker.publish('q', 'x'), /is closed/);
    await assert.rejects(broker.namespace('x'), /is closed/);
  });

  test('no handle is left open: a process ends by itself', () => {
    const script = `
      import { startBroker } from ${JSON.stringify(join(import.meta.dirname, 'index.ts'))};
      for (const store of ['memory', 'temporary']) {
        const broker = await startBroker({ store });
        await broker.namespace('other');
        await fetch(broker.http.url + '/metrics').then((it) => it.text());
        await broker.advance(60_000);
        await broker.close();
      }
      for (const first of ['advance', 'namespace', 'close']) {
        const broker = await startBroker();
        const calls = {
          advance: () => broker.advance(86_400_000),
          namespace: () => broker.namespace('late'),
          close: () => broker.close(),
        };
        const order = [first, ...Object.keys(calls).filter((it) => it !== first)];
        await Promise.allSettled(order.map((it) => calls[it]()));
      }
      const left = process.getActiveResourcesInfo().filter((it) => /Server|Timeout|Immediate/.test(it));
      console.log('left: ' + left.join());`;
    const args = ['--input-type=module', '--eval', script];
    const run = spawnSync(process.execPath, args, { encoding: 'utf8', timeout: 20_000 });
    assert.equal(run.signal, null, 'it had to be killed');
    assert.equal(run.stdout, 'left: \n', run.stderr);
  });
});
