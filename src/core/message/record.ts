/**
 * Record: one message inside a batch, in the form that a queue's log and a topic's log share.
 *
 *   length varint | attributes i8 = 0 | timestampDelta varint | offsetDelta varint
 *   | keyLength varint, key | valueLength varint, value | headerCount varint | headers
 *   header: nameLength varint, name | valueLength varint, value
 *
 * What a Kafka record has no place for travels in one header named `posthorn`, always the first:
 *
 *   origin u8 | flags u8 | [expiresAtMs i64] | [deliverAtMs i64] | [arrivedMs i64] | [priority u8]
 *   | [dedupIdLength varint, dedupId UTF-8] | [deathsLength varint, deaths JSON]
 *   | source: the origin protocol's own bytes
 *
 * In a queue's log it is always there. In a topic it is there, before the neutral headers, when the
 * message did not come in by Kafka. A Kafka client may forge one: lengths and deaths are checked
 * here, and one that does not hold together is taken for an ordinary header of a record without
 * origin; `source` must be validated by the origin's mapping before it is used.
 */
import { decodeDeaths } from './death-codec.ts';
import type { Message } from './message.ts';
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
const FLAG_DELIVER_AT = 16;
const FLAG_DEDUP_ID = 32;
const FLAG_ARRIVED = 64;
const FLAGS_KNOWN = 127;

/** 'posthorn' with its varint length in front (8 → zig-zag 16). */
const META_NAME = Uint8Array.of(16, 0x70, 0x6f, 0x73, 0x74, 0x68, 0x6f, 0x72, 0x6e);
const META_FIXED_BYTES = 2;

const COPY_LOOP_BYTES_MAX = 32;
/** Makes no garbage, unlike set(subarray()), and is a third faster. */
const copyNative = Buffer.prototype.copy as (
  this: Uint8Array,
  target: Uint8Array,
  at: number,
  start: number,
  end: number,
) => number;

/** Copies natively above ~32 bytes and by a loop below, where the call costs more than the copy. */
export function copyBytes(
  target: Uint8Array,
  at: number,
  source: Uint8Array,
  start: number,
  end: number,
): number {
  const length = end - start;
  if (length > COPY_LOOP_BYTES_MAX) {
    copyNative.call(source, target, at, start, end);
    return at + length;
  }
  while (start < end) target[at++] = source[start++]!;
  return at;
}

/** Every varint at its longest, META_NAME and the fixed part of the meta. */
const RECORD_OVERHEAD_BYTES_MAX = 120;
const UTF8_BYTES_MAX = 3;

/** More than any encoding of `message` takes, without its deaths. */
export function recordBytesMax(message: Message): number {
  const { dedupId } = message;
  return (
    RECORD_OVERHEAD_BYTES_MAX +
    (dedupId === null ? 0 : dedupId.length * UTF8_BYTES_MAX) +
    (message.keyEnd - message.keyStart) +
    (message.bodyEnd - message.bodyStart) +
    (message.headersEnd - message.headersStart) +
    (message.sourceEnd - message.sourceStart)
  );
}

/** Where the record encoded last has its parts; their lengths are the message's. */
let encodedKeyAt = 0;
let encodedBodyAt = 0;
let encodedSourceAt = 0;
let encodedHeadersAt = 0;

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

  const flags = flagsOf(message, expiresAtMs, deathsBytes);
  let metaLength = META_FIXED_BYTES + sourceLength;
  if (flags > FLAG_DURABLE) metaLength += optionalLength(flags, message.dedupId, deathsBytes);

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
  encodedKeyAt = at;
  if (keyLength > 0) {
    at = copyBytes(target, at, message.key, message.keyStart, message.keyEnd);
  }
  at = writeVarint(target, at, bodyLength);
  encodedBodyAt = at;
  if (bodyLength > 0) {
    at = copyBytes(target, at, message.body, message.bodyStart, message.bodyEnd);
  }
  at = writeVarint(target, at, message.headerCount + 1);
  for (let i = 0; i < META_NAME.length; i++) target[at++] = META_NAME[i]!;
  at = writeVarint(target, at, metaLength);
  at = writeMeta(target, at, message, flags, expiresAtMs, deathsBytes);
  encodedSourceAt = at;
  at = copyBytes(target, at, message.source, message.sourceStart, message.sourceEnd);
  encodedHeadersAt = at;
  if (headersLength > 0) {
    at = copyBytes(target, at, message.headers, message.headersStart, message.headersEnd);
  }
  return at;
}

function flagsOf(message: Message, expiresAtMs: number, deathsBytes: Uint8Array | null): number {
  let flags = message.durable ? FLAG_DURABLE : 0;
  if (expiresAtMs !== 0) flags |= FLAG_EXPIRES;
  if (message.deliverAtMs !== 0) flags |= FLAG_DELIVER_AT;
  if (message.arrivedMs !== 0) flags |= FLAG_ARRIVED;
  if (message.priority !== 0) flags |= FLAG_PRIORITY;
  if (message.dedupId !== null) flags |= FLAG_DEDUP_ID;
  if (deathsBytes !== null) flags |= FLAG_DEATHS;
  return flags;
}

function optionalLength(
  flags: number,
  dedupId: string | null,
  deathsBytes: Uint8Array | null,
): number {
  let length = 0;
  if ((flags & FLAG_EXPIRES) !== 0) length += 8;
  if ((flags & FLAG_DELIVER_AT) !== 0) length += 8;
  if ((flags & FLAG_ARRIVED) !== 0) length += 8;
  if ((flags & FLAG_PRIORITY) !== 0) length += 1;
  if (dedupId !== null) {
    const bytes = Buffer.byteLength(dedupId);
    length += unsignedVarintLength(bytes) + bytes;
  }
  if (deathsBytes !== null) length += unsignedVarintLength(deathsBytes.length) + deathsBytes.length;
  return length;
}

function writeMeta(
  target: Uint8Array,
  at: number,
  message: Message,
  flags: number,
  expiresAtMs: number,
  deathsBytes: Uint8Array | null,
): number {
  target[at++] = message.origin;
  target[at++] = flags;
  if (flags <= FLAG_DURABLE) return at;
  if (expiresAtMs !== 0) {
    writeInt64(target, at, expiresAtMs);
    at += 8;
  }
  if (message.deliverAtMs !== 0) {
    writeInt64(target, at, message.deliverAtMs);
    at += 8;
  }
  if (message.arrivedMs !== 0) {
    writeInt64(target, at, message.arrivedMs);
    at += 8;
  }
  if (message.priority !== 0) target[at++] = message.priority;
  if (message.dedupId !== null) {
    const dedupId = Buffer.from(message.dedupId);
    at = writeUnsignedVarint(target, at, dedupId.length);
    at = copyBytes(target, at, dedupId, 0, dedupId.length);
  }
  if (deathsBytes !== null) {
    at = writeUnsignedVarint(target, at, deathsBytes.length);
    at = copyBytes(target, at, deathsBytes, 0, deathsBytes.length);
  }
  return at;
}

/** Points `view` at the record encoded last, which is in `target`, as decodeRecord would. */
export function viewEncoded(
  view: Message,
  target: Uint8Array,
  message: Message,
  expiresAtMs: number,
): void {
  view.origin = message.origin;
  view.key = view.body = view.source = view.headers = target;
  view.hasKey = message.hasKey;
  view.keyStart = encodedKeyAt;
  view.keyEnd = encodedKeyAt + (message.keyEnd - message.keyStart);
  view.hasBody = message.hasBody;
  view.bodyStart = encodedBodyAt;
  view.bodyEnd = encodedBodyAt + (message.bodyEnd - message.bodyStart);
  view.sourceStart = encodedSourceAt;
  view.sourceEnd = encodedHeadersAt;
  view.headerCount = message.headerCount;
  view.headersStart = encodedHeadersAt;
  view.headersEnd = encodedHeadersAt + (message.headersEnd - message.headersStart);
  view.timestampMs = message.timestampMs;
  view.expiresAtMs = expiresAtMs;
  view.deliverAtMs = message.deliverAtMs;
  view.arrivedMs = message.arrivedMs;
  view.priority = message.priority;
  view.durable = message.durable;
  view.deaths = message.deaths;
  view.dedupId = message.dedupId;
}

/** Position after the record decoded last. */
export let recordEnd = 0;
/** offsetDelta of the record decoded last. */
export let recordOffsetDelta = 0;

/**
 * Points `message` at the record at `at`. `baseTimestampMs` is the batch's. Sets everything but
 * leaves a header that is not ours in `headers`. Returns nothing; read `recordEnd` and
 * `recordOffsetDelta`. Throws RangeError when the record does not fit into `bytes`, or its parts
 * do not fit into the record; then `message` is in no particular state.
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
  if (at >= end) throw new RangeError('key runs past its record');
  const bodyLength = readVarint(bytes, at);
  at = varintEnd;
  message.body = bytes;
  message.bodyStart = at;
  message.hasBody = bodyLength >= 0;
  if (bodyLength > 0) at += bodyLength;
  message.bodyEnd = at;
  if (at >= end) throw new RangeError('value runs past its record');
  const count = readVarint(bytes, at);
  at = varintEnd;
  if (at > end || count < 0) throw new RangeError('headers run past their record');
  recordEnd = end;
  message.expiresAtMs = 0;
  message.deliverAtMs = 0;
  message.arrivedMs = 0;
  message.priority = 0;
  message.deaths = null;
  message.dedupId = null;
  message.headers = bytes;
  message.headersEnd = end;
  message.source = bytes;
  if (count > 0 && isMetaName(bytes, at) && decodeMeta(bytes, at, end, count, message)) return;
  message.origin = Origin.None;
  message.durable = true;
  message.expiresAtMs = message.deliverAtMs = message.arrivedMs = message.priority = 0;
  message.dedupId = null;
  message.sourceStart = message.sourceEnd = at;
  message.headersStart = at;
  message.headerCount = count;
}

/** When the record at `at` was published. */
export function recordTimestampMs(bytes: Uint8Array, at: number, baseTimestampMs: number): number {
  readVarint(bytes, at);
  return baseTimestampMs + readVarint(bytes, varintEnd + 1);
}

function isMetaName(bytes: Uint8Array, at: number): boolean {
  for (let i = 0; i < META_NAME.length; i++) if (bytes[at + i] !== META_NAME[i]) return false;
  return true;
}

/** False when it does not hold together: then it is not ours. */
function decodeMeta(
  bytes: Uint8Array,
  at: number,
  end: number,
  count: number,
  message: Message,
): boolean {
  const metaLength = readVarint(bytes, at + META_NAME.length);
  at = varintEnd;
  const metaEnd = at + metaLength;
  if (metaLength < META_FIXED_BYTES || metaEnd > end) return false;
  const flags = bytes[at + 1]!;
  message.origin = bytes[at]! as Origin;
  message.durable = (flags & FLAG_DURABLE) !== 0;
  at += META_FIXED_BYTES;
  if (flags > FLAG_DURABLE) {
    at = decodeOptional(bytes, at, metaEnd, flags, message);
    if (at < 0) return false;
  }
  message.sourceStart = at;
  message.sourceEnd = metaEnd;
  message.headersStart = metaEnd;
  message.headerCount = count - 1;
  return true;
}

/** Position of the source, or -1. */
function decodeOptional(
  bytes: Uint8Array,
  at: number,
  metaEnd: number,
  flags: number,
  message: Message,
): number {
  if ((flags & ~FLAGS_KNOWN) !== 0) return -1;
  if ((flags & FLAG_EXPIRES) !== 0) {
    if (at + 8 > metaEnd) return -1;
    message.expiresAtMs = readInt64(bytes, at);
    at += 8;
  }
  if ((flags & FLAG_DELIVER_AT) !== 0) {
    if (at + 8 > metaEnd) return -1;
    message.deliverAtMs = readInt64(bytes, at);
    at += 8;
  }
  if ((flags & FLAG_ARRIVED) !== 0) {
    if (at + 8 > metaEnd) return -1;
    message.arrivedMs = readInt64(bytes, at);
    at += 8;
  }
  if ((flags & FLAG_PRIORITY) !== 0) {
    if (at >= metaEnd) return -1;
    message.priority = bytes[at++]!;
  }
  if ((flags & FLAG_DEDUP_ID) !== 0) {
    at = decodeDedupId(bytes, at, metaEnd, message);
    if (at < 0) return -1;
  }
  if ((flags & FLAG_DEATHS) === 0) return at;
  if (at >= metaEnd) return -1;
  const length = readUnsignedVarint(bytes, at);
  const from = varintEnd;
  if (from + length > metaEnd) return -1;
  message.deaths = decodeDeaths(bytes, from, from + length);
  return message.deaths === null ? -1 : from + length;
}

/** Position after it, or -1. */
function decodeDedupId(bytes: Uint8Array, at: number, metaEnd: number, message: Message): number {
  if (at >= metaEnd) return -1;
  const length = readUnsignedVarint(bytes, at);
  const from = varintEnd;
  const end = from + length;
  if (end > metaEnd) return -1;
  message.dedupId = Buffer.from(bytes.buffer, bytes.byteOffset + from, length).toString();
  return end;
}
