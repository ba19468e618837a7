/**
 * Queue against a model that is too simple to be wrong: an array of messages. Random operations
 * from a seed; after each the queue must show the same counts and, in the end, the same messages in
 * the same order. A failure names its seed.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SeededRandom } from '#test/rigs/seeded-random.ts';
import { QueueRig, bodyText } from '#test/rigs/queue-rig.ts';
import { Credit } from './credit.ts';
import { Outcome } from '../message/message.ts';
import type { Queue } from './queue.ts';
import type { QueueOptions } from './queue-options.ts';

interface Entry {
  text: string;
  priority: number;
  expiresAtMs: number;
  order: number;
  redelivered: boolean;
}

/** What happens to a queue with these options, in plain arrays. */
class Model {
  ready: Entry[] = [];
  readonly leased = new Map<string, Entry>();
  readonly dead: string[] = [];
  readonly #options: Partial<QueueOptions>;
  #order = 0;

  constructor(options: Partial<QueueOptions>) {
    this.#options = options;
  }

  get readyBytes(): number {
    return this.ready.reduce((bytes, entry) => bytes + entry.text.length, 0);
  }

  /** False when refused. */
  publish(
    text: string,
    priority: number,
    ttlMs: number | null,
    nowMs: number,
    take: boolean,
  ): boolean {
    const { lengthMax, bytesMax, overflow, priorityMax } = this.#options;
    const times = [ttlMs, this.#options.ttlMs ?? null].filter((time) => time !== null);
    const entry = {
      text,
      priority: priorityMax ? Math.min(priority, priorityMax) : 0,
      expiresAtMs: times.length === 0 ? Infinity : nowMs + Math.min(...times),
      order: this.#order++,
      redelivered: false,
    };
    const tooMany = this.ready.length + 1 > (lengthMax ?? Infinity);
    const tooMuch = this.readyBytes + text.length > (bytesMax ?? Infinity);
    if (overflow === 'reject-publish' && (tooMany || tooMuch)) return false;
    this.#insert(entry);
    if (!take || this.ready[0] !== entry) this.cut(nowMs);
    return true;
  }

  #insert(entry: Entry): void {
    this.ready.push(entry);
    this.ready.sort((a, b) => b.priority - a.priority || a.order - b.order);
  }

  /** Expiry and drop-head, both at the head only. */
  cut(nowMs: number): void {
    const { lengthMax, bytesMax, overflow } = this.#options;
    for (let head = this.ready[0]; head !== undefined; head = this.ready[0]) {
      const expired = head.expiresAtMs <= nowMs;
      const over =
        overflow !== 'reject-publish' &&
        (this.ready.length > (lengthMax ?? Infinity) || this.readyBytes > (bytesMax ?? Infinity));
      if (!expired && !over) return;
      this.dead.push(this.ready.shift()!.text);
    }
  }

  lease(): Entry | undefined {
    const entry = this.ready.shift();
    if (entry !== undefined) this.leased.set(entry.text, entry);
    return entry;
  }

  release(texts: readonly string[]): void {
    for (const text of texts) {
      const entry = this.leased.get(text)!;
      this.leased.delete(text);
      entry.redelivered = true;
      this.#insert(entry);
    }
  }
}

class Run {
  readonly #rig: QueueRig;
  readonly #random: () => number;
  readonly #model: Model;
  readonly #options: Partial<QueueOptions>;
  #queue: Queue;
  /** Offset by text of what is leased. */
  readonly #offsets = new Map<string, number>();
  readonly #credit = new Credit(1);
  readonly #delivered: { text: string; offset: number; redelivered: boolean }[] = [];
  #next = 0;
  readonly #bodyBytesMax: number;

  constructor(
    rig: QueueRig,
    random: () => number,
    options: Partial<QueueOptions>,
    bodyBytesMax: number,
  ) {
    this.#rig = rig;
    this.#random = random;
    this.#bodyBytesMax = bodyBytesMax;
    this.#options = options;
    this.#model = new Model(options);
    rig.declare('dead');
    this.#queue = rig.declare('q', options);
    this.#subscribe();
  }

  /** A consumer whose credit is opened for one message at a time. */
  #subscribe(): void {
    this.#credit.limit = 1;
    if (this.#credit.available) this.#credit.take();
    this.#queue.subscribe({
      subscriber: {
        deliver: (message, offset, deliveryCount) =>
          this.#delivered.push({ text: bodyText(message), offset, redelivered: deliveryCount > 0 }),
        cancelled: () => {},
      },
      credits: [this.#credit],
      noAck: false,
      exclusive: false,
      priority: 0,
      owner: this,
      tag: '',
    });
    this.#queue.pump();
  }

  #chance(probability: number): boolean {
    return this.#random() < probability;
  }

  #below(count: number): number {
    return Math.floor(this.#random() * count);
  }

  async step(): Promise<void> {
    const dice = this.#random();
    if (dice < 0.4) this.#publish(false);
    else if (dice < 0.48) this.#publish(true);
    else if (dice < 0.66) this.#consume();
    else if (dice < 0.78) this.#accept();
    else if (dice < 0.88) this.#release();
    else if (dice < 0.92) this.#reject();
    else if (dice < 0.925) this.#purge();
    else if (dice < 0.98) this.#pass();
    else if (this.#options.durable && this.#chance(0.3)) await this.#restart();
    else this.#rig.turn();
    this.#compare();
  }

  /** With `open`, the consumer has credit while it is published. */
  #publish(open: boolean): void {
    const body = `${this.#next++}`.padEnd(1 + this.#below(this.#bodyBytesMax), '.');
    const priority = this.#below(8);
    const ttlMs = this.#chance(0.2) ? this.#below(50) : null;
    if (open) this.#consume();
    const free = open && this.#model.ready.length === 0;
    if (free) this.#credit.give(1);
    const ready = this.#model.ready.length === 0;
    const outcome = this.#rig.publish(this.#queue, body, {
      priority,
      durable: this.#chance(0.5),
      ...(ttlMs === null ? {} : { ttlMs }),
    });
    const took = free && ready;
    const taken = this.#model.publish(body, priority, ttlMs, this.#rig.nowMs, took);
    assert.equal((outcome & Outcome.Refused) === 0, taken);
    if (took && taken) this.#expectDelivery();
    else if (free) this.#credit.take();
  }

  /** The consumer gets credit for one. */
  #consume(): void {
    this.#model.cut(this.#rig.nowMs);
    this.#credit.give(1);
    this.#queue.pump();
    if (this.#model.ready.length > 0) this.#expectDelivery();
    else this.#credit.take();
  }

  #expectDelivery(): void {
    const expected = this.#model.lease()!;
    const got = this.#delivered.pop();
    assert.equal(got?.text, expected.text);
    assert.equal(got.redelivered, expected.redelivered);
    assert.equal(this.#delivered.length, 0);
    this.#offsets.set(got.text, got.offset);
    this.#model.cut(this.#rig.nowMs);
  }

  #someLeased(): string | null {
    const texts = [...this.#offsets.keys()];
    return texts[this.#below(texts.length)] ?? null;
  }

  #accept(): void {
    const chosen = this.#someLeased();
    if (chosen === null) return;
    assert.equal(this.#queue.accept(this.#offsets.get(chosen)!), true);
    this.#offsets.delete(chosen);
    this.#model.leased.delete(chosen);
  }

  #release(): void {
    const texts = [...this.#offsets.keys()].filter(() => this.#chance(0.5));
    const offsets = texts.map((each) => this.#offsets.get(each)!);
    for (const each of texts) this.#offsets.delete(each);
    this.#queue.release(offsets, false);
    this.#model.release(texts);
    this.#model.cut(this.#rig.nowMs);
  }

  #reject(): void {
    const chosen = this.#someLeased();
    if (chosen === null) return;
    this.#queue.reject(this.#offsets.get(chosen)!, 'rejected');
    this.#offsets.delete(chosen);
    this.#model.leased.delete(chosen);
    this.#model.dead.push(chosen);
  }

  #purge(): void {
    assert.equal(this.#queue.purge(), this.#model.ready.length);
    this.#model.ready = [];
  }

  #pass(): void {
    const untilMs = this.#rig.nowMs + this.#below(30);
    while (this.#rig.nowMs < untilMs) {
      this.#rig.pass(1);
      this.#model.cut(this.#rig.nowMs);
    }
  }

  async #restart(): Promise<void> {
    this.#rig.turn();
    const dead = this.#rig.takeAll(this.#rig.queues.get('dead')!);
    assert.deepEqual(dead.toSorted(), this.#expectedDead());
    this.#model.dead.length = 0;
    await this.#rig.restart({ q: this.#options }, this.#rig.store);
    this.#rig.declare('dead');
    this.#queue = this.#rig.queues.get('q')!;
    this.#model.release([...this.#offsets.keys()]);
    this.#offsets.clear();
    for (const entry of this.#model.ready) entry.redelivered = true;
    this.#model.cut(this.#rig.nowMs);
    this.#rig.pass(0);
    this.#subscribe();
  }

  #expectedDead(): string[] {
    return this.#options.deadLetterExchange === null ? [] : this.#model.dead.toSorted();
  }

  #compare(): void {
    assert.equal(this.#queue.readyCount, this.#model.ready.length, 'ready');
    assert.equal(this.#queue.readyBytes, this.#model.readyBytes, 'bytes');
    assert.equal(this.#queue.unackedCount, this.#model.leased.size, 'unacked');
  }

  finish(): void {
    this.#rig.turn();
    const all = this.#rig.takeAll(this.#queue);
    const expected: string[] = [];
    for (;;) {
      this.#model.cut(this.#rig.nowMs);
      const entry = this.#model.ready.shift();
      if (entry === undefined) break;
      expected.push(entry.text);
    }
    assert.deepEqual(all, expected);
    const dead = this.#rig.takeAll(this.#rig.queues.get('dead')!);
    assert.deepEqual(dead.toSorted(), this.#expectedDead());
  }
}

function randomOptions(random: () => number): Partial<QueueOptions> {
  const maybe = <T>(value: T): T | null => (random() < 0.4 ? value : null);
  return {
    durable: random() < 0.5,
    ttlMs: maybe(Math.floor(random() * 60)),
    lengthMax: maybe(Math.floor(random() * 30)),
    bytesMax: maybe(Math.floor(random() * 300)),
    overflow: random() < 0.3 ? 'reject-publish' : 'drop-head',
    priorityMax: maybe(1 + Math.floor(random() * 5)),
    deadLetterExchange: maybe(''),
    deadLetterRoutingKey: 'dead',
  };
}

const SEEDS = 120;
const STEPS = 400;

test(`${SEEDS} random runs agree with the model`, async () => {
  const first = Number(process.env['QUEUE_SEED'] ?? 1);
  for (let seed = first; seed < first + SEEDS; seed++) {
    const numbers = new SeededRandom(seed);
    const random = (): number => numbers.next();
    // Half of them with so little memory that bytes come and go all the time.
    const isTight = random() < 0.5;
    const rig = await QueueRig.open(isTight ? 50_000 : 64 << 20);
    const run = new Run(rig, random, randomOptions(random), isTight ? 6000 : 20);
    let step = 0;
    try {
      for (; step < STEPS; step++) await run.step();
      run.finish();
    } catch (error) {
      throw new Error(`seed ${seed}, step ${step}`, { cause: error });
    }
  }
});
