/**
 * NATS ⇄ envelope: the only file here that knows both languages. docs/mapping.md is its table.
 *
 * The text properties are headers of their neutral names, the record's key is the header `x-key`,
 * reply-to is the reply subject. A NATS message has no other properties; priority and expiration of
 * others are shown as headers, for information.
 */
import { BrokerError } from '#core/errors.ts';
import { delayOf } from '#core/message/delay.ts';
import {
  emptyEnvelope,
  type Envelope,
  type HeaderValue,
  type OriginExtras,
} from '#core/message/envelope.ts';
import type { Message } from '#core/message/message.ts';
import { KEY_HEADER } from '#core/message/neutral-headers.ts';
import type { OutgoingMessage } from './foreign.ts';
import { encodeHeaders, headerText, parseHeaders } from './headers.ts';
import { readdressed, readSource } from './source.ts';
import { deliverableSubject } from './subject.ts';

const TEXT_PROPERTIES = [
  ['content-type', 'contentType'],
  ['content-encoding', 'contentEncoding'],
  ['correlation-id', 'correlationId'],
  ['reply-to', 'replyTo'],
  ['message-id', 'messageId'],
  ['type', 'type'],
  ['user-id', 'userId'],
  ['app-id', 'appId'],
] as const;
const PROPERTY_BY_NAME = new Map<string, (typeof TEXT_PROPERTIES)[number][1]>(TEXT_PROPERTIES);

// -- NATS → envelope ------------------------------------------------------------------------------

export function decodeMessage(message: Message): Envelope {
  const source = readSource(message);
  if (source === null) {
    throw new BrokerError('invalid-argument', 'not the bytes of a NATS publish');
  }
  const envelope = emptyEnvelope();
  envelope.exchange = source.exchange;
  envelope.routingKey = source.subject;
  envelope.replyTo = source.reply;
  envelope.durable = true;
  for (const header of parseHeaders(message.source, source.headersStart, message.sourceEnd)) {
    const { name, value } = header;
    const property = PROPERTY_BY_NAME.get(name);
    if (property !== undefined && envelope[property] === null && typeof value === 'string') {
      envelope[property] = value;
    } else if (name === KEY_HEADER && envelope.key === null) {
      envelope.key = keyBytes(value);
    } else {
      envelope.headers.push(header);
    }
  }
  envelope.delayMs = delayOf(envelope.headers);
  return envelope;
}

function keyBytes(value: HeaderValue): Uint8Array {
  return value instanceof Uint8Array ? value : Buffer.from(value as string);
}

// -- envelope → NATS ------------------------------------------------------------------------------

/** Null when it has no address that a NATS client could be told. */
export function encodeEnvelope(envelope: Envelope): OutgoingMessage | null {
  const subjects = (envelope.routingKeys ?? [envelope.routingKey])
    .map(deliverableSubject)
    .filter((subject) => subject !== null);
  if (subjects.length === 0) return null;
  const { replyTo } = envelope;
  const reply = replyTo !== null && deliverableSubject(replyTo) === replyTo ? replyTo : null;
  const headers: [string, string][] = [];
  for (const [name, property] of TEXT_PROPERTIES) {
    const value = envelope[property];
    // A reply address that is no subject is still worth knowing.
    if (value !== null && (property !== 'replyTo' || reply === null)) headers.push([name, value]);
  }
  if (envelope.priority !== null) headers.push(['priority', String(envelope.priority)]);
  if (envelope.expirationMs !== null) headers.push(['expiration', String(envelope.expirationMs)]);
  if (envelope.key !== null) headers.push([KEY_HEADER, keyText(envelope.key)]);
  for (const { name, value } of envelope.headers) headers.push([name, headerText(value)]);
  return { subjects, reply, headers: encodeHeaders(headers) };
}

function keyText(key: Uint8Array): string {
  const text = Buffer.from(key).toString();
  return Buffer.from(text).equals(key) ? text : headerText(key);
}

// -- for the core ---------------------------------------------------------------------------------

function isValid(message: Message): boolean {
  return readSource(message) !== null;
}

function readdress(message: Message, exchange: string, routingKey: string): void {
  const known = readSource(message);
  if (known === null) return;
  const bytes = readdressed(message, known, exchange, routingKey);
  message.source = bytes;
  message.sourceStart = 0;
  message.sourceEnd = bytes.length;
}

export const ORIGIN_EXTRAS: OriginExtras = { isValid, readdress };
