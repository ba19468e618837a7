/**
 * QueueOptions: everything that makes one queue differ from another, in the core's words.
 * Protocols translate their own arguments into these and keep the originals in `arguments`.
 */
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
  /** As declared, for the protocol's equivalence texts. */
  arguments: Record<string, HeaderValue>;
}

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
    arguments: {},
  };
}
