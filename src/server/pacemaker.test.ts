import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import { Schedule } from '#core/schedule.ts';
import { Faults } from './faults.ts';
import { Pacemaker } from './pacemaker.ts';

const clock = { now: () => Date.now() };

function start(t: TestContext) {
  t.mock.timers.enable({ apis: ['setTimeout', 'setInterval', 'Date'] });
  const seen = { broker: 0, connections: 0 };
  const schedule = new Schedule();
  const broker = {
    schedule,
    tick: (nowMs: number) => {
      seen.broker++;
      schedule.due(nowMs);
    },
  };
  const connections = { connectionCount: 0, tick: () => void seen.connections++ };
  const caught: unknown[] = [];
  const faults = new Faults((error) => caught.push(error));
  const pacemaker = new Pacemaker(broker, [connections], clock, faults);
  // In small steps: a timer that is set by a timer counts from the end of a step.
  const pass = (ms: number): void => {
    for (let i = 0; i < ms; i++) t.mock.timers.tick(1);
  };
  return { pacemaker, schedule, connections, seen, caught, pass };
}

describe('a pacemaker', () => {
  it('sleeps while nothing is scheduled, less soundly while somebody is connected', (t) => {
    const { pacemaker, connections, seen, pass } = start(t);
    pass(10_000);
    assert.ok(seen.broker <= 10, `idle: ${seen.broker} ticks in ten seconds`);
    assert.equal(seen.connections, 0);
    connections.connectionCount = 1;
    pass(1_000);
    seen.broker = 0;
    seen.connections = 0;
    pass(1_000);
    assert.equal(seen.broker, 20);
    assert.equal(seen.connections, 4);
    pacemaker.stop();
    pass(5_000);
    assert.deepEqual(seen, { broker: 20, connections: 4 });
  });

  it('fires timers within some milliseconds, whenever they are set and whoever is connected', (t) => {
    const { pacemaker, schedule, connections, pass } = start(t);
    const lateMs: number[] = [];
    const set = (afterMs: number): void => {
      const dueMs = Date.now() + afterMs;
      schedule.at(dueMs, () => lateMs.push(Date.now() - dueMs));
    };
    for (const connectionCount of [0, 1]) {
      connections.connectionCount = connectionCount;
      pass(700);
      for (const afterMs of [900, 30, 0, 31, 5_000, 1]) set(afterMs);
      pass(10);
      set(2);
      // Timers that set timers, as whatever repeats does.
      schedule.at(Date.now() + 100, () => [7, 40, 400].forEach(set));
      pass(6_000);
    }
    assert.equal(lateMs.length, 20);
    assert.ok(
      lateMs.every((it) => it >= 0 && it <= 6),
      `late by ${lateMs.join(', ')} ms`,
    );
    pacemaker.stop();
  });

  it('goes on after a tick that throws, and tells of it', (t) => {
    const { pacemaker, schedule, caught, pass } = start(t);
    const fail = (): never => {
      throw new Error('broken');
    };
    schedule.at(Date.now() + 10, fail);
    schedule.at(Date.now() + 50, fail);
    pass(100);
    assert.equal(caught.length, 2);
    pacemaker.stop();
  });

  it('runs what is due when a clock of its own was moved', () => {
    let nowMs = 1_000;
    const ran: number[] = [];
    const schedule = new Schedule();
    schedule.at(5_000, () => ran.push(nowMs));
    const heard: number[] = [];
    const connections = { connectionCount: 1, tick: (ms: number) => void heard.push(ms) };
    const broker = { schedule, tick: (ms: number) => schedule.due(ms) };
    const pacemaker = new Pacemaker(broker, [connections], { now: () => nowMs }, new Faults(null));
    nowMs = 6_000;
    pacemaker.beat();
    assert.deepEqual(ran, [6_000]);
    assert.deepEqual(heard, [6_000]);
    pacemaker.stop();
  });
});
