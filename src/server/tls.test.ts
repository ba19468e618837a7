import assert from 'node:assert/strict';
import { createPrivateKey } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { Duplex } from 'node:stream';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, afterEach, describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { connect as connectTls, type ConnectionOptions, type TLSSocket } from 'node:tls';
import { type Certificate, createAuthority } from '#test/rigs/certificates.ts';
import { type Probe, probeProtocol } from '#test/rigs/probe.ts';
import { eventually } from '#test/drive/server.ts';
import { Faults } from './faults.ts';
import { Listener } from './listener.ts';
import { createLogger, type Logger } from './log.ts';
import { RefusedStart } from './refused-start.ts';
import type { TlsSettings } from './settings.ts';
import { WRITABLE_BYTES_MAX } from './socket-link.ts';
import { Tls } from './tls.ts';
import { Turn } from './turn.ts';

const folder = mkdtempSync(join(tmpdir(), 'posthorn-tls-'));
const faults = new Faults(null);
const authority = createAuthority();
const server = authority.issue('server');
const opened: (() => void)[] = [];
const secured = new WeakSet<Socket>();
afterEach(() => opened.splice(0).forEach((close) => close()));
after(() => rmSync(folder, { recursive: true }));

function file(name: string, content: string): string {
  const path = join(folder, name);
  writeFileSync(path, content);
  return path;
}

function settings(changes: Partial<TlsSettings> = {}, pair: Certificate = server): TlsSettings {
  const cert = file('cert.pem', pair.cert);
  const key = file('key.pem', pair.key);
  return { cert, key, ca: null, required: false, verifyClient: false, ...changes };
}

async function open(changes: Partial<TlsSettings> = {}, greeting = '') {
  const probes: Probe[] = [];
  const logger = createLogger('error');
  const protocol = probeProtocol(probes, (probe) => {
    if (greeting) probe.send(Buffer.from(greeting));
  });
  const tls = new Tls(settings(changes), logger);
  const services = { turn: new Turn(faults), faults, logger, limit: { open: 0, max: 100 }, tls };
  const hosts = { hosts: ['127.0.0.1'], hostsAreDefault: false };
  const listener = await Listener.open('nats', 0, hosts, () => protocol, services);
  opened.push(() => {
    listener.stopAccepting();
    listener.destroy();
  });
  return { listener, probes, port: listener.binding.port };
}

async function plain(port: number): Promise<Socket> {
  const socket = connect(port, '127.0.0.1');
  opened.push(() => !secured.has(socket) && socket.destroy());
  await once(socket, 'connect');
  return socket;
}

async function secure(socket: Socket, options: ConnectionOptions = {}): Promise<TLSSocket> {
  // Ends both: Node 26 crashes when one is destroyed right after the other.
  secured.add(socket);
  const client = connectTls({ socket, servername: 'localhost', ca: authority.cert, ...options });
  opened.push(() => client.destroy());
  await once(client, 'secureConnect');
  return client;
}

function collect(socket: Socket): { text: string } {
  const seen = { text: '' };
  socket.on('data', (chunk: Buffer) => (seen.text += chunk.toString()));
  return seen;
}

describe('TLS', { timeout: 20_000 }, () => {
  it('is spoken from the first byte, and plain text beside it', async () => {
    const { listener, probes, port } = await open();
    const client = await secure(await plain(port));
    const seen = collect(client);
    client.write('hello');
    await eventually(() => probes[0]?.text === 'hello');
    assert.equal(probes[0]!.sink.secured, true);
    assert.equal(probes[0]!.peer.tls, 'available');
    probes[0]!.send(Buffer.from('answer'));
    await eventually(() => seen.text === 'answer');

    (await plain(port)).write('hello');
    await eventually(() => probes[1]?.text === 'hello');
    assert.equal(probes[1]!.sink.secured, false);
    assert.equal(listener.totals.secured, 1);
    assert.ok(listener.traffic.receivedBytes > 10);
  });

  it('follows a greeting in plain text; what is written meanwhile comes after the handshake', async () => {
    const { listener, probes, port } = await open({ required: { nats: true } }, 'INFO\r\n');
    const socket = await plain(port);
    const [greeting] = (await once(socket, 'data')) as [Buffer];
    assert.equal(greeting.toString(), 'INFO\r\n');
    assert.equal(probes[0]!.peer.tls, 'required');
    const held: Buffer[] = [];
    let isHeld = true;
    const pipe = new Duplex({
      read() {},
      write(chunk: Buffer, _encoding, done) {
        if (isHeld) held.push(chunk);
        else socket.write(chunk);
        done();
      },
    });
    const securing = secure(pipe as Socket);
    const hello = await eventually(() => held.shift());
    socket.write(hello.subarray(0, 10));
    await eventually(() => listener.traffic.receivedBytes === 10);
    probes[0]!.send(Buffer.from('ping'));
    await sleep(20);
    assert.equal(socket.readableLength, 0);
    socket.on('data', (chunk: Buffer) => pipe.push(chunk));
    socket.write(hello.subarray(10));
    isHeld = false;
    for (const chunk of held) socket.write(chunk);
    const client = await securing;
    const seen = collect(client);
    client.write('CONNECT');
    await eventually(() => probes[0]!.text === 'CONNECT' && seen.text === 'ping');
  });

  it('carries much in both directions, with backpressure, and ends in order', async () => {
    const { listener, probes, port } = await open();
    const client = await secure(await plain(port));
    client.write('x');
    const probe = await eventually(() => probes[0]);
    await eventually(() => probe.text === 'x');
    const part = Buffer.alloc(WRITABLE_BYTES_MAX / 4, 'y');
    let sent = 0;
    while (probe.sink.writable) {
      probe.send(part);
      sent += part.length;
      await sleep(1);
    }
    let taken = 0;
    client.on('data', (chunk: Buffer) => (taken += chunk.length));
    await eventually(() => taken === sent && probe.drains === 1);

    probe.sink.pause();
    const upload = Buffer.alloc(3_000_000, 'z');
    client.write(upload);
    await sleep(50);
    assert.equal(probe.text, 'x');
    probe.sink.resume();
    await eventually(() => probe.text.length === upload.length + 1);

    probe.send(Buffer.from('bye'));
    probe.sink.end();
    await once(client, 'end');
    client.end();
    await eventually(() => listener.connectionCount === 0);
    assert.equal(taken, sent + 3);
    assert.deepEqual(probe.closed, ['gone']);
  });

  it('tells the connection once that the peer is gone, in and after the handshake', async () => {
    const { listener, probes, port } = await open();
    const socket = await plain(port);
    socket.write(Uint8Array.of(0x16, 3, 1));
    await eventually(() => listener.connectionCount === 1);
    socket.destroy();
    await eventually(() => listener.connectionCount === 0);
    assert.deepEqual(probes[0]!.closed, ['gone']);
    assert.equal(listener.totals.handshakesFailed, 1);
    (await secure(await plain(port))).destroy();
    await eventually(() => probes.length === 2 && listener.connectionCount === 0);
    assert.deepEqual(probes[1]!.closed, ['gone']);
  });

  it('refuses plain text where it is required, in the words of the protocol', async () => {
    const { listener, probes, port } = await open({ required: true });
    const socket = await plain(port);
    const seen = collect(socket);
    socket.write('hello');
    await once(socket, 'end');
    assert.equal(seen.text, 'refused: plain-text');
    assert.equal(probes[0]!.text, '');
    assert.equal(listener.totals.plainTextRefused, 1);
    await secure(await plain(port));
  });

  it('that is no handshake after all ends the connection', async () => {
    const { listener, port } = await open();
    const socket = await plain(port);
    socket.on('error', () => {}).resume();
    socket.write(Buffer.concat([Uint8Array.of(0x16), Buffer.alloc(500, 'junk')]));
    await once(socket, 'close');
    await eventually(() => listener.totals.handshakesFailed === 1);
    await eventually(() => listener.connectionCount === 0);
  });

  it('asks clients for a certificate where they must have one', async () => {
    const ca = file('ca.pem', authority.cert);
    const { listener, probes, port } = await open({ ca, verifyClient: true });
    const known = await secure(await plain(port), authority.issue('client'));
    known.write('hello');
    await eventually(() => probes[0]?.text === 'hello');
    for (const options of [{}, createAuthority('another').issue('client')]) {
      const trusted = { host: '127.0.0.1', servername: 'localhost', ca: authority.cert };
      const refused = connectTls({ port, ...trusted, ...options });
      refused.on('error', () => {}).resume();
      refused.write('hello');
      await new Promise((resolve) => refused.once('close', resolve));
    }
    await eventually(() => listener.totals.handshakesFailed === 2);
    assert.ok(probes.slice(1).every((probe) => probe.text === ''));
  });
});

describe('certificates and keys', () => {
  const warnings: string[] = [];
  const warn = (_fields: object, message: string): void => void warnings.push(message);
  const logger: Logger = { ...createLogger('error'), warn };

  const refuses = (changes: Partial<TlsSettings>, hint: RegExp): void => {
    assert.throws(
      () => new Tls(settings(changes), logger),
      (error) => error instanceof RefusedStart && error.exitCode === 2 && hint.test(error.message),
    );
  };

  it('that cannot be used stop the start, with the file and the reason', () => {
    refuses(
      { cert: join(folder, 'none.pem') },
      /tls\.cert \S+none\.pem: cannot be read \(ENOENT\)/,
    );
    refuses({ key: join(folder, 'none.pem') }, /tls\.key \S+none\.pem: cannot be read/);
    refuses({ cert: file('text.pem', 'text') }, /tls\.cert \S+text\.pem: is no certificate/);
    refuses({ key: file('text.pem', 'text') }, /tls\.key \S+text\.pem: is no private key/);
    refuses({ ca: file('text.pem', 'text'), verifyClient: true }, /tls\.ca \S+: is no certificate/);
    const other = authority.issue('other').key;
    refuses({ key: file('other.pem', other) }, /belongs to another certificate/);
    const encrypted = createPrivateKey(server.key).export({
      type: 'pkcs8',
      format: 'pem',
      cipher: 'aes-256-cbc',
      passphrase: 'x',
    });
    refuses({ key: file('encrypted.pem', encrypted) }, /is encrypted: give the key without/);
  });

  it('out of their time are warned of', () => {
    const day = 86_400_000;
    const nowMs = Date.now();
    const expired = authority.issue('old', { fromMs: nowMs - 2 * day, toMs: nowMs - day });
    const early = authority.issue('new', { fromMs: nowMs + day, toMs: nowMs + 2 * day });
    for (const pair of [server, expired, early]) assert.ok(new Tls(settings({}, pair), logger));
    assert.deepEqual(warnings, ['tls.cert has expired', 'tls.cert is not valid yet']);
  });
});
