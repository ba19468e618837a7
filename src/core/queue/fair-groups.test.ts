/** Fair queues under a load as SQS has it: many workers, one tenant with much more than the others. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { bodyText, QueueRig } from '#test/rigs/queue-rig.ts';
import { SeededRandom } from '#test/rigs/seeded-random.ts';
import type { Queue } from './queue.ts';

const WORKERS = 8;
const PER_CALL = 10;
const STEP_MS = 20;

interface Job {
  readonly group: string;
  readonly waitedMs: number;
}

/** Workers that lease ten, work on them for a while, and lease again. */
class Workers {
  readonly done: Job[] = [];
  readonly #rig: QueueRig;
  readonly #queue: Queue;
  readonly #random = new SeededRandom(7);
  readonly #busy: { untilMs: number; offsets: number[] }[];

  constructor(rig: QueueRig, queue: Queue) {
    this.#rig = rig;
    this.#queue = queue;
    this.#busy = Array.from({ length: WORKERS }, () => ({ untilMs: 0, offsets: [] }));
  }

  step(): void {
    for (const worker of this.#busy) {
      if (worker.untilMs > this.#rig.nowMs) continue;
      for (const offset of worker.offsets.splice(0)) assert.ok(this.#queue.accept(offset));
      this.#queue.lease(PER_CALL, 30_000, this, (message, { offset }) => {
        worker.offsets.push(offset);
        const [group] = bodyText(message).split(' ');
        this.done.push({ group: group!, waitedMs: this.#rig.nowMs - message.timestampMs });
      });
      worker.untilMs = this.#rig.nowMs + 100 + this.#random.below(200);
    }
    this.#rig.pass(STEP_MS);
  }

  /** The longest that one of `group` waited. */
  waitedMs(group: string): number {
    return Math.max(...this.done.filter((job) => job.group === group).map((it) => it.waitedMs));
  }
}

/** Two seconds of a flood by one tenant, and a message of each other one now and then. */
async function flooded(grouping: 'fair' | null): Promise<{ workers: Workers; sent: number }> {
  const rig = await QueueRig.open();
  const queue = rig.declare('q', { durable: true, grouping });
  const workers = new Workers(rig, queue);
  let sent = 0;
  const send = (group: string, count: number): void => {
    for (; count > 0; count--) {
      const options = group === 'none' ? {} : { group };
      rig.publish(queue, `${group} ${sent++}`, { durable: true, ...options });
    }
  };
  for (let step = 0; step < 100; step++) {
    send('noisy', 40);
    if (step % 5 === 0) for (const group of ['a', 'b', 'none']) send(group, 1);
    workers.step();
  }
  for (let step = 0; workers.done.length < sent; step++) {
    assert.ok(step < 5000, `${workers.done.length} of ${sent} are done`);
    workers.step();
  }
  return { workers, sent };
}

test('what a noisy tenant has piled up does not hold up the others, and is done after them', async () => {
  const { workers, sent } = await flooded('fair');
  assert.equal(workers.done.length, sent, 'each once');
  // A worker comes back within 300 ms.
  for (const group of ['a', 'b', 'none']) {
    const waitedMs = workers.waitedMs(group);
    assert.ok(waitedMs <= 400, `${group} waited ${waitedMs} ms`);
  }
  assert.ok(workers.waitedMs('noisy') > 2000);
});

test('without groups everybody waits behind the flood', async () => {
  const { workers } = await flooded(null);
  for (const group of ['a', 'b', 'none']) assert.ok(workers.waitedMs(group) > 2000);
});
