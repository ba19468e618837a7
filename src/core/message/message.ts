/**
 * Message: one message in the broker's hands, on its way in or on its way out.
 *
 * A Message is a set of windows into somebody else's bytes and is reused for the next message:
 * whoever receives one must copy what it wants to keep before returning. It carries the body
 * untouched and the properties in the bytes of the protocol they came in by (`source`, written by
 * protocol `origin`); nothing is decoded on the way through. Who needs properties in neutral words
 * asks `envelopeOf(message)` (envelope.ts), which lets the origin's mapping decode them.
 *
 * Origin.None means that the properties are the record's own neutral headers (`headers`), as in a
 * record that a Kafka client produced.
 */
export const Origin = { None: 0, Amqp091: 1, Nats: 2, Sqs: 3 } as const;
export type Origin = (typeof Origin)[keyof typeof Origin];

/** Why a message left a queue other than by being accepted. */
export const DeathReason = {
  Rejected: 'rejected',
  Expired: 'expired',
  MaxLength: 'maxlen',
  DeliveryLimit: 'delivery_limit',
} as const;
export type DeathReason = (typeof DeathReason)[keyof typeof DeathReason];

/** One line of a message's dead-letter history; newest first in `Message.deaths`. One entry per
 * (queue, reason), counted. */
export interface Death {
  queue: string;
  reason: DeathReason;
  count: number;
  /** Of the first death of this entry, as RabbitMQ has it: the count rises, the time stays. */
  timeMs: number;
  /** Where it had been published when it died. */
  exchange: string;
  routingKeys: string[];
  /** The per-message TTL it lost by dying, as published; null when it had none. */
  originalExpiration: string | null;
  /** How often it was handed out there; absent where nobody counts. */
  deliveries?: number;
}

const NO_BYTES = new Uint8Array(0);
/** Times this close need not be told apart: retention and windows count in minutes. */
const SAME_TIME_MS = 1000;

export class Message {
  origin: Origin = Origin.None;

  /** The origin protocol's own bytes: address and properties. */
  source: Uint8Array = NO_BYTES;
  sourceStart = 0;
  sourceEnd = 0;

  /** Body. `hasBody` false is Kafka's null value (a tombstone), else start may equal end. */
  hasBody = true;
  body: Uint8Array = NO_BYTES;
  bodyStart = 0;
  bodyEnd = 0;

  /** Partition or grouping key; `hasKey` false is a null key. */
  hasKey = false;
  key: Uint8Array = NO_BYTES;
  keyStart = 0;
  keyEnd = 0;

  /** Neutral headers, encoded as in a Kafka record (without the count), and how many. */
  headerCount = 0;
  headers: Uint8Array = NO_BYTES;
  headersStart = 0;
  headersEnd = 0;

  /** When it was published (or appended), ms since the epoch. */
  timestampMs = 0;
  /** When it expires, ms since the epoch; 0 = never. */
  expiresAtMs = 0;
  /** When it came to a queue, if that is not when it was published; 0 = it is. */
  arrivedMs = 0;
  /** Not to be seen by consumers of a queue before, ms since the epoch; 0 = at once. */
  deliverAtMs = 0;
  /** The publisher's priority; 0 when none was given. */
  priority = 0;
  /** The publisher asks that it survives a restart. */
  durable = false;
  /** Dead-letter history, newest first; null when it never died. */
  deaths: Death[] | null = null;
  /** The publisher's name for it, by which a queue that forbids duplicates knows it again. */
  dedupId: string | null = null;

  get bodyBytes(): number {
    return this.bodyEnd - this.bodyStart;
  }

  /** It comes to a queue now, and counts as young. */
  arrive(nowMs: number): void {
    this.arrivedMs = Math.abs(nowMs - this.timestampMs) < SAME_TIME_MS ? 0 : nowMs;
  }

  /** Forgets all windows, so that a reused Message shows nothing of the one before. */
  reset(): void {
    this.origin = Origin.None;
    this.source = this.body = this.key = this.headers = NO_BYTES;
    this.sourceStart = this.sourceEnd = 0;
    this.hasBody = true;
    this.bodyStart = this.bodyEnd = 0;
    this.hasKey = false;
    this.keyStart = this.keyEnd = 0;
    this.headerCount = 0;
    this.headersStart = this.headersEnd = 0;
    this.timestampMs = this.arrivedMs = this.expiresAtMs = 0;
    this.deliverAtMs = this.priority = 0;
    this.durable = false;
    this.deaths = null;
    this.dedupId = null;
  }
}

/** What publishing came to. Bits; a publish to several destinations combines them. */
export const Outcome = {
  /** No destination took it. */
  Unrouted: 0,
  /** At least one destination took it. */
  Routed: 1,
  /** At least one destination is durable: a confirm waits for the commit. */
  AwaitCommit: 2,
  /** At least one destination refused it (full, overflow reject-publish): a confirm is a nack. */
  Refused: 4,
} as const;
export type Outcome = number;

/** What an exchange can hand a message to: a queue, a topic, a live subscriber. */
export interface Destination {
  readonly name: string;
  /** `message` is valid during the call only. `routingKey` is the one it was routed by. */
  publish(message: Message): Outcome;
}
