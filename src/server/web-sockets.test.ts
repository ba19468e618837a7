import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect } from 'node:net';
import { afterEach, describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { WebSocket } from 'ws';
import { eventually } from '#test/drive/server.ts';
import { type Probe, probeProtocol } from '#test/rigs/probe.ts';
import { closeDoors } from './doors.ts';
import { Faults } from './faults.ts';
import { HttpListener } from './http.ts';
import { createLogger } from './log.ts';
import type { Binding } from './binding.ts';
import { pagesServer } from './pages-server.ts';
import { WRITABLE_BYTES_MAX } from './socket-link.ts';
import { Turn } from './turn.ts';
import { WebSockets } from './web-sockets.ts';

const FRAME_BYTES_MAX = 1_000_000;
const ARRIVING_BYTES_MAX = 10_000;
const logger = createLogger('error');
const opened: (() => void)[] = [];
afterEach(() => opened.splice(0).forEach((close) => close()));

async function open(connectionsMax = 10) {
  const probes: Probe[] = [];
  const protocol = {
    ...probeProtocol(probes, (probe) => probe.send(Buffer.from('INFO'))),
    page: (path: string, query: ReadonlyMap<string, string>) =>
      path === '/varz'
        ? { status: 200, contentType: 'application/json', body: JSON.stringify([...query]) }
        : null,
  };
  const faults = new Faults(null);
  const limit = { open: 0, max: connectionsMax };
  const services = { turn: new Turn(faults), faults, logger, limit, tls: null };
  const webSockets = new WebSockets(protocol, services, {
    frameBytesMax: FRAME_BYTES_MAX,
    arrivingBytesMax: ARRIVING_BYTES_MAX,
    isOpenToAnybody: true,
  });
  const hosts = { hosts: ['127.0.0.1'], hostsAreDefault: false };
  const create = (binding: Binding) =>
    pagesServer(protocol, webSockets, { binding, tls: null }, logger);
  const http = await HttpListener.open('nats-http', 0, hosts, create, services);
  opened.push(() => http.close());
  const { port } = http.binding;
  return { http, webSockets, probes, limit, url: `127.0.0.1:${port}`, port };
}

async function client(url: string) {
  const socket = new WebSocket(`ws://${url}`);
  opened.push(() => socket.terminate());
  const frames: Buffer[] = [];
  const state = { socket, frames, bytes: 0, code: 0 };
  socket.on('message', (data: Buffer, isBinary) => {
    assert.ok(isBinary);
    frames.push(data);
    state.bytes += data.length;
  });
  socket.on('close', (code) => (state.code = code));
  await once(socket, 'open');
  return state;
}

describe('a connection over WebSocket', { timeout: 20_000 }, () => {
  it('hands over bytes, however they are framed, and answers in binary frames', async () => {
    const { webSockets, probes, url } = await open();
    const { socket, frames } = await client(url);
    await eventually(() => frames.length === 1);
    const probe = probes[0]!;
    assert.equal(frames[0]!.toString(), 'INFO');
    assert.equal(probe.peer.transport, 'websocket');
    assert.equal(probe.peer.loopback, true);
    assert.equal(probe.sink.secured, false);
    socket.send(Buffer.from('one '));
    socket.send('two ');
    socket.send('th', { fin: false });
    socket.send('ree', { fin: true });
    await eventually(() => probe.text === 'one two three');
    for (const text of ['a', 'b']) probe.send(Buffer.from(text));
    await eventually(() => frames.length === 2);
    assert.equal(frames[1]!.toString(), 'ab', 'one frame in one turn');
    socket.ping('are you there');
    const [answer] = (await once(socket, 'pong')) as [Buffer];
    assert.equal(answer.toString(), 'are you there');
    assert.deepEqual({ ...webSockets.traffic }, { receivedBytes: 13, sentBytes: 6, stuck: 0 });
    assert.equal(socket.extensions, '', 'nothing is compressed');
  });

  it('tells who writes when to wait and when to go on, as over a socket', async () => {
    const { probes, url } = await open();
    const peer = await client(url);
    await eventually(() => peer.bytes === 4);
    const probe = probes[0]!;
    peer.socket.pause();
    const part = Buffer.alloc(WRITABLE_BYTES_MAX / 4, 'x');
    let sent = 4;
    while (probe.sink.writable) {
      probe.send(part);
      sent += part.length;
      await sleep(1);
    }
    assert.ok(probe.sink.pendingBytes >= WRITABLE_BYTES_MAX);
    peer.socket.resume();
    await eventually(() => peer.bytes === sent && probe.drains === 1);
    assert.equal(probe.sink.writable, true);

    probe.sink.pause();
    for (let i = 0; i < 30; i++) peer.socket.send(Buffer.alloc(100_000, 'y'));
    await sleep(50);
    const early = probe.text.length;
    assert.ok(early < 3_000_000, `read ${early} bytes while paused`);
    probe.sink.resume();
    await eventually(() => probe.text.length === 3_000_000);
  });

  it('ends with what was written before, and the peer is told why', async () => {
    const { webSockets, probes, limit, url } = await open();
    const first = await client(url);
    await eventually(() => first.bytes === 4);
    probes[0]!.send(Buffer.from('bye'));
    probes[0]!.sink.end();
    await eventually(() => first.code === 1000);
    assert.equal(first.frames.at(-1)!.toString(), 'bye');
    const second = await client(url);
    await eventually(() => second.bytes === 4);
    assert.equal(await closeDoors([webSockets], 1_000, logger), true);
    assert.equal(second.code, 1001);
    await eventually(() => limit.open === 0);
    assert.deepEqual(
      probes.map((it) => it.closed),
      [['gone'], ['shutdown', 'gone']],
    );
    const late = new WebSocket(`ws://${url}`);
    const [error] = (await once(late, 'error')) as [Error];
    assert.match(error.message, /503/);
  });

  it('tells the connection once when the peer is gone, however it went', async () => {
    const { webSockets, probes, limit, url } = await open();
    const closed = await client(url);
    closed.socket.close();
    const cut = await client(url);
    cut.socket.terminate();
    await eventually(() => webSockets.connectionCount === 0 && probes.length === 2);
    await eventually(() => limit.open === 0);
    assert.deepEqual(
      probes.map((it) => it.closed),
      [['gone'], ['gone']],
    );
  });

  it('is ended by a frame that is too large, and by one that is none', async () => {
    const { webSockets, probes, url, port } = await open();
    const large = await client(url);
    large.socket.send(Buffer.alloc(FRAME_BYTES_MAX + 1));
    await eventually(() => large.code === 1009);
    // A frame of a reserved kind, from a client written for it.
    const broken = connect(port, '127.0.0.1');
    opened.push(() => broken.destroy());
    const key = 'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n';
    broken.write(
      `GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n${key}\r\n`,
    );
    let answered = Buffer.alloc(0);
    broken.on('data', (chunk: Buffer) => (answered = Buffer.concat([answered, chunk])));
    await eventually(() => answered.includes('INFO'));
    broken.write(Uint8Array.of(0x83, 0x80, 0, 0, 0, 0));
    // Close, with code 1002.
    await eventually(() => answered.subarray(-4).equals(Uint8Array.of(0x88, 2, 0x03, 0xea)));
    broken.destroy();
    await eventually(() => webSockets.connectionCount === 0);
    assert.equal(webSockets.totals.malformed, 2);
    assert.deepEqual(
      probes.map((it) => it.text),
      ['', ''],
    );
    // A request to upgrade to something else, or without what belongs to it.
    const raw = connect(port, '127.0.0.1');
    opened.push(() => raw.destroy());
    raw.write('GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n');
    const [answer] = (await once(raw, 'data')) as [Buffer];
    assert.match(answer.toString(), /^HTTP\/1\.1 400 /);
  });

  it('is cut when too much of frames is arriving over all connections, the largest first', async () => {
    const { webSockets, url } = await open();
    const small = await client(url);
    const large = await client(url);
    small.socket.send(Buffer.alloc(ARRIVING_BYTES_MAX * 0.5), { fin: false });
    large.socket.send(Buffer.alloc(ARRIVING_BYTES_MAX * 0.9), { fin: false });
    await eventually(() => {
      webSockets.tick(0);
      return large.code !== 0;
    });
    assert.equal(webSockets.totals.late, 1);
    // Whole frames are not among them.
    small.socket.send('', { fin: true });
    for (let i = 0; i < 10; i++) small.socket.send(Buffer.alloc(ARRIVING_BYTES_MAX * 0.5));
    await eventually(() => webSockets.traffic.receivedBytes >= ARRIVING_BYTES_MAX * 5.5);
    webSockets.tick(0);
    assert.equal(small.code, 0);
  });

  it('is refused to web pages of other machines, and counted', async () => {
    const { webSockets, url } = await open();
    const socket = new WebSocket(`ws://${url}`, { origin: 'https://evil.example' });
    const [error] = (await once(socket, 'error')) as [Error];
    assert.match(error.message, /403/);
    assert.equal(webSockets.totals.refused, 1);
    const own = new WebSocket(`ws://${url}`, { origin: 'http://localhost:3000' });
    opened.push(() => own.terminate());
    await once(own, 'open');
  });

  it('is refused over the limit of connections, and counted', async () => {
    const { webSockets, limit, url } = await open(1);
    const first = await client(url);
    const second = new WebSocket(`ws://${url}`);
    const [error] = (await once(second, 'error')) as [Error];
    assert.match(error.message, /503/);
    assert.equal(webSockets.totals.refused, 1);
    assert.equal(webSockets.totals.accepted, 1);
    first.socket.terminate();
    await eventually(() => limit.open === 0);
    await client(url);
  });
});

describe('pages of a protocol', () => {
  it('are shown to GET and HEAD, with their query', async () => {
    const { http, url } = await open();
    const page = await fetch(`http://${url}/varz?a=1%202&b`);
    assert.equal(page.status, 200);
    assert.equal(page.headers.get('content-type'), 'application/json');
    assert.deepEqual(await page.json(), [
      ['a', '1 2'],
      ['b', ''],
    ]);
    const head = await fetch(`http://${url}/varz`, { method: 'HEAD' });
    assert.equal(head.headers.get('content-length'), '2');
    assert.equal((await fetch(`http://${url}/none`)).status, 404);
    const post = await fetch(`http://${url}/varz`, { method: 'POST', body: 'x' });
    assert.equal(post.status, 405);
    assert.equal(post.headers.get('allow'), 'GET, HEAD');
    assert.ok(http.totals.accepted > 0);
    assert.ok(http.traffic.receivedBytes > 0);
  });
});
