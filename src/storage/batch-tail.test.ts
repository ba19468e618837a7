import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { makeBatch } from '#test/contracts/batches.ts';
import { Batch, writeInt64 } from '#core/message/batch.ts';
import { BlockPool } from '#wire/block-pool.ts';
import { BatchTail } from './batch-tail.ts';

const MIB = 1024 * 1024;
/** One record each: the offset is the chunk's number. */
const CHUNK = makeBatch({ value: Buffer.alloc(16_000, 7) });

function lend(tail: BatchTail, count: number): void {
  for (let i = 0; i < count; i++) {
    const bytes = tail.keep(CHUNK);
    writeInt64(bytes, 0, tail.endOffset);
    tail.push(tail.endOffset, tail.endOffset + 1, bytes);
  }
}

function offsets(parts: readonly Uint8Array[]): number[] {
  const found: number[] = [];
  for (const part of parts) {
    for (let at = 0; at < part.length; at += Batch.sizeBytes(part, at)) {
      assert.equal(Buffer.compare(part.subarray(at + 8, at + CHUNK.length), CHUNK.subarray(8)), 0);
      found.push(Batch.baseOffset(part, at));
    }
  }
  return found;
}

describe('what is lent to a tail', () => {
  test('is used again: a busy log that drops as much as it gets needs no new memory', () => {
    const pool = new BlockPool(8 * MIB);
    const tail = new BatchTail(0, pool);
    const seen = new Set<ArrayBufferLike>();
    for (let i = 0; i < 1000; i++) {
      lend(tail, 1);
      if (i >= 500) seen.add(tail.values().next().value!.buffer);
      while (tail.bytes > 4 * MIB) tail.dropFirst();
      if (i % 50 === 0) {
        const first = tail.firstOffset;
        const wanted = Array.from({ length: tail.endOffset - first }, (_, n) => first + n);
        assert.deepEqual(offsets(tail.read(first, Infinity, Infinity)), wanted);
      }
    }
    assert.ok(seen.size <= 8, `${seen.size} slabs`);
    assert.equal(tail.bytes <= 4 * MIB, true);
  });

  test('readers keep what they read, whatever comes after', () => {
    const tail = new BatchTail(0, new BlockPool(8 * MIB));
    lend(tail, 100);
    const before = tail.read(20, 10 * CHUNK.length, 100);
    for (let i = 0; i < 20; i++) {
      while (tail.bytes > MIB) tail.dropFirst();
      lend(tail, 50);
    }
    assert.deepEqual(offsets(before), [20, 21, 22, 23, 24, 25, 26, 27, 28, 29]);
  });

  test('a reader with a lease reads into its block', () => {
    const pool = new BlockPool(8 * MIB);
    const tail = new BatchTail(0, pool);
    lend(tail, 100);
    const lease = pool.lease();
    const parts = tail.read(90, Infinity, 95, lease);
    assert.equal(parts.length, 1);
    assert.deepEqual(offsets(parts), [90, 91, 92, 93, 94]);
    const free = pool.freeBytes;
    lease.release();
    assert.ok(pool.freeBytes > free);
    assert.deepEqual(tail.read(100, Infinity, 100, lease), []);
  });

  test('a quiet log holds no slab, and what is given is handed out as it is', () => {
    const pool = new BlockPool(8 * MIB);
    const tail = new BatchTail(0, pool);
    lend(tail, 1);
    assert.equal(tail.values().next().value!.buffer.byteLength, CHUNK.length);
    const given = CHUNK.slice();
    writeInt64(given, 0, 1);
    tail.push(1, 2, given);
    assert.equal(tail.read(1, Infinity, 2)[0], given);
  });

  test('forgetting gives nothing back: the writer may be at it', () => {
    const pool = new BlockPool(8 * MIB);
    const tail = new BatchTail(0, pool);
    lend(tail, 200);
    const free = pool.freeBytes;
    tail.forget();
    assert.equal(pool.freeBytes, free);
    assert.equal(tail.firstChunkEnd, -1);
    assert.equal(tail.firstOffset, 200);
  });
});
