/**
 * SUB <subject> [queue group] <sid>, UNSUB <sid> [max].
 *
 * A sid that is in use keeps its subscription; a second SUB with it changes nothing, as in
 * nats-server. UNSUB with a number ends the subscription when it has been given so many messages in
 * all, at once when it has had them.
 */
import type { Arguments } from '../arguments.ts';
import type { NatsConnection } from '../connection.ts';
import { fatal, refusedSubscription, subscriptionViolation, Text } from '../errors.ts';
import { isValidSubject } from '../subject.ts';
import { Subscription } from '../subscription.ts';

export function subscribe(connection: NatsConnection, bytes: Uint8Array, found: Arguments): void {
  const { count } = found;
  if (count !== 2 && count !== 3) throw fatal(Text.ParserError);
  const subject = found.text(bytes, 0);
  const queue = count === 3 ? found.text(bytes, 1) : null;
  const sid = found.text(bytes, count - 1);
  if (!connection.access.maySubscribe(subject, queue)) {
    connection.error(subscriptionViolation(subject, queue));
    return;
  }
  const { subscriptions } = connection;
  if (subscriptions.size >= connection.node.broker.limits.subscriptionsMax) {
    connection.error(Text.MaxSubscriptions);
    return;
  }
  if (!subscriptions.has(sid)) {
    if (!isValidSubject(subject)) {
      connection.error(Text.InvalidSubject);
      return;
    }
    const subscription = new Subscription(connection.node, connection, subject, queue, sid);
    try {
      connection.node.subscribe(subscription);
    } catch (error) {
      connection.error(refusedSubscription(subject, queue, error));
      return;
    }
    subscriptions.set(sid, subscription);
  }
  if (connection.verbose) connection.ok();
}

export function unsubscribe(connection: NatsConnection, bytes: Uint8Array, found: Arguments): void {
  const { count } = found;
  if (count !== 1 && count !== 2) throw fatal(Text.ParserError);
  // A number that is none ends it at once, as in nats-server.
  const max = count === 2 ? found.size(bytes, 1) : 0;
  const subscription = connection.subscriptions.get(found.text(bytes, 0));
  if (subscription) {
    if (max > subscription.delivered) subscription.max = max;
    else connection.unsubscribe(subscription);
  }
  if (connection.verbose) connection.ok();
}
