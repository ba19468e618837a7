import assert from 'node:assert/strict';
import { test } from 'node:test';
import { hashesPort } from '#server/hashes.ts';
import { MessageIds, sequenceNumber } from './message-ids.ts';
import { ReceiptHandles } from './receipt-handle.ts';

const OFFSETS = [0, 1, 31, 2 ** 31, 2 ** 32 - 1, 2 ** 32, 2 ** 40 + 7, Number.MAX_SAFE_INTEGER];

test('a handle is read as it was written, for any offset', () => {
  const handles = new ReceiptHandles(hashesPort, 'cluster', 3);
  for (const offset of OFFSETS) {
    const handle = handles.write(7, offset, 2, 1_700_000_000_123);
    assert.match(handle, /^[A-Za-z0-9_-]{36}$/);
    const receipt = handles.read(handle, 7);
    assert.deepEqual(Object.fromEntries(Object.entries(receipt)), {
      queueId: 7,
      offset,
      epoch: 3,
      receiveNumber: 2,
      receivedAtMs: 1_700_000_000_123,
    });
    assert.ok(handles.isCurrent(receipt, 2));
    assert.ok(!handles.isCurrent(receipt, 3));
    assert.ok(!handles.isFromBefore(receipt));
  }
});

test('every character counts', () => {
  const handles = new ReceiptHandles(hashesPort, 'cluster', 1);
  const handle = handles.write(1, 12_345, 1, 1_700_000_000_000);
  const digits = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';
  for (let at = 0; at < handle.length; at++) {
    const other = digits[(digits.indexOf(handle[at]!) + 1) % digits.length]!;
    const forged = handle.slice(0, at) + other + handle.slice(at + 1);
    assert.throws(() => handles.read(forged, 1), { shape: 'ReceiptHandleIsInvalid' }, forged);
  }
  const elsewhere = new ReceiptHandles(hashesPort, 'another cluster', 1);
  assert.throws(() => elsewhere.read(handle, 1), { shape: 'ReceiptHandleIsInvalid' });
});

test('handles survive a restart, and are told from those after it', () => {
  const handle = new ReceiptHandles(hashesPort, 'cluster', 1).write(1, 5, 1, 0);
  const after = new ReceiptHandles(hashesPort, 'cluster', 2);
  const receipt = after.read(handle, 1);
  assert.equal(receipt.offset, 5);
  assert.ok(after.isFromBefore(receipt));
  assert.ok(!after.isCurrent(receipt, 1));
});

test('message ids: UUIDs of version 4, different for every offset and queue, always the same', () => {
  const seen = new Set<string>();
  for (let queue = 0; queue < 20; queue++) {
    const ids = new MessageIds(hashesPort, 'cluster', queue);
    for (const offset of [...OFFSETS, ...Array.from({ length: 1000 }, (_, i) => i + 100)]) {
      const id = ids.messageId(offset);
      assert.match(id, /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
      assert.ok(!seen.has(id));
      seen.add(id);
    }
    const again = new MessageIds(hashesPort, 'cluster', queue);
    assert.equal(again.messageId(2 ** 40 + 7), ids.messageId(2 ** 40 + 7));
    assert.equal(again.messageId(1), ids.messageId(1));
  }
});

test('sequence numbers have twenty digits and sort as texts', () => {
  const numbers = OFFSETS.map(sequenceNumber);
  for (const number of numbers) assert.match(number, /^\d{20}$/);
  assert.deepEqual(numbers.toSorted(), numbers);
});
