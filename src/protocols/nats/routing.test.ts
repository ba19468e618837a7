/** NATS among queues, topics and other protocols: what is stored, what is refused, who shares. */
import assert from 'node:assert/strict';
import { beforeEach, test } from 'node:test';
import { Message, Origin } from '#core/message/message.ts';
import type { Protocol } from '#protocols/contract.ts';
import { MemoryBroker } from '#test/drive/memory-broker.ts';
import { NatsPeer } from '#test/drive/nats-peer.ts';
import { defaultQueueOptions } from '#core/queue/queue-options.ts';
import { nats } from './index.ts';

let memory: MemoryBroker;
let protocol: Protocol;

beforeEach(async () => {
  memory = await MemoryBroker.open();
  protocol = nats(memory.broker, { host: '127.0.0.1', port: 4222 });
});

const open = (options = {}): Promise<NatsPeer> => NatsPeer.open(memory, protocol, options);

function queue(name: string, pattern: string, options = {}): void {
  const { defaultNamespace } = memory.broker;
  defaultNamespace.declareQueue(name, { ...defaultQueueOptions(), durable: true, ...options });
  defaultNamespace.bind('amq.topic', { kind: 'queue', name }, pattern, {});
}

function ready(name: string): number {
  return memory.broker.defaultNamespace.queue(name, null).readyCount;
}

test('a live message touches no queue; a bound one gets a copy', async () => {
  queue('kept', 'kept.#');
  const peer = await open();
  await peer.say('SUB > 1');
  assert.equal(await peer.say('PUB live 1', 'x'), 'MSG live 1 1\r\nx\r\n');
  assert.equal(ready('kept'), 0);
  assert.equal(await peer.say('PUB kept.a 1', 'x'), 'MSG kept.a 1 1\r\nx\r\n');
  assert.equal(ready('kept'), 1);
});

test('a PONG behind something stored waits for the commit, others do not', async () => {
  queue('kept', 'kept');
  const peer = await open();
  peer.send(Buffer.from('PING\r\nPUB kept 1\r\nx\r\nPING\r\nPING\r\n'));
  assert.equal(peer.sink.take().toString(), 'PONG\r\n');
  assert.equal(await peer.heard(), 'PONG\r\nPONG\r\n');
  peer.send(Buffer.from('PUB live 1\r\nx\r\nPING\r\n'));
  assert.equal(peer.sink.take().toString(), 'PONG\r\n');
});

test('a full queue that rejects: the publisher hears of it, live subscribers get it', async () => {
  queue('full', 'full', { lengthMax: 1, overflow: 'reject-publish' as const });
  const peer = await open();
  await peer.say('SUB full 1', 'PUB full 1', 'x');
  await peer.heard();
  assert.equal(
    await peer.say('PUB full 1', 'y'),
    'MSG full 1 1\r\ny\r\n' +
      `-ERR 'Permissions Violation for Publish to "full", a queue is full'\r\n`,
  );
  assert.equal(ready('full'), 1);
});

test('a full disk: stored destinations refuse, live ones go on', async () => {
  queue('kept', 'kept');
  const peer = await open();
  await peer.say('SUB kept 1', 'SUB live 2');
  Object.defineProperty(memory.broker.store, 'hasSpace', { get: () => false });
  assert.equal(await peer.say('PUB live 1', 'x'), 'MSG live 2 1\r\nx\r\n');
  assert.equal(
    await peer.say('PUB kept 1', 'x'),
    'MSG kept 1 1\r\nx\r\n' +
      `-ERR 'Permissions Violation for Publish to "kept", the disk is full'\r\n`,
  );
  assert.equal(ready('kept'), 0);
});

test('short of memory, who publishes what is kept is slowed, nobody else', async () => {
  queue('kept', 'kept');
  const storing = await open();
  const live = await open();
  await storing.say('PUB kept 1', 'x');
  await live.say('PUB live 1', 'x');
  const { alarms } = memory.broker;
  alarms.memory = true;
  for (const it of [storing, live]) (it.connection as unknown as { alarmed(): void }).alarmed?.();
  assert.equal(storing.sink.paused, true);
  alarms.memory = false;
  (storing.connection as unknown as { alarmed(): void }).alarmed();
  assert.equal(storing.sink.paused, false);
});

test('queue groups: turns, members that do not read, groups of others', async () => {
  const one = await open();
  const two = await open();
  const publisher = await open();
  await one.say('SUB job workers 1', 'SUB job others 2');
  await two.say('SUB job workers 1');
  const counts = async (): Promise<number[]> => {
    const answers = [await one.heard(), await two.heard()];
    const of = (answer: string, sid: number): number => answer.split(`MSG job ${sid} `).length - 1;
    return [of(answers[0]!, 1), of(answers[1]!, 1), of(answers[0]!, 2)];
  };
  for (let i = 0; i < 10; i++) await publisher.say('PUB job 1', 'x');
  assert.deepEqual(await counts(), [5, 5, 10]);
  one.sink.blocked = true;
  for (let i = 0; i < 10; i++) await publisher.say('PUB job 1', 'x');
  assert.deepEqual(await counts(), [0, 10, 10]);
  two.sink.blocked = true;
  for (let i = 0; i < 10; i++) await publisher.say('PUB job 1', 'x');
  assert.deepEqual(await counts(), [5, 5, 10], 'when nobody reads it waits for one of them');
  one.connection.close('gone');
  for (let i = 0; i < 3; i++) await publisher.say('PUB job 1', 'x');
  assert.deepEqual(await counts(), [0, 3, 0]);
});

test('a group whose only member does not hear itself has no responder', async () => {
  const peer = await open({ echo: false });
  await peer.say('SUB job workers 1', 'SUB r 2');
  assert.match(await peer.say('PUB job r 1', 'x'), /^HMSG r 2 /);
  const other = await open();
  await other.say('SUB job workers 1');
  assert.equal(await peer.say('PUB job r 1', 'x'), '');
  assert.equal(await other.heard(), 'MSG job 1 r 1\r\nx\r\n');
});

test('members of one group with overlapping subjects get one message in all', async () => {
  const peer = await open();
  await peer.say('SUB a.* q 1', 'SUB a.b q 2', 'SUB a.> q 3', 'SUB a.b z 4');
  let seen = '';
  for (let i = 0; i < 9; i++) seen += await peer.say('PUB a.b 1', 'x');
  for (const sid of [1, 2, 3]) assert.equal(seen.split(`MSG a.b ${sid} `).length - 1, 3);
  assert.equal(seen.split('MSG a.b 4 ').length - 1, 9);
  await peer.say('UNSUB 2', 'UNSUB 3');
  assert.equal(await peer.say('PUB a.c 1', 'x'), 'MSG a.c 1 1\r\nx\r\n');
  await peer.say('UNSUB 1', 'UNSUB 4');
  assert.equal(memory.broker.defaultNamespace.exchange('amq.topic').liveCount, 0);
});

/** As a protocol without a mapping of its own would: a record with neutral headers. */
function publishForeign(routingKey: string, body: string): number {
  const { defaultNamespace: namespace, envelopes } = memory.broker;
  const message = new Message();
  message.body = Buffer.from(body);
  message.bodyEnd = body.length;
  envelopes.readdress(message, 'amq.topic', routingKey, false);
  return namespace.publish(namespace.resolve('amq.topic', routingKey)!, routingKey, message);
}

test('messages of other protocols: each subscriber by its own subject, headers as it can', async () => {
  const peer = await open();
  const old = await open({ headers: false, no_responders: false });
  await peer.say('SUB a.> 1', 'SUB a.b q 2', 'SUB a.* q 3', 'SUB a.b 4', 'UNSUB 4 1');
  await old.say('SUB a.b 5');
  publishForeign('a.b', 'hello');
  const answer = await peer.heard();
  assert.ok(answer.includes('MSG a.b 1 5\r\nhello\r\n'), answer);
  assert.ok(answer.includes('MSG a.b 4 5\r\nhello\r\n'), answer);
  assert.equal(answer.split('MSG').length - 1, 3, 'one of the group');
  assert.equal(await old.heard(), 'MSG a.b 5 5\r\nhello\r\n');
  publishForeign('a.with space', 'x');
  assert.match(await peer.heard(), /MSG a\.with%20space 1 1\r\nx\r\n/);
  assert.equal(publishForeign('a..b', 'x'), 0, 'no subject, nobody');
  assert.equal(await peer.heard(), '');
});

test('a stored NATS message that comes back is delivered by its own size', async () => {
  const peer = await open();
  await peer.say('SUB dead 1');
  const { defaultNamespace: namespace, envelopes } = memory.broker;
  const message = new Message();
  message.origin = Origin.Nats;
  const block = 'NATS/1.0\r\na: b\r\n\r\n';
  message.source = Buffer.from(`was answers ${block.length} 999\r\n${block}`);
  message.sourceEnd = message.source.length;
  message.body = Buffer.from('hello');
  message.bodyEnd = 5;
  envelopes.readdress(message, 'amq.topic', 'dead', true);
  namespace.publish(namespace.resolve('amq.topic', 'dead')!, 'dead', message);
  const size = block.length;
  assert.equal(await peer.heard(), `HMSG dead 1 answers ${size} ${size + 5}\r\n${block}hello\r\n`);
});

test('what watches a broker is told of publishes and deliveries', async () => {
  const seen: unknown[] = [];
  memory.broker.observer = {
    published: (...[name, , exchange, address, message, , count]) =>
      void seen.push([name, exchange, address, message.bodyBytes, count]),
    delivered: (...[name, , source, message]) => void seen.push([name, source, message.bodyBytes]),
    produced: () => {},
    fetched: () => {},
  };
  const peer = await open();
  await peer.say('SUB a.* 1', 'PUB a.b 3', 'xyz', 'PUB c 1', 'x');
  publishForeign('a.c', 'hi');
  assert.deepEqual(seen, [
    ['nats', 'a.*', 3],
    ['nats', 'amq.topic', 'a.b', 3, 1],
    ['nats', 'amq.topic', 'c', 1, 0],
    ['nats', 'a.*', 2],
  ]);
});
