/**
 * SQS ⇄ envelope: the only file here that knows both languages. docs/mapping.md is its table.
 *
 *   source of an Sqs message:  flags u8 | exchange, u8 length | routing key, u8 length
 *     | MessageId, 16 bytes | sender, u8 length | trace header, u16 length | attributes to the end
 *
 * Attributes are in the form that their digest is made of (md5.ts). A body that was sent as base64,
 * with the attribute that says so, is its bytes; flag 1 remembers it, so that SQS receivers get back
 * what was sent. A source may have been forged by whoever can write raw records into a topic, so
 * decoding checks all of it and refuses with BrokerError 'invalid-argument'.
 */
import { BrokerError } from '#core/errors.ts';
import { delayOf } from '#core/message/delay.ts';
import {
  emptyEnvelope,
  type Envelope,
  type Header,
  type HeaderValue,
  type OriginExtras,
} from '#core/message/envelope.ts';
import { type Message, Origin } from '#core/message/message.ts';
import { headerText, KEY_HEADER } from '#core/message/neutral-headers.ts';
import type { Hashes } from '#core/ports.ts';
import type { MessageAttribute, MessageAttributes } from './actions.ts';
import { attributesLength, BYTES_VALUE, TEXT_VALUE, writeAttributes } from './md5.ts';
import { isAttributeName, isText } from './outgoing-checks.ts';

/** What SendMessage stores. */
export interface Outgoing {
  readonly body: string;
  readonly attributes: MessageAttributes | undefined;
  readonly traceHeader: string | null;
  /** Who sends it: a user's name. */
  readonly senderId: string;
  /** A UUID. */
  readonly messageId: string;
  readonly groupId: string | null;
  readonly queueName: string;
}

/** What ReceiveMessage shows. */
export interface Incoming {
  /** Null when it did not come by SQS. */
  readonly messageId: string | null;
  readonly body: string;
  readonly md5OfBody: string;
  /** Null when there are none. */
  readonly attributes: MessageAttributes | null;
  readonly traceHeader: string | null;
  readonly senderId: string | null;
  readonly groupId: string | null;
}

const ENCODING_ATTRIBUTE = 'content-transfer-encoding';
const BASE64 = 'base64';
const WAS_BASE64 = 1;
const ID_BYTES = 16;
const SHORT_BYTES_MAX = 255;
const LONG_BYTES_MAX = 65_535;
const NO_KEY = Buffer.alloc(0);
const INTEGER = /^-?(?:0|[1-9]\d*)$/;

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

// ---- SendMessage → message

/** One for all: a message is published before the next one is written. */
let scratch = Buffer.allocUnsafeSlow(64 * 1024);

/**
 * Points origin, source, body and key of `message` at what is sent, valid until the next call. Time,
 * delay and deduplication are the caller's. Returns the MD5 of the body as it was sent.
 */
export function writeMessage(message: Message, outgoing: Outgoing, hashes: Hashes): string {
  const { body, attributes, groupId } = outgoing;
  const sourceMax = sourceBytesMax(outgoing);
  // Three bytes for each unit of UTF-16 at most.
  const needed = sourceMax + body.length * 3 + (groupId?.length ?? 0) * 3;
  if (needed > scratch.length) scratch = Buffer.allocUnsafeSlow(needed);
  const bodyEnd = sourceMax + scratch.write(body, sourceMax);
  const md5 = hashes.md5Hex(scratch.subarray(sourceMax, bodyEnd));
  const bytes = bytesSent(body, attributes);
  message.origin = Origin.Sqs;
  message.source = scratch;
  message.sourceStart = 0;
  message.sourceEnd = writeSource(outgoing, bytes === null ? 0 : WAS_BASE64);
  message.hasBody = true;
  message.body = bytes ?? scratch;
  message.bodyStart = bytes === null ? sourceMax : 0;
  message.bodyEnd = bytes === null ? bodyEnd : bytes.length;
  message.hasKey = groupId !== null;
  message.key = groupId === null ? NO_KEY : scratch;
  message.keyStart = groupId === null ? 0 : bodyEnd;
  message.keyEnd = groupId === null ? 0 : bodyEnd + scratch.write(groupId, bodyEnd);
  return md5;
}

function sourceBytesMax({ attributes, traceHeader, senderId, queueName }: Outgoing): number {
  const texts = (queueName.length + senderId.length + (traceHeader?.length ?? 0)) * 3;
  const fixed = 6 + ID_BYTES + texts;
  return attributes === undefined ? fixed : fixed + attributesLength(attributes);
}

function writeSource(outgoing: Outgoing, flags: number): number {
  const { attributes, traceHeader, senderId, messageId, queueName } = outgoing;
  scratch[0] = flags;
  scratch[1] = 0;
  let at = writeShort(2, queueName);
  at += scratch.write(messageId.replaceAll('-', ''), at, ID_BYTES, 'hex');
  at = writeShort(at, senderId);
  const traceBytes = traceHeader === null ? 0 : scratch.write(traceHeader, at + 2, LONG_BYTES_MAX);
  scratch.writeUInt16BE(traceBytes, at);
  at += 2 + traceBytes;
  return attributes === undefined ? at : writeAttributes(scratch, at, attributes);
}

/** Position after it. `write` never cuts a character. */
function writeShort(at: number, text: string): number {
  const length = scratch.write(text, at + 1, SHORT_BYTES_MAX);
  scratch[at] = length;
  return at + 1 + length;
}

/** Null when the body is what it is. */
function bytesSent(body: string, attributes: MessageAttributes | undefined): Buffer | null {
  const encoding = attributes?.[ENCODING_ATTRIBUTE];
  if (encoding?.StringValue !== BASE64) return null;
  const bytes = Buffer.from(body, 'base64');
  return bytes.toString('base64') === body ? bytes : null;
}

// ---- message → ReceiveMessage

/** What reading a message needs of the broker. */
interface Services {
  readonly envelopes: { decode(message: Message): Envelope };
  readonly ports: { readonly hashes: Hashes };
}

/** `whole` false: sender, trace and group are not asked for, and null. Throws BrokerError
 * 'invalid-argument' for a forged source. */
export function readMessage(message: Message, services: Services, whole = true): Incoming {
  return message.origin === Origin.Sqs
    ? readOwn(message, services, whole)
    : readOther(message, services);
}

function readOwn(message: Message, { ports }: Services, whole: boolean): Incoming {
  const { source } = message;
  const { flags, idAt, senderAt, traceAt, attributesAt } = parseSource(message);
  const bytes = bufferOf(source);
  const own = bodyText(message, ports.hashes, (flags & WAS_BASE64) !== 0);
  const hex = bytes.toString('hex', idAt, idAt + ID_BYTES);
  const attributes = readAttributes(message, attributesAt);
  return {
    messageId: `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`,
    body: own.body,
    md5OfBody: own.md5OfBody,
    attributes: own.encoded && (flags & WAS_BASE64) === 0 ? withEncoding(attributes) : attributes,
    traceHeader:
      whole && attributesAt - traceAt > 2
        ? bytes.toString('utf8', traceAt + 2, attributesAt)
        : null,
    senderId: whole ? bytes.toString('utf8', senderAt + 1, traceAt) : null,
    groupId: whole ? keyText(message) : null,
  };
}

function readOther(message: Message, { envelopes, ports }: Services): Incoming {
  const envelope = envelopes.decode(message);
  const { body, md5OfBody, encoded } = bodyText(message, ports.hashes, false);
  const attributes = attributesOf(envelope);
  if (encoded) delete attributes[ENCODING_ATTRIBUTE];
  const some = Object.keys(attributes).length === 0 ? null : attributes;
  return {
    messageId: null,
    body,
    md5OfBody,
    attributes: encoded ? withEncoding(some) : some,
    traceHeader: null,
    senderId: null,
    groupId: message.hasKey ? keyText(message) : textOf(envelope.key),
  };
}

function withEncoding(attributes: MessageAttributes | null): MessageAttributes {
  const encoding = { DataType: 'String', StringValue: BASE64 };
  return { ...attributes, [ENCODING_ATTRIBUTE]: encoding };
}

interface BodyText {
  readonly body: string;
  readonly md5OfBody: string;
  readonly encoded: boolean;
}

/** What is no text for SQS is base64. */
function bodyText(message: Message, hashes: Hashes, wasBase64: boolean): BodyText {
  const window = message.body.subarray(message.bodyStart, message.bodyEnd);
  const body = wasBase64 ? null : textOf(window);
  if (body !== null && isText(body)) {
    return { body, md5OfBody: hashes.md5Hex(window), encoded: false };
  }
  const encoded = bufferOf(window).toString('base64');
  return { body: encoded, md5OfBody: hashes.md5Hex(Buffer.from(encoded, 'latin1')), encoded: true };
}

function keyText(message: Message): string | null {
  return message.hasKey ? textOf(message.key.subarray(message.keyStart, message.keyEnd)) : null;
}

/** Null when it is no UTF-8, or nothing. */
function textOf(bytes: Uint8Array | null): string | null {
  if (bytes === null) return null;
  try {
    return utf8.decode(bytes);
  } catch (error) {
    if (error instanceof TypeError) return null;
    throw error;
  }
}

function bufferOf(bytes: Uint8Array): Buffer {
  return Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
}

// ---- the source

interface SourceParts {
  flags: number;
  exchangeAt: number;
  routingKeyAt: number;
  idAt: number;
  senderAt: number;
  traceAt: number;
  attributesAt: number;
}

/** One for all. */
const parts: SourceParts = {
  flags: 0,
  exchangeAt: 0,
  routingKeyAt: 0,
  idAt: 0,
  senderAt: 0,
  traceAt: 0,
  attributesAt: 0,
};

/** Where everything is. Throws BrokerError when it does not fit. */
function parseSource(message: Message): SourceParts {
  const { source, sourceStart, sourceEnd } = message;
  parts.flags = source[sourceStart] ?? 0;
  parts.exchangeAt = sourceStart + 1;
  parts.routingKeyAt = afterShort(source, parts.exchangeAt, sourceEnd);
  parts.idAt = afterShort(source, parts.routingKeyAt, sourceEnd);
  parts.senderAt = parts.idAt + ID_BYTES;
  parts.traceAt = afterShort(source, parts.senderAt, sourceEnd);
  if (parts.traceAt + 2 > sourceEnd) throw forged();
  const traceBytes = source[parts.traceAt]! * 256 + source[parts.traceAt + 1]!;
  parts.attributesAt = parts.traceAt + 2 + traceBytes;
  if (parts.attributesAt > sourceEnd) throw forged();
  return parts;
}

function afterShort(source: Uint8Array, at: number, end: number): number {
  const after = at + 1 + (source[at] ?? 0);
  if (after > end) throw forged();
  return after;
}

function forged(): BrokerError {
  return new BrokerError('invalid-argument', 'not the bytes of an SQS message');
}

/** Null when there are none. */
function readAttributes(message: Message, start: number): MessageAttributes | null {
  const { sourceEnd } = message;
  if (start === sourceEnd) return null;
  const source = bufferOf(message.source);
  const attributes = Object.create(null) as Record<string, MessageAttribute>;
  let at = start;
  while (at < sourceEnd) {
    const nameEnd = afterLong(source, at, sourceEnd);
    const typeEnd = afterLong(source, nameEnd, sourceEnd);
    const valueEnd = afterLong(source, typeEnd + 1, sourceEnd);
    const name = source.toString('utf8', at + 4, nameEnd);
    const DataType = source.toString('utf8', nameEnd + 4, typeEnd);
    const kind = source[typeEnd];
    if (kind === TEXT_VALUE) {
      attributes[name] = { DataType, StringValue: source.toString('utf8', typeEnd + 5, valueEnd) };
    } else if (kind === BYTES_VALUE) {
      const BinaryValue = new Uint8Array(source.subarray(typeEnd + 5, valueEnd));
      attributes[name] = { DataType, BinaryValue };
    } else throw forged();
    at = valueEnd;
  }
  return attributes;
}

function afterLong(source: Buffer, at: number, end: number): number {
  if (at + 4 > end) throw forged();
  const after = at + 4 + source.readUInt32BE(at);
  if (after > end) throw forged();
  return after;
}

// ---- message → envelope

const PROPERTIES = [
  ['content-type', 'contentType'],
  ['content-encoding', 'contentEncoding'],
  ['correlation-id', 'correlationId'],
  ['reply-to', 'replyTo'],
  ['message-id', 'messageId'],
  ['type', 'type'],
  ['user-id', 'userId'],
  ['app-id', 'appId'],
] as const;
const PROPERTY_BY_NAME: ReadonlyMap<string, (typeof PROPERTIES)[number][1]> = new Map(PROPERTIES);

export function decodeMessage(message: Message): Envelope {
  const { flags, exchangeAt, routingKeyAt, idAt, attributesAt } = parseSource(message);
  const source = bufferOf(message.source);
  const envelope = emptyEnvelope();
  envelope.exchange = source.toString('utf8', exchangeAt + 1, routingKeyAt);
  envelope.routingKey = source.toString('utf8', routingKeyAt + 1, idAt);
  envelope.timestampMs = message.timestampMs;
  envelope.durable = true;
  if (message.hasKey) {
    envelope.key = new Uint8Array(message.key.subarray(message.keyStart, message.keyEnd));
  }
  const attributes = readAttributes(message, attributesAt) ?? {};
  for (const name of Object.keys(attributes)) {
    if (name === ENCODING_ATTRIBUTE && (flags & WAS_BASE64) !== 0) continue;
    const value = headerValue(attributes[name]!);
    const property = PROPERTY_BY_NAME.get(name);
    if (property !== undefined && typeof value === 'string') envelope[property] = value;
    else envelope.headers.push({ name, value });
  }
  envelope.delayMs = delayOf(envelope.headers);
  return envelope;
}

function headerValue({ DataType, StringValue, BinaryValue }: MessageAttribute): HeaderValue {
  if (BinaryValue !== undefined) return BinaryValue;
  const text = StringValue ?? '';
  if (!DataType!.startsWith('Number')) return text;
  const number = Number(text);
  if (String(number) === text && Number.isFinite(number)) return number;
  return INTEGER.test(text) && text !== '-0' ? BigInt(text) : text;
}

// ---- envelope → attributes

function attributesOf(envelope: Envelope): Record<string, MessageAttribute> {
  const attributes = Object.create(null) as Record<string, MessageAttribute>;
  for (const [name, property] of PROPERTIES) {
    const value = envelope[property];
    if (value !== null) attributes[name] = textAttribute(value);
  }
  const { priority, expirationMs } = envelope;
  if (priority !== null) attributes['priority'] = numberAttribute(priority);
  if (expirationMs !== null) attributes['expiration'] = numberAttribute(expirationMs);
  for (const header of envelope.headers) addHeader(attributes, header);
  return attributes;
}

/** The first of a name that repeats; names that SQS does not allow are lost, and nulls. */
function addHeader(attributes: Record<string, MessageAttribute>, { name, value }: Header): void {
  if (name === KEY_HEADER || name in attributes || value === null) return;
  if (!isAttributeName(name)) return;
  attributes[name] = attributeOf(value);
}

function attributeOf(value: Exclude<HeaderValue, null>): MessageAttribute {
  if (typeof value === 'string') return textAttribute(value);
  if (value instanceof Uint8Array) return { DataType: 'Binary', BinaryValue: value };
  const isNumber = typeof value === 'bigint' || (typeof value === 'number' && isFinite(value));
  return isNumber ? numberAttribute(value) : textAttribute(headerText(value));
}

function numberAttribute(value: number | bigint): MessageAttribute {
  return { DataType: 'Number', StringValue: String(value) };
}

/** Text that XML has no form for is bytes. */
function textAttribute(text: string): MessageAttribute {
  if (isText(text)) return { DataType: 'String', StringValue: text };
  return { DataType: 'Binary', BinaryValue: Buffer.from(text) };
}

// ---- for the core

function isValid(message: Message): boolean {
  try {
    readAttributes(message, parseSource(message).attributesAt);
    return true;
  } catch (error) {
    if (error instanceof BrokerError) return false;
    throw error;
  }
}

/** A dead letter's new address. */
function readdress(message: Message, exchange: string, routingKey: string): void {
  const { flags, idAt } = parseSource(message);
  const head = Buffer.concat([Uint8Array.of(flags), short(exchange), short(routingKey)]);
  const rest = message.source.subarray(idAt, message.sourceEnd);
  message.source = Buffer.concat([head, rest]);
  message.sourceStart = 0;
  message.sourceEnd = message.source.length;
}

function short(text: string): Buffer {
  const bytes = Buffer.allocUnsafe(1 + SHORT_BYTES_MAX);
  const length = bytes.write(text, 1, SHORT_BYTES_MAX);
  bytes[0] = length;
  return bytes.subarray(0, 1 + length);
}

export const ORIGIN_EXTRAS: OriginExtras = { isValid, readdress };
