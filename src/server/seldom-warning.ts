/**
 * SeldomWarning: what one peer can cause thousands of times a second is said once a second. The
 * fields carry totals, so that nothing is lost with the lines that are not written.
 */
import type { Logger } from './log.ts';

const INTERVAL_MS = 1_000;

export class SeldomWarning {
  readonly #logger: Logger;
  readonly #warnedAtMs = new Map<string, number>();

  constructor(logger: Logger) {
    this.#logger = logger;
  }

  /** `message` is one of a few constants. */
  warn(message: string, fields: Record<string, unknown>): void {
    const nowMs = performance.now();
    if (nowMs - (this.#warnedAtMs.get(message) ?? -Infinity) < INTERVAL_MS) return;
    this.#warnedAtMs.set(message, nowMs);
    this.#logger.warn(fields, message);
  }
}
