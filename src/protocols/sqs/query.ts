/**
 * The Query protocol: parameters of a form or a URL in, XML out. Lists and maps are flattened:
 *
 *   AttributeName.1=All   Attribute.1.Name=DelaySeconds&Attribute.1.Value=5
 *   SendMessageBatchRequestEntry.1.MessageAttribute.2.Value.StringValue=x
 */
import { SqsError } from './errors.ts';
import { blob, complete, type UnknownMember } from './json.ts';
import type { ListShape, MapShape, Shape, StructureShape } from './shapes.ts';

/** Of one request; a batch of ten messages with ten attributes each has 330. */
const PARAMETERS_MAX = 2000;
const DEPTH_MAX = 8;
const INTEGER = /^[+-]?\d{1,15}$/;
const INDEX = /^[1-9]\d{0,4}$/;
/** Of the request itself: none of the action's own. */
const OF_THE_REQUEST =
  /^(?:Action|Version|AWSAccessKeyId|Signature.*|Timestamp|Expires|SecurityToken|X-Amz-.*)$/i;

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** A parameter's name taken apart at its dots. */
interface Node {
  value: string | undefined;
  readonly children: Map<string, Node>;
}

function syntaxError(): SqsError {
  return new SqsError('MalformedQueryString');
}

/** Adds what is written there, name=value&…; a name that comes again wins. Throws SqsError. */
export function readParameters(encoded: string, into: Map<string, string>): void {
  if (encoded === '') return;
  for (const pair of encoded.split('&')) {
    if (pair === '') continue;
    const equals = pair.indexOf('=');
    const name = equals < 0 ? pair : pair.slice(0, equals);
    into.set(decoded(name), equals < 0 ? '' : decoded(pair.slice(equals + 1)));
    if (into.size > PARAMETERS_MAX) throw syntaxError();
  }
}

/** `text` has one character for each byte. */
function decoded(text: string): string {
  const plain = text.includes('+') ? text.replaceAll('+', ' ') : text;
  if (!/[%\x80-\xff]/.test(plain)) return plain;
  const bytes = Buffer.allocUnsafe(plain.length);
  let length = 0;
  for (let i = 0; i < plain.length; i++) {
    const code = plain.charCodeAt(i);
    if (code !== PERCENT) {
      bytes[length++] = code;
      continue;
    }
    const high = hexDigit(plain.charCodeAt(i + 1));
    const low = hexDigit(plain.charCodeAt(i + 2));
    if (high < 0 || low < 0) throw syntaxError();
    bytes[length++] = high * 16 + low;
    i += 2;
  }
  try {
    return utf8.decode(bytes.subarray(0, length));
  } catch (error) {
    if (error instanceof TypeError) throw syntaxError();
    throw error;
  }
}

const PERCENT = 37;

function hexDigit(code: number): number {
  if (code >= 48 && code <= 57) return code - 48;
  const letter = code | 32;
  return letter >= 97 && letter <= 102 ? letter - 87 : -1;
}

/** Throws SqsError. */
export function decodeQuery(
  parameters: ReadonlyMap<string, string>,
  shape: StructureShape,
  unknown: UnknownMember,
): Record<string, unknown> {
  const root: Node = { value: undefined, children: new Map() };
  for (const [name, value] of parameters) {
    if (OF_THE_REQUEST.test(name)) continue;
    const parts = name.split('.');
    if (parts.length > DEPTH_MAX) throw syntaxError();
    let node = root;
    for (const part of parts) {
      let next = node.children.get(part);
      if (!next) node.children.set(part, (next = { value: undefined, children: new Map() }));
      node = next;
    }
    node.value = value;
  }
  return structureOf(root, shape, '', unknown);
}

function structureOf(
  node: Node,
  shape: StructureShape,
  path: string,
  unknown: UnknownMember,
): Record<string, unknown> {
  const values: Record<string, unknown> = {};
  const taken = new Set<string>();
  for (const [name, member] of Object.entries(shape.members)) {
    const called = parameterName(name, member.shape);
    const child = node.children.get(called) ?? node.children.get(name);
    if (child === undefined) continue;
    taken.add(called).add(name);
    const value = valueOf(child, member.shape, `${path}${called}`, unknown);
    if (value !== undefined) values[name] = value;
  }
  for (const name of node.children.keys()) if (!taken.has(name)) unknown(name);
  return complete(values, shape.members, path);
}

/** Lists and maps go by what one of them is called. */
function parameterName(name: string, shape: Shape): string {
  return shape.type === 'list' || shape.type === 'map' ? shape.item : name;
}

function valueOf(node: Node, shape: Shape, path: string, unknown: UnknownMember): unknown {
  switch (shape.type) {
    case 'text':
      return node.value;
    case 'integer':
      return node.value === undefined || node.value === '' ? undefined : integer(node.value, path);
    case 'boolean':
      return node.value === undefined ? undefined : boolean(node.value, path);
    case 'blob':
      return node.value === undefined ? undefined : blob(node.value);
    case 'list':
      return listOf(node, shape, path, unknown);
    case 'map':
      return mapOf(node, shape, path, unknown);
    default:
      return structureOf(node, shape, `${path}.`, unknown);
  }
}

function integer(text: string, path: string): number {
  if (INTEGER.test(text)) return Number(text);
  throw new SqsError(
    'SerializationException',
    `Value (${text}) for parameter ${path} is invalid. Must be an integer.`,
  );
}

function boolean(text: string, path: string): boolean {
  if (text === 'true' || text === 'false') return text === 'true';
  throw new SqsError(
    'SerializationException',
    `Value (${text}) for parameter ${path} is invalid. Must be true or false.`,
  );
}

/** In the order of their numbers, which may have gaps. One alone may go without. */
function numbered(node: Node): readonly (readonly [string, Node])[] {
  const found: [string, Node][] = [];
  for (const [name, child] of node.children) if (INDEX.test(name)) found.push([name, child]);
  return found.toSorted(([a], [b]) => Number(a) - Number(b));
}

function listOf(node: Node, shape: ListShape, path: string, unknown: UnknownMember): unknown[] {
  const items: unknown[] = [];
  if (node.value !== undefined && shape.of.type === 'text') items.push(node.value);
  for (const [number, child] of numbered(node)) {
    const value = valueOf(child, shape.of, `${path}.${number}`, unknown);
    if (value !== undefined) items.push(value);
  }
  return items;
}

function mapOf(
  node: Node,
  shape: MapShape,
  path: string,
  unknown: UnknownMember,
): Record<string, unknown> {
  const values = Object.create(null) as Record<string, unknown>;
  const entries = numbered(node);
  const all = node.children.has(shape.keyName) ? [['1', node] as const, ...entries] : entries;
  for (const [number, child] of all) {
    const key = child.children.get(shape.keyName)?.value;
    const value = child.children.get(shape.valueName);
    const at = `${path}.${number}`;
    if (key === undefined) throw missing(`${at}.${shape.keyName}`);
    if (value === undefined) throw missing(`${at}.${shape.valueName}`);
    values[key] = valueOf(value, shape.of, `${at}.${shape.valueName}`, unknown);
  }
  return values;
}

function missing(name: string): SqsError {
  return new SqsError(
    'MissingRequiredParameterException',
    `The request must contain the parameter ${name}.`,
  );
}
