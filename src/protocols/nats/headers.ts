/**
 * Header blocks, as HPUB and HMSG carry them:
 *
 *   NATS/1.0[ <status>[ <description>]] CR LF
 *   <name>:[ ]<value> CR LF …
 *   CR LF
 *
 * nats-server looks at none of it, so neither do we on the way from one NATS client to another. A
 * block may be anything; what is no header line in it is passed over when it is read. Names are
 * compared as they are, case and all, and may repeat.
 */
import type { Header, HeaderValue } from '#core/message/envelope.ts';
import { CR, LF } from './arguments.ts';

const VERSION = 'NATS/1.0';
const COLON = 0x3a;
/** Under these names clients show the status line. */
const STATUS = 'Status';
const DESCRIPTION = 'Description';
const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

export function parseHeaders(bytes: Uint8Array, start: number, end: number): Header[] {
  const headers: Header[] = [];
  let at = start;
  while (at < end) {
    let lineEnd = bytes.indexOf(LF, at);
    if (lineEnd < 0 || lineEnd >= end) lineEnd = end;
    const textEnd = lineEnd > at && bytes[lineEnd - 1] === CR ? lineEnd - 1 : lineEnd;
    if (at === start) readStatus(bytes, at, textEnd, headers);
    else readHeader(bytes, at, textEnd, headers);
    at = lineEnd + 1;
  }
  return headers;
}

function readStatus(bytes: Uint8Array, start: number, end: number, into: Header[]): void {
  const line = Buffer.from(bytes.buffer, bytes.byteOffset + start, end - start).toString();
  if (!line.startsWith(VERSION)) return;
  const status = line.slice(VERSION.length).trim();
  if (status === '') return;
  const space = status.indexOf(' ');
  into.push({ name: STATUS, value: space < 0 ? status : status.slice(0, space) });
  if (space >= 0) into.push({ name: DESCRIPTION, value: status.slice(space).trim() });
}

function readHeader(bytes: Uint8Array, start: number, end: number, into: Header[]): void {
  const colon = bytes.indexOf(COLON, start);
  if (colon <= start || colon >= end) return;
  const name = Buffer.from(bytes.buffer, bytes.byteOffset + start, colon - start).toString();
  let valueStart = colon + 1;
  let valueEnd = end;
  while (valueStart < valueEnd && isSpace(bytes[valueStart]!)) valueStart++;
  while (valueEnd > valueStart && isSpace(bytes[valueEnd - 1]!)) valueEnd--;
  into.push({ name, value: textOrBytes(bytes.subarray(valueStart, valueEnd)) });
}

function isSpace(byte: number): boolean {
  return byte === 0x20 || byte === 0x09;
}

function textOrBytes(bytes: Uint8Array): string | Uint8Array {
  try {
    return utf8.decode(bytes);
  } catch (error) {
    if (error instanceof TypeError) return new Uint8Array(bytes);
    throw error;
  }
}

/** A name that clients take; nats.js closes its connection over any other one. */
const NAME = /^[!-9;-~]+$/;

/** A whole block; nothing at all when there are no headers. Names that no client takes are left out. */
export function encodeHeaders(
  headers: readonly (readonly [name: string, value: string])[],
): Buffer {
  const lines = headers
    .filter(([name]) => NAME.test(name))
    .map(([name, value]) => `${name}: ${safeValue(value)}\r\n`);
  return lines.length === 0 ? Buffer.alloc(0) : Buffer.from(`${VERSION}\r\n${lines.join('')}\r\n`);
}

function safeValue(value: string): string {
  return value.replaceAll(/\r\n|[\r\n]/g, ' ');
}

/** Text of a value of any type: as neutral headers have it, but bytes as base64, for clients read a
 * block as UTF-8. */
export function headerText(value: HeaderValue): string {
  if (typeof value === 'string') return value;
  if (value === null) return '';
  if (value instanceof Date) return value.toISOString();
  if (value instanceof Uint8Array) return Buffer.from(value).toString('base64');
  if (typeof value === 'object') return JSON.stringify(value, plainJson);
  return String(value);
}

/** Inside JSON: bytes as base64, integers beyond 2^53 as text; Date writes itself. */
function plainJson(_name: string, value: unknown): unknown {
  if (typeof value === 'bigint') return value.toString();
  if (value instanceof Uint8Array) return Buffer.from(value).toString('base64');
  return value;
}
