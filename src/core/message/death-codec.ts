/**
 * Dead-letter history in a record's meta: JSON, because it is rare, small and never on a hot path.
 * Read back with suspicion: a Kafka client can write any bytes into a topic.
 */
import type { Death } from './message.ts';
import { DeathReason } from './message.ts';

const REASONS: ReadonlySet<unknown> = new Set(Object.values(DeathReason));

export function encodeDeaths(deaths: readonly Death[]): Uint8Array {
  return Buffer.from(JSON.stringify(deaths));
}

/** null when the bytes are not what encodeDeaths writes. */
export function decodeDeaths(bytes: Uint8Array, start: number, end: number): Death[] | null {
  let value: unknown;
  try {
    value = JSON.parse(Buffer.from(bytes.buffer, bytes.byteOffset + start, end - start).toString());
  } catch {
    return null;
  }
  return Array.isArray(value) && value.length > 0 && value.every(isDeath) ? value : null;
}

function isDeath(value: unknown): value is Death {
  if (typeof value !== 'object' || value === null) return false;
  const death = value as Record<keyof Death, unknown>;
  return (
    typeof death.queue === 'string' &&
    REASONS.has(death.reason) &&
    typeof death.count === 'number' &&
    typeof death.timeMs === 'number' &&
    typeof death.exchange === 'string' &&
    Array.isArray(death.routingKeys) &&
    death.routingKeys.every((key) => typeof key === 'string') &&
    (death.originalExpiration === null || typeof death.originalExpiration === 'string') &&
    (death.deliveries === undefined || typeof death.deliveries === 'number')
  );
}
