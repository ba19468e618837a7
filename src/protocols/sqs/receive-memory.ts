/**
 * What a queue's receivers make it remember, for as long as the broker runs: when a message was
 * received first, and what a FIFO queue answered to a ReceiveRequestAttemptId.
 */
import type { Queue } from '#core/queue/queue.ts';

const KEPT_MIN = 4096;
const ATTEMPT_MS = 300_000;

/** Of messages that are still there. */
export class FirstReceives {
  readonly #queue: Queue;
  readonly #timesMs = new Map<number, number>();
  #sizeMax = KEPT_MIN;

  constructor(queue: Queue) {
    this.#queue = queue;
  }

  /** The message is received now. Returns when it was for the first time. */
  received(offset: number, isFirst: boolean, nowMs: number): number {
    if (!isFirst) {
      const known = this.#timesMs.get(offset);
      if (known !== undefined) return known;
    }
    if (this.#timesMs.size >= this.#sizeMax) this.#forgetGone();
    this.#timesMs.set(offset, nowMs);
    return nowMs;
  }

  deleted(offset: number): void {
    this.#timesMs.delete(offset);
  }

  clear(): void {
    this.#timesMs.clear();
  }

  /** Messages also leave a queue otherwise: they expire, die, are acknowledged by AMQP. */
  #forgetGone(): void {
    for (const offset of this.#timesMs.keys()) {
      if (!this.#queue.holds(offset)) this.#timesMs.delete(offset);
    }
    this.#sizeMax = Math.max(KEPT_MIN, this.#timesMs.size * 2);
  }
}

interface AttemptedLease {
  readonly offset: number;
  /** Of it: how often it had been handed out, this time included. */
  readonly deliveries: number;
  readonly receivedAtMs: number;
  /** When it ends; whoever changes it modifies the message. */
  endsMs: number;
}

export interface Attempt {
  readonly startedMs: number;
  readonly leases: readonly AttemptedLease[];
}

export class ReceiveAttempts {
  readonly #queue: Queue;
  readonly #byId = new Map<string, Attempt>();
  #sizeMax = KEPT_MIN;

  constructor(queue: Queue) {
    this.#queue = queue;
  }

  /** The earlier attempt of that id, when it can be answered again: within five minutes, and none of
   * its messages was deleted, had its visibility changed, or became visible. */
  find(id: string, nowMs: number): Attempt | null {
    const attempt = this.#byId.get(id);
    if (attempt === undefined) return null;
    if (this.#isAnswerable(attempt, nowMs)) return attempt;
    this.#byId.delete(id);
    return null;
  }

  #isAnswerable({ startedMs, leases }: Attempt, nowMs: number): boolean {
    return nowMs - startedMs < ATTEMPT_MS && leases.every((lease) => this.#isUnmodified(lease));
  }

  #isUnmodified({ offset, deliveries, endsMs }: AttemptedLease): boolean {
    const queue = this.#queue;
    return (
      queue.isLeased(offset) &&
      queue.deliveriesOf(offset) === deliveries &&
      queue.leaseEndsMs(offset) === endsMs
    );
  }

  add(id: string, attempt: Attempt): void {
    for (const [oldest, { startedMs }] of this.#byId) {
      if (attempt.startedMs - startedMs < ATTEMPT_MS) break;
      this.#byId.delete(oldest);
    }
    if (this.#byId.size >= this.#sizeMax) this.#forgetOver(attempt.startedMs);
    this.#byId.delete(id);
    this.#byId.set(id, attempt);
  }

  /** What is left is bounded by the messages in flight. */
  #forgetOver(nowMs: number): void {
    for (const [id, attempt] of this.#byId) {
      if (!this.#isAnswerable(attempt, nowMs)) this.#byId.delete(id);
    }
    this.#sizeMax = Math.max(KEPT_MIN, this.#byId.size * 2);
  }
}
