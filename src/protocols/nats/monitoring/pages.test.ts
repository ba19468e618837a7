import assert from 'node:assert/strict';
import { beforeEach, test } from 'node:test';
import { MemoryBroker } from '#test/drive/memory-broker.ts';
import { NatsPeer } from '#test/drive/nats-peer.ts';
import type { PageHost, Protocol } from '#protocols/contract.ts';
import { nats } from '../index.ts';
import { uptimeText } from './times.ts';

type Json = Record<string, unknown> & { connections: Json[]; subscriptions_list: Json[] };

const HOST: PageHost = {
  host: '127.0.0.1',
  port: 8222,
  tls: false,
  cores: 4,
  cpuPercent: () => 12.4,
  handshakeMsMax: 10_000,
};

let memory: MemoryBroker;
let protocol: Protocol;

beforeEach(async () => {
  memory = await MemoryBroker.open();
  protocol = nats(memory.broker, { host: '127.0.0.1', port: 4222 });
});

function page(path: string, query: Record<string, string> = {}) {
  return protocol.page!(path, new Map(Object.entries(query)), HOST);
}

function json(path: string, query: Record<string, string> = {}): Json {
  const found = page(path, query)!;
  assert.equal(found.status, 200, found.body);
  assert.equal(found.contentType, 'application/json');
  return JSON.parse(found.body) as Json;
}

async function someTraffic(): Promise<NatsPeer[]> {
  const one = await NatsPeer.open(memory, protocol, { name: 'one', lang: 'x', version: '1' });
  const two = await NatsPeer.open(memory, protocol, { name: 'two' });
  await one.say('SUB a.* 1', 'SUB b q 2', 'UNSUB 2 5');
  await two.say('SUB a.b 1', 'PUB a.b 5', 'hello', 'PUB b 2', 'hi');
  memory.nowMs += 65_000;
  return [one, two];
}

test('/varz', async () => {
  await someTraffic();
  const varz = json('/varz');
  assert.equal(varz['connections'], 2);
  assert.equal(varz['total_connections'], 2);
  assert.equal(varz['in_msgs'], 2);
  assert.equal(varz['in_bytes'], 7);
  assert.equal(varz['out_msgs'], 3);
  assert.equal(varz['out_bytes'], 12);
  assert.equal(varz['subscriptions'], 3);
  assert.equal(varz['uptime'], '1m5s');
  assert.deepEqual([varz['http_host'], varz['http_port']], ['127.0.0.1', 8222]);
  assert.deepEqual([varz['cores'], varz['cpu'], varz['tls_timeout']], [4, 12, 10]);
  assert.equal(varz['write_deadline'], 10_000_000_000);
  assert.equal(varz['max_payload'], 1024 * 1024);
  assert.deepEqual(json('/varz')['http_req_stats'], { '/varz': 2 });
});

test('/connz: fields, order, pages, subscriptions', async () => {
  const [one] = await someTraffic();
  const all = json('/connz', { subs: '1' });
  assert.equal(all['num_connections'], 2);
  assert.deepEqual(
    all.connections.map((it) => [it['cid'], it['name'], it['out_msgs'], it['subscriptions_list']]),
    [
      [1, 'one', 2, ['a.*', 'b']],
      [2, 'two', 1, ['a.b']],
    ],
  );
  assert.equal(all.connections[0]!['idle'], '1m5s');
  assert.equal('rtt' in all.connections[0]!, false, 'nobody measured it');
  const sorted = json('/connz', { sort: 'msgs_from', limit: '1', offset: '0' });
  assert.deepEqual([sorted['total'], sorted.connections[0]!['cid']], [2, 2]);
  const detail = json('/connz', { subs: 'detail', cid: '1', auth: 'true' });
  assert.deepEqual(detail.connections[0]!['subscriptions_list_detail'], [
    { subject: 'a.*', sid: '1', msgs: 1, cid: 1 },
    { subject: 'b', qgroup: 'q', sid: '2', msgs: 1, max: 5, cid: 1 },
  ]);
  assert.equal(detail.connections[0]!['authorized_user'], '');

  one!.connection.close('gone');
  assert.equal(json('/connz').connections.length, 1);
  const closed = json('/connz', { state: 'closed', sort: 'stop', subs: 'true' });
  assert.equal(closed.connections[0]!['reason'], 'Client Closed');
  assert.equal(closed.connections[0]!['subscriptions'], 2);
  assert.deepEqual(closed.connections[0]!['subscriptions_list'], ['a.*', 'b']);
  assert.equal(json('/connz', { state: 'all' })['total'], 2);
});

test('/subsz', async () => {
  const [one] = await someTraffic();
  // What is asked for a second time is remembered.
  for (let i = 0; i < 2; i++) await one!.say('PUB a.b 0', '', 'PUB b 0', '');
  const plain = json('/subsz');
  assert.equal(plain['num_subscriptions'], 3);
  assert.equal('subscriptions_list' in plain, false);
  assert.equal(plain['num_cache'], 2, 'two subjects were published to');
  assert.deepEqual([plain['max_fanout'], plain['avg_fanout']], [2, 1.5]);
  assert.equal(plain['num_matches'], 6);
  const list = json('/subscriptionsz', { subs: '1', test: 'a.b' });
  assert.deepEqual(
    list.subscriptions_list.map((it) => it['subject']),
    ['a.*', 'a.b'],
  );
});

test('/healthz, /, and what is not there', () => {
  assert.equal(page('/healthz')!.body, '{"status":"ok"}');
  assert.equal(page('/healthz', { 'js-enabled-only': 'true' })!.status, 200);
  assert.match(page('/')!.body, /connz/);
  for (const path of ['/jsz', '/routez', '/nothing', '/toString', '']) {
    assert.equal(page(path), null, path);
  }
});

test('what a page does not know is refused', () => {
  const cases: [string, Record<string, string>, RegExp][] = [
    ['/connz', { sort: 'colour' }, /^invalid sorting option: colour$/],
    ['/connz', { sort: 'stop' }, /only valid on closed/],
    ['/connz', { limit: 'x' }, /^Error decoding int for 'limit'/],
    ['/connz', { subs: 'maybe' }, /^Error decoding boolean for 'subs'/],
    ['/connz', { state: 'half' }, /^Error decoding state for half$/],
    ['/connz', { acc: 'A' }, /^unsupported option: acc$/],
    ['/subsz', { test: 'a.*' }, /^invalid test subject/],
    ['/varz', { x: '1' }, /^unsupported option: x$/],
    ['/healthz', { stream: 's' }, /^unsupported option: stream$/],
  ];
  for (const [path, query, text] of cases) {
    const found = page(path, query)!;
    assert.equal(found.status, 400);
    assert.match(found.body, text);
  }
});

test('uptimes', () => {
  const day = 86_400_000;
  assert.equal(uptimeText(0), '0s');
  assert.equal(uptimeText(61_000), '1m1s');
  assert.equal(uptimeText(3_600_000), '1h0m0s');
  assert.equal(uptimeText(day + 1000), '1d0h0m1s');
  assert.equal(uptimeText(366 * day), '1y1d0h0m0s');
});
