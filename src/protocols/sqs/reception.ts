/**
 * Reception: one ReceiveMessage, at once or as a long poll. A long poll waits in the queue's line of
 * waiters until something can be leased, its time is up, the client goes or the broker stops; it
 * takes messages only in the moment in which it answers.
 *
 * With as many messages in flight as a queue may have, a short poll is refused and a long poll looks
 * again a few times a second.
 */
import { BrokerError } from '#core/errors.ts';
import { Message } from '#core/message/message.ts';
import type { Lease, Queue } from '#core/queue/queue.ts';
import type { PullWaiter } from '#core/queue/pull-waiters.ts';
import type { Timer } from '#core/schedule.ts';
import type { Call, Waiting } from './action.ts';
import type { Output, ReceivedMessage } from './actions.ts';
import { SqsError } from './errors.ts';
import type { SqsNode } from './node.ts';
import type { Attempt } from './receive-memory.ts';
import type { ReceivedMessages } from './received-messages.ts';
import type { SqsQueue } from './sqs-queues.ts';

/** Of standard and of FIFO queues. */
const IN_FLIGHT_MAX = 120_000;
const FULL_RETRY_MS = 250;
/** A short poll waits so long for messages that are on their way from the disk. */
const LOADING_MS = 1000;

export interface ReceptionOptions {
  readonly count: number;
  readonly waitMs: number;
  readonly visibilityMs: number;
  /** Of a FIFO queue. */
  readonly attemptId: string | null;
}

type ReceiveOutput = Output<'ReceiveMessage'>;

export class Reception implements PullWaiter, Waiting {
  readonly #node: SqsNode;
  readonly #call: Call<'ReceiveMessage'>;
  readonly #target: SqsQueue;
  readonly #shown: ReceivedMessages;
  readonly #options: ReceptionOptions;
  #deadlineMs = 0;
  #timer: Timer | null = null;
  #isOver = false;

  constructor(
    node: SqsNode,
    call: Call<'ReceiveMessage'>,
    target: SqsQueue,
    shown: ReceivedMessages,
    options: ReceptionOptions,
  ) {
    this.#node = node;
    this.#call = call;
    this.#target = target;
    this.#shown = shown;
    this.#options = options;
  }

  get #queue(): Queue {
    return this.#target.queue;
  }

  #nowMs(): number {
    return this.#node.broker.ports.clock.now();
  }

  /** Null: later. Throws SqsError or BrokerError. */
  start(): ReceiveOutput | null {
    const { waitMs } = this.#options;
    const messages = this.#isFull() ? [] : this.#take();
    if (messages.length > 0) return { Messages: messages };
    if (waitMs === 0 && this.#isFull()) {
      throw new SqsError('OverLimit', `${IN_FLIGHT_MAX} messages of the queue are in flight.`);
    }
    const mayWaitMs = waitMs > 0 || !this.#queue.isLoading ? waitMs : LOADING_MS;
    if (mayWaitMs === 0) return {};
    this.#deadlineMs = this.#nowMs() + mayWaitMs;
    this.#call.waiting = this;
    this.#wait();
    return null;
  }

  #isFull(): boolean {
    return this.#queue.unackedCount >= IN_FLIGHT_MAX;
  }

  #take(): ReceivedMessage[] {
    const { count, attemptId, visibilityMs } = this.#options;
    const nowMs = this.#nowMs();
    const again = attemptId === null ? null : this.#target.attempts.find(attemptId, nowMs);
    const messages = again === null ? this.#lease(count, nowMs) : this.#repeat(again);
    // Those that are not to be hidden at all come back now, not between one message and the next.
    if (visibilityMs === 0) this.#endLeases();
    this.#leased.length = 0;
    return messages;
  }

  readonly #leased: Lease[] = [];

  #lease(count: number, nowMs: number): ReceivedMessage[] {
    const queue = this.#queue;
    const { attemptId, visibilityMs } = this.#options;
    const { metrics, namespace, broker } = this.#node;
    const { observer } = broker;
    const messages: ReceivedMessage[] = [];
    const most = Math.min(count, IN_FLIGHT_MAX - queue.unackedCount);
    const leaseMs = Math.max(visibilityMs, 1);
    queue.lease(most, leaseMs, this.#call.owner, (message, lease) => {
      messages.push(this.#shown.show(message, lease, nowMs));
      metrics.delivered++;
      metrics.deliveredBytes += message.bodyBytes;
      if (lease.deliveryCount > 0) metrics.redelivered++;
      if (observer !== null) {
        observer.delivered('sqs', namespace, queue.name, message, lease.deliveryCount);
      }
      if (attemptId !== null || visibilityMs === 0) this.#leased.push(lease);
    });
    if (attemptId !== null && messages.length > 0) this.#remember(attemptId, nowMs);
    return messages;
  }

  #remember(attemptId: string, nowMs: number): void {
    const leases = this.#leased.map(({ offset, deliveryCount }) => ({
      offset,
      deliveries: deliveryCount + 1,
      receivedAtMs: nowMs,
      endsMs: this.#queue.leaseEndsMs(offset),
    }));
    this.#target.attempts.add(attemptId, { startedMs: nowMs, leases });
  }

  /** The same messages under the same handles, hidden for as long as if they were received now. */
  #repeat({ leases }: Attempt): ReceivedMessage[] {
    const queue = this.#queue;
    const message = new Message();
    const messages: ReceivedMessage[] = [];
    for (const lease of leases) {
      const { offset, deliveries, receivedAtMs } = lease;
      if (!queue.viewLeased(offset, message)) continue;
      queue.extend(offset, Math.max(this.#options.visibilityMs, 1));
      lease.endsMs = queue.leaseEndsMs(offset);
      const shown = { offset, deliveryCount: deliveries - 1 };
      this.#leased.push(shown);
      messages.push(this.#shown.show(message, shown, receivedAtMs));
    }
    return messages;
  }

  #endLeases(): void {
    for (const { offset } of this.#leased) this.#queue.extend(offset, 0);
  }

  #wait(): void {
    const { schedule } = this.#node.broker;
    if (this.#timer !== null) schedule.cancel(this.#timer);
    const isFull = this.#isFull();
    const nextMs = isFull ? this.#nowMs() + FULL_RETRY_MS : Infinity;
    if (!isFull) this.#queue.wait(this);
    this.#timer = schedule.at(Math.min(nextMs, this.#deadlineMs), () => this.#timeIsUp());
  }

  #timeIsUp(): void {
    this.#timer = null;
    if (this.#nowMs() >= this.#deadlineMs) this.hurry();
    else this.ready();
  }

  /** PullWaiter. */
  ready(): void {
    if (this.#isOver) return;
    let messages: ReceivedMessage[];
    try {
      messages = this.#isFull() ? [] : this.#take();
    } catch (error) {
      if (!(error instanceof SqsError) && !(error instanceof BrokerError)) throw error;
      this.#end();
      this.#call.refuse(error);
      return;
    }
    if (messages.length === 0) {
      this.#wait();
      return;
    }
    this.#end();
    this.#call.answer({ Messages: messages });
  }

  /** PullWaiter. */
  failed(failure: BrokerError): void {
    if (this.#isOver) return;
    this.#end();
    this.#call.refuse(failure);
  }

  /** Waiting. */
  abandon(): void {
    this.#end();
  }

  /** Waiting; also when its own time is up. */
  hurry(): void {
    if (this.#isOver) return;
    this.#end();
    this.#call.answer({});
  }

  #end(): void {
    this.#isOver = true;
    this.#queue.unwait(this);
    if (this.#timer !== null) this.#node.broker.schedule.cancel(this.#timer);
    this.#timer = null;
  }
}
