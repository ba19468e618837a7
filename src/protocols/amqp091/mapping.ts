/**
 * AMQP ⇄ envelope: the only file here that knows both languages. docs/mapping.md is its table.
 *
 *   source of an Amqp091 message: exchange shortstr | routing key shortstr | flags u16 | properties
 *
 * A source may have been forged by whoever can write raw records into a topic, so decoding checks
 * all of it and refuses with BrokerError 'invalid-argument'.
 *
 * Field types: integers and doubles are numbers (64-bit integers beyond 2^53 bigints), decimals are
 * doubles, long strings are text when they are UTF-8 and bytes otherwise, timestamps are dates, void
 * is null, tables and arrays are what they are. A record's key is the header `x-key`.
 */
import { delayOf } from '#core/message/delay.ts';
import {
  emptyEnvelope,
  type Envelope,
  type Header,
  type HeaderValue,
  type OriginExtras,
} from '#core/message/envelope.ts';
import { BrokerError, ProtocolError } from '#core/errors.ts';
import type { Message } from '#core/message/message.ts';
import { KEY_HEADER } from '#core/message/neutral-headers.ts';
import { keysOf } from './carbon-copies.ts';
import { textOf } from './codec.ts';
import { FieldTable, scanTable, type Decimal, type FieldValue } from './field-table.ts';
import {
  decodeProperties,
  DELIVERY_MODE_PERSISTENT,
  encodeProperties,
  noProperties,
  PropertyScan,
  type Properties,
} from './properties.ts';

const SHORTSTR_BYTES_MAX = 255;
const INT32_MAX = 0x7fffffff;
const INT64_MAX = 2n ** 63n - 1n;
const DATE_MS_MAX = 8.64e15;
const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

// -- AMQP → envelope ------------------------------------------------------------------------------

export function decodeMessage(message: Message): Envelope {
  const { source, sourceStart, sourceEnd } = message;
  const routingKeyAt = sourceStart + 1 + (source[sourceStart] ?? 0);
  const propertiesAt = routingKeyAt + 1 + (source[routingKeyAt] ?? 0);
  if (propertiesAt + 2 > sourceEnd) throw forged();
  const properties = checkedProperties(source, propertiesAt, sourceEnd);
  const envelope = emptyEnvelope();
  envelope.exchange = textOf(source, sourceStart + 1, routingKeyAt);
  envelope.routingKey = textOf(source, routingKeyAt + 1, propertiesAt);
  envelope.contentType = properties.contentType;
  envelope.contentEncoding = properties.contentEncoding;
  envelope.correlationId = properties.correlationId;
  envelope.replyTo = properties.replyTo;
  envelope.messageId = properties.messageId;
  envelope.type = properties.type;
  envelope.userId = properties.userId;
  envelope.appId = properties.appId;
  const timestampMs = properties.timestamp === null ? null : properties.timestamp * 1000;
  envelope.timestampMs = timestampMs !== null && timestampMs <= DATE_MS_MAX ? timestampMs : null;
  envelope.priority = properties.priority;
  envelope.durable = properties.deliveryMode === DELIVERY_MODE_PERSISTENT;
  if (properties.expiration !== null && /^\+?\d+$/.test(properties.expiration)) {
    envelope.expirationMs = Number(properties.expiration);
  }
  if (properties.headers) readHeaders(properties, envelope);
  envelope.delayMs = delayOf(envelope.headers);
  return envelope;
}

function forged(): BrokerError {
  return new BrokerError('invalid-argument', 'not the bytes of an AMQP 0-9-1 publish');
}

function checkedProperties(source: Uint8Array, start: number, end: number): Properties {
  try {
    return decodeProperties(source, start, end);
  } catch (error) {
    if (error instanceof ProtocolError) throw forged();
    throw error;
  }
}

function readHeaders(properties: Properties, envelope: Envelope): void {
  const { names, values } = properties.headers!;
  for (let i = 0; i < names.length; i++) {
    const value = headerValue(values[i]!);
    if (names[i] === KEY_HEADER && envelope.key === null) envelope.key = keyBytes(value);
    else envelope.headers.push({ name: names[i]!, value });
  }
  if (properties.headers!.get('CC')?.type === 'A') {
    envelope.routingKeys = [envelope.routingKey, ...keysOf(properties, 'CC')];
  }
}

function keyBytes(value: HeaderValue): Uint8Array | null {
  if (value === null || value instanceof Uint8Array) return value;
  return Buffer.from(typeof value === 'string' ? value : JSON.stringify(value, withoutBigint));
}

/** JSON has no integers beyond 2^53: they become text. */
function withoutBigint(_name: string, value: unknown): unknown {
  return typeof value === 'bigint' ? value.toString() : value;
}

export function headerValue(field: FieldValue): HeaderValue {
  const { type, value } = field;
  switch (type) {
    case 'S':
      return textOrBytes(value as Uint8Array);
    case 'T': {
      const ms = Number(value) * 1000;
      return ms <= DATE_MS_MAX ? new Date(ms) : (value as number | bigint);
    }
    case 'D': {
      const { scale, unscaled } = value as Decimal;
      return unscaled / 10 ** scale;
    }
    case 'F':
      return tableValue(value as FieldTable);
    case 'A':
      return (value as FieldValue[]).map(headerValue);
    default:
      return value as HeaderValue;
  }
}

/** The first of a name that repeats; no prototype, so that every name is only a name. */
export function tableValue(table: FieldTable): Record<string, HeaderValue> {
  const values = Object.create(null) as Record<string, HeaderValue>;
  for (let i = 0; i < table.names.length; i++) {
    const name = table.names[i]!;
    if (!(name in values)) values[name] = headerValue(table.values[i]!);
  }
  return values;
}

function textOrBytes(bytes: Uint8Array): string | Uint8Array {
  try {
    return utf8.decode(bytes);
  } catch (error) {
    if (error instanceof TypeError) return bytes;
    throw error;
  }
}

// -- envelope → AMQP ------------------------------------------------------------------------------

/** The whole source: address and properties. */
export function encodeEnvelope(envelope: Envelope): Buffer {
  const properties = noProperties();
  properties.contentType = envelope.contentType;
  properties.contentEncoding = envelope.contentEncoding;
  properties.correlationId = envelope.correlationId;
  properties.replyTo = envelope.replyTo;
  properties.messageId = envelope.messageId;
  properties.type = envelope.type;
  properties.userId = envelope.userId;
  properties.appId = envelope.appId;
  properties.priority = envelope.priority === null ? null : Math.min(envelope.priority, 255);
  properties.deliveryMode = envelope.durable ? DELIVERY_MODE_PERSISTENT : 1;
  if (envelope.timestampMs !== null && envelope.timestampMs >= 0) {
    properties.timestamp = Math.floor(envelope.timestampMs / 1000);
  }
  if (envelope.expirationMs !== null) properties.expiration = String(envelope.expirationMs);
  properties.headers = writeHeaders(envelope.headers, envelope.key);
  return Buffer.concat([
    addressBytes(envelope.exchange, envelope.routingKey),
    encodeProperties(properties),
  ]);
}

function writeHeaders(headers: readonly Header[], key: Uint8Array | null): FieldTable | null {
  if (headers.length === 0 && key === null) return null;
  const table = new FieldTable();
  const repeated = new Set<string>();
  for (const header of headers) {
    const name = clipped(header.name).toString();
    const value = fieldValue(header.value);
    const before = table.get(name);
    if (!before) table.set(name, value);
    else if (repeated.has(name)) (before.value as FieldValue[]).push(value);
    else {
      // A name that repeats becomes one array: tables in clients are maps.
      repeated.add(name);
      table.set(name, { type: 'A', value: [before, value] });
    }
  }
  if (key !== null) table.set(KEY_HEADER, fieldValue(textOrBytes(key)));
  return table;
}

export function fieldValue(value: HeaderValue): FieldValue {
  if (value === null) return { type: 'V', value: null };
  switch (typeof value) {
    case 'string':
      return { type: 'S', value: Buffer.from(value) };
    case 'boolean':
      return { type: 't', value };
    case 'number':
      if (!Number.isSafeInteger(value)) return { type: 'd', value };
      return { type: value <= INT32_MAX && value >= -INT32_MAX - 1 ? 'I' : 'l', value };
    case 'bigint':
      if (value > INT64_MAX || value < -INT64_MAX - 1n) {
        return { type: 'S', value: Buffer.from(value.toString()) };
      }
      return { type: 'l', value };
    default:
  }
  if (value instanceof Uint8Array) return { type: 'x', value };
  if (value instanceof Date) return { type: 'T', value: Math.floor(value.getTime() / 1000) };
  if (Array.isArray(value)) return { type: 'A', value: value.map(fieldValue) };
  const table = new FieldTable();
  for (const [name, item] of Object.entries(value)) {
    table.set(clipped(name).toString(), fieldValue(item));
  }
  return { type: 'F', value: table };
}

function addressBytes(exchange: string, routingKey: string): Buffer {
  const exchangeBytes = clipped(exchange);
  const routingKeyBytes = clipped(routingKey);
  return Buffer.concat([
    Uint8Array.of(exchangeBytes.length),
    exchangeBytes,
    Uint8Array.of(routingKeyBytes.length),
    routingKeyBytes,
  ]);
}

/** At most what a short string holds, cut at a whole character. */
function clipped(text: string): Buffer {
  const bytes = Buffer.from(text);
  if (bytes.length <= SHORTSTR_BYTES_MAX) return bytes;
  let end = SHORTSTR_BYTES_MAX;
  while ((bytes[end]! & 0xc0) === 0x80) end--;
  return bytes.subarray(0, end);
}

// -- for the core ---------------------------------------------------------------------------------

const scan = new PropertyScan();

/** What decodeMessage takes, found out without making anything of it. */
function isValid(message: Message): boolean {
  const { source, sourceStart, sourceEnd } = message;
  const routingKeyAt = sourceStart + 1 + (source[sourceStart] ?? 0);
  const propertiesAt = routingKeyAt + 1 + (source[routingKeyAt] ?? 0);
  if (propertiesAt + 2 > sourceEnd) return false;
  try {
    scan.scan(source, propertiesAt, sourceEnd);
    if (scan.headersStart > 0) scanTable(source, scan.headersStart, scan.headersEnd);
    return true;
  } catch (error) {
    if (error instanceof ProtocolError) return false;
    throw error;
  }
}

/** It loses CC when its key is replaced. */
function readdress(message: Message, exchange: string, routingKey: string, died: boolean): void {
  const { source, sourceStart, sourceEnd } = message;
  const routingKeyAt = sourceStart + 1 + source[sourceStart]!;
  const propertiesAt = routingKeyAt + 1 + source[routingKeyAt]!;
  const properties = decodeProperties(source, propertiesAt, sourceEnd);
  if (died) properties.expiration = null;
  if (textOf(source, routingKeyAt + 1, propertiesAt) !== routingKey) {
    properties.headers?.delete('CC');
  }
  const bytes = Buffer.concat([addressBytes(exchange, routingKey), encodeProperties(properties)]);
  message.source = bytes;
  message.sourceStart = 0;
  message.sourceEnd = bytes.length;
}

function setHeader(message: Message, name: string, value: HeaderValue): void {
  const { source, sourceStart, sourceEnd } = message;
  const routingKeyAt = sourceStart + 1 + source[sourceStart]!;
  const propertiesAt = routingKeyAt + 1 + source[routingKeyAt]!;
  const properties = decodeProperties(source, propertiesAt, sourceEnd);
  properties.headers ??= new FieldTable();
  properties.headers.set(name, fieldValue(value));
  const address = source.subarray(sourceStart, propertiesAt);
  const bytes = Buffer.concat([address, encodeProperties(properties)]);
  message.source = bytes;
  message.sourceStart = 0;
  message.sourceEnd = bytes.length;
}

export const ORIGIN_EXTRAS: OriginExtras = { isValid, readdress, setHeader };
