import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BrokerRig, textMessage } from '#test/rigs/broker-rig.ts';
import type { Arguments, Binding } from './binding.ts';
import type { Header } from '../message/envelope.ts';
import { BrokerError } from '../errors.ts';
import { headersTest, makeMatcher } from './exchange-kinds.ts';
import { Outcome } from '../message/message.ts';
import { encodeHeaders } from '../message/neutral-headers.ts';
import { AMQP_SYNTAX } from './subject-trie.ts';

function binding(args: Arguments): Binding {
  return {
    source: 'e',
    sourceKind: 'exchange',
    destination: { kind: 'queue', name: 'q' },
    routingKey: '',
    arguments: args,
    syntax: AMQP_SYNTAX,
    as: null,
    durable: false,
    exchange: null,
    target: null,
    key: '',
  };
}

function matches(args: Arguments, headers: Header[]): boolean {
  const matcher = makeMatcher('headers');
  matcher.add(binding(args));
  const found: Binding[] = [];
  matcher.match('', headers, found);
  return found.length === 1;
}

function headers(table: Arguments): Header[] {
  return Object.entries(table).map(([name, value]) => ({ name, value }));
}

test('headers: all of them, or any', () => {
  const both = { a: 1, b: 'x' };
  assert.equal(matches({ 'x-match': 'all', ...both }, headers(both)), true);
  assert.equal(matches(both, headers(both)), true, 'all is the default');
  assert.equal(matches({ 'x-match': 'all', ...both }, headers({ a: 1 })), false);
  assert.equal(matches({ 'x-match': 'any', ...both }, headers({ a: 1 })), true);
  assert.equal(matches({ 'x-match': 'any', ...both }, headers({ a: 2, c: 1 })), false);
  assert.equal(matches({ 'x-match': 'all' }, headers({ a: 2 })), true, 'all of nothing');
  assert.equal(matches({ 'x-match': 'any' }, headers({ a: 2 })), false, 'any of nothing');
});

test('headers: values are compared by kind and value; null asks for presence', () => {
  assert.equal(matches({ a: 1 }, headers({ a: 1n })), true);
  assert.equal(matches({ a: 1 }, headers({ a: '1' })), false);
  assert.equal(matches({ a: true }, headers({ a: 1 })), false);
  assert.equal(matches({ a: null }, headers({ a: 'anything' })), true);
  assert.equal(matches({ a: null }, headers({ a: null })), true);
  assert.equal(matches({ a: null }, headers({ b: 1 })), false);
  assert.equal(matches({ a: new Date(5) }, headers({ a: new Date(5) })), true);
  assert.equal(matches({ a: { b: [1, 2] } }, headers({ a: { b: [1, 2] } })), true);
  assert.equal(matches({ a: { b: [1, 2] } }, headers({ a: { b: [2, 1] } })), false);
  assert.equal(matches({ a: Uint8Array.of(1) }, headers({ a: Buffer.of(1) })), true);
});

test('headers: names that begin with x- count only for the -with-x forms', () => {
  const args = { 'x-a': 1, b: 2 };
  assert.equal(matches({ 'x-match': 'all', ...args }, headers({ b: 2 })), true);
  assert.equal(matches({ 'x-match': 'all-with-x', ...args }, headers({ b: 2 })), false);
  assert.equal(matches({ 'x-match': 'all-with-x', ...args }, headers(args)), true);
  assert.equal(matches({ 'x-match': 'any', 'x-a': 1 }, headers({ 'x-a': 1 })), false);
  assert.equal(matches({ 'x-match': 'any-with-x', 'x-a': 1 }, headers({ 'x-a': 1 })), true);
});

test('headers: an unknown x-match is refused', () => {
  for (const match of ['some', 1, '']) {
    assert.throws(
      () => headersTest({ 'x-match': match }),
      (error: unknown) =>
        error instanceof BrokerError &&
        error.code === 'invalid-argument' &&
        error.message.startsWith('Invalid x-match field value'),
    );
  }
});

test('a headers exchange in reach makes the route per message', async () => {
  const rig = await BrokerRig.open();
  const queue = rig.queue('q');
  rig.namespace.bind('amq.fanout', { kind: 'exchange', name: 'amq.headers' }, '', {});
  rig.namespace.bind('amq.headers', { kind: 'queue', name: 'q' }, '', { color: 'red' });
  const route = rig.namespace.resolve('amq.fanout', 'k');
  assert.equal(route?.cacheable, false);
  const message = textMessage('x');
  for (const [color, outcome] of [
    ['red', Outcome.Routed],
    ['blue', Outcome.Unrouted],
    ['red', Outcome.Routed],
  ] as const) {
    message.headers = encodeHeaders([{ name: 'color', value: color }]);
    message.headerCount = 1;
    message.headersEnd = message.headers.length;
    assert.equal(rig.publish('amq.fanout', 'k', message), outcome);
  }
  assert.equal(queue.readyCount, 2);
});

test('the alternate of a headers exchange is asked per message too', async () => {
  const rig = await BrokerRig.open();
  const rest = rig.queue('rest');
  rig.queue('hit');
  rig.exchange('h', { kind: 'headers', alternateExchange: 'amq.fanout' });
  rig.namespace.bind('amq.fanout', { kind: 'queue', name: 'rest' }, '', {});
  rig.namespace.bind('h', { kind: 'queue', name: 'hit' }, '', { 'x-match': 'any', a: 1 });
  assert.equal(rig.publish('h', 'k', textMessage('x')), Outcome.Routed);
  assert.equal(rest.readyCount, 1);
});
