/**
 * Record: one message inside a batch, in the form that a queue's log and a topic's log share.
 *
 *   length varint | attributes i8 = 0 | timestampDelta varint | offsetDelta varint
 *   | keyLength varint, key | valueLength varint, value | headerCount varint | headers
 *   header: nameLength varint, name | valueLength varint, value
 *
 * What a Kafka record has no place for travels in one header named `posthorn`, always the first:
 *
 *   origin u8 | flags u8 | [expiresAtMs i64] | [priority u8] | [deathsLength varint, deaths JSON]
 *   | source: the origin protocol's own bytes
 *
 * In a queue's log it is always there and trusted. In a topic it is there, before the neutral
 * headers, when the message did not come in by Kafka; since a Kafka client may forge one, whoever
 * reads a topic must let the origin's mapping validate `source` before it uses it.
 */
import type { Death, Message } from './message.ts';
import { Origin } from './message.ts';
import { readInt64, writeInt64 } from './batch.ts';
import {
  readUnsignedVarint,
  readVarint,
  unsignedVarintLength,
  varintEnd,
  varintLength,
  writeUnsignedVarint,
  writeVarint,
} from '#wire/varint.ts';

const FLAG_DURABLE = 1;
const FLAG_EXPIRES = 2;
const FLAG_PRIORITY = 4;
const FLAG_DEATHS = 8;

/** 'posthorn' with its varint length in front (8 → zig-zag 16). */
const META_NAME = Uint8Array.of(16, 0x70, 0x6f, 0x73, 0x74, 0x68, 0x6f, 0x72, 0x6e);
const META_FIXED_BYTES = 2;

const COPY_LOOP_BYTES_MAX = 48;

/** Copies natively above ~48 bytes and by a loop below, where the call costs more than the copy. */
export function copyBytes(
  target: Uint8Array,
  at: number,
  source: Uint8Array,
  start: number,
  end: number,
): number {
  const length = end - start;
  if (length > COPY_LOOP_BYTES_MAX) {
    target.set(source.subarray(start, end), at);
    return at + length;
  }
  while (start < end) target[at++] = source[start++]!;
  return at;
}

export function encodeDeaths(deaths: readonly Death[]): Uint8Array {
  return Buffer.from(JSON.stringify(deaths));
}

function decodeDeaths(bytes: Uint8Array): Death[] {
  return JSON.parse(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString()) as Death[];
}

/** More than any encoding of `message` takes, without its deaths. */
export function recordBytesMax(message: Message): number {
  return (
    96 +
    (message.keyEnd - message.keyStart) +
    (message.bodyEnd - message.bodyStart) +
    (message.headersEnd - message.headersStart) +
    (message.sourceEnd - message.sourceStart)
  );
}

/**
 * Writes `message` as a record and returns the position after it; `target` must have room for
 * recordBytesMax(message) plus `deathsBytes.length`. Expiry and deaths are arguments because the
 * destination decides them, not the publisher.
 */
export function encodeRecord(
  target: Uint8Array,
  at: number,
  message: Message,
  timestampDelta: number,
  offsetDelta: number,
  expiresAtMs: number,
  deathsBytes: Uint8Array | null,
): number {
  const keyLength = message.hasKey ? message.keyEnd - message.keyStart : -1;
  const bodyLength = message.hasBody ? message.bodyEnd - message.bodyStart : -1;
  const sourceLength = message.sourceEnd - message.sourceStart;
  const headersLength = message.headersEnd - message.headersStart;

  let flags = message.durable ? FLAG_DURABLE : 0;
  let metaLength = META_FIXED_BYTES + sourceLength;
  if (expiresAtMs !== 0) {
    flags |= FLAG_EXPIRES;
    metaLength += 8;
  }
  if (message.priority !== 0) {
    flags |= FLAG_PRIORITY;
    metaLength += 1;
  }
  if (deathsBytes !== null) {
    flags |= FLAG_DEATHS;
    metaLength += unsignedVarintLength(deathsBytes.length) + deathsBytes.length;
  }

  const length =
    1 +
    varintLength(timestampDelta) +
    varintLength(offsetDelta) +
    varintLength(keyLength) +
    (keyLength > 0 ? keyLength : 0) +
    varintLength(bodyLength) +
    (bodyLength > 0 ? bodyLength : 0) +
    varintLength(message.headerCount + 1) +
    META_NAME.length +
    varintLength(metaLength) +
    metaLength +
    headersLength;

  at = writeVarint(target, at, length);
  target[at++] = 0;
  at = writeVarint(target, at, timestampDelta);
  at = writeVarint(target, at, offsetDelta);
  at = writeVarint(target, at, keyLength);
  if (keyLength > 0) {
    at = copyBytes(target, at, message.key, message.keyStart, message.keyEnd);
  }
  at = writeVarint(target, at, bodyLength);
  if (bodyLength > 0) {
    at = copyBytes(target, at, message.body, message.bodyStart, message.bodyEnd);
  }
  at = writeVarint(target, at, message.headerCount + 1);
  for (let i = 0; i < META_NAME.length; i++) target[at++] = META_NAME[i]!;
  at = writeVarint(target, at, metaLength);
  target[at++] = message.origin;
  target[at++] = flags;
  if (expiresAtMs !== 0) {
    writeInt64(target, at, expiresAtMs);
    at += 8;
  }
  if (message.priority !== 0) target[at++] = message.priority;
  if (deathsBytes !== null) {
    at = writeUnsignedVarint(target, at, deathsBytes.length);
    at = copyBytes(target, at, deathsBytes, 0, deathsBytes.length);
  }
  at = copyBytes(target, at, message.source, message.sourceStart, message.sourceEnd);
  if (headersLength > 0) {
    at = copyBytes(target, at, message.headers, message.headersStart, message.headersEnd);
  }
  return at;
}

/** Position after the record decoded last. */
export let recordEnd = 0;
/** offsetDelta of the record decoded last. */
export let recordOffsetDelta = 0;

/**
 * Points `message` at the record at `at`. `baseTimestampMs` is the batch's. Sets everything but
 * leaves a header that is not ours in `headers`. Returns nothing; read `recordEnd` and
 * `recordOffsetDelta`. Throws RangeError when the record does not fit its own length.
 */
export function decodeRecord(
  bytes: Uint8Array,
  at: number,
  message: Message,
  baseTimestampMs: number,
): void {
  const length = readVarint(bytes, at);
  const end = varintEnd + length;
  if (length < 1 || end > bytes.length) throw new RangeError('record runs past its batch');
  message.timestampMs = baseTimestampMs + readVarint(bytes, varintEnd + 1);
  recordOffsetDelta = readVarint(bytes, varintEnd);
  const keyLength = readVarint(bytes, varintEnd);
  at = varintEnd;
  message.key = bytes;
  message.keyStart = at;
  message.hasKey = keyLength >= 0;
  if (keyLength > 0) at += keyLength;
  message.keyEnd = at;
  const bodyLength = readVarint(bytes, at);
  at = varintEnd;
  message.body = bytes;
  message.bodyStart = at;
  message.hasBody = bodyLength >= 0;
  if (bodyLength > 0) at += bodyLength;
  message.bodyEnd = at;
  const count = readVarint(bytes, at);
  at = varintEnd;
  if (at > end || count < 0) throw new RangeError('record runs past its end');
  recordEnd = end;
  decodeMeta(bytes, at, end, count, message);
}

function isMetaName(bytes: Uint8Array, at: number): boolean {
  for (let i = 0; i < META_NAME.length; i++) if (bytes[at + i] !== META_NAME[i]) return false;
  return true;
}

function decodeMeta(
  bytes: Uint8Array,
  at: number,
  end: number,
  count: number,
  message: Message,
): void {
  message.expiresAtMs = 0;
  message.priority = 0;
  message.deaths = null;
  message.headers = bytes;
  message.headersEnd = end;
  message.source = bytes;
  if (count === 0 || !isMetaName(bytes, at)) {
    message.origin = Origin.None;
    message.durable = true;
    message.sourceStart = message.sourceEnd = at;
    message.headersStart = at;
    message.headerCount = count;
    return;
  }
  const metaLength = readVarint(bytes, at + META_NAME.length);
  at = varintEnd;
  const metaEnd = at + metaLength;
  if (metaLength < META_FIXED_BYTES || metaEnd > end) throw new RangeError('meta runs past record');
  message.origin = bytes[at]! as Origin;
  const flags = bytes[at + 1]!;
  at += META_FIXED_BYTES;
  message.durable = (flags & FLAG_DURABLE) !== 0;
  if ((flags & FLAG_EXPIRES) !== 0) {
    message.expiresAtMs = readInt64(bytes, at);
    at += 8;
  }
  if ((flags & FLAG_PRIORITY) !== 0) message.priority = bytes[at++]!;
  if ((flags & FLAG_DEATHS) !== 0) at = decodeDeathsAt(bytes, at, metaEnd, message);
  message.sourceStart = at;
  message.sourceEnd = metaEnd;
  message.headersStart = metaEnd;
  message.headerCount = count - 1;
}

function decodeDeathsAt(bytes: Uint8Array, at: number, end: number, message: Message): number {
  const length = readUnsignedVarint(bytes, at);
  const from = varintEnd;
  if (from + length > end) throw new RangeError('deaths run past their header');
  message.deaths = decodeDeaths(bytes.subarray(from, from + length));
  return from + length;
}
