import assert from 'node:assert/strict';
import { test } from 'node:test';
import { GroupCommit } from './commit.ts';
import type { Committable } from './commit.ts';

/** A commit whose turns, timers and writes the test moves by hand. */
class Rig {
  readonly tasks: (() => void)[] = [];
  readonly timers: (() => void)[] = [];
  readonly calls: string[] = [];
  fatal: Error | null = null;
  readonly commit = new GroupCommit({
    defer: (task) => void this.tasks.push(task),
    after: (_delayMs, task) => void this.timers.push(task),
    fatal: (error) => {
      this.fatal = error;
    },
  });

  turn(): void {
    for (const task of this.tasks.splice(0)) task();
  }

  wait(name: string): void {
    this.commit.wait({ committed: (generation) => this.calls.push(`${name}@${generation}`) });
  }

  log(name: string): Committable {
    return {
      write: () => void this.calls.push(`write ${name}`),
      committed: () => void this.calls.push(`committed ${name}`),
    };
  }
}

test('one generation at a time; what comes meanwhile is the next one', () => {
  const rig = new Rig();
  const { commit } = rig;
  commit.dirty(rig.log('a'));
  rig.wait('first');
  rig.turn();
  assert.deepEqual(rig.calls, ['write a']);
  commit.dirty(rig.log('b'));
  rig.wait('second');
  rig.turn();
  assert.deepEqual(rig.calls, ['write a']);
  commit.written();
  assert.deepEqual(rig.calls.splice(0), ['write a', 'committed a', 'first@1']);
  rig.turn();
  commit.written();
  assert.deepEqual(rig.calls, ['write b', 'committed b', 'second@2']);
  assert.ok(commit.idle);
});

test('all logs of a generation must be written before anybody is called', () => {
  const rig = new Rig();
  rig.commit.dirty(rig.log('a'));
  rig.commit.dirty(rig.log('b'));
  rig.wait('w');
  rig.turn();
  rig.commit.written();
  assert.ok(!rig.calls.includes('w@1'));
  rig.commit.written();
  assert.deepEqual(rig.calls.slice(2), ['committed a', 'committed b', 'w@1']);
  assert.throws(() => rig.commit.written(), /twice/);
});

test('a flusher may enlist others and wait; all of it is this generation', () => {
  const rig = new Rig();
  const { commit } = rig;
  commit.enlist({
    flush: () => {
      rig.wait('inner');
      commit.enlist({ flush: () => commit.dirty(rig.log('late')) });
    },
  });
  rig.turn();
  commit.written();
  assert.deepEqual(rig.calls, ['write late', 'committed late', 'inner@1']);
});

test('a waiter with nothing to wait for is called in its turn, not at once', () => {
  const rig = new Rig();
  rig.wait('w');
  assert.deepEqual(rig.calls, []);
  rig.turn();
  assert.deepEqual(rig.calls, ['w@1']);
});

test('a full disk holds the generation; only what failed is written again', () => {
  const rig = new Rig();
  const { commit } = rig;
  const a = rig.log('a');
  commit.dirty(a);
  commit.dirty(rig.log('b'));
  rig.wait('w');
  rig.turn();
  commit.full(a);
  commit.written();
  assert.deepEqual(rig.calls.splice(0), ['write a', 'write b']);
  rig.timers.shift()!();
  assert.deepEqual(rig.calls, ['write a']);
  commit.written();
  assert.ok(rig.calls.includes('w@1'));
});

test('after a failure nobody is ever called again', () => {
  const rig = new Rig();
  const { commit } = rig;
  commit.dirty(rig.log('a'));
  commit.dirty(rig.log('b'));
  rig.wait('w');
  rig.turn();
  commit.failed(new Error('EIO'));
  commit.written();
  commit.written();
  rig.wait('later');
  rig.turn();
  assert.equal(rig.fatal?.message, 'EIO');
  assert.ok(!rig.calls.some((call) => call.includes('@')));
});
