/**
 * queue.bind, queue.unbind, and what exchange.bind shares with them. The destination may be a topic
 * (a stream queue); the source may be one too, when no exchange has that name: its records then
 * feed the queue by their keys.
 */
import { BrokerError } from '#core/errors.ts';
import type { Channel } from '../channel.ts';
import { answer } from '../answers.ts';
import { Method, type MethodReader } from '../codec.ts';
import { accessRefused, notFound, preconditionFailed, thing } from '../errors.ts';
import type { FieldTable } from '../field-table.ts';
import { readTable } from '../handshake.ts';
import { tableValue } from '../mapping.ts';
import {
  checkNotDefault,
  checkPermission,
  Permission,
  queueName,
  stripped,
} from '../permissions.ts';
import { checkUnlocked } from '../queue-access.ts';
import { REPLY_TO } from '../reply-to.ts';

export function queueBind(channel: Channel, reader: MethodReader): void {
  const { queue, exchange, routingKey } = readNames(channel, reader);
  const nowait = reader.bit();
  const args = readTable(reader);
  const durable = changeBinding(channel, true, exchange, 'queue', queue, routingKey, args);
  if (nowait) return;
  answer(channel, durable, () =>
    channel.connection.writer.begin(channel.number, Method.QueueBindOk).end(),
  );
}

export function queueUnbind(channel: Channel, reader: MethodReader): void {
  const { queue, exchange, routingKey } = readNames(channel, reader);
  const args = readTable(reader);
  const durable = changeBinding(channel, false, exchange, 'queue', queue, routingKey, args);
  answer(channel, durable, () =>
    channel.connection.writer.begin(channel.number, Method.QueueUnbindOk).end(),
  );
}

interface Names {
  queue: string;
  exchange: string;
  routingKey: string;
}

/** With neither queue nor routing key given, both mean the queue declared last (1.7.2.3). */
function readNames(channel: Channel, reader: MethodReader): Names {
  reader.short();
  const given = reader.shortstr();
  const exchange = stripped(reader.shortstr());
  const key = reader.shortstr();
  const queue = queueName(channel, given);
  return { queue, exchange, routingKey: given === '' && key === '' ? queue : key };
}

/** To unbind what is not bound, or does not exist, is no error, as in RabbitMQ.
 * Returns whether the change is a durable one, to be answered after its commit. */
export function changeBinding(
  channel: Channel,
  add: boolean,
  source: string,
  kind: 'queue' | 'exchange',
  name: string,
  routingKey: string,
  args: FieldTable,
): boolean {
  const { connection } = channel;
  const { namespace, vhost } = connection;
  if (kind === 'queue' && name.startsWith(REPLY_TO)) {
    throw accessRefused('cannot bind or unbind to a volatile (direct reply-to) queue');
  }
  checkPermission(channel, Permission.Write, kind, name);
  if (kind === 'exchange') checkNotDefault(name);
  checkNotDefault(source);
  checkPermission(channel, Permission.Read, 'exchange', source);
  const exchange = namespace.exchanges.get(source);
  if (!exchange && !namespace.topics.has(source)) {
    if (!add) return false;
    throw notFound(`no ${thing('exchange', source, vhost)}`);
  }
  const topic = kind === 'queue' && namespace.topics.has(name);
  const queue = kind === 'queue' ? namespace.queues.get(name) : undefined;
  const target = kind === 'queue' ? queue : namespace.exchanges.get(name);
  if (!target && !topic) {
    if (!add) return false;
    throw notFound(`no ${thing(kind, name, vhost)}`);
  }
  if (queue) checkUnlocked(queue, connection);
  const destination = { kind: topic ? 'topic' : kind, name } as const;
  const values = tableValue(args);
  try {
    if (add) namespace.bind(source, destination, routingKey, values, connection);
    else namespace.unbind(source, destination, routingKey, values, connection);
  } catch (error) {
    if (error instanceof BrokerError && error.code === 'invalid-argument') {
      throw preconditionFailed(error.message);
    }
    throw error;
  }
  return (exchange?.options.durable ?? true) && (topic || target!.options.durable);
}
