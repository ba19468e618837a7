/**
 * One message that a recorder kept: its own bytes, decoded when somebody looks.
 */
import { BrokerError } from '#core/errors.ts';
import { emptyEnvelope, type Envelope, type Envelopes } from '#core/message/envelope.ts';
import type { Message } from '#core/message/message.ts';
import type { HeaderValue, MessageProperties, ProtocolName, SpiedMessage } from './spied.ts';

/** What the bytes do not say. */
export type Circumstances = Pick<
  SpiedMessage,
  | 'event'
  | 'namespace'
  | 'address'
  | 'exchange'
  | 'partition'
  | 'offset'
  | 'destinations'
  | 'refused'
  | 'redeliveries'
> & { readonly protocol: ProtocolName | 'direct' };

export class Recorded implements SpiedMessage {
  readonly event: SpiedMessage['event'];
  readonly protocol: SpiedMessage['protocol'];
  readonly namespace: string;
  readonly address: string;
  readonly exchange: string;
  readonly partition: number | null;
  readonly offset: number | null;
  readonly destinations: number;
  readonly refused: boolean;
  readonly redeliveries: number;
  readonly time: Date;
  readonly body: Buffer;
  readonly #message: Message;
  readonly #envelopes: Envelopes;
  #decoded: Envelope | null = null;

  /** The windows of `message` stay as they are. */
  constructor(circumstances: Circumstances, message: Message, envelopes: Envelopes) {
    this.event = circumstances.event;
    this.protocol = circumstances.protocol;
    this.namespace = circumstances.namespace;
    this.address = circumstances.address;
    this.exchange = circumstances.exchange;
    this.partition = circumstances.partition;
    this.offset = circumstances.offset;
    this.destinations = circumstances.destinations;
    this.refused = circumstances.refused;
    this.redeliveries = circumstances.redeliveries;
    this.time = new Date(message.timestampMs);
    this.body = window(message.body, message.bodyStart, message.bodyEnd);
    this.#message = message;
    this.#envelopes = envelopes;
  }

  get text(): string {
    return this.body.toString();
  }

  json(): unknown {
    return JSON.parse(this.text);
  }

  get key(): string | null {
    const { hasKey, key, keyStart, keyEnd } = this.#message;
    if (hasKey) return window(key, keyStart, keyEnd).toString();
    const decoded = this.#envelope.key;
    return decoded === null ? null : Buffer.from(decoded).toString();
  }

  get durable(): boolean {
    return this.partition !== null || this.#message.durable;
  }

  get headers(): Readonly<Record<string, HeaderValue>> {
    return Object.fromEntries(this.headerList);
  }

  get headerList(): readonly (readonly [name: string, value: HeaderValue])[] {
    return this.#envelope.headers.map(({ name, value }) => [name, value]);
  }

  get properties(): MessageProperties {
    const { contentType, contentEncoding, correlationId, replyTo, messageId } = this.#envelope;
    const { type, userId, appId, priority, expirationMs } = this.#envelope;
    const text = { contentType, contentEncoding, correlationId, replyTo, messageId };
    return { ...text, type, userId, appId, priority, expirationMs };
  }

  get #envelope(): Envelope {
    return (this.#decoded ??= this.#decode());
  }

  #decode(): Envelope {
    try {
      return this.#envelopes.decode(this.#message);
    } catch (error) {
      // Whoever can write raw records can write nonsense into them.
      if (error instanceof BrokerError) return emptyEnvelope();
      throw error;
    }
  }
}

function window(bytes: Uint8Array, start: number, end: number): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset + start, end - start);
}
