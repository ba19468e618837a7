/**
 * Structured logs: one JSON object a line on stderr, warnings and worse unless the settings ask for
 * more.
 *
 * The library is loaded with the first line that is to be written: a broker with nothing to say
 * starts sooner and is 8 MB smaller.
 */
import { createRequire } from 'node:module';
import type * as PinoModule from 'pino';
import type { Journalist } from '#core/ports.ts';
import { LOG_LEVELS, type LogLevel } from './settings.ts';
import { StandardError } from './standard-error.ts';

type Fields = Record<string, unknown>;
type Write = (fields: Fields, message: string) => void;

export type Logger = Readonly<Record<LogLevel | 'fatal', Write>>;

export function createLogger(level: LogLevel): Logger {
  let made: PinoModule.Logger | null = null;
  const pino = (): PinoModule.Logger => (made ??= createPino(level));
  const at = (name: LogLevel): Write => {
    if (LOG_LEVELS.indexOf(name) > LOG_LEVELS.indexOf(level)) return () => {};
    return (fields, message) => pino()[name](fields, message);
  };
  return {
    fatal: (fields, message) => pino().fatal(fields, message),
    error: at('error'),
    warn: at('warn'),
    info: at('info'),
    debug: at('debug'),
  };
}

function createPino(level: LogLevel): PinoModule.Logger {
  const { pino } = createRequire(import.meta.url)('pino') as typeof PinoModule;
  return pino(
    {
      level,
      base: { pid: process.pid },
      timestamp: () => `,"time":"${new Date().toISOString()}"`,
      formatters: { level: (label) => ({ level: label }) },
    },
    new StandardError(),
  );
}

/** Of one message in one second: clients can cause warnings as fast as they can connect. */
const WARNINGS_MAX = 20;
const INTERVAL_MS = 1_000;
const MESSAGES_MAX = 1_000;

/** The core's view of a logger. */
export function journalist(logger: Logger): Journalist {
  const said = new Map<string, { sinceMs: number; count: number }>();
  return {
    error: (message, fields) => logger.error(fields ?? {}, message),
    warn: (message, fields) => {
      const nowMs = performance.now();
      let seen = said.get(message);
      if (seen === undefined || nowMs - seen.sinceMs >= INTERVAL_MS) {
        const unsaid = Math.max(0, (seen?.count ?? 0) - WARNINGS_MAX);
        if (unsaid > 0) logger.warn({ unsaid }, `${message}: more of them than were said`);
        if (said.size >= MESSAGES_MAX) said.clear();
        said.set(message, (seen = { sinceMs: nowMs, count: 0 }));
      }
      if (++seen.count <= WARNINGS_MAX) logger.warn(fields ?? {}, message);
    },
    info: (message, fields) => logger.info(fields ?? {}, message),
  };
}
