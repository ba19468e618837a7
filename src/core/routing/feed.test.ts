import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BrokerRig, bodyText, textMessage } from '#test/rigs/broker-rig.ts';
import type { BindingName, SourceName } from './binding.ts';
import type { LiveSubscriber } from './live-subscriber.ts';
import { Message, Outcome } from '../message/message.ts';
import { readdressNeutral } from '../message/neutral-headers.ts';
import type { Queue } from '../queue/queue.ts';

const queue = (name: string): SourceName => ({ kind: 'queue', name });
const topic = (name: string): SourceName => ({ kind: 'topic', name });
const exchange = (name: string): SourceName => ({ kind: 'exchange', name });
const TOPIC = { partitions: 1, replicationFactor: 1, config: {} };

function binding(
  source: SourceName,
  destination: SourceName,
  more: { key?: string; as?: string } = {},
): BindingName {
  const { key = '#', as = null } = more;
  return { source, destination, routingKey: key, arguments: {}, as };
}

function addressed(body: string, name: string, key: string): Message {
  const message = textMessage(body);
  readdressNeutral(message, name, key);
  return message;
}

/** Body and address of everything in the queue, taken out. */
async function drain(rig: BrokerRig, from: Queue): Promise<string[]> {
  const found: string[] = [];
  const message = new Message();
  for (;;) {
    const lease = await from.get(message, rig);
    if (lease === null) return found;
    const { exchange: name, routingKey } = rig.broker.envelopes.decode(message);
    found.push(`${bodyText(message)} ${name}/${routingKey}`);
    from.accept(lease.offset);
  }
}

class Ear implements LiveSubscriber {
  readonly live = true;
  readonly name = '';
  readonly heard: string[] = [];
  readonly #rig: BrokerRig;
  constructor(rig: BrokerRig) {
    this.#rig = rig;
  }
  publish(message: Message): Outcome {
    const { exchange: name, routingKey } = this.#rig.broker.envelopes.decode(message);
    this.heard.push(`${bodyText(message)} ${name}/${routingKey}`);
    return Outcome.Routed;
  }
}

test('what enters a queue goes on to what is bound to it, and the queue keeps its own', async () => {
  const rig = await BrokerRig.open();
  const [a, b] = ['a', 'b'].map((name) => rig.queue(name)) as [Queue, Queue];
  rig.namespace.createTopic('t', TOPIC);
  const ear = new Ear(rig);
  rig.namespace.subscribe('amq.topic', 'taps.*', ear);
  assert.equal(rig.namespace.connect(binding(queue('a'), queue('b'), { key: 'x.*' })), true);
  assert.equal(rig.namespace.connect(binding(queue('a'), queue('b'), { key: 'x.*' })), false);
  rig.namespace.connect(binding(queue('a'), topic('t')));
  rig.namespace.connect(binding(queue('a'), exchange('amq.topic'), { as: 'taps.a' }));
  const publish = (body: string, key: string): Outcome => a.publish(addressed(body, 'e', key));
  assert.equal(publish('1', 'x.1'), Outcome.Routed | Outcome.AwaitCommit, 'the topic is durable');
  publish('2', 'y');
  assert.deepEqual(await drain(rig, a), ['1 e/x.1', '2 e/y']);
  assert.deepEqual(await drain(rig, b), ['1 e/x.1']);
  assert.deepEqual(ear.heard, ['1 a/taps.a', '2 a/taps.a']);
  await rig.broker.committed();
  assert.equal(rig.namespace.topic('t').partitions[0]!.endOffset, 2);
  assert.equal(rig.namespace.disconnect(binding(queue('a'), topic('t'))), true);
  assert.equal(rig.namespace.disconnect(binding(queue('a'), topic('t'))), false);
  publish('3', 'z');
  await rig.broker.committed();
  assert.equal(rig.namespace.topic('t').partitions[0]!.endOffset, 2);
  rig.namespace.disconnect(binding(queue('a'), queue('b'), { key: 'x.*' }));
  rig.namespace.disconnect(binding(queue('a'), exchange('amq.topic'), { as: 'taps.a' }));
  assert.equal(a.feed, null);
});

test('queues and topics that feed each other in a ring get each message once', async () => {
  const rig = await BrokerRig.open();
  const [a, b] = ['a', 'b'].map((name) => rig.queue(name)) as [Queue, Queue];
  const t = rig.namespace.createTopic('t', TOPIC);
  rig.namespace.connect(binding(queue('a'), queue('b')));
  rig.namespace.connect(binding(queue('b'), topic('t')));
  rig.namespace.connect(binding(topic('t'), queue('a'), { as: 'round' }));
  assert.ok(a.publish(addressed('1', 'e', 'k')) & Outcome.Routed);
  assert.ok(b.publish(addressed('2', 'e', 'k')) & Outcome.Routed);
  assert.ok(t.publish(addressed('3', 'e', 'k')) & Outcome.Routed);
  assert.deepEqual(await drain(rig, a), ['1 e/k', '2 t/round', '3 t/round']);
  assert.deepEqual(await drain(rig, b), ['1 e/k', '2 e/k', '3 t/round']);
  await rig.broker.committed();
  assert.equal(t.partitions[0]!.endOffset, 3);
});

test('queues that all feed each other get one copy each, however many ways there are', async () => {
  const rig = await BrokerRig.open();
  const names = Array.from({ length: 9 }, (_, i) => `q${i}`);
  const queues = names.map((name) => rig.queue(name));
  for (const from of names) {
    for (const to of names) {
      if (from !== to) rig.namespace.connect(binding(queue(from), queue(to), { as: from }));
    }
  }
  queues[3]!.publish(addressed('1', 'e', 'k'));
  queues[4]!.publish(addressed('2', 'e', 'k'));
  assert.deepEqual(
    queues.map((it) => it.readyCount),
    names.map(() => 2),
  );
});

test('a dead letter of a bound queue comes to the source although that is feeding', async () => {
  const rig = await BrokerRig.open();
  const a = rig.queue('a');
  const short = rig.queue('short', {
    lengthMax: 1,
    deadLetterExchange: '',
    deadLetterRoutingKey: 'a',
  });
  rig.namespace.connect(binding(queue('a'), queue('short')));
  a.publish(addressed('1', 'e', 'k'));
  a.publish(addressed('2', 'e', 'k'));
  await rig.broker.committed();
  assert.deepEqual(await drain(rig, short), ['2 e/k']);
  assert.deepEqual(await drain(rig, a), ['1 e/k', '2 e/k', '1 /a']);
});

test('`as` is the key from there on: routed by it, delivered under it, stored by it', async () => {
  const rig = await BrokerRig.open();
  const { namespace } = rig;
  const [plain, renamed, late] = ['plain', 'renamed', 'late'].map((name) => rig.queue(name)) as [
    Queue,
    Queue,
    Queue,
  ];
  rig.exchange('next', { kind: 'direct' });
  const t = namespace.createTopic('t', TOPIC);
  namespace.connect(binding(exchange('amq.topic'), queue('plain'), { key: 'in.#' }));
  namespace.connect(binding(exchange('amq.topic'), queue('renamed'), { key: 'in.#', as: 'out' }));
  namespace.connect(binding(exchange('amq.topic'), exchange('next'), { key: 'in.#', as: 'new' }));
  namespace.connect(binding(exchange('amq.topic'), topic('t'), { key: 'in.#', as: 'record-key' }));
  namespace.connect(binding(exchange('next'), queue('late'), { key: 'new' }));
  namespace.connect(binding(exchange('next'), queue('plain'), { key: 'in.1' }));
  const message = addressed('1', 'amq.topic', 'in.1');
  message.expiresAtMs = rig.ports.nowMs + 1000;
  for (let round = 0; round < 3; round++) rig.publish('amq.topic', 'in.1', message);
  const thrice = (text: string): string[] => [text, text, text];
  assert.deepEqual(await drain(rig, plain), thrice('1 amq.topic/in.1'));
  assert.deepEqual(await drain(rig, renamed), thrice('1 amq.topic/out'));
  assert.deepEqual(await drain(rig, late), thrice('1 amq.topic/new'));
  assert.equal(rig.broker.envelopes.decode(message).routingKey, 'in.1', 'left as it was');
  await rig.broker.committed();
  const tap = rig.queue('tap');
  namespace.connect(binding(topic('t'), queue('tap'), { key: 'record-key' }));
  rig.publish('amq.topic', 'in.1', message);
  assert.deepEqual(await drain(rig, tap), ['1 amq.topic/record-key']);
  await rig.broker.committed();
  assert.equal(t.partitions[0]!.endOffset, 4);
});

test('with another key on the way, a change further on is still heard of', async () => {
  const rig = await BrokerRig.open();
  const { namespace } = rig;
  rig.exchange('next', { kind: 'topic' });
  namespace.connect(binding(exchange('amq.topic'), exchange('next'), { key: 'in.#', as: 'new' }));
  namespace.connect(
    binding(exchange('next'), exchange('amq.topic'), { key: 'new', as: 'in.again' }),
  );
  namespace.resolve('amq.topic', 'in.1');
  const before = namespace.resolve('amq.topic', 'in.1')!;
  assert.equal(before.isCurrent, true);
  const ear = new Ear(rig);
  const live = namespace.subscribe('next', 'new', ear);
  assert.equal(before.isCurrent, false);
  rig.publish('amq.topic', 'in.1', addressed('1', 'amq.topic', 'in.1'));
  assert.deepEqual(ear.heard, ['1 amq.topic/new']);
  assert.equal(namespace.resolve('amq.topic', 'in.1')!.stored, false, 'the live one is live');
  namespace.unsubscribe(live);
  assert.equal(rig.publish('amq.topic', 'in.1', addressed('2', '', 'x')), Outcome.Unrouted);
});

test('what can be no source is refused', async () => {
  const rig = await BrokerRig.open();
  const { namespace } = rig;
  rig.queue('a');
  namespace.createTopic('t', TOPIC);
  rig.queue('shared', { source: 't' });
  const refused = (code: string, name: BindingName): void =>
    assert.throws(() => namespace.connect(name), { code });
  refused('invalid-argument', binding(queue('a'), queue('a')));
  refused('invalid-argument', binding(topic('t'), topic('t')));
  refused('unsupported', binding(queue('shared'), queue('a')));
  refused('access-refused', binding(exchange(''), queue('a')));
  refused('not-found', binding(queue('t'), queue('a')));
  refused('not-found', binding(topic('a'), queue('a')));
});

test('bindings of queues, and their keys, survive a restart; they go with either end', async () => {
  const rig = await BrokerRig.open();
  for (const name of ['a', 'b', 'c']) rig.queue(name, { durable: true });
  rig.queue('gone');
  rig.namespace.connect(binding(queue('a'), queue('b'), { as: 'k' }));
  rig.namespace.connect(binding(queue('a'), queue('gone')));
  rig.namespace.connect(binding(queue('c'), queue('b')));
  await rig.restart();
  const { namespace } = rig;
  assert.equal(namespace.binder.table.size, 2);
  const message = addressed('1', 'e', 'x');
  message.durable = true;
  namespace.queue('a', null).publish(message);
  assert.deepEqual(await drain(rig, namespace.queue('b', null)), ['1 a/k']);
  const all = { ifUnused: false, ifEmpty: false, owner: null };
  namespace.deleteQueue('c', all);
  assert.equal(namespace.binder.table.size, 1);
  namespace.deleteQueue('b', all);
  assert.equal(namespace.queue('a', null).feed, null);
  await rig.restart();
  assert.equal(rig.namespace.binder.table.size, 0);
});
