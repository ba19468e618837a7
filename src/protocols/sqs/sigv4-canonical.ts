/**
 * The canonical forms of Signature Version 4: what client and server must write in the same way before
 * they sign it. Texts have one character for each byte.
 */
export interface QueryParameter {
  /** Decoded. */
  readonly name: string;
  readonly value: string;
}

const HEX = '0123456789ABCDEF';
const UNRESERVED = /^[A-Za-z0-9\-._~]*$/;

/** `+` is a space. What is no escape stays as it is. */
function unescaped(text: string): string {
  const plain = text.includes('+') ? text.replaceAll('+', ' ') : text;
  if (!plain.includes('%')) return plain;
  return plain.replaceAll(/%([0-9A-Fa-f]{2})/g, (_, hex: string) =>
    String.fromCharCode(Number.parseInt(hex, 16)),
  );
}

function escaped(text: string): string {
  if (UNRESERVED.test(text)) return text;
  let result = '';
  for (let i = 0; i < text.length; i++) {
    const character = text[i]!;
    const code = text.charCodeAt(i);
    if (UNRESERVED.test(character)) result += character;
    else result += `%${HEX[code >> 4]}${HEX[code & 15]}`;
  }
  return result;
}

export function splitQuery(query: string): QueryParameter[] {
  const parameters: QueryParameter[] = [];
  for (const pair of query.split('&')) {
    if (pair === '') continue;
    const equals = pair.indexOf('=');
    const name = unescaped(equals < 0 ? pair : pair.slice(0, equals));
    parameters.push({ name, value: equals < 0 ? '' : unescaped(pair.slice(equals + 1)) });
  }
  return parameters;
}

/** In order of names, then values; without the signature itself. */
export function canonicalQuery(parameters: readonly QueryParameter[]): string {
  return parameters
    .filter(({ name }) => name !== 'X-Amz-Signature')
    .map(({ name, value }) => [escaped(name), escaped(value)] as const)
    .toSorted(([a, x], [b, y]) => order(a, b) || order(x, y))
    .map(([name, value]) => `${name}=${value}`)
    .join('&');
}

function order(a: string, b: string): number {
  if (a === b) return 0;
  return a < b ? -1 : 1;
}

/** As it was sent, without `.`, `..` and empty parts, and escaped once more. */
export function canonicalPath(path: string): string {
  const parts: string[] = [];
  for (const part of path.split('/')) {
    if (part === '..') parts.pop();
    else if (part !== '' && part !== '.') parts.push(escaped(part));
  }
  const end = path.endsWith('/') && parts.length > 0 ? '/' : '';
  return `/${parts.join('/')}${end}`;
}

/** Spaces in a row are one. */
export function canonicalValue(value: string): string {
  return value.trim().replaceAll(/\s+/g, ' ');
}
