import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { afterEach, beforeEach, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { CloseReason } from '#protocols/contract.ts';
import { Faults } from './faults.ts';
import { SocketLink, type Traffic } from './socket-link.ts';
import { Turn } from './turn.ts';

const faults = new Faults(null);
const MIB = 1024 * 1024;
const STUCK_MS_MAX = 10_000;

let server: Server;
let client: Socket;
let link: SocketLink;
let accepted: Socket;
let released: number[];
let traffic: Traffic;
/** Why the connection was closed. */
let closed: CloseReason[];
let drained: number;

beforeEach(async () => {
  released = [];
  closed = [];
  drained = 0;
  traffic = { receivedBytes: 0, sentBytes: 0, stuck: 0 };
  server = createServer({ pauseOnConnect: true }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  client = connect((server.address() as { port: number }).port, '127.0.0.1');
  client.pause();
  const [socket] = (await once(server, 'connection')) as [Socket];
  accepted = socket;
  socket.on('error', () => {});
  client.on('error', () => {});
  link = new SocketLink(socket, { turn: new Turn(faults), faults }, traffic, STUCK_MS_MAX);
  socket.on('close', () => link.close(CloseReason.Gone));
  link.attach({
    receive() {},
    drained: () => void drained++,
    tick() {},
    stepped() {},
    close: (reason) => void closed.push(reason),
  });
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

describe('who found it not writable', { timeout: 20_000 }, () => {
  test('hears when it is, and never in the middle of a flush', async () => {
    client.resume();
    for (let round = 1; round <= 20; round++) {
      link.output.append(Buffer.alloc(MIB));
      assert.equal(link.writable, false);
      link.flush();
      assert.equal(drained, round - 1);
      await until(() => drained === round);
    }
  });

  test('hears nothing without having asked', async () => {
    client.resume();
    link.output.append(Buffer.alloc(1000));
    link.flush();
    assert.equal(link.writable, true);
    await once(client, 'data');
    assert.equal(drained, 0);
  });
});

describe('a peer that takes nothing', { timeout: 20_000 }, () => {
  test('is cut when that has lasted too long, and counted', async () => {
    for (let value = 1; value <= 20; value++) send(value);
    link.tick(0);
    link.tick(STUCK_MS_MAX - 1);
    assert.equal(accepted.destroyed, false);
    link.stepped(1_000);
    link.tick(STUCK_MS_MAX + 999);
    assert.equal(accepted.destroyed, false, 'a clock that was moved is no time');
    link.tick(STUCK_MS_MAX + 1_000);
    assert.equal(accepted.destroyed, true);
    assert.equal(traffic.stuck, 1);
    await until(() => closed.length === 2);
    assert.deepEqual(closed, [CloseReason.Stuck, CloseReason.Gone]);
  });

  test('has time again as soon as it takes something', async () => {
    for (let value = 1; value <= 20; value++) send(value);
    await sleep(20);
    link.tick(0);
    const before = released.length;
    client.resume();
    await until(() => released.length > before);
    client.pause();
    link.tick(STUCK_MS_MAX);
    link.tick(2 * STUCK_MS_MAX - 1);
    assert.equal(accepted.destroyed, false);
  });

  test('is no concern while nothing waits', () => {
    link.tick(0);
    link.tick(1_000 * STUCK_MS_MAX);
    assert.equal(accepted.destroyed, false);
  });
});
