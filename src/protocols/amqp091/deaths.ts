/**
 * A dead-letter history as RabbitMQ's headers: `x-death`, an array of tables, newest first, and the
 * first and the last death once more in headers of their own.
 */
import type { Death } from '#core/message/message.ts';
import { FieldTable, longstr, type FieldValue } from './field-table.ts';

export function addDeaths(headers: FieldTable, deaths: readonly Death[]): void {
  if (deaths.length === 0) return;
  headers.set('x-death', { type: 'A', value: deaths.map(deathTable) });
  const last = deaths[0]!;
  // An entry that is counted again moves to the front but keeps the time of its first death.
  const first = deaths.reduce((a, b) => (b.timeMs <= a.timeMs ? b : a));
  for (const [which, death] of [
    ['first', first],
    ['last', last],
  ] as const) {
    headers.set(`x-${which}-death-exchange`, longstr(death.exchange));
    headers.set(`x-${which}-death-queue`, longstr(death.queue));
    headers.set(`x-${which}-death-reason`, longstr(death.reason));
  }
}

function deathTable(death: Death): FieldValue {
  const table = new FieldTable();
  if (death.originalExpiration !== null) {
    table.set('original-expiration', longstr(death.originalExpiration));
  }
  table.set('count', { type: 'l', value: death.count });
  table.set('reason', longstr(death.reason));
  table.set('queue', longstr(death.queue));
  table.set('time', { type: 'T', value: Math.floor(death.timeMs / 1000) });
  table.set('exchange', longstr(death.exchange));
  table.set('routing-keys', { type: 'A', value: death.routingKeys.map(longstr) });
  return { type: 'F', value: table };
}
