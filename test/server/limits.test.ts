/** What the whole server does with too many connections, and with peers that do not come to an end. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { after, before, describe, it } from 'node:test';
import amqplib from 'amqplib';
import { defaultLimits } from '#core/limits.ts';
import type { PortName } from '#server/settings.ts';
import { handshake } from '#test/drive/raw-amqp.ts';
import { eventually, startTestServer, type TestServer } from '#test/drive/server.ts';

const CONNECTIONS_MAX = 20;
const NO_MORE = `NOT_ALLOWED - connection refused: node connection limit (${CONNECTIONS_MAX}) is reached`;
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
  if (bytes) socket.write(bytes, 'latin1');
  return told;
}

/** A WebSocket, or why there is none. */
async function upgrade(): Promise<Told> {
  const fields = [
    'Host: x',
    'Upgrade: websocket',
    'Connection: Upgrade',
    'Sec-WebSocket-Version: 13',
    'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==',
  ];
  const told = dial('nats-http', `GET / HTTP/1.1\r\n${fields.join('\r\n')}\r\n\r\n`);
  await eventually(() => told.isClosed);
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
      kafka: dial('kafka'),
    };
    await eventually(() => Object.values(refused).every((it) => it.isClosed));
    assert.equal(refused.nats.text, "-ERR 'maximum connections exceeded'\r\n");
    assert.match(refused.sqs.text, /^HTTP\/1\.1 503 /);
    assert.match(refused.sqs.text, /\r\nConnection: close\r\n/i);
    assert.equal(refused.kafka.text, '');
    const amqp = dial('amqp', handshake());
    await eventually(() => amqp.text.includes(NO_MORE));
    await assert.rejects(amqplib.connect(server.amqpUrl), /ConnectionClose/);
    const upgraded = await upgrade();
    assert.match(upgraded.text, /^HTTP\/1\.1 503 /);
    for (const name of [...Object.keys(refused), 'nats-websocket']) {
      assert.equal(await counted('refused_total', name), 1, name);
    }
    assert.equal(await counted('refused_total', 'amqp'), 2);
    for (const { socket } of taken) socket.destroy();
    await eventually(async () => (await counted('connections', 'nats')) === 0);
  });

  it('a flood leaves nothing behind', async () => {
    const taken = Array.from({ length: CONNECTIONS_MAX }, () => dial('nats'));
    await eventually(async () => (await counted('connections', 'nats')) === CONNECTIONS_MAX);
    for (let wave = 0; wave < 2; wave++) {
      const flood = Array.from({ length: 600 }, (_, i) => dial(i % 2 ? 'nats' : 'amqp', 'x'));
      await eventually(() => flood.every((it) => it.isClosed));
    }
    assert.equal(await counted('refused_total', 'nats'), 601);
    for (const { socket } of taken) socket.destroy();
    await eventually(async () => (await counted('connections', 'nats')) === 0);
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
