/**
 * Structured logs: one JSON object a line on stderr, warnings and worse unless the settings ask for
 * more. Written synchronously: what was said before a crash is there after it.
 */
import { destination, type Logger, pino } from 'pino';
import type { Journalist } from '#core/ports.ts';
import type { LogLevel } from './settings.ts';

const STDERR = 2;

export function createLogger(level: LogLevel): Logger {
  return pino(
    {
      level,
      base: { pid: process.pid },
      timestamp: () => `,"time":"${new Date().toISOString()}"`,
      formatters: { level: (label) => ({ level: label }) },
    },
    destination({ dest: STDERR, sync: true }),
  );
}

/** The core's view of a logger. */
export function journalist(logger: Logger): Journalist {
  return {
    warn: (message, fields) => logger.warn(fields ?? {}, message),
    info: (message, fields) => logger.info(fields ?? {}, message),
  };
}
