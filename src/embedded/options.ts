/**
 * What startBroker was asked for, checked: nothing unknown passes, it is refused with the name that
 * was probably meant; and what was not said gets the value that suits a test.
 */
import { totalmem } from 'node:os';
import { defaultLimits, type Limits as CoreLimits } from '#core/limits.ts';
import { didYouMean } from '#server/closest.ts';
import type { Parts } from '#server/compose.ts';
import { createLogger, type Logger } from '#server/log.ts';
import { PORT_NAMES, type PortName } from '#server/settings.ts';
import type { Binding, BrokerOptions, LimitName, Limits, LogSink, User } from './api.ts';
import type { RecorderBounds } from './recorder.ts';

export type ServerSettings = Parts['settings'];

const HOST = '127.0.0.1';
const PROTOCOLS = ['kafka', 'amqp', 'nats', 'sqs', 'http'] as const;
const OPTIONS = [
  'store',
  'sync',
  'protocols',
  'ports',
  'users',
  'limits',
  'topics',
  'namespaces',
  'bindings',
  'log',
  'spy',
] as const satisfies readonly (keyof BrokerOptions)[];
const USER_FIELDS = [
  'name',
  'password',
  'tags',
  'permissions',
  'token',
  'subjects',
] as const satisfies readonly (keyof User)[];
export const BINDING = [
  'from',
  'to',
  'key',
  'as',
  'arguments',
] as const satisfies readonly (keyof Binding)[];
const LEVELS = ['silent', 'error', 'warn', 'info', 'debug'] as const;
const PORT_MAX = 65_535;
const SPY_MESSAGES = 10_000;
const SPY_BYTES = 64 * 1024 * 1024;

/** The public names of the limits are those of the core, all of them. */
const LIMITS: Record<keyof CoreLimits, true> & Record<LimitName, true> = Object.fromEntries(
  Object.keys(defaultLimits(0)).map((name) => [name, true]),
) as Record<keyof CoreLimits, true>;

/** Throws TypeError. */
export function checkOptions(options: BrokerOptions): void {
  checkNames('option of startBroker', options, OPTIONS);
  checkStore(options.store);
  checkOneOf('sync', options.sync, ['commit', 'os']);
  for (const name of options.protocols ?? []) checkOneOf('protocols', name, PROTOCOLS);
  checkNames('protocol', options.ports, PROTOCOLS);
  for (const [name, port] of Object.entries(options.ports ?? {})) {
    checkInteger(`ports.${name}`, port, 0, PORT_MAX);
  }
  checkNames('limit', options.limits, Object.keys(LIMITS));
  for (const [name, limit] of Object.entries(options.limits ?? {})) {
    checkInteger(`limits.${name}`, limit, 1, Number.MAX_SAFE_INTEGER);
  }
  checkNames('option of topics', options.topics, ['partitions', 'autoCreate']);
  for (const binding of options.bindings ?? []) checkNames('field of a binding', binding, BINDING);
  for (const user of options.users ?? []) checkNames('field of a user', user, USER_FIELDS);
  if (options.users?.length === 0) {
    throw new TypeError('users is empty: leave it out, and everybody may come in');
  }
  if (typeof options.log === 'string') checkOneOf('log', options.log, LEVELS);
  if (typeof options.spy === 'object') {
    checkNames('option of spy', options.spy, ['messages', 'bytes']);
    for (const [name, bound] of Object.entries(options.spy)) {
      checkInteger(`spy.${name}`, bound, 1, Number.MAX_SAFE_INTEGER);
    }
  }
}

function checkStore(store: BrokerOptions['store']): void {
  if (typeof store !== 'object') return checkOneOf('store', store, ['memory', 'temporary']);
  checkNames('kind of store', store, ['folder']);
  if (typeof store.folder === 'string' && store.folder !== '') return;
  throw new TypeError('store.folder is not the path of a folder');
}

/** Throws TypeError. `what` is what a name stands for. */
export function checkNames(
  what: string,
  given: object | undefined,
  known: readonly string[],
): void {
  for (const name of Object.keys(given ?? {})) {
    if (known.includes(name)) continue;
    const list = `there are ${known.join(', ')}`;
    throw new TypeError(`there is no ${what} '${name}'${didYouMean(name, known)}; ${list}`);
  }
}

function checkOneOf(what: string, given: unknown, known: readonly string[]): void {
  if (given === undefined || known.includes(given as string)) return;
  const shown = typeof given === 'string' ? `'${given}'${didYouMean(given, known)}` : typeof given;
  throw new TypeError(`${what}: ${shown} is none of ${known.join(', ')}`);
}

function checkInteger(what: string, given: unknown, min: number, max: number): void {
  if (given === undefined) return;
  if (Number.isSafeInteger(given) && (given as number) >= min && (given as number) <= max) return;
  throw new TypeError(
    `${what}: ${JSON.stringify(given)} is not a whole number from ${min} to ${max}`,
  );
}

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
