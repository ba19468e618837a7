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
import { didYouMean } from '#management/closest.ts';
import type { FileSettings } from './config-file.ts';
import { usageError } from './refused-start.ts';
import {
  type Flags,
  PORT_NAMES,
  type PortName,
  type Settings,
  STANDARD_PORTS,
  type TlsSettings,
} from './settings.ts';

const DEFAULT_HOSTS = ['127.0.0.1', '::1'];
const DEFAULT_DATA = 'data';
const DEFAULT_TOPICS = {
  partitions: BROKER_DEFAULTS.partitions,
  autoCreate: BROKER_DEFAULTS.autoCreateTopics,
};

/** What holds where nobody said anything. */
function defaultSettings(): Omit<Settings, 'dataFolder' | 'logLevel'> {
  return {
    hosts: DEFAULT_HOSTS,
    hostsAreDefault: true,
    ports: STANDARD_PORTS,
    tls: null,
    sync: Sync.Commit,
    topics: DEFAULT_TOPICS,
    namespaces: [],
    bindings: [],
    users: null,
    limits: defaultLimits(machineBytes()),
  };
}

export async function readSettings(flags: Flags): Promise<Settings> {
  // The file's schema brings a library that takes longer to load than the rest of the start.
  const file: FileSettings =
    flags.config === undefined
      ? {}
      : (await import('./config-file.ts')).readConfigFile(resolve(flags.config));
  const host = flags.host === undefined ? file.host : checkedHost(flags.host);
  const defaults = defaultSettings();
  return {
    dataFolder: resolve(
      flags.data === undefined ? (file.data ?? DEFAULT_DATA) : checkedData(flags.data),
    ),
    hosts: host === undefined ? defaults.hosts : [host].flat(),
    hostsAreDefault: host === undefined,
    ports: { ...defaults.ports, ...filePorts(file.ports), ...portFlags(flags.port ?? []) },
    tls: tlsSettings(flags, file.tls),
    sync: flags.sync === undefined ? (file.sync ?? defaults.sync) : checkedSync(flags.sync),
    topics: { ...defaults.topics, ...file.topics },
    namespaces: file.namespaces ?? defaults.namespaces,
    bindings: file.bindings ?? defaults.bindings,
    users: file.users ?? defaults.users,
    logLevel: file.log?.level ?? 'warn',
    limits: { ...defaults.limits, ...file.limits },
  };
}

/** A flag names a file relative to the working folder, and wins over the configuration's. */
function tlsSettings(flags: Flags, file: FileSettings['tls'] = {}): TlsSettings | null {
  const cert = flags.tlsCert === undefined ? file.cert : resolve(flags.tlsCert);
  const key = flags.tlsKey === undefined ? file.key : resolve(flags.tlsKey);
  const { ca = null, required = false, verifyClient = false } = file;
  if (cert === undefined && key === undefined && Object.keys(file).length === 0) return null;
  if (cert === undefined || key === undefined) {
    const [there, missing] = cert === undefined ? ['key', 'cert'] : ['cert', 'key'];
    const given = cert ?? key;
    throw usageError(
      given === undefined
        ? 'tls: cert and key are missing'
        : `tls.${there} ${given} needs tls.${missing}, or --tls-${missing} <file>, beside it`,
    );
  }
  if (verifyClient && ca === null) {
    throw usageError('tls.verifyClient needs tls.ca: the certificate that signs those of clients');
  }
  if (ca !== null && !verifyClient) {
    throw usageError(
      'tls.ca has no effect without tls.verifyClient: set it to true, or leave ca out',
    );
  }
  return { cert, key, ca, required, verifyClient };
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
    const [given, digits] = split(value, '=');
    if (digits === null && /^\d*$/.test(given)) {
      throw usageError(
        `--port '${value}' lacks a name: write --port <name>=<port>, as in --port kafka=9093`,
      );
    }
    const name = PORT_NAMES.find((it) => it === given);
    if (!name) {
      throw usageError(
        `--port '${value}': no protocol is called '${given}'${didYouMean(given, PORT_NAMES)}; ` +
          `there are ${PORT_NAMES.join(', ')}`,
      );
    }
    if (digits === null) {
      throw usageError(
        `--port '${value}' lacks the port: write --port ${name}=<port>, or ${name}=off to close it`,
      );
    }
    if (name in ports) throw usageError(`--port ${name} is given twice`);
    ports[name] = checkedPort(value, digits);
  }
  return ports;
}

/** What is before the first separator and what is behind it; null when there is none. */
function split(text: string, separator: string): [string, string | null] {
  const at = text.indexOf(separator);
  return at < 0 ? [text, null] : [text.slice(0, at), text.slice(at + 1)];
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
