/**
 * Settings as DescribeConfigs and CreateTopics show them.
 *
 * Sources and types are Kafka's codes (DescribeConfigsResponse.ConfigSource, ConfigType).
 */
import type { ConfigType } from '#core/topic/topic-config-definitions.ts';
import type { TopicConfig } from '#core/topic/topic-config.ts';
import type { Writer } from '#wire/writer.ts';

const SOURCE_CODES = { topic: 1, static: 4, default: 5 } as const;
type Source = keyof typeof SOURCE_CODES;

const TYPE_CODES = {
  boolean: 1,
  string: 2,
  int: 3,
  short: 4,
  long: 5,
  double: 6,
  list: 7,
} as const satisfies Record<ConfigType, number>;

interface Synonym {
  readonly name: string;
  readonly value: string;
  readonly source: Source;
}

export interface ConfigLine extends Synonym {
  readonly type: ConfigType;
  readonly readOnly: boolean;
  /** What the value was chosen from, most important first. */
  readonly synonyms: readonly Synonym[];
  readonly documentation: string;
}

export function topicConfigLines(config: TopicConfig): ConfigLine[] {
  return config.entries().map(({ definition, value, isDefault }) => {
    const { name, type, synonym, documentation, effect } = definition;
    const synonyms: Synonym[] = [];
    if (!isDefault) synonyms.push({ name, value, source: 'topic' });
    if (synonym !== null) {
      synonyms.push({ name: synonym, value: definition.default, source: 'default' });
    }
    return {
      name,
      type,
      value,
      source: isDefault ? 'default' : 'topic',
      readOnly: false,
      synonyms,
      documentation: effect === undefined ? documentation : `${documentation} ${effect}`,
    };
  });
}

/** As DescribeConfigs answers one resource's settings. */
export function writeConfigs(
  writer: Writer,
  lines: readonly ConfigLine[],
  version: number,
  withSynonyms: boolean,
  withDocumentation: boolean,
): void {
  writer.array(lines, (w, line) => {
    w.string(line.name).nullableString(line.value).bool(line.readOnly);
    w.int8(SOURCE_CODES[line.source]).bool(false);
    w.array(withSynonyms ? line.synonyms : [], (each, { name, value, source }) => {
      each.string(name).nullableString(value).int8(SOURCE_CODES[source]).tags();
    });
    if (version >= 3) {
      w.int8(TYPE_CODES[line.type]);
      w.nullableString(withDocumentation ? line.documentation : null);
    }
    w.tags();
  });
}

/** As CreateTopics answers the settings of a new topic (KIP-525); null = there is none. */
export function writeCreatedConfigs(writer: Writer, config: TopicConfig | null): void {
  if (config === null) {
    writer.arrayLength(-1);
    return;
  }
  writer.array(topicConfigLines(config), (w, { name, value, readOnly, source }) => {
    w.string(name).nullableString(value).bool(readOnly).int8(SOURCE_CODES[source]);
    w.bool(false).tags();
  });
}
