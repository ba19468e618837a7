/**
 * Envelope: a message's properties in neutral words, the hub through which protocols convert.
 *
 * Every protocol's `mapping.ts` decodes its own bytes into an Envelope and encodes an Envelope into
 * its own words, so N protocols need N mappings. Decoding is lazy and off the hot path: a message
 * that leaves by the protocol it came in by never has one.
 */
import { BrokerError } from '../errors.ts';
import type { Message } from './message.ts';
import { Origin } from './message.ts';
import { decodeNeutral, encodeNeutral, readdressNeutral } from './neutral-headers.ts';

/** A header value in the widest type any protocol has. Numbers are integers or doubles. */
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

export interface Header {
  name: string;
  value: HeaderValue;
}

export interface Envelope {
  /** The exchange it was published to; '' when the publisher named the destination itself. */
  exchange: string;
  /** The address it was published under: routing key, topic, subject. */
  routingKey: string;
  /** All addresses it was published under (AMQP: the routing key, then CC); null = just the one. */
  routingKeys: string[] | null;
  key: Uint8Array | null;
  /** Application headers, in order; names may repeat (Kafka). */
  headers: Header[];
  contentType: string | null;
  contentEncoding: string | null;
  correlationId: string | null;
  replyTo: string | null;
  messageId: string | null;
  type: string | null;
  userId: string | null;
  appId: string | null;
  /** The publisher's own timestamp, ms; null when it gave none. */
  timestampMs: number | null;
  /** Time to live as the publisher gave it, ms. */
  expirationMs: number | null;
  /** What the header x-delay says, ms: how long an exchange that delays keeps it. Negative when it
   * was kept; null when there is none or it is no number. The header stays among the headers. */
  delayMs: number | null;
  priority: number | null;
  durable: boolean;
}

export function emptyEnvelope(): Envelope {
  return {
    exchange: '',
    routingKey: '',
    routingKeys: null,
    key: null,
    headers: [],
    contentType: null,
    contentEncoding: null,
    correlationId: null,
    replyTo: null,
    messageId: null,
    type: null,
    userId: null,
    appId: null,
    timestampMs: null,
    expirationMs: null,
    delayMs: null,
    priority: null,
    durable: false,
  };
}

/** Decodes `message.source` (and key, headers where the origin uses them). Throws BrokerError
 * 'invalid-argument' when the bytes are not the origin's: they may have been forged by a client
 * that can write raw records. */
export type EnvelopeDecoder = (message: Message) => Envelope;

/** What else an origin's mapping can do with its own bytes. */
export interface OriginExtras {
  /** Cheap test of what `decode` would throw for; without it `decode` is tried. */
  isValid?: (message: Message) => boolean;
  /** Points `message.source` at new bytes with this address; the rest as it was, but for a message
   * that died, which loses its expiration. */
  readdress?: (message: Message, exchange: string, routingKey: string, died: boolean) => void;
  /** Points `message.source` at new bytes in which this application header has this value. */
  setHeader?: (message: Message, name: string, value: HeaderValue) => void;
}

/** The decoders by origin; each protocol registers its own when it is made. */
export class Envelopes {
  readonly #decoders = new Map<Origin, EnvelopeDecoder>();
  readonly #extras = new Map<Origin, OriginExtras>();

  constructor() {
    this.register(Origin.None, decodeNeutral, { readdress: readdressNeutral });
  }

  register(origin: Origin, decoder: EnvelopeDecoder, extras: OriginExtras = {}): void {
    this.#decoders.set(origin, decoder);
    this.#extras.set(origin, extras);
  }

  decode(message: Message): Envelope {
    const decoder = this.#decoders.get(message.origin);
    if (!decoder) {
      throw new BrokerError('unsupported', `no protocol here reads origin ${message.origin}`);
    }
    return decoder(message);
  }

  /** Gives a message another address, and takes its expiration away when it died. One whose origin
   * cannot do that goes on as a plain record. */
  readdress(message: Message, exchange: string, routingKey: string, died: boolean): void {
    const readdress = this.#extras.get(message.origin)?.readdress;
    if (readdress) {
      readdress(message, exchange, routingKey, died);
      return;
    }
    const decoder = this.#decoders.get(message.origin);
    if (!decoder) return;
    const envelope = decoder(message);
    if (died) envelope.expirationMs = null;
    this.#makePlain(message, envelope);
    readdressNeutral(message, exchange, routingKey);
  }

  /** Gives an application header another value, in the message and in its envelope. A message whose
   * origin cannot do that goes on as a plain record. */
  setHeader(message: Message, envelope: Envelope, name: string, value: HeaderValue): void {
    const others = envelope.headers.filter((header) => header.name !== name);
    envelope.headers = [...others, { name, value }];
    const setHeader = this.#extras.get(message.origin)?.setHeader;
    if (setHeader) {
      setHeader(message, name, value);
      return;
    }
    this.#makePlain(message, envelope);
    readdressNeutral(message, envelope.exchange, envelope.routingKey);
  }

  #makePlain(message: Message, envelope: Envelope): void {
    encodeNeutral(envelope, message);
    message.headers = new Uint8Array(message.headers.subarray(0, message.headersEnd));
    message.origin = Origin.None;
  }

  /**
   * For a record that a client may have forged: true when its source is what its origin writes.
   * Otherwise turns it into a plain record (Origin.None, neutral headers only).
   */
  trust(message: Message): boolean {
    if (message.origin === Origin.None && message.sourceEnd === message.sourceStart) return true;
    if (this.#isValid(message)) return true;
    message.origin = Origin.None;
    message.sourceStart = message.sourceEnd = 0;
    return false;
  }

  #isValid(message: Message): boolean {
    const isValid = this.#extras.get(message.origin)?.isValid;
    if (isValid) return isValid(message);
    try {
      this.decode(message);
      return true;
    } catch (error) {
      if (error instanceof BrokerError) return false;
      throw error;
    }
  }
}
