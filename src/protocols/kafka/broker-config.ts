/**
 * The broker's settings under Kafka's names, as they really are: limits that are in force, defaults
 * of topic settings, and what is fixed because there is one node. All are read-only here; they are
 * set in the configuration file.
 */
import type { ConfigLine } from './config-entries.ts';
import { NODE_ID } from './node.ts';
import type { Endpoint, KafkaNode } from './node.ts';
import { FETCH_BYTES_MAX } from './fetch-read.ts';
import type { ConfigType } from '#core/topic/topic-config-definitions.ts';
import { TopicConfig } from '#core/topic/topic-config.ts';

const MINUTE_MS = 60_000;
/** What a topic's retention.ms defaults to; Kafka shows it by the hour. */
const WEEK_HOURS = 168;

/** What is not a default of topics. */
type Setting = readonly [name: string, type: ConfigType, value: string | number | boolean];

/** As the client sees it that came to this endpoint. */
export function brokerConfig(node: KafkaNode, endpoint: Endpoint): ConfigLine[] {
  const own = settings(node, endpoint).map(([name, type, value]): ConfigLine => ({
    name,
    type,
    value: String(value),
    source: 'static',
    readOnly: true,
    synonyms: [{ name, value: String(value), source: 'static' }],
    documentation: 'Fixed, or set when the broker starts.',
  }));
  return [...own, ...topicDefaults(node)].toSorted((a, b) => (a.name < b.name ? -1 : 1));
}

function settings({ broker }: KafkaNode, endpoint: Endpoint): Setting[] {
  const listener = listenerOf(endpoint);
  const { limits, defaults, groups } = broker;
  return [
    ['node.id', 'int', NODE_ID],
    ['broker.id', 'int', NODE_ID],
    ['process.roles', 'list', 'broker,controller'],
    ['listeners', 'list', listener],
    ['advertised.listeners', 'list', listener],
    ['num.partitions', 'int', defaults.partitions],
    ['default.replication.factor', 'int', 1],
    ['auto.create.topics.enable', 'boolean', defaults.autoCreateTopics],
    ['delete.topic.enable', 'boolean', true],
    ['socket.request.max.bytes', 'int', limits.requestBytesMax],
    ['fetch.max.bytes', 'int', FETCH_BYTES_MAX],
    ['connections.max.idle.ms', 'long', 10 * MINUTE_MS],
    ['max.connections', 'int', limits.connectionsMax],
    ['group.min.session.timeout.ms', 'int', groups.limits.sessionTimeoutMsMin],
    ['group.max.session.timeout.ms', 'int', groups.limits.sessionTimeoutMsMax],
    ['group.initial.rebalance.delay.ms', 'int', groups.limits.initialDelayMs],
    ['group.coordinator.rebalance.protocols', 'list', 'classic'],
    ['offsets.retention.minutes', 'int', groups.limits.offsetsRetentionMs / MINUTE_MS],
    ['offsets.retention.check.interval.ms', 'long', groups.limits.offsetsCheckMs],
    ['offset.metadata.max.bytes', 'int', groups.limits.metadataCharsMax],
    ['log.retention.hours', 'int', WEEK_HOURS],
    ['log.retention.check.interval.ms', 'long', defaults.retentionCheckMs],
    ['max.incremental.fetch.session.cache.slots', 'int', 1000],
    ['max.request.partition.size.limit', 'int', 2000],
    ['posthorn.sync', 'string', defaults.sync],
  ];
}

function listenerOf({ host, port }: Endpoint): string {
  return `PLAINTEXT://${host.includes(':') ? `[${host}]` : host}:${port}`;
}

/** log.retention.ms and its like: what a topic gets that does not set its own. */
function topicDefaults(node: KafkaNode): ConfigLine[] {
  const config = new TopicConfig([], node.broker.defaults.sync);
  const lines: ConfigLine[] = [];
  for (const { definition, value } of config.entries()) {
    if (definition.synonym === null) continue;
    lines.push({
      name: definition.synonym,
      type: definition.type,
      value,
      source: 'default',
      readOnly: true,
      synonyms: [{ name: definition.synonym, value, source: 'default' }],
      documentation: definition.documentation,
    });
  }
  return lines;
}
