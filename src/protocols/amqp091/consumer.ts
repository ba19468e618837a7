/**
 * QueueConsumer: basic.consume on a queue. The queue pushes; every delivery is written at once into
 * the connection's output and, unless no-ack, noted under its delivery tag.
 */
import type { BrokerError } from '#core/errors.ts';
import type { Message } from '#core/message/message.ts';
import type { Queue } from '#core/queue/queue.ts';
import type { Subscriber, Subscription } from '#core/queue/subscription.ts';
import { Credit } from '#core/queue/credit.ts';
import type { Channel } from './channel.ts';
import { Method } from './codec.ts';
import { failLater, tellCancelled } from './consumer-end.ts';
import { AddressedContent, deliverPrefix, writeDelivery } from './delivery.ts';
import { QueueLeases, type ChannelConsumer } from './leases.ts';
import { deliveryCountHeader, fillContent } from './outgoing.ts';

/** Shared by all consumers: valid from fillContent to writeDelivery, which nothing comes between. */
const content = new AddressedContent();

export interface ConsumerOptions {
  noAck: boolean;
  exclusive: boolean;
  priority: number;
}

export class QueueConsumer extends QueueLeases implements ChannelConsumer, Subscriber {
  readonly tag: string;
  readonly #channel: Channel;
  readonly #prefix: Uint8Array;
  readonly #counted: boolean;
  #subscription: Subscription | null = null;

  constructor(channel: Channel, queue: Queue, tag: string) {
    super(channel.connection, queue);
    this.#channel = channel;
    this.tag = tag;
    this.#counted = queue.options.kind === 'quorum';
    this.#prefix = deliverPrefix(channel.number, Method.BasicDeliver, tag);
  }

  /** Throws BrokerError when the queue does not take it. Nothing is delivered before `pump`. */
  start(options: ConsumerOptions): void {
    const channel = this.#channel;
    this.#subscription = this.queue.subscribe({
      subscriber: this,
      // No-ack counts towards no limit, but waits for the channel's as in RabbitMQ.
      credits: options.noAck ? [channel.credit] : [new Credit(channel.prefetch), channel.credit],
      noAck: options.noAck,
      exclusive: options.exclusive,
      priority: options.priority,
      owner: channel.connection,
      tag: this.tag,
    });
    if (!channel.connection.sink.writable) this.#subscription.paused = true;
  }

  deliver(
    message: Message,
    offset: number,
    deliveryCount: number,
    subscription: Subscription,
  ): void {
    const { connection } = this;
    const { unacked } = this.#channel;
    const extra = this.#counted && deliveryCount > 0 ? deliveryCountHeader(deliveryCount) : null;
    try {
      fillContent(content, message, extra, connection);
    } catch (error) {
      // Noted all the same, so that it goes back to the queue.
      if (!subscription.noAck) unacked.add(this, offset);
      subscription.paused = true;
      failLater(this.#channel, error);
      return;
    }
    const tag = subscription.noAck ? unacked.skip() : unacked.add(this, offset);
    writeDelivery(
      connection.output,
      this.#prefix,
      tag,
      deliveryCount > 0,
      -1,
      content,
      connection.frameBytesMax,
    );
    const { metrics } = connection;
    metrics.delivered++;
    metrics.deliveredBytes += message.bodyEnd - message.bodyStart;
    if (deliveryCount > 0) metrics.redelivered++;
    const { observer } = connection.broker;
    if (observer !== null) {
      observer.delivered('amqp', connection.namespace, this.queue.name, message, deliveryCount);
    }
    connection.sendSoon();
    if (!connection.sink.writable) subscription.paused = true;
  }

  /** The queue is gone, or cannot be read: the client is told. */
  cancelled(_subscription: Subscription, failure: BrokerError | null): void {
    this.#channel.consumers.delete(this.tag);
    tellCancelled(this.#channel, this.tag, failure);
  }

  cancel(): void {
    this.#subscription?.cancel();
  }

  drained(): void {
    const subscription = this.#subscription;
    if (!subscription?.paused) return;
    subscription.paused = false;
    this.queue.pump();
  }

  pump(): void {
    this.queue.pump();
  }

  override accept(offset: number): void {
    this.queue.accept(offset);
    this.#give(1);
  }

  override release(offsets: number[]): void {
    this.#give(offsets.length);
    super.release(offsets);
  }

  override reject(offset: number): void {
    this.queue.reject(offset, 'rejected');
    this.#give(1);
  }

  #give(count: number): void {
    this.#subscription?.give(count);
    // With a limit for all of them the channel says whose turn it is.
    if (this.#channel.credit.limit === 0) this.connection.pumpSoon(this.queue);
  }
}
