import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { Turn } from './turn.ts';

describe('a turn', () => {
  it('runs tasks, then flushes outputs, also those that the tasks caused', async () => {
    const turn = new Turn();
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
});
