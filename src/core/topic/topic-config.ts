/**
 * TopicConfig: a topic's settings under Kafka's names, with Kafka's defaults, types and checks.
 *
 * Only what was set is kept (`overrides`); everything else follows the defaults. Each definition
 * in topic-config-definitions.ts says whether the setting works here or why it has no effect on
 * one node; what would change behaviour and is not built is refused, never ignored.
 */
import { BrokerError } from '../errors.ts';
import { Sync } from '../log.ts';
import type { LogConfig } from '../log.ts';
import { CONFIG_DEFINITIONS, INT64_MAX } from './topic-config-definitions.ts';
import type { ConfigDefinition } from './topic-config-definitions.ts';
import { Codec } from '../message/batch.ts';

/** One line of DescribeConfigs. */
export interface ConfigEntry {
  readonly definition: ConfigDefinition;
  readonly value: string;
  /** False when it was set on this topic. */
  readonly isDefault: boolean;
}

const DEFINITION_BY_NAME = new Map(CONFIG_DEFINITIONS.map((d) => [d.name, d]));
const CODEC_BY_NAME: Readonly<Record<string, number>> = {
  uncompressed: Codec.None,
  gzip: Codec.Gzip,
  snappy: Codec.Snappy,
  lz4: Codec.Lz4,
  zstd: Codec.Zstd,
};

export class TopicConfig {
  readonly overrides: ReadonlyMap<string, string>;
  readonly #brokerSync: Sync;

  readonly retentionMs: number;
  readonly retentionBytes: number;
  readonly messageBytesMax: number;
  readonly logAppendTime: boolean;
  /** How far a record's timestamp may be behind and ahead of the clock; Infinity = any. */
  readonly timestampBeforeMaxMs: number;
  readonly timestampAfterMaxMs: number;
  /** null = as the producer sent it. */
  readonly codec: number | null;
  /** null = the codec's default. */
  readonly codecLevel: number | null;
  readonly insyncReplicasMin: number;
  readonly sync: Sync;

  /** Throws BrokerError 'invalid-argument' with detail {config} when a setting is not acceptable. */
  constructor(overrides: Iterable<readonly [string, string]>, brokerSync: Sync) {
    this.overrides = new Map(overrides);
    this.#brokerSync = brokerSync;
    for (const [name, value] of this.overrides) checkSetting(name, value);
    this.retentionMs = this.#number('retention.ms');
    this.retentionBytes = this.#number('retention.bytes');
    this.messageBytesMax = this.#number('max.message.bytes');
    this.logAppendTime = this.value('message.timestamp.type') === 'LogAppendTime';
    this.timestampBeforeMaxMs = this.#limit('message.timestamp.before.max.ms');
    this.timestampAfterMaxMs = this.#limit('message.timestamp.after.max.ms');
    const codecName = this.value('compression.type');
    this.codec = codecName === 'producer' ? null : CODEC_BY_NAME[codecName]!;
    this.codecLevel = this.#codecLevel(codecName);
    this.insyncReplicasMin = this.#number('min.insync.replicas');
    this.sync = this.#syncPolicy();
  }

  /** The effective value as text. */
  value(name: string): string {
    const set = this.overrides.get(name);
    if (set !== undefined) return set;
    if (name === 'posthorn.sync') return this.#brokerSync;
    return DEFINITION_BY_NAME.get(name)!.default;
  }

  /** All settings, by name. */
  entries(): ConfigEntry[] {
    return CONFIG_DEFINITIONS.map((definition) => ({
      definition,
      value: this.value(definition.name),
      isDefault: !this.overrides.has(definition.name),
    }));
  }

  /** With some settings set and some (null) back to their default. Checks as the constructor. */
  with(changes: Iterable<readonly [string, string | null]>): TopicConfig {
    const next = new Map(this.overrides);
    for (const [name, value] of changes) {
      definitionOf(name);
      if (value === null) next.delete(name);
      else next.set(name, value);
    }
    return new TopicConfig(next, this.#brokerSync);
  }

  get logConfig(): LogConfig {
    return {
      sync: this.sync,
      segmentBytesMax: this.#number('segment.bytes'),
      segmentAgeMsMax: this.#number('segment.ms'),
      indexIntervalBytes: this.#number('index.interval.bytes'),
      retentionMs: this.retentionMs,
      retentionBytes: this.retentionBytes,
      ephemeral: false,
    };
  }

  #number(name: string): number {
    return Number(this.value(name));
  }

  #limit(name: string): number {
    const text = this.value(name);
    return text === INT64_MAX ? Infinity : Number(text);
  }

  #codecLevel(codecName: string): number | null {
    const name = `compression.${codecName}.level`;
    return this.overrides.has(name) ? Number(this.overrides.get(name)) : null;
  }

  /** A finite flush interval asks for syncs of its own; every commit is at least as often. */
  #syncPolicy(): Sync {
    const set = this.overrides.get('posthorn.sync');
    if (set !== undefined) return set as Sync;
    const flushes =
      this.value('flush.messages') !== INT64_MAX || this.value('flush.ms') !== INT64_MAX;
    return flushes ? Sync.Commit : this.#brokerSync;
  }
}

function definitionOf(name: string): ConfigDefinition {
  const definition = DEFINITION_BY_NAME.get(name);
  if (!definition) {
    throw new BrokerError('invalid-argument', `Unknown topic config name: ${name}`, {
      config: name,
    });
  }
  return definition;
}

function checkSetting(name: string, value: string): void {
  const definition = definitionOf(name);
  const reason = complaint(definition, value);
  if (reason === null) return;
  throw new BrokerError(
    'invalid-argument',
    `Invalid value ${value} for configuration ${name}: ${reason}`,
    { config: name, value },
  );
}

/** Why the value is not acceptable; null when it is. */
function complaint(definition: ConfigDefinition, value: string): string | null {
  const { type, refused } = definition;
  if (type === 'boolean' && value !== 'true' && value !== 'false') {
    return 'Expected value to be either true or false';
  }
  if (type === 'int' || type === 'long' || type === 'short' || type === 'double') {
    const reason = numberComplaint(definition, value);
    if (reason !== null) return reason;
  }
  const parts = type === 'list' ? value.split(',').map((part) => part.trim()) : [value];
  for (const part of parts) {
    if (definition.allowed && !definition.allowed.includes(part)) {
      return `String must be one of: ${definition.allowed.join(', ')}`;
    }
    if (refused && (refused.values === 'changed' || refused.values.includes(part))) {
      if (part !== definition.default) return refused.reason;
    }
  }
  return null;
}

function numberComplaint(definition: ConfigDefinition, value: string): string | null {
  const pattern = definition.type === 'double' ? /^-?\d+(\.\d+)?$/ : /^-?\d+$/;
  if (!pattern.test(value)) return `Not a number of type ${definition.type.toUpperCase()}`;
  const number = definition.type === 'double' ? Number(value) : BigInt(value);
  const { min, max } = definition;
  if (min !== undefined && number < min) return `Value must be at least ${min}`;
  const typeMax = { short: 32767n, int: 2147483647n, long: BigInt(INT64_MAX), double: Infinity };
  const most = max ?? typeMax[definition.type as keyof typeof typeMax];
  if (number > most) return `Value must be no more than ${most}`;
  return null;
}
