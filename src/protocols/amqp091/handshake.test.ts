import { test } from 'node:test';
import assert from 'node:assert/strict';
import { MemoryBroker, connect } from '#test/drive/memory-broker.ts';
import {
  AmqpPeer,
  PROTOCOL_HEADER,
  closeOf,
  method,
  names,
  openVhost,
  shortstr,
  startOk,
  table,
  tuneOk,
  longstr,
} from '#test/drive/amqp-peer.ts';
import { amqp091 } from './index.ts';

async function newPeer(): Promise<{ memory: MemoryBroker; peer: AmqpPeer }> {
  const memory = await MemoryBroker.open({ namespaces: ['other'] });
  return { memory, peer: new AmqpPeer(memory, amqp091(memory.broker)) };
}

test('header, start, tune, open, channel open, close', async () => {
  const { peer } = await newPeer();
  const [start] = await peer.call(PROTOCOL_HEADER);
  assert.deepEqual(names([start!]), ['10.10']);
  assert.equal(start!.args[1], 9);
  assert.match(start!.args.toString('latin1'), /product.{5}RabbitMQ/);
  assert.match(start!.args.toString('latin1'), /AMQPLAIN PLAIN/);
  const [tune] = await peer.call(startOk());
  assert.equal(tune!.args.readUInt16BE(0), 2047);
  assert.equal(tune!.args.readUInt32BE(2), 131072);
  assert.equal(tune!.args.readUInt16BE(6), 60);
  assert.deepEqual(names(await peer.call(tuneOk(), openVhost('/'))), ['10.41']);
  assert.deepEqual(names(await peer.call(method(1, 20, 10, shortstr('')))), ['20.11']);
  const close = method(0, 10, 50, Buffer.alloc(2), shortstr('bye'), Buffer.alloc(4));
  assert.deepEqual(names(await peer.call(close)), ['10.51']);
  assert.equal(peer.driven.sink.ended, true);
});

test('0-9 clients are taken for 0-9-1', async () => {
  const { peer } = await newPeer();
  assert.deepEqual(names(await peer.call(Buffer.from('AMQP\x01\x01\x00\x09', 'latin1'))), [
    '10.10',
  ]);
});

for (const header of [
  'AMQP\x03\x01\x00\x00',
  'AMQP\x00\x01\x00\x00',
  'GET / HT',
  'AMQP\x00\x00\x08\x00',
]) {
  test(`header ${JSON.stringify(header)} is answered with ours and the end`, async () => {
    const { peer } = await newPeer();
    assert.deepEqual(await peer.exchange(Buffer.from(header, 'latin1')), PROTOCOL_HEADER);
    assert.equal(peer.driven.sink.ended, true);
  });
}

test('AMQPLAIN', async () => {
  const { peer } = await newPeer();
  await peer.call(PROTOCOL_HEADER);
  const response = table({ LOGIN: 'guest', PASSWORD: 'guest' }).subarray(4);
  const ok = method(0, 10, 11, table(), shortstr('AMQPLAIN'), longstr(response), shortstr('en_US'));
  assert.deepEqual(names(await peer.call(ok)), ['10.30']);
});

test('a bad password is told to those who understand it', async () => {
  const { peer } = await newPeer();
  await peer.call(PROTOCOL_HEADER);
  const [close] = await peer.call(startOk('guest', 'wrong'));
  assert.deepEqual(closeOf(close!), {
    code: 403,
    text: 'ACCESS_REFUSED - Login was refused using authentication mechanism PLAIN. For details see the broker logfile.',
  });
});

test('a bad password without the capability: silence, then the end', async () => {
  const { memory, peer } = await newPeer();
  await peer.call(PROTOCOL_HEADER);
  assert.deepEqual(await peer.call(startOk('guest', 'wrong', {})), []);
  assert.equal(peer.driven.sink.ended, false);
  peer.driven.connection.tick(memory.nowMs + 3001);
  assert.equal(peer.driven.sink.ended, true);
});

test('guest only from this machine', async () => {
  const memory = await MemoryBroker.open();
  const peer = { ...connectFrom('10.0.0.1', false) };
  const { sink, connection } = connect(amqp091(memory.broker), peer);
  connection.receive(PROTOCOL_HEADER);
  sink.take();
  connection.receive(startOk());
  await memory.settle();
  assert.match(sink.take().toString('latin1'), /ACCESS_REFUSED/);
});

function connectFrom(remoteAddress: string, loopback: boolean) {
  return {
    remoteAddress,
    remotePort: 1,
    localAddress: '10.0.0.2',
    localPort: 5672,
    tls: 'none' as const,
    loopback,
  };
}

for (const [field, args, text] of [
  [
    'frame_max',
    [2047, 131073],
    'negotiated frame_max = 131073 is higher than the maximum allowed value (131072)',
  ],
  [
    'frame_max',
    [2047, 100],
    'negotiated frame_max = 100 is lower than the minimum allowed value (4096)',
  ],
  [
    'channel_max',
    [2048, 131072],
    'negotiated channel_max = 2048 is higher than the maximum allowed value (2047)',
  ],
  [
    'channel_max',
    [0, 131072],
    'negotiated channel_max = 0 (no limit) is higher than the maximum allowed value (2047)',
  ],
] as const) {
  test(`tune-ok beyond what was offered: ${field} ${args.join(' ')}`, async () => {
    const { peer } = await newPeer();
    await peer.call(PROTOCOL_HEADER, startOk());
    const [close] = await peer.call(tuneOk(...args));
    assert.deepEqual(closeOf(close!), { code: 530, text: `NOT_ALLOWED - ${text}` });
  });
}

test('vhosts', async () => {
  const { memory, peer } = await newPeer();
  await peer.call(PROTOCOL_HEADER, startOk());
  const [close] = await peer.call(tuneOk(), openVhost('nowhere'));
  assert.deepEqual(closeOf(close!), { code: 530, text: 'NOT_ALLOWED - vhost nowhere not found' });
  assert.equal(close!.args.readUInt32BE(close!.args.length - 4), (10 << 16) | 40);
  const other = new AmqpPeer(memory, amqp091(memory.broker));
  await other.call(PROTOCOL_HEADER, startOk());
  assert.deepEqual(names(await other.call(tuneOk(), openVhost('other'))), ['10.41']);
});

test('more channels than negotiated', async () => {
  const { peer } = await newPeer();
  await peer.call(PROTOCOL_HEADER, startOk());
  await peer.call(tuneOk(1), openVhost('/'), method(1, 20, 10, shortstr('')));
  const [close] = await peer.call(method(2, 20, 10, shortstr('')));
  assert.equal(closeOf(close!).code, 530);
  assert.match(
    closeOf(close!).text,
    /number of channels opened \(1\) has reached the negotiated channel_max \(1\)/,
  );
});

test('heartbeats: sent when idle, missed ones end the connection', async () => {
  const { memory, peer } = await newPeer();
  await peer.call(PROTOCOL_HEADER, startOk());
  await peer.call(tuneOk(2047, 131072, 10), openVhost('/'));
  const { connection, sink } = peer.driven;
  connection.tick(memory.nowMs + 1);
  connection.tick(memory.nowMs + 5100);
  assert.deepEqual(sink.take(), Buffer.from([8, 0, 0, 0, 0, 0, 0, 0xce]));
  connection.tick(memory.nowMs + 30_000);
  assert.equal(sink.ended, false);
  connection.tick(memory.nowMs + 30_001);
  assert.equal(sink.ended, true);
});

test('a heartbeat follows half an interval after the last write, not after the tick behind it', async () => {
  const { memory, peer } = await newPeer();
  await peer.call(PROTOCOL_HEADER, startOk());
  await peer.call(tuneOk(2047, 131072, 1), openVhost('/'));
  const { connection, sink } = peer.driven;
  connection.tick(memory.nowMs + 499);
  assert.equal(sink.take().length, 0);
  connection.tick(memory.nowMs + 500);
  assert.deepEqual(sink.take(), Buffer.from([8, 0, 0, 0, 0, 0, 0, 0xce]));
});

test('update-secret: answered, and the user stays who they are, for passwords do not expire', async () => {
  const { memory } = await newPeer();
  const peer = await new AmqpPeer(memory, amqp091(memory.broker)).open();
  const update = (secret: string) => method(0, 10, 70, longstr(secret), shortstr('rotated'));
  assert.deepEqual(names(await peer.call(update('guest'))), ['10.71']);
  assert.deepEqual(names(await peer.call(update('no password of anybody'))), ['10.71']);
  assert.match(memory.warnings.at(-1)!.message, /update-secret has no effect/);
  const [close] = await peer.call(method(0, 10, 70, Buffer.of(0, 0, 0, 9)));
  assert.equal(closeOf(close!).code, 501);
});

test('a handshake that does not go on is ended', async () => {
  const { memory, peer } = await newPeer();
  await peer.call(PROTOCOL_HEADER);
  peer.driven.connection.tick(memory.nowMs + 10_001);
  assert.equal(peer.driven.sink.ended, true);
});
