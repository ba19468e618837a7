import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { afterEach, beforeEach, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { CloseReason } from '#protocols/contract.ts';
import { Faults } from './faults.ts';
import { SocketLink } from './socket-link.ts';
import { Turn } from './turn.ts';

const faults = new Faults(null);
const MIB = 1024 * 1024;

let server: Server;
let client: Socket;
let link: SocketLink;
let accepted: Socket;
let released: number[];

beforeEach(async () => {
  released = [];
  server = createServer({ pauseOnConnect: true }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  client = connect((server.address() as { port: number }).port, '127.0.0.1');
  client.pause();
  const [socket] = (await once(server, 'connection')) as [Socket];
  accepted = socket;
  socket.on('error', () => {});
  client.on('error', () => {});
  link = new SocketLink(
    socket,
    { turn: new Turn(faults), faults },
    { receivedBytes: 0, sentBytes: 0, stuck: 0 },
  );
  socket.on('close', () => link.close(CloseReason.Gone));
  link.attach({ receive() {}, drained() {}, tick() {}, stepped() {}, close() {} });
});

afterEach(() => {
  client.destroy();
  link.destroy();
  server.close();
});

/** Sends a block of bytes `value`, which is overwritten as soon as it is released. */
function send(value: number): void {
  const block = Buffer.alloc(MIB, value);
  link.output.append(block);
  link.output.releaseAfter({
    release() {
      block.fill(0xee);
      released.push(value);
    },
  });
  link.schedule();
}

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await sleep(5);
}

describe('what is in the output of a socket', { timeout: 20_000 }, () => {
  test('is released after the peer was sent all of it, in order', async () => {
    for (let value = 1; value <= 20; value++) send(value);
    await sleep(20);
    assert.ok(released.length < 20, 'the peer does not read yet');
    let received = 0;
    client.on('data', (chunk: Buffer) => {
      assert.equal(chunk[0], 1 + Math.floor(received / MIB));
      received += chunk.length;
      assert.equal(chunk.at(-1), 1 + Math.floor((received - 1) / MIB));
    });
    client.resume();
    await until(() => received === 20 * MIB && released.length === 20);
    assert.deepEqual(
      released,
      Array.from({ length: 20 }, (_, i) => i + 1),
    );
  });

  test('is released once when the peer goes away, and at once after that', async () => {
    for (let value = 1; value <= 20; value++) send(value);
    await sleep(20);
    client.destroy();
    await until(() => released.length === 20);
    assert.equal(new Set(released).size, 20);
    assert.ok(accepted.destroyed);
    send(21);
    assert.equal(released.length, 21);
  });
});
