/**
 * Direct reply-to: a consumer of the pseudo-queue `amq.rabbitmq.reply-to` gets replies without a
 * queue. The publisher's reply-to is replaced by a name of the consumer's own, under which the
 * default exchange finds it; a reply is written straight into the connection, stored nowhere, and
 * dropped when the consumer is gone.
 */
import type { Broker } from '#core/broker.ts';
import type { LiveSubscriber } from '#core/routing/live-subscriber.ts';
import { Outcome, type Message } from '#core/message/message.ts';
import type { Channel } from './channel.ts';
import { Method } from './codec.ts';
import { AddressedContent, deliverPrefix, writeDelivery } from './delivery.ts';
import { preconditionFailed } from './errors.ts';
import type { ChannelConsumer } from './leases.ts';
import { fillContent } from './outgoing.ts';

export const REPLY_TO = 'amq.rabbitmq.reply-to';
const TOKEN_BYTES = 16;
/** Replies that their consumer has not read; further ones are as if it was gone. */
const UNREAD_BYTES_MAX = 64 * 1024 * 1024;

const content = new AddressedContent();

export class ReplyConsumer implements LiveSubscriber, ChannelConsumer {
  readonly live = true;
  readonly name: string;
  readonly tag: string;
  readonly #channel: Channel;
  readonly #prefix: Uint8Array;

  constructor(channel: Channel, tag: string, broker: Broker) {
    const token = Buffer.from(broker.ports.random.bytes(TOKEN_BYTES)).toString('hex');
    this.name = `${REPLY_TO}.${token}`;
    this.tag = tag;
    this.#channel = channel;
    this.#prefix = deliverPrefix(channel.number, Method.BasicDeliver, tag);
  }

  publish(message: Message): Outcome {
    const channel = this.#channel;
    const { connection } = channel;
    if (connection.sink.pendingBytes > UNREAD_BYTES_MAX) return Outcome.Unrouted;
    fillContent(content, message, null, connection);
    // The body may lie in a read buffer that the next read overwrites.
    content.stable = false;
    writeDelivery(
      connection.output,
      this.#prefix,
      channel.unacked.skip(),
      false,
      -1,
      content,
      connection.frameBytesMax,
    );
    connection.metrics.delivered++;
    const { observer } = connection.broker;
    if (observer !== null) {
      observer.delivered('amqp', connection.namespace, this.name, message, 0);
    }
    connection.sendSoon();
    return Outcome.Routed;
  }

  cancel(): void {
    this.#channel.connection.namespace.removeLive(this);
    this.#channel.replyConsumer = null;
  }

  drained(): void {
    // Replies are never held back: nothing would keep them.
  }

  pump(): void {
    // Nothing is waiting anywhere.
  }
}

/** basic.consume on the pseudo-queue. */
export function consumeReplies(channel: Channel, tag: string, noAck: boolean): ReplyConsumer {
  if (!noAck) throw preconditionFailed('reply consumer cannot acknowledge');
  if (channel.replyConsumer !== null) throw preconditionFailed('reply consumer already set');
  const consumer = new ReplyConsumer(channel, tag, channel.connection.broker);
  channel.connection.namespace.addLive(consumer);
  channel.replyConsumer = consumer;
  return consumer;
}
