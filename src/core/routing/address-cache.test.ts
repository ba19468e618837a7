import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BrokerRig } from '#test/rigs/broker-rig.ts';
import { AddressCache } from './address-cache.ts';

const READER = {
  exchange: (): string => 'amq.topic',
  routingKey: (bytes: Uint8Array, start: number, end: number): string =>
    Buffer.from(bytes.subarray(start, end)).toString(),
};

test('an address is remembered from the second time on, until its route changes', async () => {
  const { namespace } = await BrokerRig.open();
  const cache = new AddressCache(namespace, READER, 8);
  const lookup = (text: string) => {
    const bytes = Buffer.from(`<${text}>`);
    return cache.lookup(bytes, 1, bytes.length - 1);
  };
  const once = lookup('a.b');
  assert.equal(once.isCurrent, false);
  assert.equal(once.routingKey, 'a.b');
  const known = lookup('a.b');
  assert.equal(known.isCurrent, true);
  assert.equal(lookup('a.b'), known);
  assert.notEqual(lookup('a.c'), known);
  namespace.bind('amq.topic', { kind: 'exchange', name: 'amq.fanout' }, 'a.b', {});
  assert.equal(known.isCurrent, false);
  assert.notEqual(lookup('a.b'), known);
  assert.equal(lookup('a.b').route?.routingKey, 'a.b');
});

test('addresses that hash alike do not take each other for themselves', async () => {
  const { namespace } = await BrokerRig.open();
  const cache = new AddressCache(namespace, READER, 2);
  for (let round = 0; round < 3; round++) {
    for (let i = 0; i < 200; i++) {
      const bytes = Buffer.from(`key.${i}`);
      assert.equal(cache.lookup(bytes, 0, bytes.length).routingKey, `key.${i}`);
    }
  }
});
