/**
 * TopicTable: the topics of one namespace, by name and by id, and their logs.
 */
import { BrokerError } from '../errors.ts';
import type { Arguments } from '../routing/binding.ts';
import type { TopicDefinition } from '../definitions.ts';
import { tableFrom, toJson } from '../message/header-json.ts';
import type { LogConfig } from '../log.ts';
import type { Namespace } from '../namespace.ts';
import { checkTopicName, partitionLogName } from '../names.ts';
import { Topic } from './topic.ts';
import { TopicConfig } from './topic-config.ts';

export interface TopicRequest {
  readonly partitions: number;
  /** As requested; there is one replica whatever it says. */
  readonly replicationFactor: number;
  /** Kafka's names; what is not set follows the broker's defaults. */
  readonly config: Readonly<Record<string, string>>;
  /** A protocol's own, for its equivalence texts. */
  readonly arguments?: Arguments;
}

export class TopicTable {
  readonly byName = new Map<string, Topic>();
  readonly #byId = new Map<string, Topic>();
  readonly #namespace: Namespace;

  constructor(namespace: Namespace) {
    this.#namespace = namespace;
  }

  byId(id: Uint8Array): Topic | null {
    return this.#byId.get(Buffer.from(id.buffer, id.byteOffset, id.length).toString('hex')) ?? null;
  }

  /** Throws BrokerError as Namespace.createTopic; `checkOnly` for a validation that changes nothing. */
  check(name: string, request: TopicRequest): TopicConfig {
    const { broker } = this.#namespace;
    checkTopicName(name);
    if (this.byName.has(name)) {
      const detail = { kind: 'topic', name, namespace: this.#namespace.name };
      throw new BrokerError('already-exists', `topic '${name}' already exists`, detail);
    }
    this.#checkPartitions(request.partitions, 0);
    return new TopicConfig(Object.entries(request.config), broker.defaults.sync);
  }

  create(name: string, request: TopicRequest): Topic {
    const { broker } = this.#namespace;
    const config = this.check(name, request);
    const id = uuid(broker.ports.random.bytes(16));
    const topic = this.#add(name, id, request.replicationFactor, config, request.arguments ?? {});
    this.#addPartitions(topic, request.partitions);
    this.#write(topic);
    return topic;
  }

  async recover(name: string, definition: TopicDefinition): Promise<void> {
    const { broker } = this.#namespace;
    const config = new TopicConfig(definition.config, broker.defaults.sync);
    const id = Buffer.from(definition.id, 'hex');
    const args = tableFrom(definition.arguments);
    const topic = this.#add(name, id, definition.replicationFactor, config, args);
    const indexes = Array.from({ length: definition.partitions }, (_, index) => index);
    const logs = await Promise.all(
      indexes.map((index) =>
        broker.openPartitionLog(this.#logName(name, index), logConfigOf(topic)),
      ),
    );
    for (const [index, log] of logs.entries()) {
      const start = broker.catalog.get('start', this.#namespace.name, [name, String(index)]);
      if (typeof start === 'number' && start > log.startOffset) {
        log.deleteBefore(Math.min(start, log.endOffset));
      }
      topic.addPartition(log);
    }
  }

  delete(topic: Topic): void {
    const { broker } = this.#namespace;
    this.byName.delete(topic.name);
    this.#byId.delete(topic.idHex);
    broker.catalog.delete('topic', this.#namespace.name, [topic.name]);
    for (const partition of topic.partitions) {
      const name = [topic.name, String(partition.index)];
      broker.catalog.delete('start', this.#namespace.name, name);
    }
    topic.end();
    for (const { log } of topic.partitions) broker.removeLog(log);
    broker.topicDeleted(this.#namespace, topic);
  }

  grow(topic: Topic, count: number): void {
    this.#checkPartitions(count, topic.partitions.length);
    this.#addPartitions(topic, count);
    this.#write(topic);
  }

  alter(topic: Topic, changes: Iterable<readonly [string, string | null]>): void {
    topic.config = topic.config.with(changes);
    const nowMs = this.#namespace.broker.ports.clock.now();
    for (const { log } of topic.partitions) log.configure(topic.config.logConfig, nowMs);
    this.#write(topic);
  }

  #add(
    name: string,
    id: Uint8Array,
    replicationFactor: number,
    config: TopicConfig,
    args: Arguments,
  ): Topic {
    const topic = new Topic(this.#namespace, name, id, replicationFactor, config, args);
    this.byName.set(name, topic);
    this.#byId.set(topic.idHex, topic);
    return topic;
  }

  #addPartitions(topic: Topic, count: number): void {
    const { store } = this.#namespace.broker;
    for (let index = topic.partitions.length; index < count; index++) {
      topic.addPartition(store.create(this.#logName(topic.name, index), logConfigOf(topic)));
    }
  }

  #logName(topic: string, index: number): string {
    return partitionLogName(this.#namespace.name, topic, index);
  }

  #write(topic: Topic): void {
    const definition: TopicDefinition = {
      id: topic.idHex,
      partitions: topic.partitions.length,
      replicationFactor: topic.replicationFactor,
      config: [...topic.config.overrides],
      arguments: toJson(topic.arguments),
    };
    this.#namespace.broker.catalog.set('topic', this.#namespace.name, [topic.name], definition);
  }

  #checkPartitions(count: number, current: number): void {
    const { topicPartitionsMax } = this.#namespace.broker.limits;
    if (!Number.isInteger(count) || count < 1) {
      throw invalidPartitions('Number of partitions must be larger than 0.');
    }
    if (count <= current) {
      throw invalidPartitions(
        `The topic currently has ${current} partition(s); ${count} would not be an increase.`,
      );
    }
    const all = this.#namespace.broker.partitionCount + count - current;
    if (all > topicPartitionsMax) {
      throw new BrokerError(
        'limit-exceeded',
        `there would be ${all} partitions, at most ${topicPartitionsMax} may be`,
      );
    }
  }
}

function invalidPartitions(text: string): BrokerError {
  return new BrokerError('invalid-argument', text, { argument: 'partitions' });
}

/** Version 4, as Java's and Kafka's random UUIDs are. */
function uuid(bytes: Uint8Array): Uint8Array {
  bytes[6] = (bytes[6]! & 0x0f) | 0x40;
  bytes[8] = (bytes[8]! & 0x3f) | 0x80;
  return bytes;
}

/** With the id, by which a log knows that it is not of another topic that had the name before. */
function logConfigOf(topic: Topic): LogConfig {
  return { ...topic.config.logConfig, topicId: topic.id };
}
