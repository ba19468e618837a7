/**
 * Signals: the first SIGTERM or SIGINT asks for an orderly end, the second ends the process at
 * once. That is safe at any moment, for what was acknowledged is on disk; only goodbyes are missed.
 *
 * One Ctrl-C below `npm start` arrives twice, from the terminal and from npm, so what follows the
 * first within ECHO_MS is its echo.
 */
import { constants } from 'node:os';

const SIGNALS = ['SIGTERM', 'SIGINT'] as const;
const ECHO_MS = 200;

/** `stop` runs once, at the first signal. */
export function onStopSignal(stop: (signal: NodeJS.Signals) => void): void {
  let firstAtMs = -Infinity;
  for (const signal of SIGNALS) {
    process.on(signal, () => {
      const nowMs = performance.now();
      if (firstAtMs === -Infinity) {
        firstAtMs = nowMs;
        stop(signal);
      } else if (nowMs - firstAtMs > ECHO_MS) {
        process.exit(128 + constants.signals[signal]);
      }
    });
  }
}
