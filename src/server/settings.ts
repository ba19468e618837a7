/**
 * Settings: what the broker is told when it starts, and the words in which it is told.
 */
import type { UserSettings } from '#auth/user.ts';
import type { Limits } from '#core/limits.ts';
import type { Sync } from '#core/log.ts';
import type { BindingSettings } from '#management/binding-settings.ts';

/** Protocols and their standard ports, in the order of the ready line. */
export const STANDARD_PORTS = {
  kafka: 9092,
  amqp: 5672,
  nats: 4222,
  sqs: 9324,
  /** NATS monitoring, and NATS over WebSocket. */
  'nats-http': 8222,
  http: 15672,
} as const;
export type PortName = keyof typeof STANDARD_PORTS;
export const PORT_NAMES = Object.keys(STANDARD_PORTS) as PortName[];

export const LOG_LEVELS = ['error', 'warn', 'info', 'debug'] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

/** As the command line gives them: strings, not yet understood. */
export interface Flags {
  data?: string;
  host?: string;
  port?: string[];
  sync?: string;
  config?: string;
  tlsCert?: string;
  tlsKey?: string;
}

/** Files are PEM, by absolute path. */
export interface TlsSettings {
  readonly cert: string;
  readonly key: string;
  /** Who signs the certificates of clients. */
  readonly ca: string | null;
  /** Whether plain text is refused: everywhere, or by port. */
  readonly required: boolean | Readonly<Partial<Record<PortName, boolean>>>;
  /** Clients must show a certificate that `ca` has signed. */
  readonly verifyClient: boolean;
}

export interface Settings {
  dataFolder: string;
  hosts: readonly string[];
  /** True when the operator named no host: then a machine without IPv6 is no reason to refuse. */
  hostsAreDefault: boolean;
  /** Null: not listened on. */
  ports: Readonly<Record<PortName, number | null>>;
  /** Null: plain text only. */
  tls: TlsSettings | null;
  sync: Sync;
  logLevel: LogLevel;
  limits: Limits;
  /** Of topics that a client makes by using them, and whether it may. */
  topics: { partitions: number; autoCreate: boolean };
  /** Made at the start when they are not there. */
  namespaces: readonly string[];
  /** Declared at the start, with what they name. */
  bindings: readonly BindingSettings[];
  /** Null: guest, from this machine only. */
  users: readonly UserSettings[] | null;
}
