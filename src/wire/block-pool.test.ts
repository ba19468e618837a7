import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { BlockPool } from './block-pool.ts';

const MIB = 1024 * 1024;
const SLACK = 16 * 1024;

describe('block pool', () => {
  test('gives a released block again, for any wish of its size', () => {
    const pool = new BlockPool(8 * MIB);
    const lease = pool.lease();
    const first = lease.take(MIB + SLACK);
    assert.equal(first.length, MIB + SLACK);
    assert.notEqual(lease.take(MIB), first, 'not while it is out');
    assert.equal(pool.freeBytes, 0);
    lease.release();
    assert.equal(pool.freeBytes, 2 * (MIB + SLACK));
    const again = [pool.take(600 * 1024), pool.take(MIB + SLACK)];
    assert.ok(again.includes(first));
    assert.equal(pool.freeBytes, 0);
  });

  test('a lease released twice gives its blocks once', () => {
    const pool = new BlockPool(8 * MIB);
    const lease = pool.lease();
    lease.take(MIB);
    lease.release();
    lease.release();
    assert.equal(pool.freeBytes, MIB + SLACK);
    assert.notEqual(pool.take(MIB), pool.take(MIB));
  });

  test('sizes: what is given is large enough, and small or huge blocks are not kept', () => {
    const pool = new BlockPool(64 * MIB);
    for (const bytes of [1, 2000, 4095, 4096, 16_500, 81_920, MIB - 1, MIB + SLACK + 1, 5 * MIB]) {
      const lease = pool.lease();
      const block = lease.take(bytes);
      assert.ok(block.length >= bytes, `${bytes}`);
      assert.ok(block.length <= 2 * bytes + SLACK, `${bytes}`);
      const before = pool.freeBytes;
      lease.release();
      const kept = bytes >= 4095 && bytes <= 4 * MIB;
      assert.equal(pool.freeBytes - before, kept ? block.length : 0, `${bytes}`);
      if (kept) assert.equal(pool.take(bytes), block);
    }
  });

  test('keeps no more free than it may', () => {
    const pool = new BlockPool(3 * MIB);
    const lease = pool.lease();
    for (let i = 0; i < 10; i++) lease.take(MIB);
    lease.release();
    assert.equal(pool.freeBytes, 2 * (MIB + SLACK));
  });
});
