import assert from 'node:assert/strict';
import { test } from 'node:test';
import { AckWriter, readAcks } from './ack-codec.ts';
import { OffsetHeap } from './offset-heap.ts';
import { OffsetSet } from './offset-set.ts';

function randomFrom(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0;
    return (state >>> 8) % below;
  };
}

test('random ranges agree with a set of numbers, also as ranges', () => {
  const random = randomFrom(3);
  const end = 300_000;
  const set = new OffsetSet();
  const model = new Uint8Array(end);
  for (let round = 0; round < 600; round++) {
    const from = round === 300 ? 0 : random(end);
    const to = Math.min(end, from + (random(4) === 0 ? random(90_000) : random(300)));
    set.add(from, to);
    model.fill(1, from, to);
    if (round % 100 !== 99) continue;
    const fromRanges = new Uint8Array(end);
    let last = -1;
    set.forEachRange(1000, end - 1000, (start, stop) => {
      assert.ok(start > last && stop > start);
      last = stop;
      fromRanges.fill(1, start, stop);
    });
    for (let offset = 0; offset < end; offset++) {
      if (set.has(offset) !== (model[offset] === 1)) assert.fail(`offset ${offset}`);
    }
    assert.deepEqual(fromRanges.subarray(1000, end - 1000), model.subarray(1000, end - 1000));
    assert.ok(model.subarray(0, set.floor).every((bit) => bit === 1));
  }
  assert.ok(set.floor > 0);
});

test('a billion settled behind one that is not costs next to nothing', () => {
  const set = new OffsetSet();
  set.add(1, 1_000_000_000);
  assert.equal(set.has(0), false);
  assert.equal(set.has(999_999_999), true);
  assert.equal(set.has(1_000_000_000), false);
  set.add(0, 1);
  assert.equal(set.floor, 1_000_000_000);
});

test('the offset heap gives back the smallest first', () => {
  const random = randomFrom(9);
  const heap = new OffsetHeap();
  const model: number[] = [];
  for (let round = 0; round < 5000; round++) {
    if (random(3) > 0) {
      const offset = random(1_000_000);
      heap.push(offset);
      model.push(offset);
    } else {
      model.sort((a, b) => a - b);
      assert.equal(heap.least, model[0] ?? -1);
      assert.equal(heap.pop(), model.shift() ?? -1);
    }
    assert.equal(heap.size, model.length);
  }
});

test('acknowledgement entries go through their record', () => {
  const writer = new AckWriter();
  const ranges = [100, 200, 5, 6, 2 ** 40, 2 ** 40 + 3];
  const returns = [7, 1, 3, 200];
  writer.snapshot();
  writer.settled(9, ranges);
  writer.returned(1e9, returns);
  writer.forgotten(3);
  const seen: unknown[] = [];
  readAcks(writer.bytes, 0, writer.length, {
    snapshot: () => seen.push('snapshot'),
    settled: (...all) => seen.push(all),
    returned: (...all) => seen.push(all),
    forgotten: (id) => seen.push(id),
  });
  assert.deepEqual(seen, [
    'snapshot',
    [9, 100, 200],
    [9, 5, 6],
    [9, 2 ** 40, 2 ** 40 + 3],
    [1e9, 7, 1],
    [1e9, 3, 200],
    3,
  ]);
  const nobody = {
    snapshot: () => {},
    settled: () => {},
    returned: () => {},
    forgotten: () => {},
  };
  assert.throws(() => readAcks(Uint8Array.of(9, 1), 0, 2, nobody), RangeError);
  assert.throws(() => readAcks(writer.bytes, 0, writer.length - 1, nobody), RangeError);
});
