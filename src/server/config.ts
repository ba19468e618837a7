/**
 * What the flags and the configuration file come to. A flag wins over the file, the file
 * over the default. Nothing unknown passes: it is refused with the name that was probably meant.
 *
 * Paths in flags are relative to the working folder, paths in the file to the file's own folder.
 */
import { totalmem } from 'node:os';
import { resolve } from 'node:path';
import { BROKER_DEFAULTS } from '#core/broker.ts';
import { defaultLimits } from '#core/limits.ts';
import { Sync } from '#core/log.ts';
import { didYouMean } from './closest.ts';
import type { FileSettings } from './config-file.ts';
import { usageError } from './refused-start.ts';
import {
  type Flags,
  PORT_NAMES,
  type PortName,
  type Settings,
  STANDARD_PORTS,
} from './settings.ts';

const DEFAULT_HOSTS = ['127.0.0.1', '::1'];
const DEFAULT_DATA = 'data';
const DEFAULT_TOPICS = {
  partitions: BROKER_DEFAULTS.partitions,
  autoCreate: BROKER_DEFAULTS.autoCreateTopics,
};
export async function readSettings(flags: Flags): Promise<Settings> {
  // The file's schema brings a library that takes longer to load than the rest of the start.
  const file: FileSettings =
    flags.config === undefined
      ? {}
      : (await import('./config-file.ts')).readConfigFile(resolve(flags.config));
  const host = flags.host === undefined ? file.host : checkedHost(flags.host);
  return {
    dataFolder: resolve(
      flags.data === undefined ? (file.data ?? DEFAULT_DATA) : checkedData(flags.data),
    ),
    hosts: host === undefined ? DEFAULT_HOSTS : [host].flat(),
    hostsAreDefault: host === undefined,
    ports: { ...STANDARD_PORTS, ...filePorts(file.ports), ...portFlags(flags.port ?? []) },
    sync: flags.sync === undefined ? (file.sync ?? Sync.Commit) : checkedSync(flags.sync),
    topics: { ...DEFAULT_TOPICS, ...file.topics },
    namespaces: file.namespaces ?? [],
    users: file.users ?? null,
    logLevel: file.log?.level ?? 'warn',
    limits: { ...defaultLimits(machineBytes()), ...file.limits },
  };
}

/** A container's limit counts, not the machine behind it. 0 = none is set. */
function machineBytes(): number {
  const allowed = process.constrainedMemory();
  const total = totalmem();
  return allowed > 0 ? Math.min(allowed, total) : total;
}

function checkedData(folder: string): string {
  if (folder.trim() === '') throw usageError('--data is empty: name a folder, as in --data ./data');
  return folder;
}

function checkedHost(host: string): string {
  if (/^[A-Za-z0-9.:_%-]+$/.test(host)) return host;
  throw usageError(
    `--host '${host}' is not an address: write an IP address or a host name without a port, ` +
      'as in --host 0.0.0.0, and move a port with --port <name>=<port>',
  );
}

function checkedSync(value: string): Sync {
  const known = Object.values(Sync);
  const sync = known.find((it) => it === value);
  if (sync) return sync;
  throw usageError(`--sync '${value}' is neither commit nor os${didYouMean(value, known)}`);
}

type PortSettings = Partial<Record<PortName, number | null>>;

/** `false` closes a port. */
function filePorts(ports: FileSettings['ports'] = {}): PortSettings {
  const entries = Object.entries(ports).map(([name, port]) => [name, port === false ? null : port]);
  return Object.fromEntries(entries) as PortSettings;
}

function portFlags(values: readonly string[]): PortSettings {
  const ports: PortSettings = {};
  for (const value of values) {
    const split = value.indexOf('=');
    if (split < 0) {
      throw usageError(
        `--port '${value}' lacks a name: write --port <name>=<port>, as in --port kafka=9093`,
      );
    }
    const name = PORT_NAMES.find((it) => it === value.slice(0, split));
    if (!name) {
      const given = value.slice(0, split);
      throw usageError(
        `--port '${value}': no protocol is called '${given}'${didYouMean(given, PORT_NAMES)}; ` +
          `there are ${PORT_NAMES.join(', ')}`,
      );
    }
    if (name in ports) throw usageError(`--port ${name} is given twice`);
    ports[name] = checkedPort(value, value.slice(split + 1));
  }
  return ports;
}

/** Null when it is to stay closed. */
function checkedPort(flag: string, digits: string): number | null {
  if (digits === 'off') return null;
  const port = Number(digits);
  if (/^\d{1,5}$/.test(digits) && port <= 65_535) return port;
  throw usageError(
    `--port '${flag}': '${digits}' is not a port; 0 to 65535, and 0 takes any free port; ` +
      'off closes it',
  );
}
