/**
 * What a spy shows and how it is asked: public types, with no word of the core in them.
 */

/** The protocols that carry messages. */
export type ProtocolName = 'kafka' | 'amqp' | 'nats' | 'sqs';

/** A header as its protocol has it: Kafka, NATS and SQS know text and bytes, AMQP all of these. */
export type HeaderValue =
  | string
  | number
  | bigint
  | boolean
  | Uint8Array
  | Date
  | null
  | HeaderValue[]
  | { [name: string]: HeaderValue };

/** What protocols have names of their own for; null where the publisher gave nothing. */
export interface MessageProperties {
  readonly contentType: string | null;
  readonly contentEncoding: string | null;
  readonly correlationId: string | null;
  readonly replyTo: string | null;
  readonly messageId: string | null;
  readonly type: string | null;
  readonly userId: string | null;
  readonly appId: string | null;
  readonly priority: number | null;
  /** Time to live as the publisher gave it, in milliseconds. */
  readonly expirationMs: number | null;
}

/** One message that was published to the broker, or delivered by it. */
export interface SpiedMessage {
  /** `published`: a client, or `broker.publish`, gave it to the broker. `delivered`: a client was
   * sent it; a message that is delivered twice is there twice. */
  readonly event: 'published' | 'delivered';
  /** By which protocol this happened; `direct` for `broker.publish`. */
  readonly protocol: ProtocolName | 'direct';
  readonly namespace: string;
  /** Published: the routing key, subject, queue or topic it was published to. Delivered: the queue
   * or topic it was read from, the subject it was subscribed by. */
  readonly address: string;
  /** AMQP's exchange, `amq.topic` for a NATS subject; `''` when the address names the destination. */
  readonly exchange: string;
  /** Kafka only, else null. */
  readonly partition: number | null;
  /** Kafka only, else null. */
  readonly offset: number | null;
  /** Kafka's key, the message group of SQS; null without one. */
  readonly key: string | null;
  /** Application headers. When a name repeats, the last one; `headerList` has all. */
  readonly headers: Readonly<Record<string, HeaderValue>>;
  readonly headerList: readonly (readonly [name: string, value: HeaderValue])[];
  readonly properties: MessageProperties;
  readonly body: Buffer;
  /** The body as UTF-8. */
  readonly text: string;
  /** When it was published, by the broker's clock, or by the producer's own for Kafka. */
  readonly time: Date;
  /** The publisher asked that it survives a restart. */
  readonly durable: boolean;
  /** Published: how many queues, topics and subscribers it was handed to, 0 when nobody wanted it.
   * Delivered: 1. */
  readonly destinations: number;
  /** Published, but a destination would not take it: a full queue, one too large for a topic. */
  readonly refused: boolean;
  /** Delivered: how often it had been delivered from there before; else 0. */
  readonly redeliveries: number;
  /** The body parsed as JSON. Throws SyntaxError. */
  json(): unknown;
}

/** Every given field must be equal, and `where` true. */
export interface SpyFilter {
  readonly event?: 'published' | 'delivered';
  readonly protocol?: ProtocolName | 'direct';
  readonly namespace?: string;
  readonly address?: string;
  readonly exchange?: string;
  readonly key?: string | null;
  readonly text?: string;
  readonly where?: (message: SpiedMessage) => boolean;
}

/** Sees every message that passes the broker, or one namespace of it. */
export interface Spy {
  /** In order of publishing. */
  readonly published: readonly SpiedMessage[];
  /** In order of delivery. */
  readonly delivered: readonly SpiedMessage[];
  /** How many are not listed any more, because there were too many (`spy: { messages, bytes }`). */
  readonly dropped: number;
  /**
   * The next message that matches: one that is listed and that no earlier `next` gave out, else the
   * first that comes. Rejects after `timeoutMs` (1000 unless told), saying what was there instead.
   */
  next(filter?: SpyFilter | SpyFilter['where'], timeoutMs?: number): Promise<SpiedMessage>;
  /** Forgets all that is listed. */
  clear(): void;
}
