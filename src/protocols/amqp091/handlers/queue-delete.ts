/** queue.delete and queue.purge. */
import type { Channel } from '../channel.ts';
import { answer } from '../answers.ts';
import { Method, type MethodReader } from '../codec.ts';
import { notImplemented, preconditionFailed, thing } from '../errors.ts';
import { checkPermission, Permission, queueName } from '../permissions.ts';
import { checkUnlocked, named } from '../queue-access.ts';

export function queueDelete(channel: Channel, reader: MethodReader): void {
  reader.short();
  const name = queueName(channel, reader.shortstr());
  const ifUnused = reader.bit();
  const ifEmpty = reader.bit();
  const nowait = reader.bit();
  const { connection } = channel;
  const { namespace } = connection;
  const where = thing('queue', name, connection.vhost);
  checkPermission(channel, Permission.Configure, 'queue', name);
  // Those who delete what they consume hear that it is done first, then of their consumers.
  const late: (() => void)[] = [];
  connection.lateCancels = late;
  let count = 0;
  let durable = false;
  try {
    const queue = namespace.queues.get(name);
    if (queue) {
      checkUnlocked(queue, connection);
      checkConditions(queue.options.kind, ifUnused, ifEmpty, where);
      if (ifUnused && queue.consumerCount > 0) throw preconditionFailed(`${where} in use`);
      if (ifEmpty && queue.readyCount > 0) throw preconditionFailed(`${where} not empty`);
      durable = queue.options.durable;
      count = namespace.deleteQueue(name, { ifUnused, ifEmpty, owner: connection });
    } else if (namespace.topics.has(name)) {
      durable = true;
      namespace.deleteTopic(name);
    }
    // Deleting what is not there succeeds, as in RabbitMQ.
  } finally {
    connection.lateCancels = null;
  }
  const tell = (): void => {
    for (const cancel of late) cancel();
  };
  if (nowait) {
    tell();
    return;
  }
  answer(channel, durable, () => {
    connection.writer.begin(channel.number, Method.QueueDeleteOk).long(count).end();
    tell();
  });
}

function checkConditions(kind: string, ifUnused: boolean, ifEmpty: boolean, where: string): void {
  if (kind !== 'quorum' || (!ifUnused && !ifEmpty)) return;
  const flag = ifUnused ? 'if-unused' : 'if-empty';
  throw notImplemented(
    `cannot delete ${where}. queue.delete operations with ${flag} flag set are not supported by quorum queues`,
  );
}

export function queuePurge(channel: Channel, reader: MethodReader): void {
  reader.short();
  const name = queueName(channel, reader.shortstr());
  const nowait = reader.bit();
  checkPermission(channel, Permission.Read, 'queue', name);
  const { queue } = named(channel, name);
  if (!queue) {
    const where = thing('queue', name, channel.connection.vhost);
    throw notImplemented(`queue.purge not supported by stream queues ${where}`);
  }
  const count = queue.purge();
  if (nowait) return;
  answer(channel, queue.options.durable, () =>
    channel.connection.writer.begin(channel.number, Method.QueuePurgeOk).long(count).end(),
  );
}
