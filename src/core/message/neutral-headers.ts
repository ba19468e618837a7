/**
 * Neutral headers: a message's properties as Kafka record headers, for readers that know nothing
 * of the protocol it came in by, and the decoder for records that have nothing else (Origin.None).
 *
 * Properties go under the names below; application headers follow under their own. Text is UTF-8;
 * numbers and booleans are written as text, dates as ISO 8601, bytes as they are, null as null,
 * tables and arrays as JSON. docs/mapping.md has the table.
 *
 * An Origin.None message that the broker addressed itself (fed from a topic, dead-lettered) has a
 * source: exchange length u8 | exchange | routing key, both UTF-8.
 */
import { delayOf } from './delay.ts';
import { BrokerError } from '../errors.ts';
import type { Envelope, Header, HeaderValue } from './envelope.ts';
import type { Message } from './message.ts';
import { copyBytes } from './record.ts';
import { readVarint, varintEnd, writeVarint } from '#wire/varint.ts';

type TextProperty =
  | 'contentType'
  | 'contentEncoding'
  | 'correlationId'
  | 'replyTo'
  | 'messageId'
  | 'type'
  | 'userId'
  | 'appId';

/** Read back into properties. */
const PROPERTIES: readonly (readonly [name: string, property: TextProperty])[] = [
  ['content-type', 'contentType'],
  ['content-encoding', 'contentEncoding'],
  ['correlation-id', 'correlationId'],
  ['reply-to', 'replyTo'],
  ['message-id', 'messageId'],
  ['type', 'type'],
  ['user-id', 'userId'],
  ['app-id', 'appId'],
];
const PROPERTY_BY_NAME: ReadonlyMap<string, TextProperty> = new Map(PROPERTIES);
/** The header that carries a record's key in protocols that have no keys. Not written again. */
export const KEY_HEADER = 'x-key';

const ADDRESS_PART_BYTES_MAX = 255;
const text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
const VARINT_BYTES_MAX = 10;

/** What is being encoded, up to `written`. One for all: nothing here waits for anything. */
let scratch = Buffer.allocUnsafeSlow(64 * 1024);
let written = 0;

/** Points `message.headers` at the encoded properties; valid until the next call. */
export function encodeNeutral(envelope: Envelope, message: Message): void {
  written = 0;
  let count = 0;
  for (const [name, property] of PROPERTIES) {
    const value = envelope[property];
    if (value === null) continue;
    writeHeader(name, value);
    count++;
  }
  if (envelope.priority !== null) {
    writeHeader('priority', envelope.priority);
    count++;
  }
  if (envelope.expirationMs !== null) {
    writeHeader('expiration', envelope.expirationMs);
    count++;
  }
  for (const { name, value } of envelope.headers) {
    if (name === KEY_HEADER) continue;
    writeHeader(name, value);
    count++;
  }
  message.headers = scratch;
  message.headerCount = count;
  message.headersStart = 0;
  message.headersEnd = written;
}

/** As in a Kafka record, without the count. Valid until the next call. */
export function encodeHeaders(headers: readonly Header[]): Uint8Array {
  written = 0;
  for (const { name, value } of headers) writeHeader(name, value);
  return scratch.subarray(0, written);
}

function writeHeader(name: string, value: HeaderValue): void {
  writeText(name);
  if (value === null) {
    reserve(VARINT_BYTES_MAX);
    written = writeVarint(scratch, written, -1);
  } else if (value instanceof Uint8Array) {
    reserve(VARINT_BYTES_MAX + value.length);
    written = writeVarint(scratch, written, value.length);
    written = copyBytes(scratch, written, value, 0, value.length);
  } else {
    writeText(typeof value === 'string' ? value : headerText(value));
  }
}

function writeText(content: string): void {
  const length = Buffer.byteLength(content);
  reserve(VARINT_BYTES_MAX + length);
  written = writeVarint(scratch, written, length);
  written += scratch.write(content, written);
}

function reserve(count: number): void {
  if (written + count <= scratch.length) return;
  const larger = Buffer.allocUnsafeSlow(Math.max(scratch.length * 2, written + count));
  scratch.copy(larger, 0, 0, written);
  scratch = larger;
}

/** Of what is neither text nor bytes, in words of JSON and ISO 8601. */
export function headerText(value: Exclude<HeaderValue, string | null | Uint8Array>): string {
  if (value instanceof Date) return value.toISOString();
  if (typeof value === 'object') return JSON.stringify(value, plainJson);
  return String(value);
}

/** Inside JSON: bytes as base64, integers beyond 2^53 as text; Date writes itself. */
function plainJson(_name: string, value: unknown): unknown {
  if (typeof value === 'bigint') return value.toString();
  if (value instanceof Uint8Array) return Buffer.from(value).toString('base64');
  return value;
}

/** The decoder of Origin.None. Throws BrokerError 'invalid-argument' on a source that is not ours. */
export function decodeNeutral(message: Message): Envelope {
  const envelope: Envelope = {
    exchange: '',
    routingKey: '',
    routingKeys: null,
    key: message.hasKey ? copyOf(message.key, message.keyStart, message.keyEnd) : null,
    headers: [],
    contentType: null,
    contentEncoding: null,
    correlationId: null,
    replyTo: null,
    messageId: null,
    type: null,
    userId: null,
    appId: null,
    timestampMs: message.timestampMs,
    expirationMs: null,
    delayMs: null,
    priority: null,
    durable: true,
  };
  if (message.sourceEnd > message.sourceStart) readAddress(message, envelope);
  for (const header of decodeHeaders(message)) {
    const property = PROPERTY_BY_NAME.get(header.name);
    if (property && envelope[property] === null && typeof header.value === 'string') {
      envelope[property] = header.value;
    } else {
      envelope.headers.push(header);
    }
  }
  envelope.delayMs = delayOf(envelope.headers);
  return envelope;
}

/**
 * The record's headers: text where the bytes are UTF-8, else bytes (a copy). A producer may have
 * written headers that run past their record; those that are whole are shown.
 */
export function decodeHeaders(message: Message): Header[] {
  const found: Header[] = [];
  let at = message.headersStart;
  for (let i = 0; i < message.headerCount && at < message.headersEnd; i++) {
    at = decodeHeader(message.headers, at, message.headersEnd, found);
  }
  return found;
}

/** Position after it; `until` when there is no whole header. */
function decodeHeader(bytes: Uint8Array, at: number, until: number, into: Header[]): number {
  try {
    const nameLength = readVarint(bytes, at);
    const nameAt = varintEnd;
    const nameEnd = nameAt + nameLength;
    if (nameLength < 0 || nameEnd >= until) return until;
    const valueLength = readVarint(bytes, nameEnd);
    const valueAt = varintEnd;
    const valueEnd = valueAt + Math.max(valueLength, 0);
    if (valueEnd > until) return until;
    const name = Buffer.from(bytes.buffer, bytes.byteOffset + nameAt, nameLength).toString();
    into.push({ name, value: valueLength < 0 ? null : headerValue(bytes, valueAt, valueEnd) });
    return valueEnd;
  } catch (error) {
    if (error instanceof RangeError) return until;
    throw error;
  }
}

function headerValue(bytes: Uint8Array, start: number, end: number): string | Uint8Array {
  try {
    return text.decode(bytes.subarray(start, end));
  } catch (error) {
    if (error instanceof TypeError) return copyOf(bytes, start, end);
    throw error;
  }
}

/** Buffer's own slice would be a view. */
function copyOf(bytes: Uint8Array, start: number, end: number): Uint8Array {
  return new Uint8Array(bytes.subarray(start, end));
}

function malformed(reason: string): BrokerError {
  return new BrokerError('invalid-argument', reason);
}

/** Gives a record without a protocol's address the one it is routed by. */
export function readdressNeutral(message: Message, exchange: string, routingKey: string): void {
  const name = clipped(exchange);
  const key = clipped(routingKey);
  const source = Buffer.allocUnsafe(1 + name.length + key.length);
  source[0] = name.length;
  source.set(name, 1);
  source.set(key, 1 + name.length);
  message.source = source;
  message.sourceStart = 0;
  message.sourceEnd = source.length;
}

/** Keys of Kafka records may be longer than an address can be. Cut at a whole character. */
function clipped(part: string): Buffer {
  const bytes = Buffer.from(part);
  if (bytes.length <= ADDRESS_PART_BYTES_MAX) return bytes;
  let end = ADDRESS_PART_BYTES_MAX;
  while ((bytes[end]! & 0xc0) === 0x80) end--;
  return bytes.subarray(0, end);
}

function readAddress(message: Message, envelope: Envelope): void {
  const { source, sourceStart, sourceEnd } = message;
  const exchangeEnd = sourceStart + 1 + source[sourceStart]!;
  if (exchangeEnd > sourceEnd || sourceEnd - exchangeEnd > ADDRESS_PART_BYTES_MAX) {
    throw malformed('an address runs past its header');
  }
  const bytes = Buffer.from(source.buffer, source.byteOffset, source.length);
  envelope.exchange = bytes.toString('utf8', sourceStart + 1, exchangeEnd);
  envelope.routingKey = bytes.toString('utf8', exchangeEnd, sourceEnd);
}
