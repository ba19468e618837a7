/**
 * Dispatch: hands the messages of one queue to its consumers.
 *
 * What is published while somebody can take it is handed on at once, from the bytes just stored;
 * everything else waits in line for `pump`. The line is worked on in `run` only, which is never
 * entered twice: a dead letter may come back to this very queue meanwhile.
 */
import type { Backlog } from './backlog.ts';
import type { Chunk } from './chunk.ts';
import { ConsumerLine } from './consumer-line.ts';
import { Message } from '../message/message.ts';
import type { Pulls } from './pulls.ts';
import type { QueueOptions } from './queue-options.ts';
import { viewEncoded } from '../message/record.ts';
import type { Subscription } from './subscription.ts';
import type { Defer } from '../ports.ts';
import { COPY_BYTES_MAX } from '#wire/output-buffer.ts';

export class Dispatch {
  readonly consumers: ConsumerLine;
  readonly #options: QueueOptions;
  readonly #backlog: Backlog;
  readonly #pulls: Pulls;
  readonly #defer: Defer;
  readonly #view = new Message();
  /** Nobody could take the last one; until somebody says otherwise. */
  #stalled = true;
  #running = false;
  #runAgain = false;
  #isOver = false;
  readonly #wake = (): void => this.run();

  constructor(options: QueueOptions, backlog: Backlog, pulls: Pulls, defer: Defer) {
    this.#options = options;
    this.#backlog = backlog;
    this.#pulls = pulls;
    this.#defer = defer;
    this.consumers = new ConsumerLine(options.singleActiveConsumer);
  }

  /** Stores a new message, and hands it on if it may be next. `mustKeep`: it needs its place in the
   * queue even if nobody will ever come back to it. */
  publish(message: Message, mustKeep: boolean): void {
    if (
      this.#stalled ||
      this.#running ||
      this.#backlog.store.readyCount > 0 ||
      this.#options.grouping === 'fifo'
    )
      this.#enqueue(message);
    else this.#handOn(message, mustKeep);
  }

  #enqueue(message: Message): void {
    const backlog = this.#backlog;
    backlog.add(message, backlog.expiresAtMs(message));
    if (this.#running) this.#runAgain = true;
    else if (backlog.isBounded || backlog.hasGroups) {
      // A dead letter that pushes out the next one could go on for ever: not within this call.
      if (message.deaths === null) this.run();
      else this.#defer(this.#wake);
    }
    this.#pulls.notify();
  }

  /** Nobody is before it: straight to a consumer, if there is one. */
  #handOn(message: Message, mustKeep: boolean): void {
    const subscription = message.deliverAtMs === 0 ? this.consumers.next() : null;
    if (subscription === null) {
      if (message.deliverAtMs === 0) this.#stalled = true;
      this.#enqueue(message);
      // Its time may have been over already.
      if (!this.#stalled && this.#backlog.readyCount > 0) this.run();
      return;
    }
    const backlog = this.#backlog;
    if (subscription.noAck && !this.#options.durable && !mustKeep && isSmall(message)) {
      // Copied by the subscriber and forgotten here: it needs no place in the queue.
      subscription.subscriber.deliver(message, backlog.content.tail, 0, subscription);
      return;
    }
    const expiresAtMs = backlog.expiresAtMs(message);
    const chunk = backlog.add(message, expiresAtMs);
    const index = chunk.count - 1;
    backlog.take(chunk.base + index);
    viewEncoded(this.#view, chunk.bytes!, message, expiresAtMs);
    this.#hand(subscription, chunk, index, 0);
  }

  /** `#view` points at the message. */
  #hand(subscription: Subscription, chunk: Chunk, index: number, deliveryCount: number): void {
    const offset = chunk.base + index;
    if (subscription.noAck) {
      subscription.subscriber.deliver(this.#view, offset, deliveryCount, subscription);
      this.#backlog.settle(chunk, index, true);
    } else {
      subscription.take();
      this.#backlog.store.lease(chunk, index);
      subscription.subscriber.deliver(this.#view, offset, deliveryCount, subscription);
    }
  }

  /** Somebody got credit, became writable, or came. */
  pump(): void {
    this.#stalled = false;
    this.run();
  }

  /** Hands out what it can, and ends what must not stay. */
  run(): void {
    if (this.#running) {
      this.#runAgain = true;
      return;
    }
    if (this.#isOver) return;
    this.#running = true;
    try {
      do {
        this.#runAgain = false;
        this.#runOnce();
      } while (this.#runAgain);
    } finally {
      this.#running = false;
    }
    this.#backlog.armTimers();
    this.#pulls.notify();
  }

  #runOnce(): void {
    const backlog = this.#backlog;
    const { store } = backlog;
    while (backlog.readyCount > 0) {
      const offset = backlog.next(this.consumers.size > 0);
      if (offset < 0 || this.#stalled) return;
      const chunk = store.chunks.find(offset)!;
      const subscription = this.consumers.next();
      if (subscription === null) this.#stalled = true;
      if (subscription === null || !store.ready(chunk)) return;
      backlog.take(offset);
      const index = offset - chunk.base;
      store.view(chunk, index, this.#view);
      this.#hand(subscription, chunk, index, backlog.deliveriesBefore(chunk, index));
    }
  }

  /** The queue is gone. */
  end(): void {
    this.#isOver = true;
  }
}

/** Small enough that a subscriber's output copies every part of it. */
function isSmall(message: Message): boolean {
  const { bodyStart, bodyEnd, sourceStart, sourceEnd, headersStart, headersEnd } = message;
  const bytes = bodyEnd - bodyStart + (sourceEnd - sourceStart) + (headersEnd - headersStart);
  return bytes + (message.keyEnd - message.keyStart) < COPY_BYTES_MAX;
}
