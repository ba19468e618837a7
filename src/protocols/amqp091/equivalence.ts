/**
 * Declaring again what exists: everything must be as it was, and what is not is named in RabbitMQ's
 * words, which clients and people match.
 *
 * Integers are compared by value whatever their width. An argument that only one side has is named
 * with its type; of the stored side only the neutral value is kept, so its type is the one that
 * value would be sent with.
 */
import type { HeaderValue } from '#core/message/envelope.ts';
import { headerJson, sameValue } from '#core/message/header-json.ts';
import { preconditionFailed } from './errors.ts';
import { fieldText, TYPE_NAMES, type FieldTable, type FieldValue } from './field-table.ts';
import { fieldValue, headerValue } from './mapping.ts';

/** `where`: `queue 'q' in vhost '/'`. */
export function checkField(
  field: string,
  received: boolean | string,
  current: boolean | string,
  where: string,
): void {
  if (received !== current) fail(field, `'${received}'`, `'${current}'`, where);
}

export function checkArgument(
  name: string,
  received: FieldTable,
  current: Readonly<Record<string, HeaderValue>>,
  where: string,
): void {
  const newField = received.get(name);
  const oldValue = Object.hasOwn(current, name) ? current[name]! : undefined;
  if (newField === undefined && oldValue === undefined) return;
  if (newField !== undefined && oldValue !== undefined) {
    // Only whole numbers are kept, so 10.0 is no 10.
    const fraction = newField.type === 'd' || newField.type === 'f';
    if (!fraction) {
      if (sameValue(headerValue(newField), oldValue)) return;
      fail(name, `'${plain(newField)}'`, `'${plain(fieldValue(oldValue))}'`, where);
    }
  }
  const oldField = oldValue === undefined ? undefined : fieldValue(oldValue);
  // A classic queue need not say that it is one.
  if (name === 'x-queue-type' && fieldText((newField ?? oldField)!) === 'classic') return;
  fail(name, described(newField), described(oldField), where);
}

function fail(field: string, received: string, current: string, where: string): never {
  throw preconditionFailed(
    `inequivalent arg '${field}' for ${where}: received ${received} but current is ${current}`,
  );
}

function described(field: FieldValue | undefined): string {
  if (field === undefined) return 'none';
  return `the value '${plain(field)}' of type '${TYPE_NAMES[field.type]}'`;
}

function plain(field: FieldValue): string {
  const text = fieldText(field);
  return text ?? headerJson(headerValue(field));
}
