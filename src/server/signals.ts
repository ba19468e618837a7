/**
 * Signals: the first SIGTERM or SIGINT asks for an orderly end, the second ends the process at
 * once. That is safe at any moment, for what was acknowledged is on disk; only goodbyes are missed.
 */
import { constants } from 'node:os';

const SIGNALS = ['SIGTERM', 'SIGINT'] as const;

/** `stop` runs once, at the first signal. */
export function onStopSignal(stop: (signal: NodeJS.Signals) => void): void {
  let stopping = false;
  for (const signal of SIGNALS) {
    process.on(signal, () => {
      if (stopping) process.exit(128 + constants.signals[signal]);
      stopping = true;
      stop(signal);
    });
  }
}
