/**
 * JSON 1.0: a request is the action's input as JSON, the action is in the header `X-Amz-Target`. Input
 * is checked against the shape and taken as it is parsed; blobs are base64. Errors carry AWS's texts of
 * what does not convert.
 */
import { missingParameter, SqsError } from './errors.ts';
import type { ListShape, MapShape, Members, Shape, StructureShape } from './shapes.ts';

export const JSON_TYPE = 'application/x-amz-json-1.0';

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
const BASE64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/;

/** Hears of members that the shape does not have, which AWS reads over. */
export type UnknownMember = (name: string) => void;

/** Throws SqsError. Bytes that are no JSON, or of other types: SerializationException. */
export function decodeJson(
  bytes: Uint8Array,
  shape: StructureShape,
  unknown: UnknownMember,
): Record<string, unknown> {
  let parsed: unknown;
  try {
    parsed = bytes.length === 0 ? {} : JSON.parse(utf8.decode(bytes));
  } catch (error) {
    if (error instanceof SyntaxError) throw malformed('The request body is not valid JSON.');
    if (error instanceof TypeError) throw malformed('The request body is not UTF-8.');
    throw error;
  }
  return structureValue(parsed, shape, '', unknown);
}

function malformed(message: string): SqsError {
  return new SqsError('SerializationException', message);
}

function structureValue(
  value: unknown,
  shape: StructureShape,
  path: string,
  unknown: UnknownMember,
): Record<string, unknown> {
  const given = table(value);
  const { members } = shape;
  for (const name in given) {
    const member = Object.hasOwn(members, name) ? members[name] : undefined;
    const item = given[name];
    if (member === undefined || item === null) {
      if (member === undefined) unknown(name);
      // Not left in place: handlers see what the shape has and nothing else.
      given[name] = undefined;
      continue;
    }
    const { type } = member.shape;
    if (type === 'text' ? typeof item === 'string' : type === 'integer' && isInteger(item))
      continue;
    given[name] = valueOf(item, member.shape, path, unknown);
  }
  return complete(given, members, path);
}

/** Required lists and maps are there; what else is required and missing is refused. */
export function complete(
  given: Record<string, unknown>,
  members: Members,
  path: string,
): Record<string, unknown> {
  for (const name in members) {
    const { required, shape } = members[name]!;
    if (!required || given[name] !== undefined) continue;
    if (shape.type === 'list') given[name] = [];
    else if (shape.type === 'map') given[name] = Object.create(null);
    else throw missingParameter(path + name);
  }
  return given;
}

function isInteger(value: unknown): boolean {
  return typeof value === 'number' && Number.isInteger(value);
}

function valueOf(value: unknown, shape: Shape, path: string, unknown: UnknownMember): unknown {
  switch (shape.type) {
    case 'text':
      return scalar(value, 'string', 'String');
    case 'integer':
      // A fraction is cut, as AWS does.
      return Math.trunc(scalar(value, 'number', 'Integer'));
    case 'boolean':
      return scalar(value, 'boolean', 'Boolean');
    case 'blob':
      return blob(scalar(value, 'string', 'Blob'));
    case 'list':
      return listValue(value, shape, path, unknown);
    case 'map':
      return mapValue(value, shape, path, unknown);
    default:
      return structureValue(value, shape, path, unknown);
  }
}

interface Scalars {
  string: string;
  number: number;
  boolean: boolean;
}

function scalar<T extends keyof Scalars>(value: unknown, type: T, name: string): Scalars[T] {
  if (typeof value === type) return value as Scalars[T];
  throw malformed(unexpected(value) ?? `${tokenOf(value)} cannot be converted to ${name}`);
}

/** Null when it is a scalar. */
function unexpected(value: unknown): string | null {
  if (Array.isArray(value)) return 'Start of list found where not expected';
  if (typeof value !== 'object' || value === null) return null;
  return 'Start of structure or map found where not expected.';
}

function tokenOf(value: unknown): string {
  if (typeof value === 'string') return 'STRING_VALUE';
  if (typeof value === 'number') return Number.isInteger(value) ? 'NUMBER_VALUE' : 'DECIMAL_VALUE';
  return value === true ? 'TRUE_VALUE' : 'FALSE_VALUE';
}

export function blob(text: string): Uint8Array {
  if (!BASE64.test(text)) throw malformed('A blob is not valid base64.');
  return Buffer.from(text, 'base64');
}

function table(value: unknown): Record<string, unknown> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    const found = Array.isArray(value) ? unexpected(value) : null;
    throw malformed(found ?? 'Unexpected token: a structure or map was expected.');
  }
  return value as Record<string, unknown>;
}

function listValue(
  value: unknown,
  shape: ListShape,
  path: string,
  unknown: UnknownMember,
): unknown[] {
  if (!Array.isArray(value)) {
    throw malformed(unexpected(value) ?? 'Unexpected token: a list was expected.');
  }
  const items = value as unknown[];
  for (let i = 0; i < items.length; i++) {
    if (items[i] === null) throw malformed('A list may not hold null.');
    items[i] = valueOf(items[i], shape.of, `${path}${shape.item}.${i + 1}.`, unknown);
  }
  return items;
}

/** Without a prototype: every name is only a name. */
function mapValue(
  value: unknown,
  shape: MapShape,
  path: string,
  unknown: UnknownMember,
): Record<string, unknown> {
  const values = Object.create(null) as Record<string, unknown>;
  const given = table(value);
  for (const name of Object.keys(given)) {
    if (given[name] === null) throw malformed('A map may not hold null.');
    values[name] = valueOf(given[name], shape.of, path, unknown);
  }
  return values;
}

// ---- answers

/** Needs no escape. */
const PLAIN = /^[\x20!\x23-\x5b\x5d-\x7e]*$/;
/** Longer texts are looked through faster by who may escape them. */
const PLAIN_LENGTH_MAX = 512;

/** JSON has no bytes: blobs become base64. */
export function encodeJson(output: object, shape: StructureShape): string {
  return structureText(output as Readonly<Record<string, unknown>>, shape);
}

function structureText(
  values: Readonly<Record<string, unknown>>,
  { fields }: StructureShape,
): string {
  let text = '';
  for (let i = 0; i < fields.length; i++) {
    const { name, jsonName, shape } = fields[i]!;
    const value = values[name];
    if (value === undefined) continue;
    text += `${text === '' ? '{' : ','}${jsonName}${valueText(value, shape)}`;
  }
  return text === '' ? '{}' : `${text}}`;
}

function valueText(value: unknown, shape: Shape): string {
  switch (shape.type) {
    case 'text':
      return quoted(value as string);
    case 'structure':
      return structureText(value as Readonly<Record<string, unknown>>, shape);
    case 'list':
      return listText(value as readonly unknown[], shape);
    case 'map':
      return mapText(value as Readonly<Record<string, unknown>>, shape);
    case 'blob': {
      const { buffer, byteOffset, length } = value as Uint8Array;
      return `"${Buffer.from(buffer, byteOffset, length).toString('base64')}"`;
    }
    default:
      return String(value);
  }
}

function quoted(text: string): string {
  const isPlain = text.length <= PLAIN_LENGTH_MAX && PLAIN.test(text);
  return isPlain ? `"${text}"` : JSON.stringify(text);
}

function listText(items: readonly unknown[], { of }: ListShape): string {
  let text = '[';
  for (let i = 0; i < items.length; i++) text += (i === 0 ? '' : ',') + valueText(items[i], of);
  return `${text}]`;
}

function mapText(values: Readonly<Record<string, unknown>>, { of }: MapShape): string {
  const entries = Object.keys(values).map((key) => `${quoted(key)}:${valueText(values[key], of)}`);
  return `{${entries.join(',')}}`;
}
