import { test } from 'node:test';
import assert from 'node:assert/strict';
import type { Commit, CommitWaiter } from '#core/log.ts';
import { Confirms } from './confirms.ts';

function make() {
  const sent: string[] = [];
  const waiting: [number, CommitWaiter][] = [];
  const commit: Omit<Commit, 'generation'> & { generation: number } = {
    generation: 1,
    enlist: () => {},
    wait: (waiter: CommitWaiter) => void waiting.push([commit.generation, waiter]),
  };
  const confirms = new Confirms(commit, {
    confirm: (sequence, count) => sent.push(`ack ${sequence} (${count})`),
    nack: (sequence) => sent.push(`nack ${sequence}`),
  });
  /** The generation that gathers begins; those before it are done. */
  const begin = (): void => void commit.generation++;
  const finish = (generation: number): void => {
    for (const [of, waiter] of waiting.splice(0)) {
      if (of <= generation) waiter.committed(generation);
      else waiting.push([of, waiter]);
    }
  };
  return { confirms, sent, waiting, begin, finish };
}

test('what waits for nothing is confirmed at the end of the read, all at once', () => {
  const { confirms, sent } = make();
  for (let n = 0; n < 5; n++) confirms.published(false);
  assert.deepEqual(sent, []);
  confirms.settle();
  assert.deepEqual(sent, ['ack 5 (5)']);
  confirms.settle();
  assert.deepEqual(sent, ['ack 5 (5)']);
});

test('one waiter per generation; what follows is confirmed with it', () => {
  const { confirms, sent, waiting, begin, finish } = make();
  confirms.published(false);
  confirms.published(true);
  confirms.published(true);
  confirms.published(false);
  confirms.settle();
  assert.deepEqual(sent, []);
  assert.equal(waiting.length, 1);
  begin();
  confirms.published(true);
  assert.equal(waiting.length, 2);
  finish(1);
  assert.deepEqual(sent, ['ack 4 (4)']);
  finish(2);
  assert.deepEqual(sent, ['ack 4 (4)', 'ack 5 (1)']);
});

test('a refusal is told at once, before any ack covers it', () => {
  const { confirms, sent, finish } = make();
  confirms.refused();
  confirms.published(true);
  confirms.refused();
  confirms.settle();
  assert.deepEqual(sent, ['nack 1', 'nack 3']);
  finish(1);
  confirms.settle();
  assert.deepEqual(sent.slice(2), ['ack 2 (2)']);
});
