import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Pacemaker } from './pacemaker.ts';

describe('a pacemaker', () => {
  it('ticks the broker often while somebody is connected, else seldom, and stops', (t) => {
    t.mock.timers.enable({ apis: ['setTimeout', 'setInterval', 'Date'] });
    // In small steps: a timer that is set by a timer counts from the end of a step.
    const pass = (ms: number): void => {
      for (let i = 0; i < ms; i++) t.mock.timers.tick(1);
    };
    const seen = { broker: 0, connections: 0 };
    const listener = { connectionCount: 0, tick: () => void seen.connections++ };
    const pacemaker = new Pacemaker({ tick: () => void seen.broker++ }, [listener], {
      now: () => Date.now(),
    });
    pass(1_000);
    assert.ok(seen.broker >= 9 && seen.broker <= 11, `idle: ${seen.broker} ticks a second`);
    assert.equal(seen.connections, 4);
    listener.connectionCount = 1;
    pass(100);
    seen.broker = 0;
    pass(1_000);
    assert.equal(seen.broker, 100);
    pacemaker.stop();
    pass(5_000);
    assert.deepEqual(seen, { broker: 100, connections: 8 });
  });
});
