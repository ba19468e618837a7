/**
 * A door: one protocol, used by one of its real clients, to publish what a row of docs/mapping.md
 * says and to see what arrives. `sends` and `shows` are the two columns of the header table: what
 * is left of a value when this protocol writes it, and how this protocol shows what another wrote.
 */
export type Value = string | number | boolean | Buffer | Date | Value[] | { [name: string]: Value };

export const PROPERTY_NAMES = [
  'content-type',
  'content-encoding',
  'correlation-id',
  'message-id',
  'type',
  'user-id',
  'app-id',
] as const;
export type PropertyName = (typeof PROPERTY_NAMES)[number];

export interface Sent {
  /** null is Kafka's alone. */
  body?: Buffer | null;
  key?: string;
  timestampMs?: number;
  replyTo?: string;
  priority?: number;
  expirationMs?: number;
  properties?: Partial<Record<PropertyName, string>>;
  headers?: Record<string, Value>;
  /** All under one name. */
  repeated?: { name: string; values: string[] };
}

export interface Seen {
  body: Buffer;
  key: string | null;
  /** Routing key, or subject; null where the protocol shows none. */
  address: string | null;
  timestampMs: number | null;
  replyTo: string | null;
  priority: number | null;
  expirationMs: number | null;
  durable: boolean | null;
  properties: Partial<Record<PropertyName, string>>;
  headers: Record<string, unknown>;
}

export interface Door {
  readonly name: string;
  readonly seen: Seen[];
  /** This protocol's clients have no way to say it. */
  cannotSend(sent: Sent): boolean;
  /** Resolves when the broker has it. */
  publish(sent: Sent): Promise<void>;
  sends(value: Value): Value;
  shows(value: Value): unknown;
  close(): Promise<void>;
}

/** Where a door publishes and what it reads; the bridges between them are bindings. */
export const SUBJECT = (name: string): string => `m.${name}`;
export const FROM_TOPIC = 'from-kafka';
export const FROM_QUEUE = 'from-sqs';
export const TO_QUEUE = 'to-amqp';
export const TO_TOPIC = 'to-kafka';
export const TO_SQS = 'to-sqs';

/** What numbers, dates, tables and the like are in protocols that have text only. */
export function asText(value: Value): string {
  if (typeof value === 'string') return value;
  if (value instanceof Date) return value.toISOString();
  if (Buffer.isBuffer(value)) return value.toString('base64');
  return typeof value === 'object' ? JSON.stringify(value) : String(value);
}

export function isText(bytes: Uint8Array): boolean {
  return Buffer.from(Buffer.from(bytes).toString()).equals(bytes);
}

/** Fills properties, key and the rest from headers by name, as three of the protocols show them. */
export function sortHeaders(headers: Record<string, unknown>, seen: Seen): void {
  for (const [name, value] of Object.entries(headers)) {
    if ((PROPERTY_NAMES as readonly string[]).includes(name)) {
      seen.properties[name as PropertyName] = String(value);
    } else if (name === 'x-key') seen.key = String(value);
    else if (name === 'reply-to') seen.replyTo = String(value);
    else if (name === 'priority') seen.priority = Number(value);
    else if (name === 'expiration') seen.expirationMs = Number(value);
    else seen.headers[name] = value;
  }
}

/** Named headers of all that is no header in the protocols that have properties. */
export function namedHeaders(sent: Sent): [string, Value][] {
  const named: [string, Value][] = Object.entries(sent.properties ?? {});
  if (sent.priority !== undefined) named.push(['priority', sent.priority]);
  if (sent.expirationMs !== undefined) named.push(['expiration', sent.expirationMs]);
  return [...named, ...Object.entries(sent.headers ?? {})];
}

export function nothingSeen(body: Buffer): Seen {
  return {
    body,
    key: null,
    address: null,
    timestampMs: null,
    replyTo: null,
    priority: null,
    expirationMs: null,
    durable: null,
    properties: {},
    headers: {},
  };
}
