/**
 * The `x-` arguments of queue.declare: checked as RabbitMQ checks them, translated into
 * QueueOptions, and compared when a queue is declared again.
 *
 * A known argument of the wrong type or value, or one that belongs to another queue type, is
 * refused with RabbitMQ's text. So is every `x-` argument that nobody knows, which RabbitMQ ignores.
 * What means nothing to a single node (leader locators, group sizes), or would only ask for what
 * cannot be had, is accepted with a warning in the log. `x-posthorn-sync` is our own: commit or os, for this queue.
 */
import { Sync } from '#core/log.ts';
import { defaultQueueOptions, type QueueOptions } from '#core/queue/queue-options.ts';
import { preconditionFailed } from './errors.ts';
import {
  fieldText,
  INTEGER_TYPES,
  TYPE_NAMES,
  type FieldTable,
  type FieldValue,
} from './field-table.ts';
import { tableValue } from './mapping.ts';
import { maxAgeMs } from './max-age.ts';

/** Ten years, RabbitMQ's bound for every time to live. */
export const EXPIRY_MS_MAX = 315_360_000_000;
const PRIORITY_MAX = 255;
/** RabbitMQ's default since 4.0. */
const QUORUM_DELIVERY_LIMIT = 20;

export type QueueType = 'classic' | 'quorum' | 'stream';

/** Which arguments each type knows, in the order in which RabbitMQ compares them. */
const ARGUMENTS: Readonly<Record<QueueType, readonly string[]>> = {
  classic: [
    'x-expires',
    'x-message-ttl',
    'x-dead-letter-exchange',
    'x-dead-letter-routing-key',
    'x-max-length',
    'x-max-length-bytes',
    'x-max-priority',
    'x-overflow',
    'x-queue-mode',
    'x-queue-version',
    'x-single-active-consumer',
    'x-queue-type',
    'x-queue-master-locator',
    'x-queue-leader-locator',
    'x-posthorn-sync',
  ],
  quorum: [
    'x-dead-letter-exchange',
    'x-dead-letter-routing-key',
    'x-dead-letter-strategy',
    'x-expires',
    'x-max-length',
    'x-max-length-bytes',
    'x-max-in-memory-length',
    'x-max-in-memory-bytes',
    'x-overflow',
    'x-single-active-consumer',
    'x-queue-type',
    'x-quorum-initial-group-size',
    'x-delivery-limit',
    'x-message-ttl',
    'x-queue-leader-locator',
    'x-consumer-timeout',
    'x-posthorn-sync',
  ],
  stream: [
    'x-max-length-bytes',
    'x-queue-type',
    'x-max-age',
    'x-stream-max-segment-size-bytes',
    'x-stream-filter-size-bytes',
    'x-initial-cluster-size',
    'x-queue-leader-locator',
    'x-posthorn-sync',
  ],
};
/** Accepted without effect. */
const WITHOUT_EFFECT = new Set([
  'x-queue-mode',
  'x-queue-version',
  'x-queue-master-locator',
  'x-queue-leader-locator',
  'x-dead-letter-strategy',
  'x-max-in-memory-length',
  'x-max-in-memory-bytes',
  'x-quorum-initial-group-size',
  'x-consumer-timeout',
  'x-stream-filter-size-bytes',
  'x-initial-cluster-size',
]);

/** Null when the value is good, else RabbitMQ's reason. */
type Check = (field: FieldValue, all: FieldTable) => string | null;

export function integerOf(field: FieldValue): number | bigint | null {
  return INTEGER_TYPES.includes(field.type) ? (field.value as number | bigint) : null;
}

const integer: Check = (field) =>
  integerOf(field) === null ? `"expected integer, got ${TYPE_NAMES[field.type]}"` : null;
const notNegative: Check = (field, all) =>
  integer(field, all) ?? (Number(field.value) < 0 ? `{value_negative,${integerOf(field)!}}` : null);
const duration: Check = (field, all) =>
  notNegative(field, all) ??
  (Number(field.value) > EXPIRY_MS_MAX ? `{value_too_large,${integerOf(field)!}}` : null);
const positiveDuration: Check = (field, all) =>
  integerOf(field) !== null && Number(field.value) === 0 ? '{value_zero,0}' : duration(field, all);
const priority: Check = (field, all) =>
  notNegative(field, all) ??
  (Number(field.value) > PRIORITY_MAX ? `{max_value_exceeded,${integerOf(field)!}}` : null);
const bool: Check = (field) =>
  field.type === 't' ? null : `{unacceptable_type,${TYPE_NAMES[field.type]}}`;
const text: Check = (field) =>
  field.type === 'S' ? null : `{unacceptable_type,${TYPE_NAMES[field.type]}}`;

function oneOf(values: readonly string[], reason: string): Check {
  return (field, all) => text(field, all) ?? (values.includes(fieldText(field)!) ? null : reason);
}

const CHECKS: Readonly<Record<string, Check>> = {
  'x-expires': positiveDuration,
  'x-message-ttl': duration,
  'x-dead-letter-exchange': text,
  'x-dead-letter-routing-key': (field, all) =>
    text(field, all) ??
    (all.get('x-dead-letter-exchange') ? null : 'routing_key_but_no_dlx_defined'),
  'x-dead-letter-strategy': oneOf(['at-most-once', 'at-least-once'], 'invalid_dlx_strategy'),
  'x-max-length': notNegative,
  'x-max-length-bytes': notNegative,
  'x-max-in-memory-length': notNegative,
  'x-max-in-memory-bytes': notNegative,
  'x-max-priority': priority,
  'x-overflow': oneOf(['drop-head', 'reject-publish', 'reject-publish-dlx'], 'invalid_overflow'),
  'x-queue-version': notNegative,
  'x-single-active-consumer': bool,
  'x-consumer-timeout': notNegative,
  'x-quorum-initial-group-size': notNegative,
  'x-initial-cluster-size': notNegative,
  'x-delivery-limit': integer,
  'x-max-age': (field, all) =>
    text(field, all) ?? (maxAgeMs(fieldText(field)!) === null ? 'invalid_max_age' : null),
  'x-stream-max-segment-size-bytes': notNegative,
  'x-stream-filter-size-bytes': notNegative,
  'x-posthorn-sync': oneOf(Object.values(Sync), 'invalid_sync'),
};

/** `where` is the queue as texts name it: `queue 'q' in vhost '/'`. */
export function queueTypeOf(args: FieldTable, where: string): QueueType {
  const field = args.get('x-queue-type');
  if (!field) return 'classic';
  const type = fieldText(field);
  if (type === 'classic' || type === 'quorum' || type === 'stream') return type;
  const reason =
    type === null
      ? `{unacceptable_type,${TYPE_NAMES[field.type]}}`
      : `"unsupported queue type '${type}'"`;
  throw preconditionFailed(`invalid arg 'x-queue-type' for ${where}: ${reason}`);
}

/** Throws what RabbitMQ answers; calls `warn` for what will have no effect. */
export function checkArguments(
  args: FieldTable,
  type: QueueType,
  where: string,
  warn: (argument: string) => void,
): void {
  const deadLetterExchange = args.get('x-dead-letter-exchange');
  if (deadLetterExchange && deadLetterExchange.type !== 'S') {
    const got = TYPE_NAMES[deadLetterExchange.type];
    throw preconditionFailed(`invalid type '${got}' for arg 'x-dead-letter-exchange' in ${where}`);
  }
  const own = ARGUMENTS[type];
  for (const name of own) {
    const field = args.get(name);
    const reason = field && CHECKS[name]?.(field, args);
    if (reason) throw preconditionFailed(`invalid arg '${name}' for ${where}: ${reason}`);
  }
  refuseUnknown(args, type, where);
  for (const name of args.names) {
    if (WITHOUT_EFFECT.has(name) || !name.startsWith('x-')) warn(name);
  }
}

/** Also when the queue is there: what nobody compares would be swallowed. */
export function refuseUnknown(args: FieldTable, type: QueueType, where: string): void {
  for (const name of args.names) {
    if (!name.startsWith('x-') || ARGUMENTS[type].includes(name)) continue;
    throw preconditionFailed(
      `invalid arg '${name}' for ${where} of queue type rabbit_${type}_queue`,
    );
  }
}

/** Properties that quorum queues and streams cannot have. */
export function checkProperties(
  type: QueueType,
  durable: boolean,
  exclusive: boolean,
  autoDelete: boolean,
  where: string,
): void {
  if (type === 'classic') return;
  if (autoDelete) throw preconditionFailed(`invalid property 'auto-delete' for ${where}`);
  if (exclusive) throw preconditionFailed(`invalid property 'exclusive-owner' for ${where}`);
  if (!durable) throw preconditionFailed(`invalid property 'non-durable' for ${where}`);
}

/** Arguments that have been checked, as options of a classic or quorum queue. */
export function queueOptions(args: FieldTable, type: 'classic' | 'quorum'): QueueOptions {
  const number = (name: string): number | null => {
    const field = args.get(name);
    return field ? Number(field.value) : null;
  };
  const string = (name: string): string | null => {
    const field = args.get(name);
    return field ? fieldText(field) : null;
  };
  const options = defaultQueueOptions();
  options.kind = type;
  options.ttlMs = number('x-message-ttl');
  options.expiresMs = number('x-expires');
  options.lengthMax = number('x-max-length');
  options.bytesMax = number('x-max-length-bytes');
  options.overflow = (string('x-overflow') ?? 'drop-head') as QueueOptions['overflow'];
  options.deadLetterExchange = string('x-dead-letter-exchange');
  options.deadLetterRoutingKey = string('x-dead-letter-routing-key');
  options.priorityMax = number('x-max-priority') || null;
  options.sync = string('x-posthorn-sync') as Sync | null;
  options.singleActiveConsumer = args.get('x-single-active-consumer')?.value === true;
  if (type === 'quorum') {
    const limit = number('x-delivery-limit') ?? QUORUM_DELIVERY_LIMIT;
    options.deliveryLimit = limit < 0 ? null : limit;
  }
  options.arguments = tableValue(args);
  return options;
}

/** The arguments whose difference makes a declaration inequivalent, for a queue of that type. */
export function comparedArguments(type: QueueType): readonly string[] {
  return ARGUMENTS[type];
}
