/**
 * A queue with groups in order, against a model that is too simple to be wrong: one array of
 * messages, searched from the front. Random operations from a seed; every lease must take exactly
 * the messages that the model takes. A failure names its seed.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Collector, QueueRig, bodyText } from '#test/rigs/queue-rig.ts';
import { SeededRandom } from '#test/rigs/seeded-random.ts';
import type { Queue } from './queue.ts';
import type { QueueOptions } from './queue-options.ts';

interface Entry {
  readonly text: string;
  readonly group: string;
  offset: number;
  state: 'ready' | 'leased' | 'hidden';
  /** When the lease or the delay is over. */
  untilMs: number;
  /** Which call leased it. */
  call: number;
  receives: number;
}

class Model {
  entries: Entry[] = [];
  readonly dead: string[] = [];
  readonly #receivesMax: number;
  #calls = 0;

  constructor(receivesMax: number | null) {
    this.#receivesMax = receivesMax ?? Infinity;
  }

  count(state: Entry['state']): number {
    return this.entries.filter((entry) => entry.state === state).length;
  }

  #isHeldBack(entry: Entry, call: number): boolean {
    return this.entries.some(
      (other) =>
        other.group === entry.group &&
        other.offset < entry.offset &&
        (other.state === 'hidden' || (other.state === 'leased' && other.call !== call)),
    );
  }

  lease(count: number, untilMs: number): Entry[] {
    const call = ++this.#calls;
    const taken: Entry[] = [];
    while (taken.length < count) {
      const free = this.entries.filter(
        (entry) => entry.state === 'ready' && !this.#isHeldBack(entry, call),
      );
      // As many of one group as there are, then the next.
      const next = free.find(({ group }) => group === taken.at(-1)?.group) ?? free[0];
      if (next === undefined) break;
      if (next.receives >= this.#receivesMax) {
        this.remove(next);
        this.dead.push(next.text);
        continue;
      }
      Object.assign(next, { state: 'leased', untilMs, call, receives: next.receives + 1 });
      taken.push(next);
    }
    return taken;
  }

  remove(entry: Entry): void {
    this.entries.splice(this.entries.indexOf(entry), 1);
  }

  passed(nowMs: number): void {
    for (const entry of this.entries) {
      if (entry.state !== 'ready' && entry.untilMs <= nowMs) entry.state = 'ready';
    }
  }
}

const GROUPS = ['', 'a', 'b', 'c', 'd'];

class Run {
  readonly #rig: QueueRig;
  readonly #random: SeededRandom;
  readonly #options: Partial<QueueOptions>;
  readonly #model: Model;
  #queue: Queue;
  #next = 0;

  constructor(rig: QueueRig, random: SeededRandom, options: Partial<QueueOptions>) {
    this.#rig = rig;
    this.#random = random;
    this.#options = options;
    this.#model = new Model(options.receivesMax ?? null);
    rig.declare('dead');
    this.#queue = rig.declare('q', options);
  }

  #below(count: number): number {
    return Math.floor(this.#random.next() * count);
  }

  #some(state: Entry['state'] | null): Entry | null {
    const entries = this.#model.entries.filter((entry) => state === null || entry.state === state);
    return entries[this.#below(entries.length)] ?? null;
  }

  async step(): Promise<void> {
    const dice = this.#random.next();
    if (dice < 0.4) this.#publish();
    else if (dice < 0.6) this.#lease();
    else if (dice < 0.72) this.#accept();
    else if (dice < 0.8) this.#release();
    else if (dice < 0.83) this.#extend();
    else if (dice < 0.87) this.#discard();
    else if (dice < 0.89) this.#reject();
    else if (dice < 0.895) this.#purge();
    else if (dice < 0.98) this.#pass();
    else if (this.#options.durable) await this.#restart();
    else this.#rig.turn();
    this.#compare();
  }

  #publish(): void {
    const text = `m${this.#next++}`;
    const group = GROUPS[this.#below(GROUPS.length)]!;
    const delayMs = this.#random.next() < 0.2 ? this.#below(40) : 0;
    const { nowMs } = this.#rig;
    const offset = this.#queue.nextOffset;
    const untilMs = delayMs === 0 ? 0 : nowMs + delayMs;
    this.#rig.publish(this.#queue, text, { durable: true, group, deliverAtMs: untilMs });
    const state = delayMs === 0 ? 'ready' : 'hidden';
    this.#model.entries.push({ text, group, offset, state, untilMs, call: 0, receives: 0 });
  }

  #lease(): void {
    const count = 1 + this.#below(5);
    const durationMs = 1 + this.#below(60);
    const taken: string[] = [];
    const expected = this.#model.lease(count, this.#rig.nowMs + durationMs);
    const leased = this.#queue.lease(count, durationMs, this, (message, lease) => {
      taken.push(`${bodyText(message)} at ${lease.offset}, ${lease.deliveryCount + 1}`);
    });
    assert.equal(leased, taken.length);
    const words = expected.map(({ text, offset, receives }) => `${text} at ${offset}, ${receives}`);
    assert.deepEqual(taken, words);
  }

  #accept(): void {
    const entry = this.#some('leased');
    if (entry === null) return;
    assert.ok(this.#queue.accept(entry.offset));
    this.#model.remove(entry);
  }

  #release(): void {
    const entry = this.#some('leased');
    if (entry === null) return;
    const delayMs = this.#random.next() < 0.4 ? 1 + this.#below(40) : 0;
    this.#queue.release([entry.offset], true, delayMs);
    entry.state = delayMs === 0 ? 'ready' : 'hidden';
    entry.untilMs = this.#rig.nowMs + delayMs;
  }

  #extend(): void {
    const entry = this.#some('leased');
    if (entry === null) return;
    const durationMs = this.#below(3) * 40;
    assert.ok(this.#queue.extend(entry.offset, durationMs));
    entry.untilMs = this.#rig.nowMs + durationMs;
    if (durationMs === 0) entry.state = 'ready';
    assert.equal(this.#queue.leaseEndsMs(entry.offset), durationMs === 0 ? 0 : entry.untilMs);
  }

  #discard(): void {
    const entry = this.#some(null);
    if (entry === null) return;
    assert.ok(this.#queue.discard(entry.offset));
    assert.ok(!this.#queue.discard(entry.offset));
    this.#model.remove(entry);
  }

  #reject(): void {
    const entry = this.#some('leased');
    if (entry === null) return;
    this.#queue.reject(entry.offset, 'rejected');
    this.#model.remove(entry);
    this.#model.dead.push(entry.text);
  }

  #purge(): void {
    assert.equal(this.#queue.purge(), this.#model.count('ready'));
    this.#model.entries = this.#model.entries.filter((entry) => entry.state !== 'ready');
  }

  #pass(): void {
    this.#rig.pass(this.#below(30));
    this.#model.passed(this.#rig.nowMs);
  }

  async #restart(): Promise<void> {
    this.#rig.turn();
    assert.deepEqual(this.#rig.takeAll(this.#rig.queues.get('dead')!), this.#model.dead.splice(0));
    await this.#rig.restart({ q: this.#options }, this.#rig.store);
    this.#rig.declare('dead');
    this.#queue = this.#rig.queues.get('q')!;
    for (const entry of this.#model.entries) {
      // A delay that a release asked for is not kept; one of the publisher is.
      if (entry.state === 'leased' || entry.receives > 0) entry.state = 'ready';
      if ((this.#options.receivesMax ?? null) === null) entry.receives = 0;
    }
  }

  #compare(): void {
    assert.equal(this.#queue.readyCount, this.#model.count('ready'), 'ready');
    assert.equal(this.#queue.unackedCount, this.#model.count('leased'), 'leased');
    assert.equal(this.#queue.delayedCount, this.#model.count('hidden'), 'hidden');
    for (const { offset, state } of this.#model.entries) {
      assert.equal(this.#queue.isLeased(offset), state === 'leased');
    }
  }

  /** Everything comes out in the end. */
  finish(): void {
    for (let round = 0; this.#model.entries.length > 0; round++) {
      assert.ok(round < 1000, `${this.#model.entries.length} are stuck`);
      this.#rig.pass(100);
      this.#model.passed(this.#rig.nowMs);
      this.#lease();
      for (const entry of this.#model.entries.filter(({ state }) => state === 'leased')) {
        assert.ok(this.#queue.accept(entry.offset));
        this.#model.remove(entry);
      }
    }
    this.#rig.turn();
    assert.deepEqual(this.#rig.takeAll(this.#rig.queues.get('dead')!), this.#model.dead);
  }
}

const SEEDS = 150;
const STEPS = 300;

test(`${SEEDS} random runs of a queue with groups agree with the model`, async () => {
  const first = Number(process.env['QUEUE_SEED'] ?? 1);
  for (let seed = first; seed < first + SEEDS; seed++) {
    const random = new SeededRandom(seed);
    const options: Partial<QueueOptions> = {
      grouping: 'fifo',
      durable: random.next() < 0.5,
      receivesMax: random.next() < 0.5 ? 1 + Math.floor(random.next() * 3) : null,
      deadLetterExchange: '',
      deadLetterRoutingKey: 'dead',
    };
    const run = new Run(await QueueRig.open(), random, options);
    let step = 0;
    try {
      for (; step < STEPS; step++) await run.step();
      run.finish();
    } catch (error) {
      throw new Error(`seed ${seed}, step ${step}`, { cause: error });
    }
  }
});

test('consumers get one message of a group at a time, and other groups meanwhile', async () => {
  const rig = await QueueRig.open();
  const queue = rig.declare('q', { grouping: 'fifo' });
  const one = new Collector(queue);
  const two = new Collector(queue);
  for (const text of ['a1', 'a2', 'b1', 'a3', 'b2']) rig.publish(queue, text, { group: text[0]! });
  const got = (): string[] => [...one.texts, ...two.texts].toSorted();
  assert.deepEqual(got(), ['a1', 'b1']);
  const holder = one.texts.includes('a1') ? one : two;
  const { offset } = holder.deliveries.find(({ text }) => text === 'a1')!;
  // Put back it is the next of its group again.
  holder.release(offset);
  assert.deepEqual(got(), ['a1', 'a1', 'b1']);
  queue.accept(offset);
  rig.turn();
  assert.deepEqual(got(), ['a1', 'a1', 'a2', 'b1']);
  assert.equal(queue.readyCount, 2);
});

test('a consumer that settles by receiving empties a group in order', async () => {
  const rig = await QueueRig.open();
  const queue = rig.declare('q', { grouping: 'fifo' });
  for (const text of ['a1', 'b1', 'a2']) rig.publish(queue, text, { group: text[0]! });
  queue.lease(1, 1000, rig, () => {});
  const consumer = new Collector(queue, { noAck: true });
  assert.deepEqual(consumer.texts, ['b1']);
  rig.pass(1000);
  assert.deepEqual(consumer.texts, ['b1', 'a1', 'a2']);
  rig.publish(queue, 'a3', { group: 'a' });
  assert.deepEqual(consumer.texts, ['b1', 'a1', 'a2', 'a3']);
});

test('a call takes of one group what is near, and never loses what it has passed', async () => {
  const rig = await QueueRig.open();
  const queue = rig.declare('q', { grouping: 'fifo' });
  const take = (count: number): string[] => {
    const texts: string[] = [];
    queue.lease(count, 1000, rig, (message) => void texts.push(bodyText(message)));
    return texts;
  };
  rig.publish(queue, 'a1', { group: 'a' });
  for (let i = 0; i < 8000; i++) rig.publish(queue, `${i}`, { group: `${i}` });
  rig.publish(queue, 'a2', { group: 'a' });
  assert.deepEqual(take(2), ['a1', '0']);
  const rest: string[] = [];
  for (let some = take(10); some.length > 0; some = take(10)) rest.push(...some);
  assert.deepEqual(
    rest,
    Array.from({ length: 7999 }, (_, i) => `${i + 1}`),
  );
  rig.pass(1000);
  // By now all are known, however far from each other.
  assert.deepEqual(take(3), ['a1', 'a2', '0']);
});
