/**
 * Header values as JSON and back without loss, for the catalog and for comparing arguments.
 *
 * What JSON has no form for is a table with one name that begins with `$`: {"$bytes": base64},
 * {"$date": ms}, {"$int": digits}, {"$number": "NaN" …}; a table with such a name of its own is
 * wrapped: {"$table": {…}}.
 */
import type { HeaderValue } from './envelope.ts';
import { InvariantError } from '../errors.ts';

type Json = string | number | boolean | null | Json[] | { [name: string]: Json };

/** With `sorted` names are in order, so that equal tables give equal text. */
export function headerJson(value: HeaderValue, sorted = false): string {
  return JSON.stringify(toJson(value, sorted));
}

export function toJson(value: HeaderValue, sorted = false): Json {
  if (value === null || typeof value === 'string' || typeof value === 'boolean') return value;
  if (typeof value === 'number') {
    return Number.isFinite(value) ? value : { $number: String(value) };
  }
  if (typeof value === 'bigint') return { $int: value.toString() };
  if (value instanceof Uint8Array) return { $bytes: Buffer.from(value).toString('base64') };
  if (value instanceof Date) return { $date: value.getTime() };
  if (Array.isArray(value)) return value.map((item) => toJson(item, sorted));
  const names = Object.keys(value);
  if (sorted) names.sort();
  const table: { [name: string]: Json } = Object.create(null) as { [name: string]: Json };
  for (const name of names) table[name] = toJson(value[name]!, sorted);
  return names.some((name) => name.startsWith('$')) ? { $table: table } : table;
}

export function fromJson(json: Json): HeaderValue {
  if (json === null || typeof json !== 'object') return json;
  if (Array.isArray(json)) return json.map(fromJson);
  if (typeof json['$number'] === 'string') return Number(json['$number']);
  if (typeof json['$int'] === 'string') return BigInt(json['$int']);
  if (typeof json['$bytes'] === 'string') return Buffer.from(json['$bytes'], 'base64');
  if (typeof json['$date'] === 'number') return new Date(json['$date']);
  if (json['$table'] !== undefined) return tableFrom(json['$table']);
  return tableFrom(json);
}

/** Null prototypes, so that a header named `__proto__` is only a name. */
export function tableFrom(json: Json): Record<string, HeaderValue> {
  if (json === null || typeof json !== 'object' || Array.isArray(json)) {
    throw new InvariantError('a table was expected');
  }
  const table: Record<string, HeaderValue> = Object.create(null) as Record<string, HeaderValue>;
  for (const [name, value] of Object.entries(json)) table[name] = fromJson(value);
  return table;
}

/** Equal in type class and value; 1 and 1n are equal, 1 and '1' are not. */
export function sameValue(a: HeaderValue | undefined, b: HeaderValue | undefined): boolean {
  if (a === b) return true;
  if (a === undefined || b === undefined || a === null || b === null) return false;
  // Loosely on purpose: a bigint and a number are equal when their values are.
  // oxlint-disable-next-line eqeqeq
  if (isNumber(a) && isNumber(b)) return a == b;
  if (typeof a !== 'object' || typeof b !== 'object') return false;
  return headerJson(a, true) === headerJson(b, true);
}

function isNumber(value: HeaderValue): value is number | bigint {
  return typeof value === 'number' || typeof value === 'bigint';
}
