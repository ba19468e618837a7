/**
 * Field tables with their types (4.2.5.5, and RabbitMQ's errata: types b B s u I i l L f d D S A T
 * F V t x).
 *
 * Types are kept, because argument checks and error texts name them and because a header that is
 * passed on must leave as it came. Integers of 64 bits become a number when exact, else a bigint;
 * `L` is signed, as RabbitMQ reads it. Long strings are kept as bytes: they need not be text.
 */
import { ProtocolError } from '#core/errors.ts';
import { copyOf, readUint32, ReplyCode, textOf } from './codec.ts';

export type FieldType =
  | 'b'
  | 'B'
  | 's'
  | 'u'
  | 'I'
  | 'i'
  | 'l'
  | 'L'
  | 'f'
  | 'd'
  | 'D'
  | 'S'
  | 'A'
  | 'T'
  | 'F'
  | 'V'
  | 't'
  | 'x';

export interface Decimal {
  scale: number;
  unscaled: number;
}

export interface FieldValue {
  type: FieldType;
  value: number | bigint | boolean | null | Uint8Array | Decimal | FieldValue[] | FieldTable;
}

/** Fields in wire order. A name that repeats is kept; look-ups find the first. */
export class FieldTable {
  readonly names: string[] = [];
  readonly values: FieldValue[] = [];

  get(name: string): FieldValue | undefined {
    const at = this.names.indexOf(name);
    return at < 0 ? undefined : this.values[at];
  }

  /** Replaces the first field of that name, or adds it. */
  set(name: string, value: FieldValue): void {
    const at = this.names.indexOf(name);
    if (at >= 0) this.values[at] = value;
    else {
      this.names.push(name);
      this.values.push(value);
    }
  }

  delete(name: string): boolean {
    const at = this.names.indexOf(name);
    if (at < 0) return false;
    this.names.splice(at, 1);
    this.values.splice(at, 1);
    return true;
  }
}

/** What RabbitMQ calls the types in its texts. */
export const TYPE_NAMES: Readonly<Record<FieldType, string>> = {
  b: 'byte',
  B: 'unsignedbyte',
  s: 'short',
  u: 'unsignedshort',
  I: 'signedint',
  i: 'unsignedint',
  l: 'long',
  L: 'long',
  f: 'float',
  d: 'double',
  D: 'decimal',
  S: 'longstr',
  A: 'array',
  T: 'timestamp',
  F: 'table',
  V: 'void',
  t: 'bool',
  x: 'binary',
};

export const INTEGER_TYPES = 'bBsuIilL';
/** Tables in tables: more than any client sends, less than overflows the stack. */
const DEPTH_MAX = 64;

export function fieldText(value: FieldValue): string | null {
  return value.type === 'S' ? Buffer.from(value.value as Uint8Array).toString() : null;
}

export function longstr(text: string): FieldValue {
  return { type: 'S', value: Buffer.from(text) };
}

function malformed(): ProtocolError {
  return new ProtocolError(ReplyCode.SyntaxError, 'malformed field table');
}

/** Position after the value decoded last. */
let valueEnd = 0;

/** `start` is behind the table's length; the table must fill [start, end). Copies what it keeps. */
export function decodeTable(bytes: Uint8Array, start: number, end: number, depth = 0): FieldTable {
  if (depth > DEPTH_MAX) throw malformed();
  const table = new FieldTable();
  let at = start;
  while (at < end) {
    const nameEnd = at + 1 + bytes[at]!;
    if (nameEnd >= end) throw malformed();
    table.names.push(textOf(bytes, at + 1, nameEnd));
    table.values.push(decodeValue(bytes, nameEnd, end, depth));
    at = valueEnd;
  }
  return table;
}

function decodeArray(bytes: Uint8Array, start: number, end: number, depth: number): FieldValue[] {
  if (depth > DEPTH_MAX) throw malformed();
  const values: FieldValue[] = [];
  let at = start;
  while (at < end) {
    values.push(decodeValue(bytes, at, end, depth));
    at = valueEnd;
  }
  return values;
}

/** Which routing headers a table names at its top level. */
export const RoutingHeader = { Cc: 1, Bcc: 2 } as const;

const CODE_S = 'S'.charCodeAt(0);
const CODE_X = 'x'.charCodeAt(0);
const CODE_F = 'F'.charCodeAt(0);
const CODE_A = 'A'.charCodeAt(0);
const LETTER_B = 0x42;
const LETTER_C = 0x43;

/** Checks that a table is well formed without making anything of it; returns RoutingHeader bits. */
export function scanTable(bytes: Uint8Array, start: number, end: number, depth = 0): number {
  if (depth > DEPTH_MAX) throw malformed();
  let found = 0;
  let at = start;
  while (at < end) {
    const length = bytes[at]!;
    if (at + 1 + length >= end) throw malformed();
    if (bytes[at + length] === LETTER_C) {
      if (length === 2 && bytes[at + 1] === LETTER_C) found |= RoutingHeader.Cc;
      else if (length === 3 && bytes[at + 1] === LETTER_B && bytes[at + 2] === LETTER_C) {
        found |= RoutingHeader.Bcc;
      }
    }
    at = scanValue(bytes, at + 1 + length, end, depth);
  }
  return found;
}

/** Returns the position after the value whose type is at `at`. */
function scanValue(bytes: Uint8Array, at: number, end: number, depth: number): number {
  const code = bytes[at]!;
  const fixed = FIXED_BYTES_BY_CODE[code]!;
  if (fixed >= 0) {
    if (at + 1 + fixed > end) throw malformed();
    return at + 1 + fixed;
  }
  if (at + 5 > end || (code !== CODE_S && code !== CODE_X && code !== CODE_F && code !== CODE_A)) {
    throw malformed();
  }
  const stop = at + 5 + readUint32(bytes, at + 1);
  if (stop > end) throw malformed();
  if (code === CODE_F) scanTable(bytes, at + 5, stop, depth + 1);
  else if (code === CODE_A) {
    if (depth > DEPTH_MAX) throw malformed();
    for (let item = at + 5; item < stop;) item = scanValue(bytes, item, stop, depth + 1);
  }
  return stop;
}

const FIXED_BYTES: Readonly<Partial<Record<FieldType, number>>> = {
  b: 1,
  B: 1,
  t: 1,
  s: 2,
  u: 2,
  I: 4,
  i: 4,
  f: 4,
  l: 8,
  L: 8,
  d: 8,
  T: 8,
  D: 5,
  V: 0,
};

const FIXED_BYTES_BY_CODE = new Int8Array(256).fill(-1);
for (const [type, count] of Object.entries(FIXED_BYTES)) {
  FIXED_BYTES_BY_CODE[type.charCodeAt(0)] = count;
}

function decodeValue(bytes: Uint8Array, at: number, end: number, depth: number): FieldValue {
  const type = String.fromCharCode(bytes[at++]!) as FieldType;
  const fixed = FIXED_BYTES[type];
  if (fixed !== undefined) {
    if (at + fixed > end) throw malformed();
    valueEnd = at + fixed;
    return { type, value: decodeFixed(type, bytes, at) };
  }
  if (!'SxFA'.includes(type) || at + 4 > end) throw malformed();
  const stop = at + 4 + readUint32(bytes, at);
  if (stop > end) throw malformed();
  let value: FieldValue['value'];
  if (type === 'F') value = decodeTable(bytes, at + 4, stop, depth + 1);
  else if (type === 'A') value = decodeArray(bytes, at + 4, stop, depth + 1);
  else value = copyOf(bytes, at + 4, stop);
  valueEnd = stop;
  return { type, value };
}

function decodeFixed(type: FieldType, bytes: Uint8Array, at: number): FieldValue['value'] {
  const view = new DataView(bytes.buffer, bytes.byteOffset + at);
  switch (type) {
    case 't':
      return view.getUint8(0) !== 0;
    case 'b':
      return view.getInt8(0);
    case 'B':
      return view.getUint8(0);
    case 's':
      return view.getInt16(0);
    case 'u':
      return view.getUint16(0);
    case 'I':
      return view.getInt32(0);
    case 'i':
      return view.getUint32(0);
    case 'f':
      return view.getFloat32(0);
    case 'd':
      return view.getFloat64(0);
    case 'D':
      return { scale: view.getUint8(0), unscaled: view.getInt32(1) };
    case 'T':
      return exact(view.getBigUint64(0));
    case 'l':
    case 'L':
      return exact(view.getBigInt64(0));
    default:
      return null;
  }
}

function exact(value: bigint): number | bigint {
  return value >= Number.MIN_SAFE_INTEGER && value <= Number.MAX_SAFE_INTEGER
    ? Number(value)
    : value;
}

const NAME_BYTES_MAX = 255;

/** A name that was no UTF-8 has become longer than it came. */
function nameBytes(text: string): Uint8Array {
  const bytes = Buffer.from(text);
  if (bytes.length <= NAME_BYTES_MAX) return bytes;
  let end = NAME_BYTES_MAX;
  while ((bytes[end]! & 0xc0) === 0x80) end--;
  return bytes.subarray(0, end);
}

/** The table's bytes without its length in front. */
export function encodeTable(table: FieldTable): Buffer {
  const parts: Uint8Array[] = [];
  for (let i = 0; i < table.names.length; i++) {
    const name = nameBytes(table.names[i]!);
    parts.push(Uint8Array.of(name.length), name);
    encodeValue(table.values[i]!, parts);
  }
  return Buffer.concat(parts);
}

function encodeValue(field: FieldValue, parts: Uint8Array[]): void {
  const { type, value } = field;
  const fixed = FIXED_BYTES[type];
  if (fixed !== undefined) {
    const bytes = Buffer.alloc(1 + fixed);
    bytes[0] = type.charCodeAt(0);
    encodeFixed(type, value, new DataView(bytes.buffer, bytes.byteOffset + 1, fixed));
    parts.push(bytes);
    return;
  }
  let content: Uint8Array;
  if (type === 'F') content = encodeTable(value as FieldTable);
  else if (type === 'A') {
    const inner: Uint8Array[] = [];
    for (const item of value as FieldValue[]) encodeValue(item, inner);
    content = Buffer.concat(inner);
  } else content = value as Uint8Array;
  const head = Buffer.alloc(5);
  head[0] = type.charCodeAt(0);
  head.writeUInt32BE(content.length, 1);
  parts.push(head, content);
}

function encodeFixed(type: FieldType, value: FieldValue['value'], view: DataView): void {
  switch (type) {
    case 't':
      view.setUint8(0, value === true ? 1 : 0);
      return;
    case 'b':
    case 'B':
      view.setUint8(0, value as number);
      return;
    case 's':
    case 'u':
      view.setUint16(0, value as number);
      return;
    case 'I':
    case 'i':
      view.setUint32(0, value as number);
      return;
    case 'f':
      view.setFloat32(0, value as number);
      return;
    case 'd':
      view.setFloat64(0, value as number);
      return;
    case 'D':
      view.setUint8(0, (value as Decimal).scale);
      view.setInt32(1, (value as Decimal).unscaled);
      return;
    case 'T':
    case 'l':
    case 'L':
      view.setBigInt64(0, BigInt.asIntN(64, BigInt(value as number | bigint)));
      return;
    default:
  }
}
