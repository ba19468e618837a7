import assert from 'node:assert/strict';
import { beforeEach, test } from 'node:test';
import { LOOPBACK, MemoryBroker } from '#test/drive/memory-broker.ts';
import { NatsPeer } from '#test/drive/nats-peer.ts';
import type { Protocol } from '#protocols/contract.ts';
import { nats } from './index.ts';

let memory: MemoryBroker;
let protocol: Protocol;

async function start(limits = {}): Promise<void> {
  memory = await MemoryBroker.open({ limits });
  protocol = nats(memory.broker, { host: '127.0.0.1', port: 4222 });
}

beforeEach(() => start());

/** Seconds pass, in the steps of a server. */
function pass(peer: NatsPeer, seconds: number): void {
  for (let i = 0; i < seconds * 4; i++) {
    memory.nowMs += 250;
    peer.connection.tick(memory.nowMs);
  }
}

const open = (options = {}): Promise<NatsPeer> => NatsPeer.open(memory, protocol, options);

test('INFO, and what is not claimed', () => {
  const { info } = NatsPeer.raw(memory, protocol);
  assert.deepEqual(Object.keys(info), [
    'server_id',
    'server_name',
    'version',
    'proto',
    'go',
    'host',
    'port',
    'headers',
    'max_payload',
    'jetstream',
    'client_id',
    'client_ip',
  ]);
  assert.match(info['server_id'] as string, /^N[A-Z2-7]{55}$/);
  const secured = NatsPeer.raw(memory, protocol, { ...LOOPBACK, tls: 'required' });
  assert.equal(secured.info['tls_required'], true);
  const either = NatsPeer.raw(memory, protocol, { ...LOOPBACK, tls: 'available' });
  assert.equal(either.info['tls_available'], true);
});

test('the first PONG is followed by INFO about the connection, for who understands it', async () => {
  const peer = NatsPeer.raw(memory, protocol);
  assert.equal(await peer.say('CONNECT {"verbose":false,"protocol":1}'), '');
  const [pong, info, ...rest] = (await peer.say('PING')).split('\r\n');
  assert.equal(pong, 'PONG');
  const { connect_info, remote_account } = JSON.parse(info!.slice('INFO '.length)) as Record<
    string,
    unknown
  >;
  assert.deepEqual([connect_info, remote_account, ...rest], [true, '$G', '']);
  assert.equal(await peer.say('PING'), 'PONG\r\n', 'once');
  const old = NatsPeer.raw(memory, protocol);
  assert.equal(await old.say('CONNECT {"verbose":false}', 'PING'), 'PONG\r\n');
});

test('who am I? $SYS.REQ.USER.INFO tells, nobody else hears it', async () => {
  const peer = await open();
  const other = await open();
  await other.say('SUB inbox 1', 'SUB other 2');
  const answer = await peer.say('SUB inbox 3', 'UNSUB 3 1', 'PUB $SYS.REQ.USER.INFO inbox 0', '');
  const [line, body] = answer.split('\r\n');
  assert.equal(line, `MSG inbox 3 ${body!.length}`);
  const { data } = JSON.parse(body!) as { data: unknown };
  assert.deepEqual(data, { user: '', account: '$G', account_name: '$G' });
  assert.equal(await peer.say('PUB $SYS.REQ.USER.INFO 0', ''), '');
  assert.equal(await other.heard(), '');
  assert.equal(await other.say('PUB inbox 1', 'x'), 'MSG inbox 1 1\r\nx\r\n');
  assert.equal(await peer.heard(), '', 'it had the one that it waited for');
});

test('before CONNECT a client is verbose, pedantic and hears itself', async () => {
  const peer = NatsPeer.raw(memory, protocol);
  assert.equal(await peer.say('SUB a 1'), '+OK\r\n');
  assert.equal(await peer.say('PUB a 1', 'x'), '+OK\r\nMSG a 1 1\r\nx\r\n');
  assert.equal(await peer.say('PUB * 1', 'x'), "-ERR 'Invalid Publish Subject'\r\n+OK\r\n");
  assert.equal(await peer.say('CONNECT {"verbose":false}'), '');
  assert.equal(await peer.say('CONNECT {"Verbose":true,"future":{}}'), '+OK\r\n');
  assert.equal(await peer.say('PING', 'UNSUB 1'), 'PONG\r\n+OK\r\n');
});

test('verbs in any case, blanks in any number, LF alone', async () => {
  const peer = await open();
  const answer = await peer.say('sUb\t a\t\t1 ', 'pub   a  \t reply\t 3', 'abc');
  assert.equal(answer, 'MSG a 1 reply 3\r\nabc\r\n');
  peer.send(Buffer.from('pub a 2\nhi\r\nping\n'));
  assert.equal(await peer.heard(), 'MSG a 1 2\r\nhi\r\nPONG\r\n');
});

test('HPUB: with, without and with no bytes of headers; to clients that know none', async () => {
  const peer = await open();
  const old = await open({ headers: false, no_responders: false });
  await peer.say('SUB h 1');
  await old.say('SUB h 2');
  const block = 'NATS/1.0\r\nA: b\r\n\r\n';
  const size = block.length;
  assert.equal(
    await peer.say(`HPUB h r ${size} ${size + 2}`, `${block}ok`),
    `HMSG h 1 r ${size} ${size + 2}\r\n${block}ok\r\n`,
  );
  assert.equal(await old.heard(), 'MSG h 2 r 2\r\nok\r\n');
  assert.equal(await peer.say('HPUB h 0 2', 'ok'), 'MSG h 1 2\r\nok\r\n');
  assert.equal(await old.heard(), 'MSG h 2 2\r\nok\r\n');
  assert.equal(
    await peer.say(`HPUB  h ${size} ${size}`, block),
    `HMSG h 1 ${size} ${size}\r\n${block}\r\n`,
  );
  assert.equal(await old.heard(), 'MSG h 2 0\r\n\r\n');
  assert.equal(await old.say('HPUB h 0 0', ''), "-ERR 'message headers not supported'\r\n");
  assert.equal(old.sink.ended, true);
});

test('no responders: the requester is told on its own inbox', async () => {
  const peer = await open();
  await peer.say('SUB _INBOX.x.* 9');
  const headers = 'NATS/1.0 503\r\nNats-Subject: none\r\n\r\n';
  assert.equal(
    await peer.say('PUB none _INBOX.x.1 2', 'hi'),
    `HMSG _INBOX.x.1 9 ${headers.length} ${headers.length}\r\n${headers}\r\n`,
  );
  assert.equal(await peer.say('PUB none 2', 'hi'), '');
  const silent = await open({ no_responders: false });
  assert.equal(await silent.say('SUB r 1', 'PUB none r 2', 'hi'), '');
});

test('a client without echo is nobody who could respond', async () => {
  const peer = await open({ echo: false });
  await peer.say('SUB self 1', 'SUB r 2');
  assert.match(await peer.say('PUB self r 2', 'hi'), /^HMSG r 2 .*503/s);
});

test('what a subscription may be', async () => {
  const peer = await open();
  for (const subject of ['a..b', '.a', 'a.', 'a.>.b', '>.a', '.']) {
    assert.equal(await peer.say(`SUB ${subject} 1`), "-ERR 'Invalid Subject'\r\n", subject);
  }
  assert.equal(await peer.say('SUB a 1', 'SUB b 1', 'PUB b 1', 'x'), '', 'the sid is taken');
  assert.equal(await peer.say('PUB a 1', 'x'), 'MSG a 1 1\r\nx\r\n');
  assert.equal(await peer.say('UNSUB 1', 'UNSUB nobody', 'PUB a 1', 'x'), '');
});

test('subjects with empty words lead nowhere, wherever they are published', async () => {
  const { namespace } = { namespace: memory.broker.defaultNamespace };
  const peer = await open();
  await peer.say('SUB > 1', 'SUB a.*.b 2');
  assert.equal(await peer.say('PUB a..b 1', 'x', 'PUB a. 1', 'x', 'PUB .a 1', 'x'), '');
  assert.deepEqual(namespace.resolve('amq.topic', 'c')?.targets.length, 1);
});

test('AMQP’s wildcard is a word', async () => {
  const peer = await open();
  await peer.say('SUB a.# 1', 'SUB # 2', 'SUB b.> 3');
  assert.equal(await peer.say('PUB a.x 1', 'x', 'PUB a.x.y 1', 'x', 'PUB a 1', 'x'), '');
  assert.equal(await peer.say('PUB a.# 1', 'x'), 'MSG a.# 1 1\r\nx\r\n');
  assert.equal(await peer.say('PUB # 1', 'x'), 'MSG # 2 1\r\nx\r\n');
  assert.equal(await peer.say('PUB b.# 1', 'x'), 'MSG b.# 3 1\r\nx\r\n');
});

test('UNSUB after so many counts what was delivered before', async () => {
  const peer = await open();
  await peer.say('SUB a 1', 'PUB a 1', 'x', 'PUB a 1', 'x', 'UNSUB 1 3');
  assert.equal(await peer.say('PUB a 1', 'x', 'PUB a 1', 'y'), 'MSG a 1 1\r\nx\r\n');
  await peer.say('SUB a 2', 'PUB a 1', 'x', 'UNSUB 2 1');
  assert.equal(await peer.say('PUB a 1', 'x'), '');
  assert.equal(memory.broker.defaultNamespace.exchange('amq.topic').liveCount, 0);
});

test('bytes that are no NATS end the connection, with a word', async () => {
  const cases: [string, string][] = [
    ['GET / HTTP/1.1', 'Unknown Protocol Operation'],
    ['PUBX a 1', 'Unknown Protocol Operation'],
    ['', 'Unknown Protocol Operation'],
    ['PUB a 1\r\nab', 'Unknown Protocol Operation'],
    ['PUB a', 'Parser Error'],
    ['PUB a b c 1', 'Parser Error'],
    ['PUB a -1', 'Parser Error'],
    ['PUB a 1234567890', 'Parser Error'],
    ['HPUB a 0 0', 'message headers not supported'],
    ['CONNECT {"headers":true,"verbose":false}\r\nHPUB a 5 2', 'Parser Error'],
    ['SUB a', 'Parser Error'],
    ['UNSUB', 'Unknown Protocol Operation'],
    ['UNSUB ', 'Parser Error'],
    ['CONNECT', 'Parser Error'],
    ['CONNECT []', 'Parser Error'],
    ['CONNECT {"echo":1}', 'Parser Error'],
    ['PUB a 1048577', 'Maximum Payload Violation'],
    [`PUB ${'a'.repeat(4096)} 1`, 'maximum control line exceeded'],
    [`PING ${'a'.repeat(5000)}`, 'maximum control line exceeded'],
    ['CONNECT {"protocol":2}', 'invalid client protocol'],
    ['CONNECT {"no_responders":true}', 'no responders requires headers support'],
    ['CONNECT {"tls_required":true}', 'Secure Connection - TLS Required'],
    ['CONNECT {"jwt":"x"}', 'Authorization Violation'],
    ['CONNECT {"nkey":"x","sig":"y"}', 'Authorization Violation'],
    ['CONNECT {"account":"x"}', 'Authorization Violation'],
  ];
  for (const [line, text] of cases) {
    const peer = NatsPeer.raw(memory, protocol);
    const failed = memory.broker.metrics.protocol('nats').connectionsFailed;
    assert.equal(await peer.say(line), `-ERR '${text}'\r\n`, line.slice(0, 60));
    assert.equal(peer.sink.ended, true, line.slice(0, 60));
    assert.equal(memory.broker.metrics.protocol('nats').connectionsFailed, failed + 1);
    assert.equal(await peer.say('PING'), '', 'nothing is heard any more');
  }
  const long = NatsPeer.raw(memory, protocol);
  long.send(Buffer.alloc(5000, 'PUB aaaaaaaaaaaa'));
  assert.match(await long.heard(), /maximum control line exceeded/);
});

test('what clients should not say but may', async () => {
  const peer = await open();
  assert.equal(await peer.say('+OK', 'PONG', 'INFO {}', 'PING'), 'PONG\r\n');
  assert.equal(await peer.say("-ERR 'whatever'"), '');
  assert.equal(peer.sink.ended, true);
});

test('a password is checked before anything that follows CONNECT', async () => {
  const peer = NatsPeer.raw(memory, protocol);
  const connect = 'CONNECT {"user":"guest","pass":"guest","verbose":false}';
  peer.send(Buffer.from(`${connect}\r\nSUB a 1\r\nPUB a 1\r\nx\r\nPI`));
  assert.equal(peer.sink.take().length, 0);
  assert.equal(peer.sink.paused, true);
  peer.send(Buffer.from('NG\r\n'));
  assert.equal(await peer.heard(), 'MSG a 1 1\r\nx\r\nPONG\r\n');
  assert.equal(peer.sink.paused, false);
  const wrong = NatsPeer.raw(memory, protocol);
  wrong.send(Buffer.from('CONNECT {"user":"guest","pass":"no"}\r\nSUB a 1\r\n'));
  assert.equal(await wrong.heard(), "-ERR 'Authorization Violation'\r\n");
});

test('who must say who they are has two seconds, and says it first', async () => {
  const far = { ...LOOPBACK, remoteAddress: '10.0.0.1', loopback: false };
  const silent = NatsPeer.raw(memory, protocol, far);
  assert.equal(silent.info['auth_required'], true);
  pass(silent, 2);
  assert.equal(await silent.heard(), "-ERR 'Authentication Timeout'\r\n");
  for (const first of ['PING', 'FOO']) {
    const early = NatsPeer.raw(memory, protocol, far);
    assert.equal(await early.say(first), "-ERR 'Authorization Violation'\r\n");
  }
  // The default user may come from this machine only.
  const guest = NatsPeer.raw(memory, protocol, far);
  const answer = await guest.say('CONNECT {"user":"guest","pass":"guest"}');
  assert.equal(answer, "-ERR 'Authorization Violation'\r\n");
});

test('keepalive: an early PING, then one in two minutes; two in vain are the end', async () => {
  const peer = await open();
  pass(peer, 2);
  assert.equal(await peer.heard(), 'PING\r\n');
  await peer.say('PONG');
  pass(peer, 119);
  assert.equal(await peer.heard(), '');
  pass(peer, 2);
  assert.equal(await peer.heard(), 'PING\r\n');
  pass(peer, 121);
  assert.equal(await peer.heard(), 'PING\r\n');
  pass(peer, 121);
  assert.equal(await peer.heard(), "-ERR 'Stale Connection'\r\n");
  assert.equal(peer.sink.ended, true);
});

test('a client that is busy is not pinged', async () => {
  const peer = await open();
  pass(peer, 2);
  await peer.say('PONG');
  for (let i = 0; i < 10; i++) {
    pass(peer, 60);
    assert.equal(await peer.say('PUB a 1', 'x'), '');
  }
});

test('shutdown: told first, ended a moment later; old clients at once', async () => {
  const peer = await open();
  const old = await open({ protocol: 0 });
  peer.connection.close('shutdown');
  old.connection.close('shutdown');
  assert.match(await peer.heard(), /^INFO .*"ldm":true.*\r\n$/);
  assert.equal(peer.sink.ended, false);
  assert.equal(old.sink.ended, true);
  assert.equal(await peer.say('PING'), 'PONG\r\n');
  pass(peer, 1);
  assert.equal(peer.sink.ended, true);
});

test('shutdown: many do not end at once', async () => {
  const peers = [];
  for (let i = 0; i < 4_000; i++) peers.push(NatsPeer.raw(memory, protocol));
  for (const peer of peers) await peer.say('CONNECT {"verbose":false,"protocol":1}');
  for (const peer of peers) peer.connection.close('shutdown');
  const ended: number[] = [];
  while (memory.nowMs < 10_000_000_000_000 && ended.at(-1) !== peers.length) {
    memory.nowMs += 100;
    for (const peer of peers) peer.connection.tick(memory.nowMs);
    ended.push(peers.filter((it) => it.sink.ended).length);
  }
  assert.equal(ended[0], 0, 'nobody before 200 ms');
  assert.ok(ended.length >= 10 && ended.length <= 12, `all within ${ended.length}00 ms`);
  for (const [i, count] of ended.entries()) {
    assert.ok(count - (ended[i - 1] ?? 0) <= 500, `${count} at once`);
  }
});

test('a peer that takes nothing for long is a slow consumer', async () => {
  const peer = await open();
  assert.equal(protocol.stuckMsMax, 10_000);
  peer.connection.close('stuck');
  const { failures } = memory.broker.metrics.protocol('nats');
  assert.equal(failures.get('slow-consumer'), 1);
  assert.equal(await peer.heard(), '', 'it would not read it');
});

test('a subscriber that does not read: publishers are held up, then it is cut off', async () => {
  await start({ pendingBytesMax: 1024 * 1024 });
  const slow = await open();
  const fast = await open();
  const publisher = await open();
  await slow.say('SUB a 1');
  await fast.say('SUB a 1');
  const publish = Buffer.from(`PUB a 1000\r\n${'x'.repeat(1000)}\r\n`);
  let received = 0;
  let stalled = false;
  for (let i = 0; i < 1200 && !slow.sink.ended; i++) {
    publisher.send(publish);
    received += fast.sink.take().length;
    if (publisher.sink.paused) {
      stalled = true;
      await memory.advance(10);
      assert.equal(publisher.sink.paused, false);
    }
  }
  assert.equal(stalled, true);
  assert.equal(slow.sink.ended, true);
  assert.match(await slow.heard(), /-ERR 'Slow Consumer'\r\n$/);
  assert.equal(fast.sink.ended, false);
  assert.ok(received > 900_000);
  assert.equal(memory.broker.metrics.protocol('nats').failures.get('slow-consumer'), 1);
});

test('large messages that begin to arrive and do not end take a bounded amount of memory', async () => {
  await start({ assembledBytesMax: 350_000 });
  const peers = await Promise.all([open(), open(), open(), open()]);
  const paused = (): boolean[] => peers.map(({ sink }) => sink.paused);
  const begin = Buffer.from(`PUB a 150000\r\n${'x'.repeat(100_000)}`);
  for (const peer of peers.slice(0, 3)) peer.send(begin);
  assert.deepEqual(paused(), [false, false, false, false]);
  peers[3].send(begin);
  assert.deepEqual(paused(), [false, true, true, true], 'the first goes on');
  assert.equal(await peers[0].say('x'.repeat(50_000), 'PING'), 'PONG\r\n');
  assert.deepEqual(paused(), [false, false, false, false]);
  peers[0].send(begin);
  assert.deepEqual(paused(), [true, false, true, true]);
  pass(peers[1], 61);
  assert.match(await peers[1].heard(), /Stale Connection/, 'who keeps the others waiting goes');
  assert.deepEqual(paused(), [false, false, false, false]);
});

test('large messages for many are copied once', async () => {
  const peers = await Promise.all([open(), open(), open()]);
  for (const peer of peers) await peer.say('SUB big 1');
  const body = 'y'.repeat(10_000);
  const answer = await peers[0].say('PUB big r 10000', body, 'PUB big 10000', body);
  const expected = `MSG big 1 r 10000\r\n${body}\r\nMSG big 1 10000\r\n${body}\r\n`;
  assert.equal(answer, expected);
  assert.equal(await peers[1].heard(), expected);
  assert.equal(await peers[2].heard(), expected);
});
