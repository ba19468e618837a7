import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { Faults } from './faults.ts';
import { Turn } from './turn.ts';

describe('a turn', () => {
  it('runs tasks, then flushes outputs, also those that the tasks caused', async () => {
    const turn = new Turn(new Faults(null));
    const seen: string[] = [];
    const output = (name: string) => ({ flush: () => void seen.push(name) });
    turn.flushLater(output('first output'));
    turn.defer(() => {
      seen.push('task');
      turn.flushLater(output('output of the task'));
      turn.defer(() => seen.push('task of the next turn'));
    });
    assert.deepEqual(seen, []);
    await nextTurn();
    assert.deepEqual(seen, ['task', 'first output', 'output of the task']);
    await nextTurn();
    assert.equal(seen.at(-1), 'task of the next turn');
    assert.equal(seen.length, 4);
  });

  it('tells whoever asked what a task threw, and goes on', async () => {
    const caught: unknown[] = [];
    const turn = new Turn(new Faults((error) => caught.push(error)));
    turn.defer(() => {
      throw new Error('broken');
    });
    await nextTurn();
    assert.match(String(caught[0]), /broken/);
    assert.equal(turn.isIdle, true);
    turn.defer(() => caught.push('next'));
    assert.equal(turn.isIdle, false);
    await nextTurn();
    assert.equal(caught[1], 'next');
  });
});
