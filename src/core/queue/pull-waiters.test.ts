/**
 * Long polls: whoever waits is called whenever something can be leased, whatever made it so. The
 * random runs lease only through waiters, and look after every turn whether one waits in vain.
 */
import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { QueueRig, bodyText } from '#test/rigs/queue-rig.ts';
import { SeededRandom } from '#test/rigs/seeded-random.ts';
import { DiskStore } from '#storage/disk-store.ts';
import { BrokerError } from '../errors.ts';
import type { PullWaiter, Queue } from './queue.ts';
import type { QueueOptions } from './queue-options.ts';

/** Leases up to `count` when it is called, and waits again when there was nothing. */
class Poll implements PullWaiter {
  readonly texts: string[] = [];
  readonly offsets: number[] = [];
  calls = 0;
  isWaiting = true;
  isRefused = false;
  readonly #queue: Queue;
  readonly #count: number;
  readonly #durationMs: number;

  constructor(queue: Queue, count = 1, durationMs = 1000) {
    this.#queue = queue;
    this.#count = count;
    this.#durationMs = durationMs;
    queue.wait(this);
  }

  ready(): void {
    this.calls++;
    try {
      this.#queue.lease(this.#count, this.#durationMs, this, (message, { offset }) => {
        this.texts.push(bodyText(message));
        this.offsets.push(offset);
      });
    } catch (error) {
      assert.ok(error instanceof BrokerError && error.code === 'not-found');
      this.isRefused = true;
    }
    this.isWaiting = this.texts.length === 0 && !this.isRefused;
    if (this.isWaiting) this.#queue.wait(this);
  }

  failed(): void {
    assert.fail('everything here can be read');
  }
}

test('what arrives in one turn is leased together, by those who came first', async () => {
  const rig = await QueueRig.open();
  const queue = rig.declare('q');
  const polls = [new Poll(queue, 2), new Poll(queue, 2), new Poll(queue, 2)];
  for (const text of ['a', 'b', 'c']) rig.publish(queue, text);
  assert.deepEqual(
    polls.map(({ calls }) => calls),
    [0, 0, 0],
  );
  rig.turn();
  assert.deepEqual(
    polls.map(({ texts }) => texts),
    [['a', 'b'], ['c'], []],
  );
  assert.equal(polls[2]!.calls, 0, 'nobody is called for nothing');
});

test('who gives up is not called; who waits while there is something is called this turn', async () => {
  const rig = await QueueRig.open();
  const queue = rig.declare('q');
  const gone = new Poll(queue);
  queue.unwait(gone);
  queue.unwait(gone);
  rig.publish(queue, 'a');
  rig.turn();
  assert.equal(gone.calls, 0);
  const late = new Poll(queue);
  rig.turn();
  assert.deepEqual(late.texts, ['a']);
});

test('the end of a delay, of a lease, of a blocked group and of the queue', async () => {
  const rig = await QueueRig.open();
  const queue = rig.declare('q', { grouping: 'fifo' });
  rig.publish(queue, 'a', { group: 'g', deliverAtMs: rig.nowMs + 100 });
  rig.publish(queue, 'b', { group: 'g' });
  const first = new Poll(queue);
  rig.pass(99);
  assert.equal(first.calls, 0);
  rig.pass(1);
  assert.deepEqual(first.texts, ['a']);
  const second = new Poll(queue);
  rig.pass(999);
  assert.deepEqual(second.texts, []);
  rig.pass(1);
  assert.deepEqual(second.texts, ['a']);
  const third = new Poll(queue);
  rig.turn();
  assert.deepEqual(third.texts, []);
  queue.accept(second.offsets[0]!);
  rig.turn();
  assert.deepEqual(third.texts, ['b']);
  const fourth = new Poll(queue);
  queue.remove();
  assert.ok(fourth.isRefused);
  const fifth = new Poll(queue);
  rig.turn();
  assert.ok(fifth.isRefused);
});

test('a queue that goes when it is unused stays while somebody waits', async () => {
  const rig = await QueueRig.open();
  const queue = rig.declare('q', { expiresMs: 100 });
  const poll = new Poll(queue);
  rig.pass(1000);
  assert.deepEqual(rig.unused, []);
  queue.unwait(poll);
  rig.pass(100);
  assert.deepEqual(rig.unused, ['q']);
});

class RandomRun {
  readonly #rig: QueueRig;
  readonly #random: SeededRandom;
  readonly #queue: Queue;
  readonly #bodyBytesMax: number;
  readonly #polls = new Set<Poll>();
  readonly #held: number[] = [];
  readonly #live = new Set<string>();
  #next = 0;

  constructor(
    rig: QueueRig,
    random: SeededRandom,
    options: Partial<QueueOptions>,
    bodyBytesMax: number,
  ) {
    this.#rig = rig;
    this.#random = random;
    this.#bodyBytesMax = bodyBytesMax;
    this.#queue = rig.declare('q', options);
  }

  #below(count: number): number {
    return Math.floor(this.#random.next() * count);
  }

  #someHeld(): number | undefined {
    return this.#held.splice(this.#below(this.#held.length), 1)[0];
  }

  #act(): void {
    const dice = this.#random.next();
    if (dice < 0.35) this.#publish();
    else if (dice < 0.6) this.#polls.add(new Poll(this.#queue, 1 + this.#below(4), 20));
    else if (dice < 0.65) this.#abandon();
    else if (dice < 0.85) this.#settle();
    else this.#rig.pass(this.#below(15));
  }

  #publish(): void {
    for (let count = 1 + this.#below(5); count > 0; count--) {
      const text = `${this.#next++}`.padEnd(1 + this.#below(this.#bodyBytesMax), '.');
      const deliverAtMs = this.#random.next() < 0.2 ? this.#rig.nowMs + this.#below(30) : 0;
      const group = `group ${this.#below(4)}`;
      this.#rig.publish(this.#queue, text, { durable: true, group, deliverAtMs });
      this.#live.add(text);
    }
  }

  #abandon(): void {
    const [poll] = this.#polls;
    if (poll === undefined) return;
    this.#queue.unwait(poll);
    this.#polls.delete(poll);
  }

  #settle(): void {
    const offset = this.#someHeld();
    if (offset === undefined) return;
    const dice = this.#random.next();
    if (dice < 0.6) this.#queue.accept(offset);
    else if (dice < 0.7) this.#queue.extend(offset, 0);
    else if (dice < 0.8) this.#queue.release([offset], true, this.#below(20));
    else if (dice < 0.9) this.#queue.discard(offset);
  }

  get #waitingCount(): number {
    let count = 0;
    for (const poll of this.#polls) if (poll.isWaiting) count++;
    return count;
  }

  /** Nobody waits while something can be leased. */
  async #check(): Promise<void> {
    // Serving one waiter may make the next wait for bytes.
    let before: number;
    do {
      before = this.#waitingCount;
      await this.#rig.settle();
      await this.#rig.until(() => this.#waitingCount === 0 || !this.#queue.isLoading);
      await this.#rig.settle();
    } while (this.#waitingCount !== before || (before > 0 && this.#queue.isLoading));
    for (const poll of this.#polls) {
      if (poll.isWaiting) continue;
      this.#polls.delete(poll);
      this.#held.push(...poll.offsets);
    }
    if (this.#polls.size === 0) return;
    const missed: string[] = [];
    this.#queue.lease(1, 1, this, (message) => missed.push(bodyText(message).slice(0, 10)));
    assert.deepEqual(missed, [], `${this.#polls.size} wait in vain`);
  }

  async run(): Promise<void> {
    for (let step = 0; step < 250; step++) {
      this.#act();
      await this.#check();
    }
    // In the end everything that is left reaches somebody who waits.
    for (let round = 0; this.#queue.readyCount + this.#queue.delayedCount > 0; round++) {
      assert.ok(round < 5000, `${this.#queue.readyCount} are left`);
      this.#polls.add(new Poll(this.#queue, 5, 10));
      this.#rig.pass(5);
      await this.#check();
      for (const offset of this.#held.splice(0)) this.#queue.accept(offset);
    }
  }
}

function randomOptions(seed: number): Partial<QueueOptions> {
  const grouping = (['fifo', 'fair', null] as const)[seed % 3]!;
  return { grouping, durable: seed % 2 === 0, receivesMax: seed % 5 === 0 ? 3 : null };
}

test('no waiter is lost: random runs in memory', async () => {
  for (let seed = 1; seed <= 24; seed++) {
    const run = new RandomRun(
      await QueueRig.open(),
      new SeededRandom(seed),
      randomOptions(seed),
      20,
    );
    await run.run().catch((cause: unknown) => {
      throw new Error(`seed ${seed}`, { cause });
    });
  }
});

test('no waiter is lost: random runs with most of the bytes on disk', async () => {
  for (let seed = 1; seed <= 9; seed++) {
    const folder = await mkdtemp(join(tmpdir(), 'pull-waiters-'));
    const rig = await QueueRig.open(1 << 20, (ports) =>
      DiskStore.open(folder, {
        ports: { defer: ports.defer, log: ports.log },
        fatal: (error) => assert.fail(error),
      }),
    );
    const run = new RandomRun(rig, new SeededRandom(seed), randomOptions(seed), 100_000);
    await run.run().catch((cause: unknown) => {
      throw new Error(`seed ${seed}`, { cause });
    });
    const closed = rig.store.close();
    let isClosed = false;
    void closed.finally(() => (isClosed = true));
    await rig.until(() => isClosed);
    await rm(folder, { recursive: true });
  }
});
