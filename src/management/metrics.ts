/**
 * Metrics in Prometheus' text format. The broker only counts, in plain objects; names, help and
 * types are given here, when somebody asks. Sums, not one series per queue: a million queues must
 * not make a scrape of gigabytes.
 */
import { collectDefaultMetrics, Counter, Gauge, Registry } from 'prom-client';
import type { Metrics, ProtocolMetrics } from '#core/metrics.ts';

/** What a listener of the server knows of its connections. */
export interface ListenerFigures {
  name: string;
  connections: number;
  accepted: number;
  refused: number;
  secured: number;
  handshakesFailed: number;
  broken: number;
  malformed: number;
  late: number;
  stuck: number;
  plainTextRefused: number;
  receivedBytes: number;
  sentBytes: number;
}

/** Sums over all namespaces, now. */
export interface BrokerFigures {
  queues: number;
  messagesReady: number;
  messagesUnacknowledged: number;
  messagesDelayed: number;
  consumers: number;
  topics: number;
  partitions: number;
  exchanges: number;
  memoryUsedBytes: number;
  memoryLimitBytes: number;
  memoryAlarm: boolean;
  diskAlarm: boolean;
}

export interface MetricsSource {
  readonly counters: Metrics;
  listeners(): ListenerFigures[];
  figures(): BrokerFigures;
}

type Values = { labels: Record<string, string>; value: number }[];

type NumberField<T> = { [K in keyof T]: T[K] extends number ? K : never }[keyof T];

const PROTOCOL_COUNTERS: Record<NumberField<ProtocolMetrics>, string> = {
  connectionsOpened: 'Connections that began.',
  connectionsClosed: 'Connections that ended.',
  connectionsFailed: 'Connections ended although their client did not want it, by reason.',
  requests: 'Requests received.',
  published: 'Messages published.',
  publishedBytes: 'Bytes of the bodies of messages published.',
  unroutable: 'Messages published that no destination took.',
  confirmed: 'Messages whose publisher was told that they are safe.',
  refused: 'Messages whose publisher was told that they were not taken.',
  delivered: 'Messages delivered.',
  deliveredBytes: 'Bytes of the bodies of messages delivered.',
  redelivered: 'Messages delivered again.',
  acknowledged: 'Messages acknowledged.',
  errors: 'Requests answered with an error, by the error in the words of the protocol.',
};

/** Those that are shown in parts. */
const PARTS: Partial<
  Record<
    NumberField<ProtocolMetrics>,
    { label: string; of(metrics: ProtocolMetrics): ReadonlyMap<string, number> }
  >
> = {
  connectionsFailed: { label: 'reason', of: (metrics) => metrics.failures },
  errors: { label: 'error', of: (metrics) => metrics.errorCodes },
};

const BROKER_COUNTERS: Record<NumberField<Metrics>, string> = {
  expired: 'Messages that expired in a queue.',
  overflowed: 'Messages dropped or refused because a queue was full.',
  deadLettered: 'Messages that were dead-lettered.',
  fed: 'Messages that entered a queue or topic and went on to what is bound to it.',
  feedRefused: 'Messages that went on so and were refused.',
  delayedUnrouted: 'Delayed messages that found no queue when their time came.',
  delayedRefused: 'Delayed messages that a queue refused when their time came.',
  malformedRecords: 'Records that could not be read although their batch is whole.',
};

const FIGURES: Record<keyof BrokerFigures, string> = {
  queues: 'Queues.',
  messagesReady: 'Messages in queues, ready for delivery.',
  messagesUnacknowledged: 'Messages delivered and not yet settled.',
  messagesDelayed: 'Messages that wait for their time, in queues and exchanges.',
  consumers: 'Consumers of queues.',
  topics: 'Topics.',
  partitions: 'Partitions of all topics.',
  exchanges: 'Exchanges.',
  memoryUsedBytes: 'Memory held by queues.',
  memoryLimitBytes: 'Memory that queues may hold before publishers are slowed.',
  memoryAlarm: '1 while publishers are slowed because memory is short.',
  diskAlarm: '1 while publishers are refused because the disk is full.',
};

const LISTENER_COUNTERS: Record<Exclude<keyof ListenerFigures, 'name' | 'connections'>, string> = {
  accepted: 'Connections accepted.',
  refused: 'Connections refused because too many were open.',
  secured: 'TLS handshakes completed.',
  handshakesFailed: 'TLS handshakes that failed.',
  plainTextRefused: 'Connections refused because they spoke plain text where TLS is required.',
  broken: 'Connections that broke: reset by the peer, or found dead.',
  malformed:
    'HTTP requests of operators and pages, and WebSocket frames, that were none or too large.',
  late: 'HTTP connections of operators and pages that did not come to the end of a request, and WebSockets of a frame.',
  stuck: 'Connections cut because the peer took nothing of what was sent for too long.',
  receivedBytes: 'Bytes read from sockets.',
  sentBytes: 'Bytes written to sockets.',
};

/** What is rendered from: `figures` is summed up once per scrape. */
interface Sheet {
  registry: Registry;
  figures: BrokerFigures;
}

/** One sheet per source, made when it is first asked for. */
const sheets = new WeakMap<MetricsSource, Sheet>();

export async function renderMetrics(
  source: MetricsSource,
): Promise<{ contentType: string; text: string }> {
  let sheet = sheets.get(source);
  if (!sheet) {
    sheet = { registry: new Registry(), figures: source.figures() };
    register(sheet, source);
    sheets.set(source, sheet);
  }
  sheet.figures = source.figures();
  const { registry } = sheet;
  return { contentType: registry.contentType, text: await registry.metrics() };
}

function register(sheet: Sheet, source: MetricsSource): void {
  const { registry } = sheet;
  collectDefaultMetrics({ register: registry });
  for (const [field, help] of entriesOf(PROTOCOL_COUNTERS)) {
    const label = PARTS[field]?.label;
    const labels = label === undefined ? ['protocol'] : ['protocol', label];
    counter(registry, `posthorn_${snake(field)}_total`, help, labels, () =>
      [...source.counters.protocols.values()].flatMap((it) => valuesOf(it, field)),
    );
  }
  for (const [field, help] of entriesOf(BROKER_COUNTERS)) {
    counter(registry, `posthorn_messages_${snake(field)}_total`, help, [], () => [
      { labels: {}, value: source.counters[field] },
    ]);
  }
  for (const [field, help] of entriesOf(LISTENER_COUNTERS)) {
    counter(registry, `posthorn_listener_${snake(field)}_total`, help, ['listener'], () =>
      source.listeners().map((it) => ({ labels: { listener: it.name }, value: it[field] })),
    );
  }
  gauge(registry, 'posthorn_listener_connections', 'Open connections.', ['listener'], () =>
    source.listeners().map((it) => ({ labels: { listener: it.name }, value: it.connections })),
  );
  for (const [field, help] of entriesOf(FIGURES)) {
    gauge(registry, `posthorn_${snake(field)}`, help, [], () => [
      { labels: {}, value: Number(sheet.figures[field]) },
    ]);
  }
}

function valuesOf(metrics: ProtocolMetrics, field: NumberField<ProtocolMetrics>): Values {
  const { protocol } = metrics;
  const parts = PARTS[field];
  if (parts === undefined) return [{ labels: { protocol }, value: metrics[field] }];
  return [...parts.of(metrics)].map(([part, value]) => ({
    labels: { protocol, [parts.label]: part },
    value,
  }));
}

function counter(
  registry: Registry,
  name: string,
  help: string,
  labelNames: string[],
  read: () => Values,
): void {
  const made = new Counter({
    name,
    help,
    labelNames,
    registers: [registry],
    collect: () => {
      made.reset();
      for (const { labels, value } of read()) made.inc(labels, value);
    },
  });
}

function gauge(
  registry: Registry,
  name: string,
  help: string,
  labelNames: string[],
  read: () => Values,
): void {
  const made = new Gauge({
    name,
    help,
    labelNames,
    registers: [registry],
    collect: () => {
      for (const { labels, value } of read()) made.set(labels, value);
    },
  });
}

function snake(name: string): string {
  return name.replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}

function entriesOf<K extends string, V>(record: Record<K, V>): [K, V][] {
  return Object.entries(record) as [K, V][];
}
