import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Pacemaker } from './pacemaker.ts';

describe('a pacemaker', () => {
  it('ticks the broker often while somebody is connected, else seldom, and stops', (t) => {
    t.mock.timers.enable({ apis: ['setTimeout', 'setInterval', 'Date'] });
    const seen = { broker: 0, connections: 0 };
    const listener = { connectionCount: 0, tick: () => void seen.connections++ };
    const pacemaker = new Pacemaker({ tick: () => void seen.broker++ }, [listener]);
    t.mock.timers.tick(1_000);
    assert.ok(seen.broker >= 9 && seen.broker <= 11, `idle: ${seen.broker} ticks a second`);
    assert.equal(seen.connections, 1);
    listener.connectionCount = 1;
    t.mock.timers.tick(100);
    seen.broker = 0;
    t.mock.timers.tick(1_000);
    assert.equal(seen.broker, 100);
    pacemaker.stop();
    t.mock.timers.tick(5_000);
    assert.deepEqual(seen, { broker: 100, connections: 2 });
  });
});
