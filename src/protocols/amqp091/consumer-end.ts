/**
 * How a consumer ends that its client did not cancel: the broker says basic.cancel to those who
 * understand it.
 */
import type { BrokerError } from '#core/errors.ts';
import type { Channel } from './channel.ts';
import { Method } from './codec.ts';
import { amqpErrorOf } from './errors.ts';

/** `failure` is why nothing more can be read; a client that cannot hear basic.cancel must not wait
 * for ever, so its connection is closed with it. */
export function tellCancelled(channel: Channel, tag: string, failure: BrokerError | null): void {
  const { connection, number } = channel;
  if (connection.lateCancels !== null) {
    connection.lateCancels.push(() => {
      if (channel.isOpen) tellCancelled(channel, tag, failure);
    });
  } else if (connection.canBeCancelled) {
    connection.writer.begin(number, Method.BasicCancel).shortstr(tag).bit(true).end();
    connection.sendSoon();
  } else if (failure !== null) connection.fail(amqpErrorOf(failure), channel, 0);
}

/**
 * A delivery that cannot be encoded ends the channel it was for, or its connection: it must not
 * throw, since it is made in the middle of somebody else's publish. Closing releases what is leased, which calls the
 * queue, so it comes later in the turn.
 */
export function failLater(channel: Channel, error: unknown): void {
  const refusal = amqpErrorOf(error);
  const { connection } = channel;
  connection.broker.ports.defer(() => connection.fail(refusal, channel, 0));
}
