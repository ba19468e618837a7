/**
 * LiveSubscriber: a destination that encodes what it is given straight into a connection and
 * stores nothing: a NATS subject, a Redis channel, AMQP's direct reply-to. Published while nobody
 * is there, a message is gone; so `publish` never answers AwaitCommit.
 */
import type { Destination } from '../message/message.ts';

/** Each is bound once, or reached by its name, not both: then nobody has to look whether it got the
 * message already. */
export interface LiveSubscriber extends Destination {
  readonly live: true;
}
