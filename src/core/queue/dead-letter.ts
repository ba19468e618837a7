/**
 * Dead letters: what is written into a message's history when it dies, and when it may not go on.
 *
 * One entry per (queue, reason), counted, the latest first (RabbitMQ's x-death). A message that an
 * automatic reason (expired, maxlen, delivery_limit) brings back to a queue it died in before goes
 * round for ever, so that queue does not take it again, unless somebody rejected it in between.
 */
import type { Envelope, Envelopes } from '../message/envelope.ts';
import { BrokerError } from '../errors.ts';
import type { Death, Message } from '../message/message.ts';
import { DeathReason } from '../message/message.ts';

/** Longest history; what dies in yet another place is dropped. Ends chains of queues that hand a
 * message on at once. */
const DEATHS_MAX = 128;

/** `deaths` and one more death, the newest first. `death.count` is 1. */
function withDeath(deaths: readonly Death[] | null, death: Death): Death[] {
  if (deaths === null) return [death];
  const same = deaths.find((each) => each.queue === death.queue && each.reason === death.reason);
  if (same === undefined) return [death, ...deaths];
  const others = deaths.filter((each) => each !== same);
  const deliveries = (same.deliveries ?? 0) + (death.deliveries ?? 0);
  const counted = deliveries === 0 ? {} : { deliveries };
  return [{ ...same, count: same.count + 1, ...counted }, ...others];
}

/** `queue` must not take a message with this history. */
export function isCycle(deaths: readonly Death[], queue: string): boolean {
  for (const death of deaths) {
    if (death.reason === DeathReason.Rejected) return false;
    if (death.queue === queue) return true;
  }
  return false;
}

/** What a queue's dead-letter options make of one message. */
export interface DeadLetterRule {
  queue: string;
  exchange: string;
  /** null = the keys it had. */
  routingKey: string | null;
}

/**
 * Writes the death into `message`, takes away its expiry and gives it the new address. Returns the
 * keys to route it by, or null when its history is full and it must be dropped.
 */
export function readdressDead(
  message: Message,
  rule: DeadLetterRule,
  death: Pick<Death, 'reason' | 'timeMs' | 'deliveries'>,
  envelopes: Envelopes,
): readonly string[] | null {
  const envelope = envelopeOf(message, envelopes);
  const routingKeys = envelope === null ? [''] : (envelope.routingKeys ?? [envelope.routingKey]);
  // It lost its own expiration when it died for the first time.
  const expirationMs = message.deaths === null ? (envelope?.expirationMs ?? null) : null;
  const deaths = withDeath(message.deaths, {
    queue: rule.queue,
    reason: death.reason,
    count: 1,
    timeMs: death.timeMs,
    exchange: envelope?.exchange ?? '',
    routingKeys: [...routingKeys],
    originalExpiration: expirationMs === null ? null : String(expirationMs),
    ...(death.deliveries === 0 ? {} : { deliveries: death.deliveries }),
  });
  if (deaths.length > DEATHS_MAX) return null;
  message.deaths = deaths;
  message.expiresAtMs = message.deliverAtMs = 0;
  const keys = rule.routingKey === null ? routingKeys : [rule.routingKey];
  envelopes.readdress(message, rule.exchange, keys[0] ?? '', true);
  return keys;
}

/** null when nobody here can read the origin's bytes: then it died without a known address. */
function envelopeOf(message: Message, envelopes: Envelopes): Envelope | null {
  try {
    return envelopes.decode(message);
  } catch (error) {
    if (error instanceof BrokerError) return null;
    throw error;
  }
}
