/**
 * CC and BCC: headers whose values are further routing keys ("sender-selected distribution").
 * Each is an array of long strings; anything else is refused.
 */
import { preconditionFailed } from './errors.ts';
import { fieldText, TYPE_NAMES, type FieldValue } from './field-table.ts';
import type { Properties } from './properties.ts';

/** The keys of CC, then those of BCC. */
export function carbonCopies(properties: Properties): string[] {
  return [...keysOf(properties, 'CC'), ...keysOf(properties, 'BCC')];
}

export function keysOf(properties: Properties, header: 'CC' | 'BCC'): string[] {
  const field = properties.headers?.get(header);
  if (!field) return [];
  if (field.type !== 'A') {
    throw preconditionFailed(
      `invalid message: {unacceptable_type_in_header,"${header}",${TYPE_NAMES[field.type]}}`,
    );
  }
  const keys: string[] = [];
  for (const item of field.value as FieldValue[]) {
    const key = fieldText(item);
    if (key !== null) keys.push(key);
  }
  return keys;
}
