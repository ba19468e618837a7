import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Schedule } from './schedule.ts';
import type { Timer } from './schedule.ts';

test('timers run in order of time, equal ones in the order they were set', () => {
  const schedule = new Schedule();
  const ran: string[] = [];
  for (const [name, timeMs] of [
    ['c', 30],
    ['a', 10],
    ['b1', 20],
    ['b2', 20],
  ] as const) {
    schedule.at(timeMs, () => ran.push(name));
  }
  assert.equal(schedule.nextMs, 10);
  schedule.due(9);
  assert.deepEqual(ran, []);
  schedule.due(20);
  assert.deepEqual(ran, ['a', 'b1', 'b2']);
  assert.equal(schedule.size, 1);
  schedule.due(30);
  assert.equal(schedule.nextMs, Infinity);
});

test('it is told when the next time is earlier, and only then', () => {
  const schedule = new Schedule();
  const heard: number[] = [];
  schedule.whenEarlier = () => heard.push(schedule.nextMs);
  for (const timeMs of [50, 60, 40, 50, 40, 10]) schedule.at(timeMs, () => {});
  assert.deepEqual(heard, [50, 40, 10]);
  schedule.due(45);
  schedule.at(55, () => {});
  assert.deepEqual(heard, [50, 40, 10]);
  schedule.at(46, () => {});
  assert.deepEqual(heard.at(-1), 46);
});

test('a task may cancel one that is due with it, and what it adds runs next time', () => {
  const schedule = new Schedule();
  const ran: string[] = [];
  let other: Timer | null = null;
  schedule.at(1, () => {
    schedule.cancel(other!);
    schedule.at(1, () => ran.push('again'));
  });
  other = schedule.at(1, () => ran.push('cancelled'));
  schedule.due(5);
  assert.deepEqual(ran, []);
  schedule.due(5);
  assert.deepEqual(ran, ['again']);
});

test('random timers and cancellations agree with a sorted list', () => {
  const schedule = new Schedule();
  let state = 7;
  const random = (below: number): number => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0;
    return (state >>> 8) % below;
  };
  let model: { timer: Timer; id: number }[] = [];
  const ran: number[] = [];
  for (let id = 0; id < 5000; id++) {
    model.push({ timer: schedule.at(random(1000), () => ran.push(id)), id });
    if (random(3) === 0) {
      const [gone] = model.splice(random(model.length), 1);
      schedule.cancel(gone!.timer);
      schedule.cancel(gone!.timer);
    }
  }
  model = model.toSorted((a, b) => a.timer.timeMs - b.timer.timeMs || a.id - b.id);
  assert.equal(schedule.size, model.length);
  for (let nowMs = 0; nowMs <= 1000; nowMs += 100) schedule.due(nowMs);
  assert.deepEqual(
    ran,
    model.map((each) => each.id),
  );
});
