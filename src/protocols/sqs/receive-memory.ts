/**
 * What a queue's receivers make it remember, for as long as the broker runs: when a message was
 * received first, and what a FIFO queue answered to a ReceiveRequestAttemptId.
 */
import type { Queue } from '#core/queue/queue.ts';

const KEPT_MIN = 4096;
const ATTEMPT_MS = 300_000;
/** Offsets that lie side by side are received at about the same time: one entry for all of them. */
const PAGE_OFFSETS = 32;

interface Page {
  /** 0: none. */
  readonly timesMs: Float64Array;
  count: number;
}

/** Of messages that are still there. */
export class FirstReceives {
  readonly #queue: Queue;
  readonly #pages = new Map<number, Page>();
  #count = 0;
  #countMax = KEPT_MIN;

  constructor(queue: Queue) {
    this.#queue = queue;
  }

  /** How many are remembered. */
  get size(): number {
    return this.#count;
  }

  /** The message is received now. Returns when it was for the first time. */
  received(offset: number, isFirst: boolean, nowMs: number): number {
    const place = offset % PAGE_OFFSETS;
    const page = this.#pageOf((offset - place) / PAGE_OFFSETS);
    const knownMs = page.timesMs[place]!;
    if (knownMs !== 0 && !isFirst) return knownMs;
    page.timesMs[place] = Math.max(nowMs, 1);
    if (knownMs !== 0) return nowMs;
    page.count++;
    if (++this.#count > this.#countMax) this.#forgetGone();
    return nowMs;
  }

  #pageOf(number: number): Page {
    let page = this.#pages.get(number);
    if (page === undefined) {
      page = { timesMs: new Float64Array(PAGE_OFFSETS), count: 0 };
      this.#pages.set(number, page);
    }
    return page;
  }

  deleted(offset: number): void {
    const place = offset % PAGE_OFFSETS;
    const number = (offset - place) / PAGE_OFFSETS;
    const page = this.#pages.get(number);
    if (page !== undefined) this.#forget(page, number, place);
  }

  #forget(page: Page, number: number, place: number): void {
    if (page.timesMs[place] === 0) return;
    page.timesMs[place] = 0;
    this.#count--;
    if (--page.count === 0) this.#pages.delete(number);
  }

  clear(): void {
    this.#pages.clear();
    this.#count = 0;
  }

  /** Messages also leave a queue otherwise: they expire, die, are acknowledged by AMQP. */
  #forgetGone(): void {
    for (const [number, page] of this.#pages) {
      for (let place = 0; place < PAGE_OFFSETS; place++) {
        const isThere = this.#queue.holds(number * PAGE_OFFSETS + place);
        if (!isThere) this.#forget(page, number, place);
      }
    }
    this.#countMax = Math.max(KEPT_MIN, this.#count * 2);
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
