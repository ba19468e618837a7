/**
 * QueueOptions: everything that makes one queue differ from another, in the core's words.
 * Protocols translate their own arguments into these and keep the originals in `arguments`.
 */
import { BrokerError } from '../errors.ts';
import type { HeaderValue } from '../message/envelope.ts';
import type { Sync } from '../log.ts';

export interface QueueOptions {
  /** Definition and durable messages survive a restart. */
  durable: boolean;
  /** Identity of the connection that alone may use it; it goes with that connection. */
  exclusiveTo: object | null;
  /** Goes when its last consumer leaves (never before it had one). */
  autoDelete: boolean;
  /** 'quorum' counts deliveries durably and dead-letters at the delivery limit. */
  kind: 'classic' | 'quorum';
  /** Time to live of every message, ms; 0 = expires unless it can be delivered at once. */
  ttlMs: number | null;
  /** The queue goes when it was unused for so long: no consumer, no get, no declare. */
  expiresMs: number | null;
  /** Most ready messages, and most bytes of their bodies. */
  lengthMax: number | null;
  bytesMax: number | null;
  overflow: 'drop-head' | 'reject-publish' | 'reject-publish-dlx';
  deadLetterExchange: string | null;
  /** null = a dead message keeps the keys it was published under. */
  deadLetterRoutingKey: string | null;
  /** Highest message priority told apart; null = priorities are ignored. */
  priorityMax: number | null;
  /** Counted returns after which a message dies with 'delivery_limit'; null = none. */
  deliveryLimit: number | null;
  singleActiveConsumer: boolean;
  /** null = the broker's. */
  sync: Sync | null;
  /** null = a log of its own; else the topic (one partition) whose log it shares. */
  source: string | null;
  /** One message of a group (Message.key) after the other ('fifo'), or no group at the expense of
   * the others ('fair'); null = groups mean nothing. */
  grouping: 'fifo' | 'fair' | null;
  /** A message whose dedupId came before within the window is not taken again; null = all are. */
  duplicates: DuplicateRule | null;
  /** Every message without a deliverAtMs of its own is hidden for so long. */
  delayMs: number | null;
  /** How long lease() leases when its caller does not say; null = LEASE_MS_DEFAULT. */
  leaseMs: number | null;
  /** A message that came so long ago (retention.ts) is dropped; it is no dead letter. */
  retentionMs: number | null;
  /** Larger bodies are refused. */
  messageBytesMax: number | null;
  /** A message that was leased so often dies with 'delivery_limit' instead of being handed out
   * once more. */
  receivesMax: number | null;
  /** Settings of a protocol's own, which the core only keeps. */
  annotations: Readonly<Record<string, string>>;
  /** As declared, for the protocol's equivalence texts. */
  arguments: Record<string, HeaderValue>;
}

export interface DuplicateRule {
  readonly windowMs: number;
  /** Among which messages an id is unique: all, or those of one group. */
  readonly scope: 'queue' | 'group';
  /** A message without an id has the SHA-256 of its body for one. */
  readonly contentBased: boolean;
  /** Messages before this offset are forgotten; none unless given. */
  readonly sinceOffset?: number;
}

/** What can be altered while the queue is there. `duplicates` cannot begin or end. */
export type MutableQueueOptions = Pick<
  QueueOptions,
  | 'delayMs'
  | 'leaseMs'
  | 'retentionMs'
  | 'messageBytesMax'
  | 'receivesMax'
  | 'deadLetterExchange'
  | 'deadLetterRoutingKey'
  | 'duplicates'
  | 'annotations'
>;

const NOT_NEGATIVE = ['delayMs', 'leaseMs', 'retentionMs', 'messageBytesMax'] as const;

/** Throws BrokerError 'invalid-argument' for what cannot be, 'unsupported' for what cannot be had of
 * a queue over a topic. */
export function checkMutable(changes: Partial<MutableQueueOptions>, current: QueueOptions): void {
  for (const field of NOT_NEGATIVE) {
    const value = changes[field] ?? 0;
    if (!Number.isSafeInteger(value) || value < 0) throw invalid(field, value);
  }
  const receivesMax = changes.receivesMax ?? 1;
  if (!Number.isSafeInteger(receivesMax) || receivesMax < 1) {
    throw invalid('receivesMax', receivesMax);
  }
  const { duplicates } = changes;
  if (duplicates !== undefined && (duplicates === null) !== (current.duplicates === null)) {
    throw invalid('duplicates', duplicates === null ? 'null' : 'a rule');
  }
  checkOptions({ ...current, ...changes });
}

/** What a topic decides: its own order, length and age. */
const NOT_SHARED = [
  'priorityMax',
  'lengthMax',
  'bytesMax',
  'ttlMs',
  'grouping',
  'duplicates',
  'delayMs',
  'retentionMs',
  'messageBytesMax',
] as const;

/** Throws BrokerError 'unsupported' for what cannot be had together. */
export function checkOptions(options: QueueOptions): void {
  const refused = NOT_SHARED.filter((field) => options[field] !== null);
  if (options.source !== null && refused.length > 0) {
    const words = `a queue over a topic has no ${refused.join(', ')} of its own`;
    throw new BrokerError('unsupported', words);
  }
  if (options.grouping !== null && options.priorityMax !== null) {
    throw new BrokerError('unsupported', 'a queue with groups has no priorities');
  }
}

function invalid(field: string, value: number | string): BrokerError {
  return new BrokerError('invalid-argument', `${field} of a queue cannot be ${value}`, { field });
}

export const LEASE_MS_DEFAULT = 30_000;

export function defaultQueueOptions(): QueueOptions {
  return {
    durable: false,
    exclusiveTo: null,
    autoDelete: false,
    kind: 'classic',
    ttlMs: null,
    expiresMs: null,
    lengthMax: null,
    bytesMax: null,
    overflow: 'drop-head',
    deadLetterExchange: null,
    deadLetterRoutingKey: null,
    priorityMax: null,
    deliveryLimit: null,
    singleActiveConsumer: false,
    sync: null,
    source: null,
    grouping: null,
    duplicates: null,
    delayMs: null,
    leaseMs: null,
    retentionMs: null,
    messageBytesMax: null,
    receivesMax: null,
    annotations: {},
    arguments: {},
  };
}
