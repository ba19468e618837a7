/** basic.consume and basic.cancel: consumers of queues, of streams and of direct replies. */
import { BrokerError } from '#core/errors.ts';
import type { Queue } from '#core/queue/queue.ts';
import type { Channel } from '../channel.ts';
import { Method, ReplyCode, type MethodReader } from '../codec.ts';
import { QueueConsumer } from '../consumer.ts';
import { accessRefused, AmqpError, preconditionFailed, thing } from '../errors.ts';
import type { FieldTable } from '../field-table.ts';
import { readTable } from '../handshake.ts';
import { checkPermission, Permission, queueName } from '../permissions.ts';
import { named } from '../queue-access.ts';
import { integerOf } from '../queue-arguments.ts';
import { TYPE_NAMES } from '../field-table.ts';
import { consumeReplies, REPLY_TO } from '../reply-to.ts';
import { consumeStream } from '../stream-consumer.ts';

const TAG_BYTES = 16;
const STREAM_ARGUMENTS = ['x-stream-offset', 'x-stream-filter', 'x-stream-match-unfiltered'];
const PRIORITY = 'x-priority';

export function basicConsume(channel: Channel, reader: MethodReader): void {
  const { connection } = channel;
  reader.short();
  const given = reader.shortstr();
  const givenTag = reader.shortstr();
  reader.bit(); // no-local: RabbitMQ has never implemented it.
  const noAck = reader.bit();
  const exclusive = reader.bit();
  const nowait = reader.bit();
  const args = readTable(reader);
  if (channel.consumers.has(givenTag)) {
    throw new AmqpError(ReplyCode.NotAllowed, `attempt to reuse consumer tag '${givenTag}'`);
  }
  // Every delivery repeats it, and a replacement is not what the client would look for.
  if (givenTag.includes('\ufffd')) {
    throw new AmqpError(ReplyCode.SyntaxError, 'a consumer tag that is not UTF-8');
  }
  const tag = givenTag === '' ? makeTag(channel) : givenTag;
  const consumeOk = (): void => {
    if (nowait) return;
    connection.writer.begin(channel.number, Method.BasicConsumeOk).shortstr(tag).end();
    connection.sendSoon();
  };
  if (given === REPLY_TO) {
    channel.consumers.set(tag, consumeReplies(channel, tag, noAck));
    consumeOk();
    return;
  }
  const name = queueName(channel, given);
  checkPermission(channel, Permission.Read, 'queue', name);
  const { queue, topic } = named(channel, name);
  const where = thing('queue', name, connection.vhost);
  warnOfUnknown(channel, args, where);
  if (topic) {
    // Readers of a stream take nothing away from each other.
    if (exclusive) warnOf(channel, 'exclusive', where);
    const consumer = consumeStream(channel, topic, { tag, noAck, args, where });
    channel.consumers.set(tag, consumer);
    consumeOk();
    connection.pumpSoon(consumer);
    return;
  }
  const priority = checkArguments(args, queue, where);
  const consumer = new QueueConsumer(channel, queue, tag);
  try {
    consumer.start({ noAck, exclusive, priority });
  } catch (error) {
    if (error instanceof BrokerError && error.code === 'in-use') {
      throw accessRefused(`${where} in exclusive use`);
    }
    throw error;
  }
  channel.consumers.set(tag, consumer);
  consumeOk();
  connection.pumpSoon(consumer);
}

function makeTag(channel: Channel): string {
  const random = channel.connection.broker.ports.random.bytes(TAG_BYTES);
  return `amq.ctag-${Buffer.from(random).toString('base64url')}`;
}

/** Returns the consumer's priority. */
function checkArguments(args: FieldTable, queue: Queue, where: string): number {
  for (const name of STREAM_ARGUMENTS) {
    if (!args.get(name)) continue;
    const type = `rabbit_${queue.options.kind}_queue`;
    throw preconditionFailed(`invalid arg '${name}' for ${where} of queue type ${type}`);
  }
  const field = args.get(PRIORITY);
  if (!field) return 0;
  if (integerOf(field) === null) {
    const got = TYPE_NAMES[field.type];
    throw preconditionFailed(
      `invalid arg '${PRIORITY}' for ${where}: "expected integer, got ${got}"`,
    );
  }
  return Number(field.value);
}

function warnOfUnknown(channel: Channel, args: FieldTable, where: string): void {
  for (const name of args.names) {
    if (name === PRIORITY || name === 'x-stream-offset') continue;
    warnOf(channel, name, where);
  }
}

function warnOf(channel: Channel, argument: string, where: string): void {
  channel.connection.broker.ports.log.warn('argument without effect', { argument, where });
}

export function basicCancel(channel: Channel, reader: MethodReader): void {
  const tag = reader.shortstr();
  const nowait = reader.bit();
  cancel(channel, tag);
  if (nowait) return;
  channel.connection.writer.begin(channel.number, Method.BasicCancelOk).shortstr(tag).end();
  channel.connection.sendSoon();
}

/** The client's answer to a cancel of ours; a consumer of that tag may have been started since. */
export function basicCancelOk(channel: Channel, reader: MethodReader): void {
  reader.shortstr();
  void channel;
}

/** A tag that nobody has is no error. */
function cancel(channel: Channel, tag: string): void {
  const consumer = channel.consumers.get(tag);
  if (!consumer) return;
  channel.consumers.delete(tag);
  consumer.cancel();
}
