import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { BrokerRig, bodyText, textMessage } from '#test/rigs/broker-rig.ts';
import type { LiveSubscriber } from './live-subscriber.ts';
import { Message, Outcome } from '../message/message.ts';
import { encodeHeaders, readdressNeutral } from '../message/neutral-headers.ts';
import type { Queue } from '../queue/queue.ts';

const DELAYED = { kind: 'direct', delayed: true, durable: true } as const;

function delayed(body: string, delayMs: number | string | null, key = 'k'): Message {
  const message = textMessage(body);
  if (delayMs !== null) {
    message.headers = new Uint8Array(encodeHeaders([{ name: 'x-delay', value: delayMs }]));
    message.headerCount = 1;
    message.headersEnd = message.headers.length;
  }
  readdressNeutral(message, 'e', key);
  return message;
}

async function opened(): Promise<{ rig: BrokerRig; queue: Queue }> {
  const rig = await BrokerRig.open();
  rig.exchange('e', DELAYED);
  const queue = rig.queue('q', { durable: true });
  rig.namespace.bind('e', { kind: 'queue', name: 'q' }, 'k', {});
  return { rig, queue };
}

/** Moves the clock and lets what is due come through. */
async function later(rig: BrokerRig, ms: number): Promise<void> {
  rig.ports.nowMs += ms;
  rig.broker.tick(rig.ports.nowMs);
  for (let turn = 0; turn < 4; turn++) await nextTurn();
  await rig.broker.committed();
}

async function drain(rig: BrokerRig, queue: Queue): Promise<string[]> {
  const found: string[] = [];
  const message = new Message();
  for (;;) {
    const lease = await queue.get(message, rig);
    if (lease === null) return found;
    found.push(`${bodyText(message)} ${rig.broker.envelopes.decode(message).delayMs}`);
    queue.accept(lease.offset);
  }
}

test('messages come at their time, in order of their times, their delays negated', async () => {
  const { rig, queue } = await opened();
  const outcomes = [500, 100, 300, 100].map((ms, i) => rig.publish('e', 'k', delayed(`${i}`, ms)));
  assert.ok(outcomes.every((it) => it === (Outcome.Routed | Outcome.AwaitCommit)));
  assert.equal(rig.namespace.delays.size, 4);
  await later(rig, 99);
  assert.deepEqual(await drain(rig, queue), []);
  await later(rig, 1);
  assert.deepEqual(await drain(rig, queue), ['1 -100', '3 -100']);
  await later(rig, 1000);
  assert.deepEqual(await drain(rig, queue), ['2 -300', '0 -500']);
  assert.equal(rig.namespace.delays.size, 0);
  assert.equal(rig.broker.queueCount, 1, 'where they waited is no queue of anybody');
});

test('no delay, zero, one that is over: at once; text counts when it is a number', async () => {
  const { rig, queue } = await opened();
  for (const ms of [null, 0, -5, 'soon']) rig.publish('e', 'k', delayed(String(ms), ms));
  assert.deepEqual(await drain(rig, queue), ['null null', '0 0', '-5 -5', 'soon null']);
  assert.equal(rig.publish('e', 'other', delayed('x', 0)), Outcome.Unrouted);
  rig.publish('e', 'k', delayed('text', '20'));
  assert.deepEqual(await drain(rig, queue), []);
  await later(rig, 20);
  assert.deepEqual(await drain(rig, queue), ['text -20']);
});

test('bindings of their time decide, and the alternate exchange; nobody is told of none', async () => {
  const { rig, queue } = await opened();
  rig.exchange('rest', { kind: 'fanout' });
  rig.exchange('topics', { kind: 'topic', delayed: true, alternateExchange: 'rest' });
  const rest = rig.queue('rest');
  rig.namespace.bind('rest', { kind: 'queue', name: 'rest' }, '', {});
  assert.equal(rig.publish('topics', 'a.b', delayed('1', 10, 'a.b')), Outcome.Routed);
  assert.deepEqual(await drain(rig, rest), [], 'a delayed message has somewhere to go');
  rig.publish('topics', 'a.b', delayed('2', 30, 'a.b'));
  await later(rig, 10);
  rig.namespace.bind('topics', { kind: 'queue', name: 'q' }, 'a.#', {});
  await later(rig, 20);
  assert.deepEqual(await drain(rig, rest), ['1 -10']);
  assert.deepEqual(await drain(rig, queue), ['2 -30']);
  rig.publish('e', 'nowhere', delayed('3', 10, 'nowhere'));
  await later(rig, 10);
  assert.equal(rig.broker.metrics.delayedUnrouted, 1);
});

test('an exchange on the way delays too, and what a live subscriber hears comes late', async () => {
  const { rig, queue } = await opened();
  const heard: string[] = [];
  const live: LiveSubscriber = {
    live: true,
    name: '',
    publish(message) {
      heard.push(bodyText(message));
      return Outcome.Routed;
    },
  };
  rig.namespace.bind('amq.fanout', { kind: 'exchange', name: 'e' }, '', {});
  rig.namespace.bind('amq.fanout', { kind: 'queue', name: 'q' }, '', {});
  rig.namespace.subscribe('e', 'k', live);
  rig.publish('amq.fanout', 'k', delayed('1', 10));
  rig.publish('amq.fanout', 'k', delayed('2', null));
  assert.deepEqual(await drain(rig, queue), ['1 10', '2 null'], 'each queue once');
  assert.deepEqual(heard, ['2']);
  await later(rig, 10);
  assert.deepEqual(await drain(rig, queue), ['1 -10']);
  assert.deepEqual(heard, ['2', '1']);
});

test('survives a restart, with what became due meanwhile in the order of its times', async () => {
  const { rig } = await opened();
  for (const ms of [5000, 1000, 3000, 2000, 90_000]) rig.publish('e', 'k', delayed(`${ms}`, ms));
  await rig.broker.committed();
  rig.ports.nowMs += 60_000;
  await rig.restart();
  const queue = rig.namespace.queue('q', null);
  await later(rig, 0);
  const due = ['1000 -1000', '2000 -2000', '3000 -3000', '5000 -5000'];
  assert.deepEqual(await drain(rig, queue), due);
  await rig.broker.committed();
  await rig.restart();
  await later(rig, 0);
  assert.deepEqual(await drain(rig, rig.namespace.queue('q', null)), [], 'none comes twice');
  await later(rig, 30_000);
  assert.deepEqual(await drain(rig, rig.namespace.queue('q', null)), ['90000 -90000']);
});

test('what waits goes with its exchange, and leaves nothing behind', async () => {
  const { rig, queue } = await opened();
  rig.publish('e', 'k', delayed('1', 10));
  await rig.broker.committed();
  rig.namespace.deleteExchange('e', { ifUnused: false });
  rig.exchange('e', DELAYED);
  rig.namespace.bind('e', { kind: 'queue', name: 'q' }, 'k', {});
  await later(rig, 100);
  assert.deepEqual(await drain(rig, queue), []);
  assert.equal((await rig.store.list('queues/')).length, 2);
  rig.namespace.deleteExchange('e', { ifUnused: false });
  await rig.restart();
  assert.equal((await rig.store.list('queues/')).length, 1);
  rig.exchange('e', { ...DELAYED, durable: false });
  rig.publish('e', 'k', delayed('1', 10));
  await rig.restart();
  assert.equal(rig.namespace.exchanges.has('e'), false);
  assert.equal((await rig.store.list('queues/')).length, 1);
});

test('time to live begins when a message comes to its queue', async () => {
  const { rig } = await opened();
  const short = rig.queue('short', { ttlMs: 50 });
  rig.namespace.bind('e', { kind: 'queue', name: 'short' }, 'k', {});
  rig.publish('e', 'k', delayed('1', 1000));
  await later(rig, 1000);
  assert.equal(short.readyCount, 1);
  await later(rig, 50);
  assert.equal(short.readyCount, 0);
});

test('an exchange that delays is no other exchange', async () => {
  const { rig } = await opened();
  rig.exchange('e', DELAYED);
  const refused = (options: object): void =>
    assert.throws(() => rig.exchange('e', options), { code: 'inequivalent' });
  refused({ ...DELAYED, delayed: false });
  refused({ ...DELAYED, kind: 'topic' });
});

test('many that are due at once come a portion per turn, also those that a restart finds due', async () => {
  const { rig } = await opened();
  const count = 20_000;
  const delays = Array.from({ length: count }, (_, i) => 1000 + ((i * 7919) % 30_011));
  for (const ms of delays) rig.publish('e', 'k', delayed('x', ms));
  await rig.broker.committed();
  rig.ports.nowMs += 2000;
  const inTime = delays.filter((ms) => ms <= 2000).length;
  await ready(rig, inTime);
  // What was routed is kept, and then that it waits no longer.
  await rig.broker.committed();
  rig.ports.nowMs += 60_000;
  await rig.restart();
  await ready(rig, count);
  const lines = (await drain(rig, rig.namespace.queue('q', null))).slice(inTime);
  const came = lines.map((line) => -Number(line.split(' ')[1]));
  const inOrder = delays.filter((ms) => ms > 2000).toSorted((a, b) => a - b);
  assert.deepEqual(came, inOrder);
  await rig.broker.committed();
  await nextTurn();
  assert.equal(rig.namespace.delays.size, 0);
});

/** Turns until so many are in the queue, and never all at once. */
async function ready(rig: BrokerRig, count: number): Promise<void> {
  const queue = rig.namespace.queue('q', null);
  for (let turn = 0; queue.readyCount < count; turn++) {
    assert.ok(turn < 1000, `${queue.readyCount} after ${turn} turns`);
    const before = queue.readyCount;
    rig.broker.tick(rig.ports.nowMs);
    await nextTurn();
    assert.ok(queue.readyCount - before < 2000, `${queue.readyCount - before} in a turn`);
  }
  assert.equal(queue.readyCount, count);
}
