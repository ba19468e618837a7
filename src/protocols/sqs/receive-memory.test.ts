/** What receivers make a queue remember: times of first receives, in pages, as long as messages are there. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Queue } from '#core/queue/queue.ts';
import { FirstReceives } from './receive-memory.ts';

/** Of a queue the memory asks only whether a message is still there. */
function memory(holds: (offset: number) => boolean = () => true): FirstReceives {
  return new FirstReceives({ holds } as Queue);
}

describe('first receives', () => {
  it('keep the time of the first, for each message of its own', () => {
    const receives = memory();
    for (const offset of [0, 31, 32, 33, 2 ** 40]) {
      assert.equal(receives.received(offset, true, 1000 + (offset % 64)), 1000 + (offset % 64));
    }
    for (const offset of [0, 31, 32, 33, 2 ** 40]) {
      assert.equal(receives.received(offset, false, 9000), 1000 + (offset % 64));
    }
    assert.equal(receives.size, 5);
  });

  it('begin now for a message whose first receive was forgotten', () => {
    const receives = memory();
    assert.equal(receives.received(7, false, 5000), 5000);
    assert.equal(receives.received(7, false, 6000), 5000);
  });

  it('begin anew when the receive is said to be the first', () => {
    const receives = memory();
    receives.received(7, true, 5000);
    assert.equal(receives.received(7, true, 6000), 6000);
    assert.equal(receives.received(7, false, 7000), 6000);
    assert.equal(receives.size, 1);
  });

  it('are forgotten with the message, once', () => {
    const receives = memory();
    receives.received(40, true, 1000);
    receives.received(41, true, 2000);
    receives.deleted(40);
    receives.deleted(40);
    receives.deleted(1_000_000);
    assert.equal(receives.size, 1);
    assert.equal(receives.received(40, false, 3000), 3000);
    assert.equal(receives.received(41, false, 3000), 2000);
    receives.clear();
    assert.equal(receives.size, 0);
    assert.equal(receives.received(41, false, 4000), 4000);
  });

  it('of messages that left the queue otherwise do not pile up', () => {
    let gone = 0;
    const receives = memory((offset) => offset >= gone);
    for (let offset = 0; offset < 100_000; offset++) {
      receives.received(offset, true, 1000);
      gone = offset - 10;
      assert.ok(receives.size <= 4097, `${receives.size} are remembered at ${offset}`);
    }
    assert.equal(receives.received(99_999, false, 2000), 1000, 'those that are there are known');
  });

  it('survive a clock that begins at zero', () => {
    const receives = memory();
    receives.received(1, true, 0);
    assert.equal(receives.size, 1);
    receives.deleted(1);
    assert.equal(receives.size, 0);
  });
});
