/**
 * MessageMover: moves the messages of a dead-letter queue on, one portion after the other. A portion
 * is leased and published; only when that is committed is it settled here, so that a crash in between
 * leaves a message in both queues and never in none.
 *
 * A moved message is a new one, as in AWS: it has a new MessageId and time, and forgets its deaths.
 */
import { BrokerError } from '#core/errors.ts';
import type { CommitWaiter } from '#core/log.ts';
import { Message, Origin, Outcome } from '#core/message/message.ts';
import type { PullWaiter } from '#core/queue/pull-waiters.ts';
import type { Timer } from '#core/schedule.ts';
import { SqsError } from './errors.ts';
import { readMessage, writeMessage } from './mapping.ts';
import type { SqsNode } from './node.ts';
import type { SqsQueue, SqsQueues } from './sqs-queues.ts';

const PORTION_MAX = 100;
/** Of a limited task: so often it moves some, or more rarely one. */
const PORTIONS_PER_SECOND = 10;
const LEASE_MS = 60_000;
/** While the disk is full or memory short, as for whoever sends. */
const RETRY_MS = 1000;
/** AWS's name for a message that did not die in a queue. */
const NO_SOURCE = 'CouldNotDetermineMessageSource';

export interface Movement {
  readonly source: string;
  /** Null: each message to the queue where it died. */
  readonly destination: string | null;
  /** Null: as fast as it goes. */
  readonly perSecond: number | null;
}

export interface MoverListener {
  moved(count: number): void;
  /** `failure`: null when all is moved, else a code. Not called after `cancel`. */
  ended(failure: string | null): void;
}

export class MessageMover implements CommitWaiter, PullWaiter {
  readonly #node: SqsNode;
  readonly #queues: SqsQueues;
  readonly #source: SqsQueue;
  readonly #movement: Movement;
  readonly #listener: MoverListener;
  readonly #copy = new Message();
  /** Published, not committed. */
  #underway: number[] = [];
  #failure: string | null = null;
  #timer: Timer | null = null;
  #portionMs = 0;
  #isOver = false;

  constructor(
    node: SqsNode,
    queues: SqsQueues,
    source: SqsQueue,
    movement: Movement,
    listener: MoverListener,
  ) {
    this.#node = node;
    this.#queues = queues;
    this.#source = source;
    this.#movement = movement;
    this.#listener = listener;
  }

  /** The next portion; the first one is moved when whoever asked has its answer. */
  start(): void {
    this.#portionMs = this.#node.broker.ports.clock.now();
    this.#next();
  }

  /** Nothing more is moved; what is underway arrives. */
  cancel(): void {
    this.#end();
  }

  #end(): void {
    this.#isOver = true;
    this.#source.queue.unwait(this);
    if (this.#timer !== null) this.#node.broker.schedule.cancel(this.#timer);
    this.#timer = null;
  }

  #next(): void {
    this.#timer = this.#node.broker.schedule.at(this.#portionMs, () => {
      this.#timer = null;
      this.#movePortion();
    });
  }

  get #portion(): number {
    const { perSecond } = this.#movement;
    if (perSecond === null) return PORTION_MAX;
    return Math.max(1, Math.floor(perSecond / PORTIONS_PER_SECOND));
  }

  #movePortion(): void {
    const { broker } = this.#node;
    if (!broker.hasSpace || broker.alarms.memory) {
      this.#portionMs = broker.ports.clock.now() + RETRY_MS;
      this.#next();
      return;
    }
    const { queue } = this.#source;
    const failed: number[] = [];
    try {
      queue.lease(this.#portion, LEASE_MS, this, (message, { offset }) => {
        if (this.#failure === null) this.#failure = this.#moveOne(message);
        (this.#failure === null ? this.#underway : failed).push(offset);
      });
    } catch (error) {
      if (!(error instanceof BrokerError)) throw error;
      this.#failure = new SqsError('QueueDoesNotExist').code;
    }
    if (failed.length > 0) queue.release(failed, false);
    if (this.#underway.length > 0) broker.commit.wait(this);
    else if (this.#failure !== null) this.#finish(this.#failure);
    else if (queue.isLoading) queue.wait(this);
    else this.#finish(null);
  }

  #finish(failure: string | null): void {
    this.#end();
    this.#listener.ended(failure);
  }

  /** Null, or why it cannot go on. */
  #moveOne(message: Message): string | null {
    const name = this.#movement.destination ?? message.deaths?.[0]?.queue;
    if (name === undefined) return NO_SOURCE;
    const target = this.#queues.find(name);
    if (target === null) return new SqsError('QueueDoesNotExist').code;
    const copy = Object.assign(this.#copy, message);
    this.#renew(copy, target);
    const { namespace } = this.#node;
    const route = namespace.resolve('', name);
    const outcome = route === null ? 0 : namespace.publish(route, name, copy);
    if ((outcome & Outcome.Refused) !== 0) return new SqsError('OverLimit').code;
    return (outcome & Outcome.Routed) === 0 ? new SqsError('QueueDoesNotExist').code : null;
  }

  #renew(copy: Message, { queue, ids }: SqsQueue): void {
    const { broker } = this.#node;
    copy.deaths = null;
    copy.durable = true;
    copy.timestampMs = broker.ports.clock.now();
    copy.arrivedMs = copy.expiresAtMs = copy.deliverAtMs = 0;
    const messageId = ids.messageId(queue.nextOffset);
    if (copy.origin === Origin.Sqs) {
      const { body, attributes, traceHeader, senderId, groupId } = readMessage(copy, broker);
      const content = { body, traceHeader, groupId, messageId, queueName: queue.name };
      const sender = { attributes: attributes ?? undefined, senderId: senderId ?? '' };
      writeMessage(copy, { ...content, ...sender }, broker.ports.hashes);
    }
    // It may come back within the very window that it was sent in.
    if (queue.duplicateOf(copy) >= 0) copy.dedupId = messageId;
  }

  /** CommitWaiter. */
  committed(): void {
    const { queue } = this.#source;
    const offsets = this.#underway;
    this.#underway = [];
    for (const offset of offsets) {
      queue.discard(offset);
      this.#source.firstReceives.deleted(offset);
    }
    this.#listener.moved(offsets.length);
    if (this.#isOver) return;
    if (this.#failure !== null) {
      this.#finish(this.#failure);
      return;
    }
    const { perSecond } = this.#movement;
    if (perSecond !== null) this.#portionMs += (offsets.length * 1000) / perSecond;
    this.#next();
  }

  /** PullWaiter: bytes have come from the disk. */
  ready(): void {
    if (!this.#isOver) this.#movePortion();
  }

  /** PullWaiter. */
  failed(): void {
    if (!this.#isOver) this.#finish(new SqsError('InternalFailure').code);
  }
}
