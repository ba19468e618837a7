/** A peer is ready when it listens itself, not when anybody answers on its port. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { afterEach, beforeEach } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { freePorts } from '../scripts/peers/index.ts';
import { type Peer, startPeer } from '../scripts/peers/peer-process.ts';

let dataDir: string;
beforeEach(() => (dataDir = mkdtempSync(join(tmpdir(), 'peer-process-'))));
afterEach(() => rmSync(dataDir, { recursive: true, force: true }));

function start(port: number, script: string): Promise<Peer> {
  return startPeer({
    name: 'peer',
    version: '1',
    command: process.execPath,
    args: ['-e', script],
    port,
    dataDir,
    logFile: join(dataDir, 'log'),
    readyWithinMs: 3000,
  });
}

function occupy(port: number): Promise<Server> {
  const server = createServer();
  return new Promise((resolve) => server.listen(port, '127.0.0.1', () => resolve(server)));
}

test('ready once the process listens', async () => {
  const [port] = (await freePorts(1)) as [number];
  const peer = await start(port, `require('net').createServer().listen(${port}, '127.0.0.1')`);
  await peer.stop();
});

test('a port that is taken already is refused', async () => {
  const [port] = (await freePorts(1)) as [number];
  const other = await occupy(port);
  await assert.rejects(
    start(port, 'setInterval(() => undefined, 1000)'),
    /something else listens on port/,
  );
  other.close();
});

test('a port that somebody else takes after the start does not make it ready', async () => {
  const [port] = (await freePorts(1)) as [number];
  const started = start(port, 'setInterval(() => undefined, 1000)');
  const refused = assert.rejects(started, /not ready in 3000 ms/);
  await sleep(300);
  const other = await occupy(port);
  await refused;
  other.close();
});
