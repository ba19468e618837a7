/**
 * The header x-delay: how long an exchange that delays keeps a message, ms.
 */
import type { Header } from './envelope.ts';

/** The header that says how long an exchange that delays keeps a message. */
export const DELAY_HEADER = 'x-delay';

/** For a mapping's `delayMs`: an integer, a double (truncated), or the digits of an integer. */
export function delayOf(headers: readonly Header[]): number | null {
  for (const { name, value } of headers) {
    if (name !== DELAY_HEADER) continue;
    if (typeof value === 'number') return Number.isFinite(value) ? Math.trunc(value) : null;
    if (typeof value === 'bigint') return Number(value);
    return typeof value === 'string' && /^[+-]?\d+$/.test(value) ? Number(value) : null;
  }
  return null;
}
