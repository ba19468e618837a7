/** queue.declare: classic and quorum queues are queues of the core, a stream is a topic. */
import type { Channel } from '../channel.ts';
import { answer } from '../answers.ts';
import { Method, type MethodReader } from '../codec.ts';
import { checkArgument, checkField } from '../equivalence.ts';
import { notFound, preconditionFailed, thing } from '../errors.ts';
import type { FieldTable } from '../field-table.ts';
import { readTable } from '../handshake.ts';
import { checkPermission, checkReserved, Permission, stripped } from '../permissions.ts';
import { locked, named } from '../queue-access.ts';
import {
  checkArguments,
  checkProperties,
  comparedArguments,
  queueOptions,
  queueTypeOf,
  refuseUnknown,
} from '../queue-arguments.ts';
import { REPLY_TO } from '../reply-to.ts';
import { checkStreamEquivalent, declareStream, streamDepth } from '../streams.ts';

const NAME_BYTES = 16;

interface Declare {
  name: string;
  durable: boolean;
  exclusive: boolean;
  autoDelete: boolean;
  args: FieldTable;
}

interface Counts {
  messages: number;
  consumers: number;
}

export function queueDeclare(channel: Channel, reader: MethodReader): void {
  reader.short();
  const name = stripped(reader.shortstr());
  const passive = reader.bit();
  const durable = reader.bit();
  const exclusive = reader.bit();
  const autoDelete = reader.bit();
  const nowait = reader.bit();
  const args = readTable(reader);
  const { connection } = channel;
  let declared: Declare = { name, durable, exclusive, autoDelete, args };
  let counts: Counts;
  let isNew = false;
  if (name.startsWith(REPLY_TO)) counts = replyQueue(channel, name);
  else if (passive) counts = countsOf(channel, name);
  else {
    declared = withName(channel, declared);
    const { name: actual } = declared;
    checkPermission(channel, Permission.Configure, 'queue', actual);
    const { queues, topics } = connection.namespace;
    if (queues.has(actual) || topics.has(actual)) checkEquivalent(channel, declared);
    else {
      isNew = true;
      create(channel, declared);
    }
    counts = countsOf(channel, actual);
  }
  channel.lastQueue = declared.name;
  if (nowait) return;
  // A redeclaration may meet one whose own commit is still on its way.
  const awaits = durable && !exclusive && !passive;
  answer(channel, awaits, () =>
    connection.writer
      .begin(channel.number, Method.QueueDeclareOk)
      .shortstr(declared.name)
      .long(isNew ? 0 : counts.messages)
      .long(isNew ? 0 : counts.consumers)
      .end(),
  );
}

/** Declaring the pseudo-queue, or a reply address, asks whether somebody listens. */
function replyQueue(channel: Channel, name: string): Counts {
  const { namespace, vhost } = channel.connection;
  if (name !== REPLY_TO && !namespace.destination(name)) {
    throw notFound(`no ${thing('queue', name, vhost)}`);
  }
  return { messages: 0, consumers: 1 };
}

function countsOf(channel: Channel, name: string): Counts {
  const { queue, topic } = named(channel, name);
  queue?.touch();
  if (queue) return { messages: queue.readyCount, consumers: queue.consumerCount };
  return { messages: streamDepth(topic), consumers: 0 };
}

function withName(channel: Channel, declared: Declare): Declare {
  if (declared.name !== '') {
    checkReserved('queue', declared.name);
    return declared;
  }
  const type = queueTypeOf(declared.args, thing('queue', '', channel.connection.vhost));
  if (type !== 'classic') {
    throw preconditionFailed(`Cannot declare a server-named queue for type rabbit_${type}_queue`);
  }
  const random = channel.connection.broker.ports.random.bytes(NAME_BYTES);
  return { ...declared, name: `amq.gen-${Buffer.from(random).toString('base64url')}` };
}

function create(channel: Channel, declared: Declare): void {
  const { connection } = channel;
  const { args, exclusive, autoDelete, name } = declared;
  const where = thing('queue', name, connection.vhost);
  const type = queueTypeOf(args, where);
  checkArguments(args, type, where, (argument) =>
    connection.broker.ports.log.warn('argument without effect', { argument, where }),
  );
  checkProperties(type, declared.durable && !exclusive, exclusive, autoDelete, where);
  if (type === 'stream') {
    declareStream(connection.namespace, name, args);
    return;
  }
  const options = queueOptions(args, type);
  if (options.deadLetterExchange !== null) {
    checkPermission(channel, Permission.Read, 'queue', name);
    checkPermission(channel, Permission.Write, 'exchange', options.deadLetterExchange);
  }
  options.durable = declared.durable && !exclusive;
  options.exclusiveTo = exclusive ? connection : null;
  options.autoDelete = autoDelete;
  connection.namespace.declareQueue(name, options);
}

function checkEquivalent(channel: Channel, declared: Declare): void {
  const { connection } = channel;
  const { namespace, vhost } = connection;
  const { name, args, autoDelete, exclusive } = declared;
  const where = thing('queue', name, vhost);
  const durable = declared.durable && !exclusive;
  const queue = namespace.queues.get(name);
  if (!queue) {
    if (exclusive) throw locked(name, vhost);
    checkStreamEquivalent(namespace.topics.get(name)!, { durable, autoDelete, args }, where);
    refuseUnknown(args, 'stream', where);
    return;
  }
  const { options } = queue;
  // Its own connection, too, must say again that it is exclusive.
  if (options.exclusiveTo !== (exclusive ? connection : null)) throw locked(name, vhost);
  checkField('durable', durable, options.durable, where);
  checkField('auto_delete', autoDelete, options.autoDelete, where);
  for (const argument of comparedArguments(options.kind)) {
    checkArgument(argument, args, options.arguments, where);
  }
  refuseUnknown(args, options.kind, where);
  queue.touch();
}
