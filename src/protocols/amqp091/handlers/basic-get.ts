/** basic.get: one message, if there is one. A message whose bytes are on disk only makes the
 * connection wait for them, so that answers stay in order. */
import { Message } from '#core/message/message.ts';
import type { Lease, Queue } from '#core/queue/queue.ts';
import type { Channel } from '../channel.ts';
import { Method, ReplyCode, type MethodReader } from '../codec.ts';
import { AddressedContent, writeDelivery } from '../delivery.ts';
import { AmqpError, amqpErrorOf, notImplemented, thing } from '../errors.ts';
import { QueueLeases } from '../leases.ts';
import { deliveryCountHeader, fillContent } from '../outgoing.ts';
import { checkPermission, Permission, queueName } from '../permissions.ts';
import { named } from '../queue-access.ts';

const content = new AddressedContent();

export function basicGet(channel: Channel, reader: MethodReader): void {
  const { connection } = channel;
  reader.short();
  const name = queueName(channel, reader.shortstr());
  const noAck = reader.bit();
  checkPermission(channel, Permission.Read, 'queue', name);
  const { queue } = named(channel, name);
  const where = thing('queue', name, connection.vhost);
  if (!queue) throw notImplemented(`basic.get not supported by stream queues ${where}`);
  if (queue.options.singleActiveConsumer) {
    throw new AmqpError(
      ReplyCode.ResourceLocked,
      `cannot obtain access to locked ${where}. basic.get operations are not supported by ` +
        `${queue.options.kind} queues with single active consumer`,
    );
  }
  const message = new Message();
  const lease = queue.get(message, connection);
  if (!(lease instanceof Promise)) {
    answerGet(channel, queue, lease, message, noAck);
    return;
  }
  void answerLater(channel, queue, lease, message, noAck);
}

async function answerLater(
  channel: Channel,
  queue: Queue,
  lease: Promise<Lease | null>,
  message: Message,
  noAck: boolean,
): Promise<void> {
  const { connection } = channel;
  connection.hold();
  try {
    const late = await lease;
    if (channel.isOpen) answerGet(channel, queue, late, message, noAck);
    else if (late) queue.release([late.offset], false);
  } catch (error) {
    connection.fail(amqpErrorOf(error), channel, Method.BasicGet);
  }
  connection.resume();
}

function answerGet(
  channel: Channel,
  queue: Queue,
  lease: Lease | null,
  message: Message,
  noAck: boolean,
): void {
  const { connection } = channel;
  connection.sendSoon();
  if (lease === null) {
    connection.writer.begin(channel.number, Method.BasicGetEmpty).shortstr('').end();
    return;
  }
  const { offset, deliveryCount } = lease;
  const extra =
    queue.options.kind === 'quorum' && deliveryCount > 0
      ? deliveryCountHeader(deliveryCount)
      : null;
  fillContent(content, message, extra, connection);
  let holder = channel.getLeases.get(queue);
  if (!holder) channel.getLeases.set(queue, (holder = new QueueLeases(connection, queue)));
  const tag = noAck ? channel.unacked.skip() : channel.unacked.add(holder, offset);
  const left = queue.readyCount;
  const { output, frameBytesMax } = connection;
  const redelivered = deliveryCount > 0;
  writeDelivery(output, channel.getPrefix, tag, redelivered, left, content, frameBytesMax);
  connection.metrics.delivered++;
  const { observer } = connection.broker;
  if (observer !== null) {
    observer.delivered('amqp', connection.namespace, queue.name, message, deliveryCount);
  }
  if (noAck) queue.accept(offset);
}
