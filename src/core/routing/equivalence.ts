/**
 * Whether a second declaration asks for what is there already. What differs goes into the error's
 * detail as {kind, name, namespace, field, received, current}; an argument that is missing is
 * undefined. Protocols make their own texts of it.
 */
import type { ExchangeOptions } from './exchange.ts';
import { BrokerError } from '../errors.ts';
import type { BrokerErrorCode } from '../errors.ts';
import type { HeaderValue } from '../message/envelope.ts';
import { sameValue } from '../message/header-json.ts';
import type { QueueOptions } from '../queue/queue-options.ts';

/** What both errors speak of. */
export interface Declared {
  readonly kind: 'exchange' | 'queue';
  readonly name: string;
  readonly namespace: string;
}

function inequivalent(
  declared: Declared,
  field: string,
  received: HeaderValue | undefined,
  current: HeaderValue | undefined,
): BrokerError {
  return new BrokerError(
    'inequivalent',
    `${declared.kind} '${declared.name}' is there with another ${field}`,
    { ...declared, field, received, current },
  );
}

/** Queues and topics share their names; a topic is a queue only as a stream of AMQP. */
export function topicOfThatName(declared: Declared, received: string): BrokerError {
  return new BrokerError(
    'inequivalent',
    `'${declared.name}' is a topic, not a queue; a binding joins it to a queue of another name`,
    { ...declared, field: 'x-queue-type', received, current: 'stream' },
  );
}

/** Only the alternate exchange counts among an exchange's arguments, as in RabbitMQ. */
export function checkExchange(
  declared: Declared,
  received: ExchangeOptions,
  current: ExchangeOptions,
): void {
  const fields = [
    ['type', received.kind, current.kind],
    ['delayed', received.delayed ?? false, current.delayed ?? false],
    ['durable', received.durable, current.durable],
    ['auto_delete', received.autoDelete, current.autoDelete],
    ['internal', received.internal, current.internal],
    [
      'alternate-exchange',
      received.alternateExchange ?? undefined,
      current.alternateExchange ?? undefined,
    ],
  ] as const;
  for (const [field, a, b] of fields) {
    if (a !== b) throw inequivalent(declared, field, a, b);
  }
}

export function checkQueue(
  declared: Declared,
  received: QueueOptions,
  current: QueueOptions,
): void {
  if (received.kind !== current.kind) {
    throw inequivalent(declared, 'x-queue-type', received.kind, current.kind);
  }
  if (received.durable !== current.durable) {
    throw inequivalent(declared, 'durable', received.durable, current.durable);
  }
  if (received.autoDelete !== current.autoDelete) {
    throw inequivalent(declared, 'auto_delete', received.autoDelete, current.autoDelete);
  }
  const a = received.arguments;
  const b = current.arguments;
  for (const name of new Set([...Object.keys(a), ...Object.keys(b)])) {
    // The kind was compared: absent and 'classic' are the same.
    if (name === 'x-queue-type') continue;
    if (!sameValue(a[name], b[name])) throw inequivalent(declared, name, a[name], b[name]);
  }
}

/** A refusal about one named thing; detail {kind, name, namespace}. */
export function refusal(
  code: BrokerErrorCode,
  kind: string,
  name: string,
  namespace: string,
  what: string,
): BrokerError {
  const detail = { kind, name, namespace };
  return new BrokerError(code, `${kind} '${name}' in namespace '${namespace}' ${what}`, detail);
}
