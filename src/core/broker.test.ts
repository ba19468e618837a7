import assert from 'node:assert/strict';
import { test } from 'node:test';
import { makeBatch } from '#test/contracts/batches.ts';
import { bodyText, BrokerRig, RigPorts, textMessage } from '#test/rigs/broker-rig.ts';
import { MemoryStore } from '#storage/memory-store.ts';
import type { Log } from './log.ts';
import { Message, Outcome } from './message/message.ts';

function routes(rig: BrokerRig, exchange: string, routingKey: string): string[] | null {
  const route = rig.namespace.resolve(exchange, routingKey);
  return route && route.targets.map((target) => target.name).toSorted();
}

test('what is durable is there after a restart, and nothing else', async () => {
  const rig = await BrokerRig.open();
  const durable = { durable: true };
  rig.queue('kept', {
    ...durable,
    ttlMs: 60_000,
    kind: 'quorum',
    deadLetterExchange: 'dlx',
    arguments: { 'x-message-ttl': 60_000, note: Buffer.from('b'), at: new Date(5) },
  });
  rig.queue('gone');
  rig.queue('mine', { ...durable, exclusiveTo: {} });
  rig.exchange('kept', { ...durable, kind: 'topic', autoDelete: true, alternateExchange: 'gone' });
  rig.exchange('gone', { kind: 'fanout' });
  const { namespace } = rig;
  const kept = { kind: 'queue', name: 'kept' } as const;
  namespace.bind('kept', kept, 'a.#', { x: 1 });
  namespace.bind('kept', { kind: 'queue', name: 'gone' }, '#', {});
  namespace.bind('gone', kept, '', {});
  namespace.bind('amq.fanout', { kind: 'exchange', name: 'kept' }, '', {});
  namespace.createTopic('t', {
    partitions: 2,
    replicationFactor: 3,
    config: { 'retention.ms': '1000' },
    arguments: { 'x-max-age': '1s' },
  });
  namespace.bind('kept', { kind: 'topic', name: 't' }, 'a.b', {});
  namespace.bind('t', kept, '#', {});
  rig.broker.createNamespace('other').createTopic('t', {
    partitions: 1,
    replicationFactor: 1,
    config: {},
  });
  const { id } = namespace.topic('t');
  const { clusterId } = rig.broker;
  await rig.restart();
  assert.equal(rig.broker.clusterId, clusterId);
  assert.deepEqual([...rig.broker.namespaces.keys()], ['/', 'other']);
  assert.deepEqual([...rig.namespace.queues.keys()], ['kept']);
  const { options } = rig.namespace.queue('kept', null);
  assert.equal(options.ttlMs, 60_000);
  assert.equal(options.kind, 'quorum');
  assert.equal(options.deadLetterExchange, 'dlx');
  assert.deepEqual(
    { ...options.arguments },
    { 'x-message-ttl': 60_000, note: Buffer.from('b'), at: new Date(5) },
  );
  assert.equal(rig.namespace.exchanges.has('gone'), false);
  const exchange = rig.namespace.exchange('kept').options;
  assert.deepEqual(
    [exchange.kind, exchange.autoDelete, exchange.alternateExchange, exchange.durable],
    ['topic', true, 'gone', true],
  );
  assert.deepEqual(routes(rig, 'kept', 'a.b'), ['kept', 't']);
  assert.deepEqual(routes(rig, 'amq.fanout', 'a.c'), ['kept']);
  assert.equal(rig.namespace.binder.table.size, 4);
  const topic = rig.namespace.topic('t');
  assert.deepEqual(Buffer.from(topic.id), Buffer.from(id));
  assert.equal(topic.partitions.length, 2);
  assert.equal(topic.replicationFactor, 3);
  assert.equal(topic.config.retentionMs, 1000);
  assert.equal(topic.arguments['x-max-age'], '1s');
  assert.notEqual(topic.feed, null);
  assert.equal(rig.broker.namespace('other').topic('t').partitions.length, 1);
});

test('what was altered of a queue is altered after a restart, and what it holds is kept by it', async () => {
  const rig = await BrokerRig.open();
  const queue = rig.queue('q', { durable: true, delayMs: 1000, annotations: { old: '1' } });
  const { namespace } = rig;
  const altered = {
    delayMs: null,
    leaseMs: 5000,
    retentionMs: 60_000,
    messageBytesMax: 10,
    receivesMax: 2,
    deadLetterExchange: '',
    deadLetterRoutingKey: 'dead',
    annotations: { new: 'ü' },
  };
  namespace.alterQueue('q', { retentionMs: 1 });
  namespace.alterQueue('q', altered);
  assert.throws(() => namespace.alterQueue('q', { leaseMs: -1 }), { code: 'invalid-argument' });
  assert.throws(() => namespace.alterQueue('none', {}), { code: 'not-found' });
  queue.publish(textMessage('kept', rig.ports.nowMs));
  await rig.restart();
  const again = rig.namespace.queue('q', null);
  assert.partialDeepStrictEqual(again.options, altered);
  assert.deepEqual(again.options.annotations, altered.annotations);
  assert.equal(again.publish(textMessage('much too long')), Outcome.Refused);
  assert.equal(again.readyCount, 1);
  rig.ports.nowMs += 60_000;
  rig.broker.tick(rig.ports.nowMs);
  assert.equal(again.readyCount, 0);
});

test('what was deleted stays deleted', async () => {
  const rig = await BrokerRig.open();
  const all = { ifUnused: false, ifEmpty: false, owner: null };
  rig.exchange('e', { durable: true });
  rig.queue('q', { durable: true });
  rig.namespace.createTopic('t', { partitions: 1, replicationFactor: 1, config: {} });
  rig.namespace.bind('e', { kind: 'queue', name: 'q' }, 'k', {});
  rig.namespace.bind('e', { kind: 'topic', name: 't' }, 'k', {});
  rig.namespace.bind('e', { kind: 'exchange', name: 'amq.fanout' }, 'k', {});
  await rig.restart();
  assert.equal(rig.namespace.binder.table.size, 3);
  rig.namespace.deleteQueue('q', all);
  rig.namespace.deleteTopic('t');
  await rig.restart();
  assert.equal(rig.namespace.queues.size, 0);
  assert.equal(rig.namespace.topics.size, 0);
  assert.equal(rig.namespace.binder.table.size, 1);
  rig.namespace.deleteExchange('e', { ifUnused: false });
  await rig.restart();
  assert.equal(rig.namespace.exchanges.has('e'), false);
  assert.equal(rig.namespace.binder.table.size, 0);
});

test('messages of durable queues and records of topics are there after a restart', async () => {
  const rig = await BrokerRig.open();
  rig.queue('q', { durable: true });
  const topic = rig.namespace.createTopic('t', { partitions: 1, replicationFactor: 1, config: {} });
  const message = textMessage('kept');
  message.durable = true;
  assert.equal(rig.publish('', 'q', message), Outcome.Routed | Outcome.AwaitCommit);
  topic.partitions[0]!.append(makeBatch());
  await rig.restart();
  assert.equal(rig.namespace.topic('t').partitions[0]!.committedOffset, 1);
  const got = new Message();
  const lease = await rig.namespace.queue('q', null).get(got, {});
  assert.equal(bodyText(got), 'kept');
  assert.equal(lease?.deliveryCount, 1, 'what a restart brought back counts as delivered before');
});

test('a queue that was deleted and declared again begins empty', async () => {
  const rig = await BrokerRig.open();
  const first = rig.queue('q', { durable: true });
  const message = textMessage('old');
  message.durable = true;
  rig.publish('', 'q', message);
  rig.namespace.deleteQueue('q', { ifUnused: false, ifEmpty: false, owner: null });
  const second = rig.queue('q', { durable: true });
  assert.notEqual(second.id, first.id);
  await rig.restart();
  assert.equal(rig.namespace.queue('q', null).readyCount, 0);
  assert.ok(rig.queue('r').id > second.id, 'ids are never used again');
});

test('producer ids are never handed out twice', async () => {
  const rig = await BrokerRig.open();
  const ids = new Set<number>();
  for (let start = 0; start < 3; start++) {
    for (let i = 0; i < 1500; i++) {
      const id = rig.broker.nextProducerId();
      assert.equal(ids.has(id), false);
      ids.add(id);
    }
    await rig.restart();
  }
  assert.equal(ids.size, 4500);
});

test('a log that no definition names is removed, and only that', async () => {
  const rig = await BrokerRig.open();
  rig.queue('q', { durable: true });
  rig.namespace.createTopic('t', { partitions: 1, replicationFactor: 1, config: {} });
  await rig.broker.committed();
  const { config } = rig.namespace.topic('t').partitions[0]!.log;
  rig.store.create('topics/default/lost-0', config);
  rig.store.create('queues/default/lost-99', config);
  rig.store.create('elsewhere/kept', config);
  await rig.restart();
  const names = await rig.store.list('');
  assert.equal(names.includes('topics/default/lost-0'), false);
  assert.equal(names.includes('queues/default/lost-99'), false);
  assert.equal(names.includes('elsewhere/kept'), true);
  assert.equal(names.includes('topics/default/t-0'), true);
  assert.equal(
    names.some((name) => name.startsWith('queues/default/q-')),
    true,
  );
});

test('topic settings reach the logs, and come back after a restart', async () => {
  const rig = await BrokerRig.open();
  rig.namespace.createTopic('t', { partitions: 1, replicationFactor: 1, config: {} });
  const log = (): Log => rig.namespace.topic('t').partitions[0]!.log;
  rig.namespace.alterTopic('t', [['segment.bytes', '2000000']]);
  assert.equal(log().config.segmentBytesMax, 2_000_000);
  await rig.restart();
  assert.equal(log().config.segmentBytesMax, 2_000_000);
  rig.namespace.alterTopic('t', [['segment.bytes', null]]);
  assert.equal(log().config.segmentBytesMax, 1_073_741_824);
  assert.throws(() => rig.namespace.alterTopic('t', [['cleanup.policy', 'compact']]), {
    code: 'invalid-argument',
  });
});

test('retention is applied as time goes by', async () => {
  const rig = await BrokerRig.open({ defaults: { retentionCheckMs: 1000 } });
  const config = { 'retention.ms': '10000' };
  const topic = rig.namespace.createTopic('t', { partitions: 1, replicationFactor: 1, config });
  const [partition] = topic.partitions;
  partition!.append(makeBatch({ timestampsMs: [rig.ports.nowMs] }));
  await rig.broker.committed();
  rig.broker.tick((rig.ports.nowMs += 9000));
  assert.equal(partition!.startOffset, 0);
  rig.broker.tick((rig.ports.nowMs += 2000));
  assert.equal(partition!.startOffset, 1);
});

test('alarms rise and fall with disk and memory, and listeners hear it once', async () => {
  const ports = new RigPorts();
  const disk = { full: false };
  const store = new MemoryStore(ports);
  Object.defineProperty(store, 'hasSpace', { get: () => !disk.full });
  const rig = await BrokerRig.open({ store, ports, limits: { memoryBytesMax: 100_000 } });
  const topic = rig.namespace.createTopic('t', { partitions: 1, replicationFactor: 1, config: {} });
  let heard = 0;
  const listener = { alarmed: (): void => void heard++ };
  rig.broker.onAlarm(listener);
  rig.broker.tick(ports.nowMs);
  assert.equal(heard, 0);
  disk.full = true;
  rig.broker.tick((ports.nowMs += 10));
  rig.broker.tick((ports.nowMs += 10));
  assert.deepEqual([heard, rig.broker.alarms.disk, rig.broker.alarms.memory], [1, true, false]);
  assert.throws(() => topic.partitions[0]!.append(makeBatch()), { code: 'disk-full' });
  assert.equal(topic.publish(textMessage('x')), Outcome.Refused);
  disk.full = false;
  rig.broker.tick((ports.nowMs += 10));
  assert.deepEqual([heard, rig.broker.alarms.disk], [2, false]);
  rig.broker.memory.took(200_000);
  assert.deepEqual([heard, rig.broker.alarms.memory], [3, true]);
  rig.broker.memory.gave(200_000);
  assert.deepEqual([heard, rig.broker.alarms.memory], [4, false]);
  rig.broker.offAlarm(listener);
  disk.full = true;
  rig.broker.tick((ports.nowMs += 10));
  assert.equal(heard, 4);
});

test('memory of the whole process counts too, with a margin to calm down', async () => {
  let processBytes = 0;
  const limits = { processBytesMax: 1000 };
  const rig = await BrokerRig.open({ limits, processBytes: () => processBytes });
  const alarmAt = (bytes: number): boolean => {
    processBytes = bytes;
    rig.broker.tick((rig.ports.nowMs += 1000));
    return rig.broker.alarms.memory;
  };
  assert.deepEqual([1000, 1001, 960, 940, 960].map(alarmAt), [false, true, true, false, false]);
});

test('limits on queues and partitions are refused politely', async () => {
  const rig = await BrokerRig.open({ limits: { queuesMax: 2, topicPartitionsMax: 3 } });
  rig.queue('a');
  rig.queue('b');
  assert.throws(() => rig.queue('c'), { code: 'limit-exceeded' });
  const request = { partitions: 2, replicationFactor: 1, config: {} };
  rig.namespace.createTopic('t', request);
  assert.throws(() => rig.namespace.createTopic('u', request), { code: 'limit-exceeded' });
  assert.throws(() => rig.queue('x'.repeat(256)), { code: 'invalid-name' });
  assert.throws(() => rig.broker.namespace('nowhere'), { code: 'not-found' });
});
