/**
 * LeaseModel: what one durable queue of leases must hold and hand out: nothing before its time,
 * nothing twice at once, nothing too old, a group in its order, and no repetition of what came
 * within the window. The promises over a crash are those of queue-model.ts.
 *
 * Whoever drives it moves the schedule first, so that what is due is done.
 */
import assert from 'node:assert/strict';
import { Message, Outcome } from '#core/message/message.ts';
import type { Queue } from '#core/queue/queue.ts';
import { defaultQueueOptions } from '#core/queue/queue-options.ts';
import type { QueueOptions } from '#core/queue/queue-options.ts';
import type { SeededRandom } from '#test/rigs/seeded-random.ts';

const GROUPS = ['', 'a', 'b', 'c'];
const RETENTION_MS = 4000;
const WINDOW_MS = 2500;
const DELAY_MS_MAX = 400;
const LEASE_MS_MAX = 300;

interface Life {
  readonly id: number;
  readonly offset: number;
  readonly group: string;
  readonly dedupId: string | null;
  readonly publishedMs: number;
  readonly visibleMs: number;
  /** 0 = not leased. */
  leasedUntilMs: number;
  isConfirmed: boolean;
  wasSettled: boolean;
  isForgotten: boolean;
  /** Also after a loss of power. */
  isPromised: boolean;
  /** A restart did not have it, and was allowed not to. */
  isLost: boolean;
}

export class LeaseModel {
  readonly name: string;
  readonly grouping: 'fifo' | 'fair' | null;
  readonly #random: SeededRandom;
  #queue: Queue | null = null;
  #lives: Life[] = [];
  readonly #message = new Message();

  constructor(name: string, grouping: 'fifo' | 'fair' | null, random: SeededRandom) {
    this.name = name;
    this.grouping = grouping;
    this.#random = random;
  }

  get options(): QueueOptions {
    return {
      ...defaultQueueOptions(),
      durable: true,
      grouping: this.grouping,
      retentionMs: RETENTION_MS,
      duplicates: { windowMs: WINDOW_MS, scope: 'queue', contentBased: false },
    };
  }

  get confirmedCount(): number {
    return this.#lives.filter((life) => life.isConfirmed).length;
  }

  /** Publishes one and returns what its commit makes true. */
  publish(id: number, nowMs: number): () => void {
    const queue = this.#queue!;
    const random = this.#random;
    const message = this.#message;
    const body = Buffer.alloc(4 + random.pick([0, 30, 3000]), id & 0xff);
    body.writeUInt32BE(id);
    message.reset();
    message.body = body;
    message.bodyEnd = body.length;
    message.durable = true;
    message.timestampMs = nowMs;
    if (random.chance(0.3)) message.deliverAtMs = nowMs + random.between(1, DELAY_MS_MAX);
    const group = random.pick(GROUPS);
    if (group !== '') {
      message.hasKey = true;
      message.key = Buffer.from(group);
      message.keyEnd = message.key.length;
    }
    const recent = this.#lives.at(-1 - random.below(20));
    message.dedupId = random.chance(0.2) && recent ? recent.dedupId : `d${id}`;
    const { dedupId } = message;
    const visibleMs = message.deliverAtMs;
    const before = this.#repeated(dedupId, nowMs);
    const duplicateOf = queue.duplicateOf(message);
    const offset = queue.nextOffset;
    assert.equal(queue.publish(message), Outcome.Routed | Outcome.AwaitCommit);
    if (duplicateOf >= 0) {
      assert.equal(duplicateOf, before?.offset, `${this.name}: ${dedupId} was not there before`);
      assert.equal(queue.nextOffset, offset, `${this.name}: a repetition was stored`);
      return () => (before!.isConfirmed = true);
    }
    // What a crash may have taken may be told anew.
    const isKnown = before !== undefined && (before.isConfirmed || !before.wasSettled);
    assert.ok(!isKnown, `${this.name}: repetition ${dedupId} was taken`);
    const life: Life = {
      id,
      offset,
      group,
      dedupId,
      visibleMs,
      publishedMs: nowMs,
      leasedUntilMs: 0,
      isConfirmed: false,
      wasSettled: false,
      isForgotten: false,
      isPromised: false,
      isLost: false,
    };
    this.#lives.push(life);
    return () => (life.isConfirmed = true);
  }

  #repeated(dedupId: string | null, nowMs: number): Life | undefined {
    return this.#lives.findLast(
      (life) => life.dedupId === dedupId && !life.isLost && life.publishedMs + WINDOW_MS > nowMs,
    );
  }

  /** What a commit that is asked for now makes true of what was settled: it never returns. */
  promise(): () => void {
    const settled = this.#lives.filter((life) => life.wasSettled && !life.isForgotten);
    const isPromised = this.#random.chance(0.5);
    if (isPromised) this.#queue!.promiseSettled();
    return () => {
      for (const life of settled) {
        life.isForgotten = true;
        life.isPromised ||= isPromised;
      }
    };
  }

  /** Leases some, and returns them. Nobody else may have them, and they are what is next. */
  lease(count: number, durationMs: number, nowMs: number): Life[] {
    const queue = this.#queue!;
    const taken: Life[] = [];
    queue.lease(count, durationMs, this, (message, { offset }) => {
      const body = Buffer.from(message.body.subarray(message.bodyStart, message.bodyEnd));
      const id = body.readUInt32BE(0);
      for (let i = 4; i < body.length; i++) assert.equal(body[i], id & 0xff, 'a body is torn');
      const life = this.#lives.findLast((each) => each.id === id);
      assert.ok(life, `${this.name}: message ${id} was never published`);
      assert.equal(life.offset, offset);
      const why = this.#notToBeLeased(life, nowMs, taken);
      assert.equal(why, null, `${this.name}: message ${id} at ${offset} ${why}`);
      taken.push(life);
    });
    // Some may be few, because bytes are on disk; none means that there is none.
    if (taken.length === 0 && !queue.isLoading) {
      const left = this.#lives.find((life) => this.#notToBeLeased(life, nowMs, taken) === null);
      assert.equal(left, undefined, `${this.name}: message ${left?.id} was left out`);
    }
    for (const life of taken) life.leasedUntilMs = nowMs + durationMs;
    return taken;
  }

  #notToBeLeased(life: Life, nowMs: number, sameCall: readonly Life[]): string | null {
    if (life.isLost) return 'had been gone and is back';
    if (life.wasSettled) return 'is settled';
    if (life.visibleMs > nowMs) return 'comes too early';
    if (life.leasedUntilMs > nowMs || sameCall.includes(life)) return 'is leased';
    if (life.publishedMs + RETENTION_MS <= nowMs) return 'is too old';
    if (this.grouping !== 'fifo') return null;
    const before = this.#lives.find(
      (other) =>
        other.group === life.group &&
        other.offset < life.offset &&
        !other.isLost &&
        !other.wasSettled &&
        !sameCall.includes(other) &&
        (other.visibleMs > nowMs || other.leasedUntilMs > nowMs),
    );
    return before === undefined ? null : `comes before ${before.id}`;
  }

  /** Something with one of those that are leased. */
  act(nowMs: number): void {
    const queue = this.#queue!;
    const random = this.#random;
    if (random.chance(0.4))
      this.lease(1 + random.below(10), random.between(1, LEASE_MS_MAX), nowMs);
    if (random.chance(0.01)) {
      queue.clear();
      for (const life of this.#lives) life.wasSettled = true;
    }
    for (const life of this.#lives) {
      if (life.isLost || life.wasSettled || life.leasedUntilMs === 0) continue;
      const isLeased = life.leasedUntilMs > nowMs;
      assert.equal(queue.isLeased(life.offset), isLeased, `${this.name}: lease of ${life.id}`);
      if (!isLeased) life.leasedUntilMs = 0;
      else if (random.chance(0.4)) this.#settle(life, queue, nowMs);
    }
  }

  #settle(life: Life, queue: Queue, nowMs: number): void {
    const random = this.#random;
    const how = random.next();
    if (how < 0.7) {
      assert.ok(how < 0.4 ? queue.accept(life.offset) : queue.discard(life.offset));
      life.wasSettled = true;
    } else {
      const durationMs = how < 0.85 ? 0 : random.between(1, LEASE_MS_MAX);
      assert.ok(queue.extend(life.offset, durationMs));
      life.leasedUntilMs = durationMs === 0 ? 0 : nowMs + durationMs;
    }
  }

  /** What a restart found: `nowMs` is then, `crash` what was before. */
  examine(queue: Queue, nowMs: number, crash: 'none' | 'process' | 'power'): void {
    this.#queue = queue;
    // What is too old may be there or not; if one comes it is an unknown one.
    this.#lives = this.#lives.filter((life) => life.publishedMs + RETENTION_MS > nowMs);
    for (const life of this.#lives) {
      life.leasedUntilMs = 0;
      const isThere = queue.holds(life.offset);
      if (isThere && life.isForgotten) {
        const text = `${this.name}: settled message ${life.id} returned`;
        assert.ok(crash === 'power' && !life.isPromised, text);
      }
      const wasStored = life.offset < queue.nextOffset;
      if (isThere) life.wasSettled = life.isForgotten = false;
      else if (life.wasSettled && wasStored) life.isForgotten = true;
      else {
        assert.ok(!life.isConfirmed, `${this.name}: confirmed message ${life.id} is lost`);
        life.isLost = true;
      }
    }
    this.#lives = this.#lives.filter((life) => !life.isLost);
  }

  /** Takes everything; `turn` lets time pass and says when it is. */
  async drain(turn: () => Promise<number>): Promise<void> {
    const queue = this.#queue!;
    const seen = new Set<Life>();
    const isMissed = (life: Life, nowMs: number): boolean =>
      !life.wasSettled && !seen.has(life) && life.publishedMs + RETENTION_MS > nowMs;
    for (let turns = 0; ; turns++) {
      const nowMs = await turn();
      for (const life of this.lease(1000, 1, nowMs)) seen.add(life);
      const missed = this.#lives.find((life) => isMissed(life, nowMs));
      if (missed === undefined) return;
      const { isLoading } = queue;
      assert.ok(turns < 1000, `${this.name}: ${missed.id} never comes (loading: ${isLoading})`);
    }
  }
}
