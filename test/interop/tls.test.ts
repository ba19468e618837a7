/** Clients, unmodified, over TLS and over WebSocket, against the whole server. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { request } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { setDefaultCACertificates } from 'node:tls';
import { connect as connectNats, type NatsConnection, wsconnect } from '@nats-io/transport-node';
import amqplib from 'amqplib';
import { Kafka, logLevel } from 'kafkajs';
import { createAuthority } from '#test/rigs/certificates.ts';
import { eventually, startTestServer, type TestServer } from '#test/drive/server.ts';

const authority = createAuthority();
const folder = mkdtempSync(join(tmpdir(), 'posthorn-tls-'));
const ca = authority.cert;
let server: TestServer;
let plain: TestServer;

before(async () => {
  const { cert, key } = authority.issue('posthorn');
  const files = { cert: join(folder, 'cert.pem'), key: join(folder, 'key.pem') };
  writeFileSync(files.cert, cert);
  writeFileSync(files.key, key);
  const tls = { ...files, ca: null, required: true, verifyClient: false };
  server = await startTestServer({ tls });
  plain = await startTestServer();
  setDefaultCACertificates([ca]);
});

after(async () => {
  await server.stop();
  await plain.stop();
  rmSync(folder, { recursive: true });
});

async function get(path: string): Promise<string> {
  const outgoing = request({ host: '127.0.0.1', port: server.portOf('http'), path, ca }).end();
  const [response] = (await once(outgoing, 'response')) as [AsyncIterable<Buffer>];
  let text = '';
  for await (const chunk of response) text += chunk.toString();
  return text;
}

/** What everybody does: subscribe, publish, request, 200 KB. */
async function exchange(connection: NatsConnection): Promise<void> {
  const large = Buffer.alloc(200_000, 'x');
  connection.subscribe('echo', {
    callback: (_error, message) => void message.respond(message.data),
  });
  const answer = await connection.request('echo', large, { timeout: 5_000 });
  assert.deepEqual(Buffer.from(answer.data), large);
  const got: string[] = [];
  connection.subscribe('many.*', { callback: (_error, message) => void got.push(message.subject) });
  for (let i = 0; i < 2_000; i++) connection.publish(`many.${i}`, 'payload');
  await connection.flush();
  await eventually(() => got.length === 2_000);
  await connection.drain();
}

describe('over TLS', { timeout: 30_000 }, () => {
  test('amqplib publishes and consumes', async () => {
    const url = `amqps://guest:guest@localhost:${server.portOf('amqp')}`;
    const connection = await amqplib.connect(url, { ca: [ca] });
    const channel = await connection.createConfirmChannel();
    const { queue } = await channel.assertQueue('over-tls');
    const got: string[] = [];
    await channel.consume(queue, (message) => message && got.push(message.content.toString()));
    for (const text of ['a', 'b'.repeat(200_000)]) channel.sendToQueue(queue, Buffer.from(text));
    await channel.waitForConfirms();
    await eventually(() => got.length === 2);
    assert.equal(got[1]!.length, 200_000);
    await connection.close();
  });

  test('amqplib in plain text is turned away where TLS is required', async () => {
    const url = `amqp://guest:guest@127.0.0.1:${server.portOf('amqp')}`;
    await assert.rejects(amqplib.connect(url));
    assert.match(await get('/metrics'), /plain_text_refused_total\{listener="amqp"\} 1\n/);
  });

  test('kafkajs produces and consumes', async () => {
    const brokers = [`localhost:${server.portOf('kafka')}`];
    const kafka = new Kafka({ brokers, ssl: { ca: [ca] }, logLevel: logLevel.ERROR });
    const producer = kafka.producer();
    await producer.connect();
    await producer.send({ topic: 'topic-over-tls', messages: [{ key: 'k', value: 'v' }] });
    const consumer = kafka.consumer({ groupId: 'g' });
    await consumer.connect();
    await consumer.subscribe({ topic: 'topic-over-tls', fromBeginning: true });
    const got: string[] = [];
    await consumer.run({
      eachMessage: async ({ message }) => void got.push(message.value!.toString()),
    });
    await eventually(() => got.length === 1, 20_000);
    await consumer.disconnect();
    await producer.disconnect();
  });

  test('the NATS client upgrades after INFO', async () => {
    const servers = `localhost:${server.portOf('nats')}`;
    const connection = await connectNats({ servers, tls: { ca } });
    await exchange(connection);
  });

  test('the NATS client without TLS is told that it is required', async () => {
    const servers = `localhost:${server.portOf('nats')}`;
    await assert.rejects(connectNats({ servers, tls: null, reconnect: false }), /tls/i);
  });

  test('NATS over a secure WebSocket', async () => {
    const connection = await wsconnect({
      servers: `wss://localhost:${server.portOf('nats-http')}`,
    });
    await exchange(connection);
  });

  test('health and metrics answer https, and http with a hint', async () => {
    assert.equal(await get('/healthz/ready'), 'ready\n');
    assert.match(await get('/metrics'), /listener_secured_total\{listener="http"\} [1-9]/);
    const answer = await fetch(`http://127.0.0.1:${server.portOf('http')}/healthz/ready`);
    assert.equal(answer.status, 400);
    assert.match(await answer.text(), /requires TLS/);
  });
});

test('NATS over a plain WebSocket', { timeout: 30_000 }, async () => {
  const connection = await wsconnect({ servers: `ws://localhost:${plain.portOf('nats-http')}` });
  await exchange(connection);
});
