/**
 * Zig-zag varints as in Kafka records (protobuf `sint32`/`sint64`) and unsigned varints as in
 * Kafka's flexible messages. Numbers up to 2^53 without BigInt.
 *
 * Readers return the value and leave the next position in `varintEnd`, so that nothing is
 * allocated; call, then read `varintEnd` before the next call. A reader that runs past the end
 * throws RangeError.
 */

/** Position after the varint read last. */
export let varintEnd = 0;

export function readUnsignedVarint(bytes: Uint8Array, at: number): number {
  let byte = bytes[at++]!;
  if (byte < 0x80) {
    varintEnd = at;
    return byte;
  }
  let value = byte & 0x7f;
  let scale = 128;
  for (;;) {
    if (at >= bytes.length || scale > 2 ** 63) throw new RangeError('varint runs past the end');
    byte = bytes[at++]!;
    value += (byte & 0x7f) * scale;
    if (byte < 0x80) break;
    scale *= 128;
  }
  varintEnd = at;
  return value;
}

export function readVarint(bytes: Uint8Array, at: number): number {
  const raw = readUnsignedVarint(bytes, at);
  return raw % 2 === 0 ? raw / 2 : -(raw + 1) / 2;
}

export function unsignedVarintLength(value: number): number {
  if (value < 0x80) return 1;
  if (value < 0x4000) return 2;
  let length = 1;
  while (value >= 128) {
    value = Math.floor(value / 128);
    length++;
  }
  return length;
}

export function varintLength(value: number): number {
  return unsignedVarintLength(value < 0 ? -2 * value - 1 : 2 * value);
}

/** Writes and returns the position after it. The room must be there. */
export function writeUnsignedVarint(bytes: Uint8Array, at: number, value: number): number {
  if (value < 0x80) {
    bytes[at] = value;
    return at + 1;
  }
  if (value < 0x4000) {
    bytes[at] = value | 0x80;
    bytes[at + 1] = value >> 7;
    return at + 2;
  }
  while (value >= 128) {
    bytes[at++] = (value % 128) | 0x80;
    value = Math.floor(value / 128);
  }
  bytes[at++] = value;
  return at;
}

export function writeVarint(bytes: Uint8Array, at: number, value: number): number {
  return writeUnsignedVarint(bytes, at, value < 0 ? -2 * value - 1 : 2 * value);
}
