/**
 * What is wrong with JSON that a schema refuses, in words for who wrote it: an unknown key with the
 * key that was probably meant, a bad value with the place where it stands.
 */
import * as z from 'zod';
import { didYouMean } from './closest.ts';

/** `whole` is what has no place in itself: the file, the body. */
export function describeIssues(error: z.ZodError, schema: z.ZodType, whole: string): string {
  return error.issues.map((it) => describeIssue(it, schema, whole)).join('; ');
}

/** Issues of a value that is not of this form at all. */
const OTHER_TYPE: ReadonlySet<string> = new Set(['invalid_type', 'invalid_value']);

function describeIssue(issue: z.core.$ZodIssue, schema: z.ZodType, whole: string): string {
  const place = issue.path.join('.');
  if (issue.code === 'invalid_union') {
    // Of the forms it may have, the one that was meant: there the type is right and more is wrong.
    const meant = issue.errors.find((it) => it[0] && !OTHER_TYPE.has(it[0].code));
    if (meant)
      return meant
        .map((it) => describeIssue({ ...it, path: [...issue.path, ...it.path] }, schema, whole))
        .join('; ');
  }
  if (issue.code === 'unrecognized_keys') {
    const known = keysAt(schema, issue.path);
    return issue.keys
      .map((key) => {
        const name = [...issue.path, key].join('.');
        return `unknown key '${name}'${didYouMean(key, known)}; here go ${known.join(', ')}`;
      })
      .join('; ');
  }
  return `${place === '' ? whole : `'${place}'`}: ${issue.message}`;
}

/** The keys that the schema has at a path of object keys. */
function keysAt(schema: z.ZodType, path: readonly PropertyKey[]): string[] {
  let at: unknown = schema;
  for (const key of path) {
    if (at instanceof z.ZodObject) at = (at.shape as Record<PropertyKey, unknown>)[key];
    else if (at instanceof z.ZodRecord) at = at.valueType;
    else if (at instanceof z.ZodArray) at = at.element;
    while (at instanceof z.ZodOptional) at = at.unwrap();
    if (at instanceof z.ZodUnion) at = at.options.find((it) => it instanceof z.ZodObject);
  }
  return at instanceof z.ZodObject ? Object.keys(at.shape) : [];
}
