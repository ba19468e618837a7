/**
 * Murmur2 with Kafka's seed (org.apache.kafka.common.utils.Utils.murmur2): the hash by which
 * Kafka's producers choose a partition, so that a key lands in the same one whoever publishes it.
 */
const SEED = 0x9747b28c;
const M = 0x5bd1e995;
const R = 24;

/** Of [start, end); signed 32 bits. */
export function murmur2(bytes: Uint8Array, start: number, end: number): number {
  const length = end - start;
  let hash = SEED ^ length;
  let at = start;
  for (const words = start + (length & ~3); at < words; at += 4) {
    let k = bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24);
    k = Math.imul(k, M);
    k ^= k >>> R;
    hash = Math.imul(hash, M) ^ Math.imul(k, M);
  }
  const rest = end - at;
  if (rest === 3) hash ^= bytes[at + 2]! << 16;
  if (rest >= 2) hash ^= bytes[at + 1]! << 8;
  if (rest >= 1) hash = Math.imul(hash ^ bytes[at]!, M);
  hash ^= hash >>> 13;
  hash = Math.imul(hash, M);
  return hash ^ (hash >>> 15);
}
