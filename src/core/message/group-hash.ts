/**
 * Group hash: a message's group as one number, so that a queue keeps eight bytes for it and needs
 * neither a table of names nor the bytes when it looks for the next message.
 *
 * 53 bits of two mixed 32-bit lanes over Message.key. Two groups with the same number would be one:
 * they would wait for each other, and nothing would be lost.
 */
import type { Message } from './message.ts';

const LANE_1 = 0x01000193;
const LANE_2 = 0x9e3779b1;
const HIGH_BITS_MASK = 0x1fffff;
const TWO_TO_32 = 0x1_0000_0000;

/** 0 = it has no key, or an empty one; both are the group ''. */
export function groupHash(message: Message): number {
  const { key, keyStart, keyEnd } = message;
  if (!message.hasKey || keyStart === keyEnd) return 0;
  let low = keyEnd - keyStart;
  let high = ~low;
  for (let at = keyStart; at < keyEnd; at++) {
    const byte = key[at]!;
    low = Math.imul(low ^ byte, LANE_1);
    high = Math.imul(((high << 5) | (high >>> 27)) ^ byte, LANE_2);
  }
  low = mixed(low ^ high);
  high = mixed(high + low);
  return (high & HIGH_BITS_MASK) * TWO_TO_32 + (low >>> 0) || 1;
}

/** Every bit of the result depends on every bit of `value` (the finalizer of MurmurHash3). */
function mixed(value: number): number {
  value = Math.imul(value ^ (value >>> 16), 0x85ebca6b);
  value = Math.imul(value ^ (value >>> 13), 0xc2b2ae35);
  return value ^ (value >>> 16);
}
