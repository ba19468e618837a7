/** What the whole server does with too many connections, and with peers that do not come to an end. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { after, before, describe, it } from 'node:test';
import amqplib from 'amqplib';
import { defaultLimits } from '#core/limits.ts';
import type { PortName } from '#server/settings.ts';
import { eventually, startTestServer, type TestServer } from '#test/drive/server.ts';

const CONNECTIONS_MAX = 20;
const sockets: Socket[] = [];
let server: TestServer;

before(async () => {
  const limits = { ...defaultLimits(8 * 1024 ** 3), connectionsMax: CONNECTIONS_MAX };
  server = await startTestServer({ limits });
});

after(async () => {
  for (const socket of sockets) socket.destroy();
  await server.stop();
});

interface Told {
  socket: Socket;
  text: string;
  isClosed: boolean;
}

function dial(name: PortName, bytes = ''): Told {
  const socket = connect(server.portOf(name), '127.0.0.1');
  sockets.push(socket);
  const told: Told = { socket, text: '', isClosed: false };
  socket.on('error', () => {});
  socket.on('data', (chunk: Buffer) => (told.text += chunk.toString()));
  socket.on('close', () => (told.isClosed = true));
  if (bytes) socket.write(bytes);
  return told;
}

async function counted(metric: string, listener: string): Promise<number> {
  const answer = await fetch(`http://127.0.0.1:${server.portOf('http')}/metrics`);
  const line = new RegExp(`^posthorn_listener_${metric}\\{listener="${listener}"\\} (\\d+)$`, 'm');
  return Number(line.exec(await answer.text())![1]);
}

describe('past limits.connectionsMax', { timeout: 30_000 }, () => {
  it('everybody is refused in the words of their protocol, and counted', async () => {
    const taken = Array.from({ length: CONNECTIONS_MAX }, () => dial('nats'));
    await eventually(() => taken.every((it) => it.text.startsWith('INFO ')));

    const request = 'POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}';
    const refused = {
      nats: dial('nats'),
      sqs: dial('sqs', request),
      amqp: dial('amqp', 'AMQP\x00\x00\x09\x01'),
      kafka: dial('kafka'),
    };
    await eventually(() => Object.values(refused).every((it) => it.isClosed));
    assert.equal(refused.nats.text, "-ERR 'maximum connections exceeded'\r\n");
    assert.match(refused.sqs.text, /^HTTP\/1\.1 503 /);
    assert.match(refused.sqs.text, /\r\nConnection: close\r\n/i);
    assert.equal(refused.amqp.text + refused.kafka.text, '');
    for (const name of Object.keys(refused)) {
      assert.equal(await counted('refused_total', name), 1, name);
    }
    for (const { socket } of taken) socket.destroy();
    await eventually(async () => (await counted('connections', 'nats')) === 0);
  });

  it('a flood leaves nothing behind', async () => {
    const taken = Array.from({ length: CONNECTIONS_MAX }, () => dial('amqp'));
    await eventually(async () => (await counted('connections', 'amqp')) === CONNECTIONS_MAX);
    for (let wave = 0; wave < 5; wave++) {
      const flood = Array.from({ length: 400 }, (_, i) => dial(i % 2 ? 'nats' : 'amqp', 'x'));
      await eventually(() => flood.every((it) => it.isClosed));
    }
    assert.equal(await counted('refused_total', 'nats'), 1_001);
    for (const { socket } of taken) socket.destroy();
    await eventually(async () => (await counted('connections', 'amqp')) === 0);
    const connection = await amqplib.connect(server.amqpUrl);
    await connection.close();
  });
});

describe('a peer that never comes to an end', { timeout: 30_000 }, () => {
  it('with its request is cut, byte by byte or without one', async () => {
    // Neither a byte a second nor silence is progress; ten seconds is what each may take.
    const heads = {
      http: 'GET /metrics HT',
      'nats-http': 'GET /varz HT',
      sqs: 'POST / HT',
      amqp: 'AM',
    };
    const peers = Object.entries(heads).map(([name, head]) => dial(name as PortName, head));
    const trickle = setInterval(() => {
      for (const { socket } of peers) if (!socket.destroyed) socket.write('P');
    }, 500);
    const silent = [dial('http'), dial('nats-http'), dial('amqp')];
    await eventually(() => [...peers, ...silent].every((it) => it.isClosed), 20_000);
    clearInterval(trickle);
  });

  it('with its connection, half closed, is ended', async () => {
    for (const name of ['kafka', 'amqp', 'nats', 'sqs'] as const) {
      const { socket } = dial(name);
      socket.end();
      await once(socket, 'close');
    }
  });
});
