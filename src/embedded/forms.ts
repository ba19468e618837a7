/**
 * Forms of what callers give: each checks one value and throws a TypeError that names the place, what
 * was given and what there is. TypeScript has told most of it before; tests in JavaScript and what
 * comes out of JSON are told here. Nothing unknown passes. `undefined` is everywhere as good as absent.
 */
import { didYouMean } from '#management/closest.ts';

export type Form = (place: string, value: unknown) => void;

function refuse(place: string, value: unknown, wanted: string): never {
  throw new TypeError(`${place}: ${shown(value)} is ${wanted}`);
}

function shown(value: unknown): string {
  if (typeof value === 'string') return `'${value}'`;
  if (Array.isArray(value)) return 'an array';
  return typeof value === 'object' && value !== null ? 'an object' : String(value);
}

function isTable(value: unknown): value is Record<string, unknown> {
  if (typeof value !== 'object' || value === null) return false;
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null;
}

export const text: Form = (place, value) => {
  if (typeof value !== 'string') refuse(place, value, 'no text');
};

export const name: Form = (place, value) => {
  if (typeof value !== 'string' || value === '') refuse(place, value, 'no name');
};

export const flag: Form = (place, value) => {
  if (typeof value !== 'boolean') refuse(place, value, 'neither true nor false');
};

export const callback: Form = (place, value) => {
  if (typeof value !== 'function') refuse(place, value, 'no function');
};

export function integer(min: number, max = Number.MAX_SAFE_INTEGER): Form {
  return (place, value) => {
    if (Number.isSafeInteger(value) && Number(value) >= min && Number(value) <= max) return;
    refuse(place, value, `not a whole number from ${min} to ${max}`);
  };
}

export function oneOf(known: readonly string[]): Form {
  return (place, value) => {
    if (known.includes(value as string)) return;
    const hint = typeof value === 'string' ? didYouMean(value, known) : '';
    refuse(place, value, `none of ${known.join(', ')}${hint}`);
  };
}

export function nullable(form: Form): Form {
  return (place, value) => {
    if (value !== null) form(place, value);
  };
}

export function list(of: Form, countMin = 0): Form {
  return (place, value) => {
    if (!Array.isArray(value)) refuse(place, value, 'no array');
    if (value.length < countMin)
      throw new TypeError(`${place} is empty: name one, or leave it out`);
    for (const [i, item] of value.entries()) of(`${place}[${i}]`, item);
  };
}

/** Names that the caller chooses. */
export function table(of: Form): Form {
  return (place, value) => {
    if (!isTable(value)) refuse(place, value, 'no object');
    for (const [key, item] of Object.entries(value)) of(`${place}.${key}`, item);
  };
}

/** Names that there are; `what` is what one of them is. */
export function fields<T extends object>(
  what: string,
  forms: Readonly<Record<keyof T, Form>>,
  required: readonly (keyof T & string)[] = [],
): Form {
  const known = Object.keys(forms);
  return (place, value) => {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) {
      refuse(place, value, 'no object');
    }
    for (const field of Object.keys(value)) {
      if (known.includes(field)) continue;
      const list = `there are ${known.join(', ')}`;
      throw new TypeError(`there is no ${what} '${field}'${didYouMean(field, known)}; ${list}`);
    }
    const given = value as Record<string, unknown>;
    for (const field of required) {
      if (given[field] === undefined) throw new TypeError(`${place}.${field} is missing`);
    }
    for (const field of known) {
      if (given[field] === undefined) continue;
      forms[field as keyof T](`${place}.${field}`, given[field]);
    }
  };
}

/** What all protocols, or AMQP alone, can carry as a header. */
export const header: Form = (place, value) => {
  switch (typeof value) {
    case 'string':
    case 'boolean':
    case 'bigint':
      return;
    case 'number':
      if (Number.isFinite(value)) return;
      break;
    case 'object':
      if (value === null || value instanceof Uint8Array || value instanceof Date) return;
      if (Array.isArray(value)) return list(header)(place, value);
      if (isTable(value)) return table(header)(place, value);
      break;
    default:
  }
  refuse(place, value, 'no value of a header');
};
