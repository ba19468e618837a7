/**
 * DelayLine: where the messages of an exchange that delays wait for their time: a queue nobody sees.
 *
 * A message whose envelope says `delayMs` is stored with its time; when that has come it is routed
 * by the exchange's bindings, its delay negated so that nobody delays it again, and settled when
 * what became of it is committed: a crash in between routes it twice, never not at all. Those that
 * are due together go by their time, then in the order they came, a portion per turn.
 */
import type { Broker } from '../broker.ts';
import { DELAY_HEADER } from '../message/delay.ts';
import { BrokerError } from '../errors.ts';
import type { Delay, Exchange } from './exchange.ts';
import { Message, Origin, Outcome } from '../message/message.ts';
import type { Destination } from '../message/message.ts';
import type { Queue } from '../queue/queue.ts';
import type { Subscriber, Subscription } from '../queue/subscription.ts';
import { publishTo } from './router.ts';
import type { Router } from './router.ts';

const PORTION = 512;
/** Taken from the queue per turn. */
const TAKE = 4096;
/** Put in order before the first is routed; further ones stay in the queue meanwhile. */
const DUE_MAX = 65_536;
/** Of a full disk. */
const RETRY_MS = 1000;

interface Due {
  readonly offset: number;
  readonly timeMs: number;
}

export interface DelayHome {
  readonly broker: Broker;
  readonly router: Router;
}

function inOrder(a: Due, b: Due): number {
  return a.timeMs - b.timeMs || a.offset - b.offset;
}

export class DelayLine implements Delay, Subscriber {
  readonly queue: Queue;
  readonly #home: DelayHome;
  readonly #exchange: Exchange;
  readonly #message = new Message();
  #subscription: Subscription;
  /** In order; those before `#done` are done. */
  #due: Due[] = [];
  #done = 0;
  /** Not in order yet. */
  #fresh: Due[] = [];
  /** There may be more to be put in order before the next is routed. */
  #isTaking = true;
  #isDeferred = false;
  #closed = false;

  /** Nothing is routed before `begin`. */
  constructor(home: DelayHome, exchange: Exchange, queue: Queue) {
    this.queue = queue;
    this.#home = home;
    this.#exchange = exchange;
    this.#subscription = this.#subscribe();
  }

  #subscribe(): Subscription {
    return this.queue.subscribe({
      subscriber: this,
      credits: [],
      noAck: false,
      exclusive: true,
      priority: 0,
      owner: this,
      tag: '',
    });
  }

  begin(): void {
    this.queue.pump();
  }

  close(): void {
    this.#closed = true;
    this.#due = this.#fresh = [];
  }

  /** How many wait for their time, or are on their way. */
  get size(): number {
    return this.queue.delayedCount + this.queue.readyCount + this.queue.unackedCount;
  }

  by(delayMs: number): Destination {
    const { name } = this.#exchange;
    return { name, publish: (message) => this.#store(message, delayMs) };
  }

  #store(message: Message, delayMs: number): Outcome {
    const { deliverAtMs, expiresAtMs, durable } = message;
    const nowMs = this.#home.broker.ports.clock.now();
    message.deliverAtMs = Math.max(deliverAtMs, nowMs + delayMs);
    // Its time to live begins when it comes to a queue.
    message.expiresAtMs = 0;
    message.durable = true;
    const outcome = this.queue.publish(message);
    message.deliverAtMs = deliverAtMs;
    message.expiresAtMs = expiresAtMs;
    message.durable = durable;
    return outcome;
  }

  /** Subscriber: its time has come. */
  deliver(message: Message, offset: number): void {
    this.#fresh.push({ offset, timeMs: message.deliverAtMs });
    if (this.#fresh.length >= TAKE) this.#subscription.paused = true;
    this.#runSoon();
  }

  /** Subscriber: the next message cannot be read. It stays where it is, and is tried again. */
  cancelled(_subscription: Subscription, failure: BrokerError | null): void {
    if (failure === null) return;
    const { ports, schedule } = this.#home.broker;
    const fields = { exchange: this.#exchange.name, reason: failure.message };
    ports.log.error('a delayed message cannot be read', fields);
    schedule.at(ports.clock.now() + RETRY_MS, () => {
      if (this.#closed) return;
      this.#subscription = this.#subscribe();
      this.queue.pump();
    });
    this.#runSoon();
  }

  #runSoon(): void {
    if (this.#isDeferred) return;
    this.#isDeferred = true;
    this.#home.broker.ports.defer(() => {
      this.#isDeferred = false;
      if (!this.#closed) this.#run();
    });
  }

  #run(): void {
    const { paused, ended } = this.#subscription;
    // More are on their way from disk, and may be due before these.
    if (this.queue.isLoading && !paused && !ended) return;
    this.#sort();
    if (this.#takesMore()) return;
    const routed: number[] = [];
    const unread: number[] = [];
    const end = Math.min(this.#done + PORTION, this.#due.length);
    const hasSpace = this.#home.broker.hasSpace;
    for (; this.#done < end; this.#done++) {
      const { offset } = this.#due[this.#done]!;
      if (!hasSpace || !this.queue.viewLeased(offset, this.#message)) unread.push(offset);
      else {
        this.#route(this.#message);
        routed.push(offset);
      }
    }
    if (routed.length > 0) this.#settle(routed);
    if (this.#done < this.#due.length) this.#runSoon();
    else {
      this.#due = [];
      this.#done = 0;
      if (paused) this.#runSoon();
    }
    if (unread.length > 0) this.queue.release(unread, false, hasSpace ? 0 : RETRY_MS);
  }

  /** True when it took some: they are put in order first. */
  #takesMore(): boolean {
    const count = this.#due.length - this.#done;
    if (!this.#subscription.paused) return false;
    if (count >= DUE_MAX) this.#isTaking = false;
    else if (count <= DUE_MAX / 2) this.#isTaking = true;
    if (!this.#isTaking) return false;
    this.#subscription.paused = false;
    this.queue.pump();
    return this.#fresh.length > 0;
  }

  #sort(): void {
    const fresh = this.#fresh.toSorted(inOrder);
    this.#fresh = [];
    if (fresh.length === 0) return;
    if (this.#done >= DUE_MAX) {
      this.#due = this.#due.slice(this.#done);
      this.#done = 0;
    }
    const due = this.#due;
    const last = due.at(-1);
    // Nearly always: the queue gives them out by their time, a portion after the other.
    if (last === undefined || inOrder(last, fresh[0]!) <= 0) {
      for (const each of fresh) due.push(each);
      return;
    }
    this.#due = [...due.slice(this.#done), ...fresh].toSorted(inOrder);
    this.#done = 0;
  }

  #settle(offsets: readonly number[]): void {
    this.#home.broker.commit.wait({
      committed: () => {
        for (const offset of offsets) if (!this.#closed) this.queue.accept(offset);
      },
    });
  }

  /** One that cannot be read as what it says it is goes nowhere: it was forged. */
  #route(message: Message): void {
    const { broker, router } = this.#home;
    const { envelopes, metrics, ports } = broker;
    try {
      const envelope = envelopes.decode(message);
      const { expirationMs, durable } = envelope;
      envelope.delayMs = -(envelope.delayMs ?? 0);
      envelopes.setHeader(message, envelope, DELAY_HEADER, envelope.delayMs);
      const nowMs = ports.clock.now();
      message.deliverAtMs = 0;
      message.durable = durable;
      if (message.origin !== Origin.None) message.timestampMs = nowMs;
      message.arrive(nowMs);
      message.expiresAtMs = expirationMs === null ? 0 : nowMs + expirationMs;
      const outcome = publishTo(router.targetsBy(this.#exchange, envelope), message);
      if (outcome === Outcome.Unrouted) metrics.delayedUnrouted++;
      if ((outcome & Outcome.Refused) !== 0) metrics.delayedRefused++;
    } catch (error) {
      if (!(error instanceof BrokerError)) throw error;
      metrics.delayedUnrouted++;
    }
  }
}
