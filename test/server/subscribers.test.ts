/**
 * Many subscribers, one of them stuck, as a process of its own sees them: the others are not
 * delayed, the stuck one is cut, memory stays bounded and is given back.
 */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { eventually } from '#test/drive/server.ts';

const ROOT = join(import.meta.dirname, '../..');
const SUBSCRIBERS = 2_000;
const MIB = 1024 * 1024;
const folder = mkdtempSync(join(tmpdir(), 'posthorn-subscribers-'));
const sockets: Socket[] = [];
let stop = (): void => {};
let nats = 0;
let pages = '';

before(async () => {
  const config = join(folder, 'config.json');
  const ports = { kafka: false, amqp: false, sqs: false, http: false, nats: 0, 'nats-http': 0 };
  writeFileSync(config, JSON.stringify({ ports, limits: { pendingBytesMax: MIB } }));
  const flags = [
    'serve',
    '--config',
    config,
    '--data',
    join(folder, 'data'),
    '--host',
    '127.0.0.1',
  ];
  const child = spawn(process.execPath, ['bin/posthorn.js', ...flags], { cwd: ROOT });
  stop = () => child.kill('SIGKILL');
  const [line] = (await once(child.stdout, 'data')) as [Buffer];
  nats = Number(/ nats=127\.0\.0\.1:(\d+)/.exec(line.toString())![1]);
  pages = `http://127.0.0.1:${/ nats-http=127\.0\.0\.1:(\d+)/.exec(line.toString())![1]}`;
});

after(() => {
  for (const socket of sockets) socket.destroy();
  stop();
  rmSync(folder, { recursive: true });
});

/** Connected, subscribed and heard; counts what it is sent from then on, a PING of the broker's at
 * most beside the messages. */
async function subscriber(...subjects: string[]): Promise<{ socket: Socket; bytes: number }> {
  const socket = connect(nats, '127.0.0.1');
  sockets.push(socket);
  socket.on('error', () => {});
  await once(socket, 'data');
  const seen = { socket, bytes: 0 };
  const subscriptions = subjects.map((subject, i) => `SUB ${subject} ${i + 1}\r\n`).join('');
  socket.write(`CONNECT {"verbose":false}\r\n${subscriptions}PING\r\n`);
  const [pong] = (await once(socket, 'data')) as [Buffer];
  assert.equal(pong.toString(), 'PONG\r\n');
  socket.on('data', (chunk: Buffer) => (seen.bytes += chunk.length));
  return seen;
}

async function figures(): Promise<{ slow_consumers: number; mem: number; connections: number }> {
  const answer = await fetch(`${pages}/varz`);
  return (await answer.json()) as { slow_consumers: number; mem: number; connections: number };
}

describe('many subscribers', { timeout: 60_000 }, () => {
  it('get everything, whoever of them is stuck', async () => {
    const others: { bytes: number }[] = [];
    while (others.length < SUBSCRIBERS) {
      const batch = Array.from({ length: 100 }, () => subscriber('all'));
      others.push(...(await Promise.all(batch)));
    }
    const stuck = await subscriber('all', 'flood');
    stuck.socket.pause();
    const reader = await subscriber('flood');
    const publisher = await subscriber();

    const payload = 'x'.repeat(100);
    const publish = (subject: string, count: number): void => {
      const line = `PUB ${subject} ${payload.length}\r\n${payload}\r\n`;
      publisher.socket.write(line.repeat(count));
    };
    const delivered = `MSG all 1 ${payload.length}\r\n${payload}\r\n`.length;
    publish('all', 50);
    await eventually(() => others.every((it) => it.bytes >= 50 * delivered), 30_000);

    // Until the kernel's buffers are full, and a megabyte waits in the broker.
    const before = await figures();
    const flooded = `MSG flood 1 ${payload.length}\r\n${payload}\r\n`.length;
    let sent = 0;
    await eventually(async () => {
      publish('flood', 10_000);
      sent += 10_000;
      await eventually(() => reader.bytes >= sent * flooded);
      return (await figures()).slow_consumers === 1;
    }, 30_000);
    const cut = await figures();
    assert.equal(cut.connections, before.connections - 1);
    assert.ok(cut.mem < before.mem + 60 * MIB, `${before.mem} grew to ${cut.mem}`);

    publish('all', 50);
    await eventually(() => others.every((it) => it.bytes >= 100 * delivered), 30_000);
    stuck.socket.resume();
    await once(stuck.socket, 'close');
  });
});
