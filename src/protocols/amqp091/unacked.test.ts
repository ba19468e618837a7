import { test } from 'node:test';
import assert from 'node:assert/strict';
import { SeededRandom } from '#test/rigs/seeded-random.ts';
import { Unacked } from './unacked.ts';

interface Holder {
  name: string;
}
const holder: Holder = { name: 'h' };

function taken(unacked: Unacked<Holder>, tag: number): number[] {
  const offsets: number[] = [];
  unacked.takeUpTo(tag, (_holder, offset) => offsets.push(offset));
  return offsets;
}

test('tags rise by one, no-ack deliveries included', () => {
  const unacked = new Unacked<Holder>();
  assert.equal(unacked.add(holder, 10), 1);
  assert.equal(unacked.skip(), 2);
  assert.equal(unacked.add(holder, 11), 3);
  assert.equal(unacked.has(2), false);
  assert.deepEqual(taken(unacked, Infinity), [10, 11]);
  assert.equal(unacked.count, 0);
});

test('one that is never settled does not make the ring grow', () => {
  const unacked = new Unacked<Holder>();
  const old = unacked.add(holder, -1);
  for (let n = 0; n < 100_000; n++) {
    const tag = unacked.add(holder, n);
    assert.equal(
      unacked.takeOne(tag, () => {}),
      true,
    );
  }
  assert.equal(unacked.count, 1);
  assert.equal(unacked.has(old), true);
  assert.deepEqual(taken(unacked, old), [-1]);
});

test('as a plain map would do it', () => {
  for (let seed = 1; seed <= 50; seed++) {
    const random = new SeededRandom(seed);
    const unacked = new Unacked<Holder>();
    const model = new Map<number, number>();
    for (let step = 0; step < 2000; step++) {
      const kind = random.below(10);
      if (kind < 6) model.set(unacked.add(holder, step), step);
      else if (kind === 6) unacked.skip();
      else if (kind < 9) {
        const tags = [...model.keys()];
        // Mostly young ones, so that stragglers come about.
        const tag = tags[tags.length - 1 - random.below(Math.min(tags.length, 5))] ?? step + 5000;
        const found: number[] = [];
        assert.equal(
          unacked.takeOne(tag, (_h, offset) => found.push(offset)),
          model.has(tag),
        );
        assert.deepEqual(found, model.has(tag) ? [model.get(tag)] : []);
        model.delete(tag);
      } else if (random.below(20) === 0 && model.size > 0) {
        const tag = [...model.keys()][random.below(model.size)]!;
        const expected = [...model].filter(([each]) => each <= tag);
        assert.deepEqual(
          taken(unacked, tag),
          expected.map(([, offset]) => offset),
          `seed ${seed}`,
        );
        for (const [each] of expected) model.delete(each);
      }
      assert.equal(unacked.count, model.size);
    }
  }
});
