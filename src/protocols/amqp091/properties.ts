/**
 * Basic properties (class 60): flags u16, then the values of the flagged ones in order.
 *
 *   bit 15 content-type | 14 content-encoding | 13 headers (table) | 12 delivery-mode u8
 *   | 11 priority u8 | 10 correlation-id | 9 reply-to | 8 expiration | 7 message-id
 *   | 6 timestamp u64 (s) | 5 type | 4 user-id | 3 app-id | 2 cluster-id | 1 unused
 *   | 0 another word of flags follows (never for this class)
 *
 * A publish only scans them: PropertyScan checks that they are well formed to the last byte, since
 * they are stored and sent on as they are, and remembers where the few that matter lie. Decoding
 * into objects is for what leaves in other words than it came.
 */
import { ProtocolError } from '#core/errors.ts';
import { readUint16, readUint32, readUint64, ReplyCode, textOf, writeUint64 } from './codec.ts';
import { decodeTable, encodeTable, type FieldTable } from './field-table.ts';

const PropertyFlag = {
  ContentType: 0x8000,
  ContentEncoding: 0x4000,
  Headers: 0x2000,
  DeliveryMode: 0x1000,
  Priority: 0x0800,
  CorrelationId: 0x0400,
  ReplyTo: 0x0200,
  Expiration: 0x0100,
  MessageId: 0x0080,
  Timestamp: 0x0040,
  Type: 0x0020,
  UserId: 0x0010,
  AppId: 0x0008,
  ClusterId: 0x0004,
} as const;

const UNKNOWN_FLAGS = 0x0003;
export const DELIVERY_MODE_PERSISTENT = 2;

export interface Properties {
  contentType: string | null;
  contentEncoding: string | null;
  headers: FieldTable | null;
  deliveryMode: number | null;
  priority: number | null;
  correlationId: string | null;
  replyTo: string | null;
  expiration: string | null;
  messageId: string | null;
  /** Seconds since the epoch. */
  timestamp: number | null;
  type: string | null;
  userId: string | null;
  appId: string | null;
  clusterId: string | null;
}

export function noProperties(): Properties {
  return {
    contentType: null,
    contentEncoding: null,
    headers: null,
    deliveryMode: null,
    priority: null,
    correlationId: null,
    replyTo: null,
    expiration: null,
    messageId: null,
    timestamp: null,
    type: null,
    userId: null,
    appId: null,
    clusterId: null,
  };
}

function malformed(): ProtocolError {
  return new ProtocolError(ReplyCode.FrameError, 'malformed content properties');
}

/** Every short string of the class in wire order, with what lies between them left to the caller. */
const SHORT_STRINGS_AFTER_PRIORITY = [
  [PropertyFlag.CorrelationId, 'correlationId'],
  [PropertyFlag.ReplyTo, 'replyTo'],
  [PropertyFlag.Expiration, 'expiration'],
  [PropertyFlag.MessageId, 'messageId'],
] as const;
const SHORT_STRINGS_AFTER_TIMESTAMP = [
  [PropertyFlag.Type, 'type'],
  [PropertyFlag.UserId, 'userId'],
  [PropertyFlag.AppId, 'appId'],
  [PropertyFlag.ClusterId, 'clusterId'],
] as const;

/** Where the properties that a publish looks at lie. An absent one has start 0. Text windows are
 * [start, end) without their length octet; headers is the table without its length. */
export class PropertyScan {
  deliveryMode = 0;
  priority = 0;
  headersStart = 0;
  headersEnd = 0;
  replyToStart = 0;
  replyToEnd = 0;
  expirationStart = 0;
  expirationEnd = 0;
  userIdStart = 0;
  userIdEnd = 0;

  /** `start` is where the flags are. Throws ProtocolError unless they fill [start, end). */
  scan(bytes: Uint8Array, start: number, end: number): void {
    this.deliveryMode = this.priority = 0;
    this.headersStart = this.replyToStart = this.expirationStart = this.userIdStart = 0;
    if (end - start < 2) throw malformed();
    const flags = readUint16(bytes, start);
    if ((flags & UNKNOWN_FLAGS) !== 0) throw malformed();
    let at = start + 2;
    if (flags === 0) {
      if (at !== end) throw malformed();
      return;
    }
    if (flags & PropertyFlag.ContentType) at += 1 + bytes[at]!;
    if (flags & PropertyFlag.ContentEncoding) at += 1 + bytes[at]!;
    if (flags & PropertyFlag.Headers) {
      if (at + 4 > end) throw malformed();
      this.headersStart = at + 4;
      at += 4 + readUint32(bytes, at);
      this.headersEnd = at;
      if (at > end) throw malformed();
    }
    if (flags & PropertyFlag.DeliveryMode) this.deliveryMode = bytes[at++]!;
    if (flags & PropertyFlag.Priority) this.priority = bytes[at++]!;
    if (flags & PropertyFlag.CorrelationId) at += 1 + bytes[at]!;
    if (flags & PropertyFlag.ReplyTo) {
      this.replyToStart = at + 1;
      at += 1 + bytes[at]!;
      this.replyToEnd = at;
    }
    if (flags & PropertyFlag.Expiration) {
      this.expirationStart = at + 1;
      at += 1 + bytes[at]!;
      this.expirationEnd = at;
    }
    if (flags & PropertyFlag.MessageId) at += 1 + bytes[at]!;
    if (flags & PropertyFlag.Timestamp) at += 8;
    if (flags & PropertyFlag.Type) at += 1 + bytes[at]!;
    if (flags & PropertyFlag.UserId) {
      this.userIdStart = at + 1;
      at += 1 + bytes[at]!;
      this.userIdEnd = at;
    }
    if (flags & PropertyFlag.AppId) at += 1 + bytes[at]!;
    if (flags & PropertyFlag.ClusterId) at += 1 + bytes[at]!;
    // A position past the end of the chunk reads undefined and makes `at` NaN: also not the end.
    if (at !== end) throw malformed();
  }
}

/** Throws ProtocolError unless the properties fill [start, end). */
export function decodeProperties(bytes: Uint8Array, start: number, end: number): Properties {
  const properties = noProperties();
  if (end - start < 2) throw malformed();
  const flags = readUint16(bytes, start);
  if ((flags & UNKNOWN_FLAGS) !== 0) throw malformed();
  let at = start + 2;
  const shortstr = (): string => {
    const stop = at + 1 + bytes[at]!;
    if (!(stop <= end)) throw malformed();
    const text = textOf(bytes, at + 1, stop);
    at = stop;
    return text;
  };
  const fixed = (count: number): number => {
    if (at + count > end) throw malformed();
    at += count;
    return at - count;
  };
  if (flags & PropertyFlag.ContentType) properties.contentType = shortstr();
  if (flags & PropertyFlag.ContentEncoding) properties.contentEncoding = shortstr();
  if (flags & PropertyFlag.Headers) {
    const length = readUint32(bytes, fixed(4));
    const from = fixed(length);
    properties.headers = decodeTable(bytes, from, from + length);
  }
  if (flags & PropertyFlag.DeliveryMode) properties.deliveryMode = bytes[fixed(1)]!;
  if (flags & PropertyFlag.Priority) properties.priority = bytes[fixed(1)]!;
  for (const [flag, name] of SHORT_STRINGS_AFTER_PRIORITY) {
    if (flags & flag) properties[name] = shortstr();
  }
  if (flags & PropertyFlag.Timestamp) properties.timestamp = readUint64(bytes, fixed(8));
  for (const [flag, name] of SHORT_STRINGS_AFTER_TIMESTAMP) {
    if (flags & flag) properties[name] = shortstr();
  }
  if (at !== end) throw malformed();
  return properties;
}

function shortstrBytes(text: string): Uint8Array {
  const bytes = Buffer.from(text);
  return bytes.length > 255 ? bytes.subarray(0, 255) : bytes;
}

/** Flags and values. Texts over 255 bytes are cut: they come from protocols that allow longer. */
export function encodeProperties(properties: Properties): Buffer {
  const parts: Uint8Array[] = [];
  let flags = 0;
  const shortstr = (flag: number, text: string | null): void => {
    if (text === null) return;
    flags |= flag;
    const bytes = shortstrBytes(text);
    parts.push(Uint8Array.of(bytes.length), bytes);
  };
  const octet = (flag: number, value: number | null): void => {
    if (value === null) return;
    flags |= flag;
    parts.push(Uint8Array.of(value));
  };
  shortstr(PropertyFlag.ContentType, properties.contentType);
  shortstr(PropertyFlag.ContentEncoding, properties.contentEncoding);
  if (properties.headers) {
    flags |= PropertyFlag.Headers;
    const table = encodeTable(properties.headers);
    const length = Buffer.alloc(4);
    length.writeUInt32BE(table.length);
    parts.push(length, table);
  }
  octet(PropertyFlag.DeliveryMode, properties.deliveryMode);
  octet(PropertyFlag.Priority, properties.priority);
  for (const [flag, name] of SHORT_STRINGS_AFTER_PRIORITY) shortstr(flag, properties[name]);
  if (properties.timestamp !== null) {
    flags |= PropertyFlag.Timestamp;
    const bytes = Buffer.alloc(8);
    writeUint64(bytes, 0, properties.timestamp);
    parts.push(bytes);
  }
  for (const [flag, name] of SHORT_STRINGS_AFTER_TIMESTAMP) shortstr(flag, properties[name]);
  return Buffer.concat([Uint8Array.of(flags >>> 8, flags & 0xff), ...parts]);
}
