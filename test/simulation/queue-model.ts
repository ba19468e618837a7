/**
 * QueueModel: what one durable queue must hold, and a consumer that knows it.
 *
 * A message's life: published; confirmed when the commit has answered; settled when a consumer
 * accepted it; forgotten when a commit has answered after that. What is confirmed and not settled
 * must be there after any restart. What is forgotten must not come back when the process was killed;
 * acknowledgements are not synced, so the power going may bring it back.
 */
import assert from 'node:assert/strict';
import { Credit } from '#core/queue/credit.ts';
import type { Message } from '#core/message/message.ts';
import { DeathReason } from '#core/message/message.ts';
import type { Queue } from '#core/queue/queue.ts';
import type { Subscriber, Subscription } from '#core/queue/subscription.ts';

interface Life {
  readonly id: number;
  readonly durable: boolean;
  isConfirmed: boolean;
  /** Settled once; after the power went it may be there again. */
  wasSettled: boolean;
  isForgotten: boolean;
  /** A restart did not have it, and was allowed not to. */
  isLost: boolean;
}

interface Held {
  readonly id: number;
  readonly offset: number;
}

export class QueueModel implements Subscriber {
  readonly name: string;
  #queue: Queue | null = null;
  readonly #lives = new Map<number, Life>();
  #held: Held[] = [];
  #subscription: Subscription | null = null;
  readonly #credit = new Credit(0);
  /** While a restart is examined: what came, in order. */
  #seen: Held[] | null = null;
  #lastCrash: 'none' | 'process' | 'power' = 'none';

  constructor(name: string) {
    this.name = name;
  }

  get confirmedCount(): number {
    let count = 0;
    for (const life of this.#lives.values()) if (life.isConfirmed) count++;
    return count;
  }

  get heldCount(): number {
    return this.#held.length;
  }

  published(id: number, durable: boolean): void {
    const isConfirmed = false;
    const rest = { wasSettled: false, isForgotten: false, isLost: false };
    this.#lives.set(id, { id, durable, isConfirmed, ...rest });
  }

  /** The ids that a commit which is asked for now will make safe, one way or the other. */
  promise(ids: readonly number[]): () => void {
    const settled = [...this.#lives.values()].filter(
      (life) => life.wasSettled && !life.isForgotten,
    );
    return () => {
      for (const id of ids) this.#lives.get(id)!.isConfirmed = true;
      for (const life of settled) life.isForgotten = true;
    };
  }

  crashed(kind: 'process' | 'power'): void {
    this.#queue = null;
    this.#subscription = null;
    this.#lastCrash = kind;
  }

  /** Takes everything out of the queue as it is after a restart and judges it. */
  async examine(queue: Queue, turn: () => Promise<void>): Promise<void> {
    this.#queue = queue;
    this.#held = [];
    const seen: Held[] = [];
    this.#seen = seen;
    this.#subscribe();
    for (let idle = 0; idle < 20; idle++) {
      if (queue.readyCount > 0) idle = 0;
      await turn();
    }
    this.#seen = null;
    this.#held = seen;
    this.#judge(seen);
  }

  #judge(seen: readonly Held[]): void {
    const there = new Set<number>();
    let offsetBefore = -1;
    for (const { id, offset } of seen) {
      const life = this.#lives.get(id);
      assert.ok(life, `${this.name}: message ${id} was never published`);
      assert.ok(!there.has(id), `${this.name}: message ${id} is there twice`);
      assert.ok(offset > offsetBefore, `${this.name}: out of order at ${offset}`);
      assert.ok(!life.isLost, `${this.name}: message ${id} had been gone and is back`);
      if (life.isForgotten) {
        assert.equal(this.#lastCrash, 'power', `${this.name}: settled message ${id} returned`);
      }
      there.add(id);
      offsetBefore = offset;
      life.wasSettled = life.isForgotten = false;
    }
    for (const life of this.#lives.values()) {
      if (there.has(life.id)) continue;
      const isMissed = life.isConfirmed && life.durable && !life.wasSettled;
      assert.ok(!isMissed, `${this.name}: confirmed message ${life.id} is lost`);
      if (life.wasSettled) life.isForgotten = true;
      else life.isLost = true;
    }
  }

  #subscribe(): void {
    this.#subscription = this.#queue!.subscribe({
      subscriber: this,
      credits: [this.#credit],
      noAck: false,
      exclusive: false,
      priority: 0,
      owner: this,
      tag: 'model',
    });
    this.#queue!.pump();
  }

  deliver(message: Message, offset: number, deliveryCount: number): void {
    const body = Buffer.from(message.body.subarray(message.bodyStart, message.bodyEnd));
    const id = body.readUInt32BE(0);
    for (let i = 4; i < body.length; i++) assert.equal(body[i], id & 0xff, 'a body is torn');
    if (this.#seen === null) {
      this.#held.push({ id, offset });
      return;
    }
    assert.ok(deliveryCount > 0, `${this.name}: message ${id} is not marked redelivered`);
    this.#seen.push({ id, offset });
  }

  cancelled(): void {
    assert.fail('nobody deletes this queue');
  }

  accept(i: number): void {
    const [held] = this.#held.splice(i, 1);
    assert.ok(this.#queue!.accept(held!.offset));
    this.#settled(held!.id);
  }

  reject(i: number): void {
    const [held] = this.#held.splice(i, 1);
    this.#queue!.reject(held!.offset, DeathReason.Rejected);
    this.#settled(held!.id);
  }

  #settled(id: number): void {
    this.#lives.get(id)!.wasSettled = true;
    this.#give();
  }

  release(i: number): void {
    const [held] = this.#held.splice(i, 1);
    this.#subscription!.give(1);
    this.#queue!.release([held!.offset], true);
  }

  #give(): void {
    this.#subscription!.give(1);
    this.#queue!.pump();
  }
}
