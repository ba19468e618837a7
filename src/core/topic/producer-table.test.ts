import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BrokerError } from '../errors.ts';
import { BATCHES_KEPT, ProducerTable, sequenceAfter } from './producer-table.ts';

const SEQUENCE_MAX = 2 ** 31 - 1;

/** `count` batches of two records each, from sequence 0 and offset 0. */
function filled(count: number, id = 1): ProducerTable {
  const table = new ProducerTable();
  for (let i = 0; i < count; i++) table.update(id, 0, i * 2, 1, i * 2 + 1, 1000 + i);
  return table;
}

function throwsCode(code: string, action: () => void): void {
  assert.throws(action, (error) => error instanceof BrokerError && error.code === code);
}

test('an unknown producer may begin anywhere, a known one goes on where it was', () => {
  const table = filled(3);
  assert.equal(table.check(2, 0, 77, 0), null);
  assert.equal(table.check(1, 0, 6, 3), null);
  throwsCode('out-of-order-sequence', () => table.check(1, 0, 7, 0));
  throwsCode('out-of-order-sequence', () => table.check(1, 0, 8, 1));
});

test('the last five batches are recognised, with their own offsets', () => {
  const table = filled(9);
  for (let i = 9 - BATCHES_KEPT; i < 9; i++) {
    const batch = table.check(1, 0, i * 2, 1);
    assert.equal(batch?.lastOffset, i * 2 + 1);
    assert.equal(batch?.timestampMs, 1000 + i);
  }
  throwsCode('out-of-order-sequence', () => table.check(1, 0, (8 - BATCHES_KEPT) * 2, 1));
});

test('a part of a known batch is not a duplicate of it', () => {
  throwsCode('out-of-order-sequence', () => filled(3).check(1, 0, 4, 0));
});

test('a new epoch begins at 0 and forgets the old one, which is stale from then on', () => {
  const table = filled(3);
  throwsCode('out-of-order-sequence', () => table.check(1, 1, 6, 0));
  assert.equal(table.check(1, 1, 0, 0), null);
  table.update(1, 1, 0, 0, 6, 2000);
  throwsCode('stale-producer-epoch', () => table.check(1, 0, 6, 0));
  assert.equal(table.check(1, 1, 0, 0)?.lastOffset, 6);
  assert.equal(table.get(1)?.batches.length, 1);
});

test('sequences wrap from 2^31 − 1 to 0', () => {
  assert.equal(sequenceAfter(SEQUENCE_MAX, 1), 0);
  assert.equal(sequenceAfter(SEQUENCE_MAX - 1, 3), 1);
  const table = new ProducerTable();
  table.update(1, 0, SEQUENCE_MAX - 1, 3, 9, 0);
  assert.equal(table.check(1, 0, 2, 0), null);
  assert.equal(table.check(1, 0, SEQUENCE_MAX - 1, 3)?.lastOffset, 9);
});

test('producers that were idle too long are forgotten', () => {
  const table = filled(2);
  table.update(5, 0, 0, 0, 4, 9000);
  table.expire(10_000, 5000);
  assert.equal(table.get(1), undefined);
  assert.equal(table.size, 1);
});

test('a snapshot keeps everything', () => {
  const table = filled(9);
  table.update(2 ** 40, 7, SEQUENCE_MAX, 0, 2 ** 45, 1_700_000_000_000);
  const again = ProducerTable.decode(table.encode())!;
  assert.deepEqual([...again.values()], [...table.values()]);
  assert.equal(ProducerTable.decode(new ProducerTable().encode())?.size, 0);
});

test('the bytes are those that Kafka writes', () => {
  const table = new ProducerTable();
  table.update(4000, 3, 10, 4, 1234, 1_700_000_000_000);
  // version | crc | count | id | epoch | last sequence | last offset | delta | timestamp | none
  assert.equal(
    Buffer.from(table.encode()).toString('hex'),
    '0001' +
      Buffer.from(table.encode()).toString('hex', 2, 6) +
      '00000001' +
      '0000000000000fa0' +
      '0003' +
      '0000000e' +
      '00000000000004d2' +
      '00000004' +
      '0000018bcfe56800' +
      'ffffffff' +
      'ffffffffffffffff',
  );
});

test('a snapshot with any flipped byte, or cut anywhere, is not one', () => {
  const bytes = filled(4).encode();
  for (let i = 0; i < bytes.length; i++) {
    const broken = bytes.slice();
    broken[i]! ^= 4;
    assert.equal(ProducerTable.decode(broken), null, `byte ${i}`);
    assert.equal(ProducerTable.decode(bytes.slice(0, i)), null, `length ${i}`);
  }
});
