import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { afterEach, describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Protocol } from '#protocols/contract.ts';
import { type Probe, probeProtocol } from '#test/rigs/probe.ts';
import { Faults } from './faults.ts';
import { Listener } from './listener.ts';
import { createLogger } from './log.ts';
import { RefusedStart } from './refused-start.ts';
import { WRITABLE_BYTES_MAX } from './socket-link.ts';
import { readByEvent, readInto, type ReadingWay } from './socket-reading.ts';
import { Turn } from './turn.ts';

const logger = createLogger('error');
const faults = new Faults(null);
const opened: (() => void)[] = [];
afterEach(() => {
  for (const close of opened.splice(0)) close();
});

async function open(connectionsMax = 100, hosts = ['127.0.0.1', '::1']) {
  const probes: Probe[] = [];
  const protocol = probeProtocol(probes);
  const limit = { open: 0, max: connectionsMax };
  const services = { turn: new Turn(faults), faults, logger, limit, tls: null };
  const hostSettings = { hosts, hostsAreDefault: true };
  const listener = await Listener.open('amqp', 0, hostSettings, () => protocol, services);
  opened.push(() => {
    listener.stopAccepting();
    listener.destroy();
  });
  return { listener, probes, limit };
}

async function client(port: number, host = '127.0.0.1'): Promise<Socket> {
  const socket = connect({ port, host });
  opened.push(() => socket.destroy());
  await once(socket, 'connect');
  return socket;
}

async function until(condition: () => boolean, what: string): Promise<void> {
  for (const deadline = Date.now() + 5_000; !condition(); await sleep(5)) {
    assert.ok(Date.now() < deadline, `in vain waited for ${what}`);
  }
}

async function connected(listening: Awaited<ReturnType<typeof open>>) {
  const socket = await client(listening.listener.binding.port);
  await until(() => listening.probes.length > 0, 'the connection');
  return { socket, probe: listening.probes[0]! };
}

describe('a listener', () => {
  it('hands over bytes and writes what is scheduled, on every address', async () => {
    const { listener, probes } = await open();
    for (const [index, host] of listener.binding.hosts.entries()) {
      const socket = await client(listener.binding.port, host);
      await until(() => probes.length === index + 1, 'the connection');
      const probe = probes[index]!;
      probe.onReceive = (chunk) => probe.send(Buffer.from(chunk));
      socket.write('hello');
      const [answer] = (await once(socket, 'data')) as [Buffer];
      assert.equal(answer.toString(), 'hello');
      assert.equal(probe.peer.loopback, true);
      assert.equal(probe.peer.localAddress, host);
      assert.equal(probe.peer.localPort, listener.binding.port);
      assert.equal(probe.peer.remotePort, socket.localPort);
    }
    assert.equal(listener.totals.accepted, listener.binding.hosts.length);
    assert.equal(listener.traffic.receivedBytes, listener.traffic.sentBytes);
  });

  it('writes once per turn, in order, large parts between small ones', async () => {
    const { socket, probe } = await connected(await open());
    const large = Buffer.alloc(300_000, 'L');
    probe.send(Buffer.from('a'));
    probe.send(large);
    probe.send(Buffer.from('b'));
    const chunks: Buffer[] = [];
    let bytes = 0;
    socket.on('data', (chunk: Buffer) => (chunks.push(chunk), (bytes += chunk.length)));
    await until(() => bytes === large.length + 2, 'all bytes');
    assert.ok(
      Buffer.concat(chunks).equals(Buffer.concat([Buffer.from('a'), large, Buffer.from('b')])),
    );
  });

  it('says when it is not writable, and once when it is again', async () => {
    const { socket, probe } = await connected(await open());
    socket.pause();
    assert.equal(probe.sink.writable, true);
    const part = Buffer.alloc(WRITABLE_BYTES_MAX / 4, 'x');
    let sent = 0;
    // The kernel's buffers take some megabytes before anything is left with us.
    while (probe.sink.writable) {
      probe.send(part);
      sent += part.length;
      await sleep(1);
    }
    assert.ok(probe.sink.pendingBytes >= WRITABLE_BYTES_MAX);
    assert.equal(probe.drains, 0);
    let taken = 0;
    socket.on('data', (chunk: Buffer) => (taken += chunk.length)).resume();
    await until(() => probe.drains === 1, 'drained');
    assert.equal(probe.sink.writable, true);
    await until(() => taken === sent, 'all bytes');
    assert.equal(probe.drains, 1);
  });

  it('reads nothing while paused, and goes on where it stopped', async () => {
    const { socket, probe } = await connected(await open());
    socket.write('one');
    await until(() => probe.text === 'one', 'the first bytes');
    probe.sink.pause();
    socket.write('two');
    await sleep(50);
    assert.equal(probe.text, 'one');
    probe.sink.resume();
    await until(() => probe.text === 'onetwo', 'the rest');
  });

  it('tells the connection exactly once that the peer is gone', async () => {
    for (const leave of ['end', 'destroy', 'resetAndDestroy'] as const) {
      const listening = await open();
      const { socket, probe } = await connected(listening);
      socket[leave]();
      await until(() => listening.listener.connectionCount === 0, 'the end');
      assert.deepEqual(probe.closed, ['gone'], leave);
      assert.equal(listening.limit.open, 0);
    }
  });

  it('hears of a reset before the turn ends in which others say something', async () => {
    const { listener, probes } = await open();
    const leaving = await client(listener.binding.port);
    await until(() => probes.length === 1, 'the first');
    const other = await client(listener.binding.port);
    await until(() => probes.length === 2, 'both');
    const [left, heard] = probes as [Probe, Probe];
    const atTheEnd = new Promise<readonly string[]>((resolve) => {
      heard.onReceive = () => setImmediate(() => resolve([...left.closed]));
    });
    leaving.resetAndDestroy();
    other.write('a message for whoever waits');
    assert.deepEqual(await atTheEnd, ['gone']);
  });

  it('answers a peer that has closed its own side first', async () => {
    const { socket, probe } = await connected(await open());
    probe.onReceive = () => probe.send(Buffer.from('late answer'));
    socket.end('question');
    const [answer] = (await once(socket, 'data')) as [Buffer];
    assert.equal(answer.toString(), 'late answer');
  });

  it('sends what was written before end, and hears nothing after it', async () => {
    const { socket, probe } = await connected(await open());
    probe.send(Buffer.from('bye'));
    probe.sink.end();
    probe.send(Buffer.from('never'));
    let text = '';
    socket.on('data', (chunk: Buffer) => (text += chunk.toString()));
    socket.write('too late');
    await once(socket, 'close');
    assert.equal(text, 'bye');
    assert.equal(probe.text, '');
  });

  it('refuses connections over the limit and takes others when one is gone', async () => {
    const { listener, probes, limit } = await open(1);
    const first = await client(listener.binding.port);
    await until(() => probes.length === 1, 'the first');
    const second = await client(listener.binding.port);
    let told = '';
    second.on('data', (chunk: Buffer) => (told += chunk.toString()));
    // Unread bytes would reset the connection, and the reset overtake the words.
    second.write('a request');
    await once(second, 'end');
    assert.equal(told, 'refused: connections');
    assert.equal(listener.totals.accepted, 1);
    assert.equal(listener.totals.refused, 1);
    first.destroy();
    await until(() => limit.open === 0, 'the end of the first');
    await client(listener.binding.port);
    await until(() => probes.length === 2, 'the third');
  });

  it('ticks, and drains: everybody is told of the shutdown, then all are gone', async () => {
    const { listener, probes } = await open();
    await client(listener.binding.port);
    await client(listener.binding.port);
    await until(() => probes.length === 2, 'both');
    listener.tick(1);
    listener.stopAccepting();
    await listener.drain();
    assert.equal(listener.connectionCount, 0);
    for (const probe of probes) {
      assert.equal(probe.ticks, 1);
      assert.deepEqual(probe.closed, ['shutdown', 'gone']);
    }
    await assert.rejects(client(listener.binding.port), { code: 'ECONNREFUSED' });
  });
});

describe('a port', () => {
  it('that is taken is refused with the port, the protocol and the flag', async () => {
    const { listener } = await open();
    const { port } = listener.binding;
    const create = (): Protocol => assert.fail('made a protocol without a port');
    const services = {
      turn: new Turn(faults),
      faults,
      logger,
      limit: { open: 0, max: 1 },
      tls: null,
    };
    const hosts = { hosts: ['127.0.0.1'], hostsAreDefault: true };
    await assert.rejects(Listener.open('kafka', port, hosts, create, services), (error) => {
      assert.ok(error instanceof RefusedStart);
      assert.match(error.message, new RegExp(`port ${port} \\(kafka\\) is taken on 127.0.0.1`));
      assert.match(error.message, /--port kafka=<port>/);
      return true;
    });
  });

  it('is the same on names that stand for several addresses', async () => {
    const { listener } = await open(1, ['localhost']);
    assert.ok(
      listener.binding.hosts.includes('127.0.0.1') || listener.binding.hosts.includes('::1'),
    );
    await client(listener.binding.port, 'localhost');
  });

  it('on a named address that is not ours is refused', async () => {
    const services = {
      turn: new Turn(faults),
      faults,
      logger,
      limit: { open: 0, max: 1 },
      tls: null,
    };
    const hosts = { hosts: ['192.0.2.1'], hostsAreDefault: false };
    const create = (): Protocol => assert.fail('made a protocol without a port');
    await assert.rejects(Listener.open('kafka', 0, hosts, create, services), /--host <address>/);
    const unknown = { hosts: ['no-such-host.invalid'], hostsAreDefault: false };
    await assert.rejects(
      Listener.open('kafka', 0, unknown, create, services),
      /cannot be resolved/,
    );
  });
});

describe('reading', () => {
  const ways: [ReadingWay, typeof readInto][] = [
    ['reused-buffer', readInto],
    ['data-event', readByEvent],
  ];
  for (const [expected, read] of ways) {
    it(`by ${expected} gives every byte and the end`, async () => {
      const chunks: Buffer[] = [];
      const server: Server = createServer({ pauseOnConnect: true }, (socket) => {
        assert.equal(
          read(socket, (chunk) => chunks.push(Buffer.from(chunk))),
          expected,
        );
        socket.resume();
        socket.on('end', () => server.close());
      });
      server.listen(0, '127.0.0.1');
      await once(server, 'listening');
      const socket = await client((server.address() as { port: number }).port);
      const bytes = Buffer.from(Array.from({ length: 1_000_000 }, (_, i) => i % 251));
      socket.end(bytes);
      await once(server, 'close');
      assert.ok(Buffer.concat(chunks).equals(bytes));
    });
  }
});
