/**
 * LiveSubscriber: a destination that encodes what it is given straight into a connection and
 * stores nothing: a NATS subject, a Redis channel, AMQP's direct reply-to. Published while nobody
 * is there, a message is gone; so `publish` never answers AwaitCommit.
 */
import type { Destination } from '../message/message.ts';

export interface LiveSubscriber extends Destination {
  readonly live: true;
}
