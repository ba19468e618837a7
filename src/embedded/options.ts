/**
 * What startBroker was asked for, made into the server's settings: what was not said gets the value
 * that suits a test.
 */
import { totalmem } from 'node:os';
import { defaultLimits, type Limits as CoreLimits } from '#core/limits.ts';
import type { Parts } from '#server/compose.ts';
import { createLogger, type Logger } from '#server/log.ts';
import { PORT_NAMES, type PortName } from '#server/settings.ts';
import type { BrokerOptions, Limits, LogSink } from './api.ts';
import { PROTOCOLS } from './option-forms.ts';
import type { RecorderBounds } from './recorder.ts';

export type ServerSettings = Parts['settings'];

const HOST = '127.0.0.1';
const SPY_MESSAGES = 10_000;
const SPY_BYTES = 64 * 1024 * 1024;

export function settingsOf(options: BrokerOptions): ServerSettings {
  return {
    hosts: [HOST],
    hostsAreDefault: false,
    tls: null,
    ports: portsOf(options),
    sync: options.sync ?? 'os',
    limits: limitsOf(options.limits),
    topics: {
      partitions: options.topics?.partitions ?? 1,
      autoCreate: options.topics?.autoCreate ?? true,
    },
    namespaces: options.namespaces ?? [],
    users: options.users ?? null,
    bindings: options.bindings ?? [],
  };
}

function portsOf({ protocols = PROTOCOLS, ports = {} }: BrokerOptions): ServerSettings['ports'] {
  const port = (name: PortName): number | null => {
    const known = PROTOCOLS.find((it) => it === name);
    return known && protocols.includes(known) ? (ports[known] ?? 0) : null;
  };
  return Object.fromEntries(
    PORT_NAMES.map((name) => [name, port(name)]),
  ) as ServerSettings['ports'];
}

function limitsOf(limits: Limits = {}): CoreLimits {
  const machineBytes = process.constrainedMemory() || totalmem();
  // The process is the test's: how large it may become is not the broker's to say.
  const processBytesMax = Number.MAX_SAFE_INTEGER;
  const given = Object.entries(limits).filter(([, limit]) => limit !== undefined);
  const defaults = { ...defaultLimits(machineBytes), processBytesMax };
  return { ...defaults, ...(Object.fromEntries(given) as Partial<CoreLimits>) };
}

export function loggerOf(log: BrokerOptions['log'] = 'error'): Logger {
  if (typeof log !== 'string') return sinkLogger(log);
  if (log !== 'silent') return createLogger(log);
  return sinkLogger({ log: () => {} });
}

function sinkLogger(sink: LogSink): Logger {
  const at =
    (level: Parameters<LogSink['log']>[0]) =>
    (fields: Record<string, unknown>, message: string): void =>
      sink.log(level, message, fields);
  const error = at('error');
  return { fatal: error, error, warn: at('warn'), info: at('info'), debug: at('debug') };
}

/** Null: nobody looks. */
export function spyBoundsOf(spy: BrokerOptions['spy'] = true): RecorderBounds | null {
  if (spy === false) return null;
  const bounds = spy === true ? {} : spy;
  return { messages: bounds.messages ?? SPY_MESSAGES, bytes: bounds.bytes ?? SPY_BYTES };
}
