/**
 * The digests by which clients check what they sent and got. The one over attributes is made of their
 * names in order of UTF-8 bytes; for each, every part behind its length (BE32):
 *
 *   name | data type with its custom suffix | 1 for text, 2 for bytes | value
 *
 * A message of ours keeps its attributes in this very form (mapping.ts).
 */
import type { Hashes } from '#core/ports.ts';
import type { MessageAttribute, MessageAttributes } from './actions.ts';

export const TEXT_VALUE = 1;
export const BYTES_VALUE = 2;

let scratch = Buffer.allocUnsafeSlow(4096);

/** Undefined when there are none: then the field is left out. */
export function md5OfAttributes(
  hashes: Hashes,
  attributes: MessageAttributes | undefined,
): string | undefined {
  if (attributes === undefined) return undefined;
  const length = attributesLength(attributes);
  if (length === 0) return undefined;
  if (length > scratch.length) scratch = Buffer.allocUnsafeSlow(length * 2);
  writeAttributes(scratch, 0, attributes);
  return hashes.md5Hex(scratch.subarray(0, length));
}

/** Bytes that `writeAttributes` takes. */
export function attributesLength(attributes: MessageAttributes): number {
  let length = 0;
  for (const name in attributes) {
    const attribute = attributes[name]!;
    length += 13 + Buffer.byteLength(name) + Buffer.byteLength(attribute.DataType ?? '');
    length += attribute.BinaryValue?.length ?? Buffer.byteLength(attribute.StringValue ?? '');
  }
  return length;
}

/** Position after them. */
export function writeAttributes(
  into: Buffer,
  start: number,
  attributes: MessageAttributes,
): number {
  let at = start;
  for (const name of sortedNames(attributes)) {
    const attribute = attributes[name]!;
    at = writeText(into, at, name);
    at = writeText(into, at, attribute.DataType ?? '');
    at = writeValue(into, at, attribute);
  }
  return at;
}

function sortedNames(attributes: MessageAttributes): readonly string[] {
  const names = Object.keys(attributes);
  if (names.length < 2) return names;
  return names.toSorted((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
}

function writeText(into: Buffer, at: number, text: string): number {
  const length = into.write(text, at + 4);
  into.writeUInt32BE(length, at);
  return at + 4 + length;
}

function writeValue(into: Buffer, at: number, attribute: MessageAttribute): number {
  const { BinaryValue } = attribute;
  if (BinaryValue === undefined) {
    into[at] = TEXT_VALUE;
    return writeText(into, at + 1, attribute.StringValue ?? '');
  }
  into[at] = BYTES_VALUE;
  into.writeUInt32BE(BinaryValue.length, at + 1);
  into.set(BinaryValue, at + 5);
  return at + 5 + BinaryValue.length;
}
