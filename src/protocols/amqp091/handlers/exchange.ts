/** exchange.declare, delete, bind, unbind. */
import type { ExchangeOptions } from '#core/routing/exchange.ts';
import type { Channel } from '../channel.ts';
import { answer } from '../answers.ts';
import { Method, type MethodReader } from '../codec.ts';
import { checkArgument, checkField } from '../equivalence.ts';
import { accessRefused, notFound, preconditionFailed, thing } from '../errors.ts';
import { fieldText, TYPE_NAMES, type FieldTable } from '../field-table.ts';
import { readTable } from '../handshake.ts';
import { tableValue } from '../mapping.ts';
import {
  checkNotDefault,
  checkPermission,
  checkReserved,
  Permission,
  stripped,
} from '../permissions.ts';
import { changeBinding } from './queue-bind.ts';

const KINDS: readonly ExchangeOptions['kind'][] = ['direct', 'fanout', 'topic', 'headers'];
const DELAYED = 'x-delayed-message';
const DELAYED_TYPE = 'x-delayed-type';
const ALTERNATE = 'alternate-exchange';

export function exchangeDeclare(channel: Channel, reader: MethodReader): void {
  const { connection } = channel;
  reader.short();
  const name = stripped(reader.shortstr());
  const type = reader.shortstr();
  const passive = reader.bit();
  const durable = reader.bit();
  const autoDelete = reader.bit();
  const internal = reader.bit();
  const nowait = reader.bit();
  const args = readTable(reader);
  const where = thing('exchange', name, connection.vhost);
  const existing = connection.namespace.exchanges.get(name);

  if (passive) {
    checkNotDefault(name);
    if (!existing) throw notFound(`no ${where}`);
  } else {
    const kind = type === DELAYED ? null : knownKind(type);
    checkNotDefault(name);
    checkPermission(channel, Permission.Configure, 'exchange', name);
    if (existing)
      checkEquivalent(existing.options, { type, durable, autoDelete, internal, args }, where);
    else {
      checkReserved('exchange', name);
      const alternate = alternateExchange(channel, args, where);
      connection.namespace.declareExchange(name, {
        kind: kind ?? delayedKind(args),
        durable,
        autoDelete,
        internal,
        alternateExchange: alternate,
        delayed: kind === null,
        arguments: tableValue(args),
      });
      warnOfUnknown(channel, args, kind === null, where);
    }
  }
  if (nowait) return;
  answer(channel, durable && !passive, () =>
    connection.writer.begin(channel.number, Method.ExchangeDeclareOk).end(),
  );
}

function knownKind(type: string): ExchangeOptions['kind'] {
  const kind = KINDS.find((known) => known === type);
  if (kind) return kind;
  // As RabbitMQ 4: only the channel's business. Before, it was 503 and cost the connection.
  throw preconditionFailed(`unknown exchange type '${type}'`);
}

/** How an exchange that delays routes what is due; refused in the words of RabbitMQ's plugin. */
function delayedKind(args: FieldTable): ExchangeOptions['kind'] {
  const field = args.get(DELAYED_TYPE);
  const type = field ? fieldText(field) : null;
  if (type === null) {
    throw preconditionFailed(
      `Invalid argument, '${DELAYED_TYPE}' must be an existing exchange type`,
    );
  }
  if (type === DELAYED) {
    throw preconditionFailed(`Invalid argument, '${DELAYED}' can't be used for '${DELAYED_TYPE}'`);
  }
  return knownKind(type);
}

interface Declared {
  type: string;
  durable: boolean;
  autoDelete: boolean;
  internal: boolean;
  args: FieldTable;
}

function checkEquivalent(current: ExchangeOptions, asked: Declared, where: string): void {
  checkField('type', asked.type, current.delayed ? DELAYED : current.kind, where);
  checkField('durable', asked.durable, current.durable, where);
  checkField('auto_delete', asked.autoDelete, current.autoDelete, where);
  checkField('internal', asked.internal, current.internal, where);
  checkArgument(ALTERNATE, asked.args, current.arguments, where);
  // Who does not say how it routes takes it as it is.
  if (current.delayed && asked.args.get(DELAYED_TYPE)) {
    checkArgument(DELAYED_TYPE, asked.args, current.arguments, where);
  }
}

function alternateExchange(channel: Channel, args: FieldTable, where: string): string | null {
  const field = args.get(ALTERNATE);
  if (!field) return null;
  const name = fieldText(field);
  if (name === null) {
    throw preconditionFailed(
      `invalid type '${TYPE_NAMES[field.type]}' for arg '${ALTERNATE}' in ${where}`,
    );
  }
  checkPermission(channel, Permission.Write, 'exchange', name);
  return name;
}

function warnOfUnknown(channel: Channel, args: FieldTable, delayed: boolean, where: string): void {
  for (const name of args.names) {
    if (name === ALTERNATE || (delayed && name === DELAYED_TYPE)) continue;
    channel.connection.broker.ports.log.warn('argument without effect', { argument: name, where });
  }
}

export function exchangeDelete(channel: Channel, reader: MethodReader): void {
  const { connection } = channel;
  reader.short();
  const name = stripped(reader.shortstr());
  const ifUnused = reader.bit();
  const nowait = reader.bit();
  checkNotDefault(name);
  const where = thing('exchange', name, connection.vhost);
  if (name.startsWith('amq.')) throw accessRefused(`deletion of system ${where} not allowed`);
  checkPermission(channel, Permission.Configure, 'exchange', name);
  const exchange = connection.namespace.exchanges.get(name);
  if (exchange) {
    if (ifUnused && connection.namespace.binder.isUsed(exchange))
      throw preconditionFailed(`${where} in use`);
    connection.namespace.deleteExchange(name, { ifUnused });
  }
  // Deleting what is not there succeeds, as in RabbitMQ.
  if (nowait) return;
  answer(channel, exchange?.options.durable ?? false, () =>
    connection.writer.begin(channel.number, Method.ExchangeDeleteOk).end(),
  );
}

export function exchangeBind(channel: Channel, reader: MethodReader): void {
  bindExchange(channel, reader, true);
}

export function exchangeUnbind(channel: Channel, reader: MethodReader): void {
  bindExchange(channel, reader, false);
}

function bindExchange(channel: Channel, reader: MethodReader, add: boolean): void {
  reader.short();
  const destination = stripped(reader.shortstr());
  const source = stripped(reader.shortstr());
  const routingKey = reader.shortstr();
  const nowait = reader.bit();
  const args = readTable(reader);
  const durable = changeBinding(channel, add, source, 'exchange', destination, routingKey, args);
  if (nowait) return;
  const method = add ? Method.ExchangeBindOk : Method.ExchangeUnbindOk;
  answer(channel, durable, () => channel.connection.writer.begin(channel.number, method).end());
}
