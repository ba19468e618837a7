/** Finding a queue for a client: it must be there, and not another connection's own. */
import type { Queue } from '#core/queue/queue.ts';
import type { Topic } from '#core/topic/topic.ts';
import type { Channel } from './channel.ts';
import { ReplyCode } from './codec.ts';
import type { AmqpConnection } from './connection.ts';
import { AmqpError, notFound, thing } from './errors.ts';

/** What a queue name of a client can be: a topic is a stream queue. */
export type Named = { queue: Queue; topic: null } | { queue: null; topic: Topic };

export function named(channel: Channel, name: string): Named {
  const { connection } = channel;
  const queue = connection.namespace.queues.get(name);
  if (queue) {
    checkUnlocked(queue, connection);
    return { queue, topic: null };
  }
  const topic = connection.namespace.topics.get(name);
  if (topic) return { queue: null, topic };
  throw notFound(`no ${thing('queue', name, connection.vhost)}`);
}

export function checkUnlocked(queue: Queue, connection: AmqpConnection): void {
  const owner = queue.options.exclusiveTo;
  if (owner !== null && owner !== connection) throw locked(queue.name, connection.vhost);
}

export function locked(name: string, vhost: string): AmqpError {
  return new AmqpError(
    ReplyCode.ResourceLocked,
    `cannot obtain exclusive access to locked ${thing('queue', name, vhost)}. ` +
      'It could be originally declared on another connection or the exclusive property value ' +
      'does not match that of the original declaration.',
  );
}
