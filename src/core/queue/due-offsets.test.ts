import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SeededRandom } from '#test/rigs/seeded-random.ts';
import { QueueRig } from '#test/rigs/queue-rig.ts';
import { DueOffsets } from './due-offsets.ts';

async function rigged(): Promise<{ rig: QueueRig; due: DueOffsets; fired: number[] }> {
  const rig = await QueueRig.open();
  const fired: number[] = [];
  const due = new DueOffsets(rig.schedule, rig.ports, (offsets) => fired.push(...offsets));
  return { rig, due, fired };
}

test('offsets come in order of time, equal times in order of offset', async () => {
  const { rig, due, fired } = await rigged();
  const { nowMs } = rig;
  due.set(7, nowMs + 20);
  due.set(9, nowMs + 10);
  due.set(3, nowMs + 20);
  due.set(5e12, nowMs + 10);
  assert.equal(due.timeOf(5e12), nowMs + 10);
  assert.equal(due.timeOf(5e11), 0);
  rig.pass(9);
  assert.deepEqual(fired, []);
  rig.pass(1);
  assert.deepEqual(fired, [9, 5e12]);
  due.set(7, nowMs + 15);
  due.set(3, nowMs + 100);
  rig.pass(10);
  assert.deepEqual(fired, [9, 5e12, 7]);
  due.shift(-50);
  rig.pass(30);
  assert.deepEqual(fired, [9, 5e12, 7, 3]);
  assert.equal(due.size, 0);
  assert.equal(rig.schedule.size, 0);
});

test('random sets, moves and deletes agree with a plain map', async () => {
  for (let seed = 1; seed <= 60; seed++) {
    const random = new SeededRandom(seed);
    const below = (count: number): number => Math.floor(random.next() * count);
    const { rig, due, fired } = await rigged();
    const model = new Map<number, number>();
    // Some have few offsets, some many, some those that the table has trouble with.
    const step = [1, 1 << 16, 2 ** 33][seed % 3]!;
    const range = [20, 3000][seed % 2]!;
    for (let i = 0; i < 4000; i++) {
      const offset = below(range) * step;
      const dice = random.next();
      if (dice < (i % 1500 < 1000 ? 0.7 : 0.2)) {
        const timeMs = rig.nowMs + below(100);
        due.set(offset, timeMs);
        model.set(offset, timeMs);
      } else if (dice < 0.95) assert.equal(due.delete(offset), model.delete(offset));
      else {
        rig.pass(below(20));
        const expected = [...model].filter(([, timeMs]) => timeMs <= rig.nowMs);
        expected.sort((a, b) => a[1] - b[1] || a[0] - b[0]);
        const offsets = expected.map(([over]) => over);
        assert.deepEqual(fired.splice(0), offsets, `seed ${seed}`);
        for (const over of offsets) model.delete(over);
      }
      assert.equal(due.size, model.size);
      assert.equal(due.has(offset), model.has(offset));
      assert.equal(due.timeOf(offset), model.get(offset) ?? 0);
    }
    for (const [offset, timeMs] of model) assert.equal(due.timeOf(offset), timeMs);
  }
});

test('many that are due at once come in portions, one a turn', async () => {
  const { rig, due, fired } = await rigged();
  for (let offset = 0; offset < 50_000; offset++) due.set(offset, rig.nowMs + 10);
  rig.nowMs += 10;
  rig.schedule.due(rig.nowMs);
  assert.ok(fired.length > 0 && fired.length < 20_000);
  // What becomes due meanwhile waits for its turn, what is deleted does not come.
  due.set(60_000, rig.nowMs);
  due.delete(49_999);
  rig.turn();
  assert.equal(fired.length, 50_000);
  assert.deepEqual(
    fired,
    fired.toSorted((a, b) => a - b),
  );
  due.set(1, rig.nowMs + 5);
  rig.pass(5);
  assert.equal(fired.at(-1), 1);
});
