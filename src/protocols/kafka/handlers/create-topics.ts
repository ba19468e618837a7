/**
 * CreateTopics (19).
 *
 * v2: throttle time   v4: -1 for the default of partitions and replicas (KIP-464)
 * v5: flexible; the settings of the new topic are answered (KIP-525)   v7: topic id
 *
 * Any replication factor is taken and remembered; there is one replica. Replicas may be assigned,
 * but only to the node that there is.
 */
import type { Call } from '../call.ts';
import { writeCreatedConfigs } from '../config-entries.ts';
import { ErrorCode } from '../errors.ts';
import { defineHandler } from '../handler.ts';
import { NODE_ID } from '../node.ts';
import { GRANTED, type Refusal, refusalOf, refuse } from '../refusal.ts';
import { topicNameComplaint } from '../topic-error.ts';
import { BrokerError } from '#core/errors.ts';
import { TopicConfig } from '#core/topic/topic-config.ts';
import type { Reader } from '#wire/reader.ts';
import type { Writer } from '#wire/writer.ts';

const DEFAULT = -1;
const EXCESSIVE = 'Excessively large number of partitions per request.';
const NO_ID = new Uint8Array(16);
const DEFAULT_REPLICATION = 1;

interface Assignment {
  index: number;
  brokerIds: number[];
}

interface NewTopic {
  name: string;
  partitions: number;
  replicationFactor: number;
  assignments: Assignment[];
  configs: [name: string, value: string | null][];
}

interface CreateTopicsRequest {
  topics: NewTopic[];
  validateOnly: boolean;
}

interface Created extends Refusal {
  name: string;
  id: Uint8Array;
  partitions: number;
  replicationFactor: number;
  config: TopicConfig | null;
}

export const createTopics = defineHandler<CreateTopicsRequest>({
  key: 19,
  name: 'CreateTopics',
  min: 2,
  max: 7,
  flexibleFrom: 5,

  decode(reader) {
    const topics = reader.array(decodeTopic);
    reader.int32();
    const validateOnly = reader.bool();
    reader.tags();
    return { topics, validateOnly };
  },

  handle({ topics, validateOnly }, call) {
    const names = new Set<string>();
    const twice = new Set<string>();
    for (const { name } of topics) (names.has(name) ? twice : names).add(name);
    const excess = excessOf(topics, call);
    const created = topics.map((topic) => {
      if (excess !== null) return failed(topic, excess);
      const refusal = twice.has(topic.name)
        ? refuse(ErrorCode.InvalidRequest, 'Duplicate topic name.')
        : complaint(call, topic);
      return refusal === null ? create(call, topic, validateOnly) : failed(topic, refusal);
    });
    call.replyCommitted((writer) => {
      writer.int32(0);
      writer.array(created, (w, each) => writeCreated(w, each, call.version));
      writer.tags();
    });
  },
});

function decodeTopic(reader: Reader): NewTopic {
  const name = reader.string();
  const partitions = reader.int32();
  const replicationFactor = reader.int16();
  const assignments = reader.array((r) => {
    const index = r.int32();
    const brokerIds = r.array((each) => each.int32());
    r.tags();
    return { index, brokerIds };
  });
  const configs = reader.array((r): [string, string | null] => {
    const setting = r.string();
    const value = r.nullableString();
    r.tags();
    return [setting, value];
  });
  reader.tags();
  return { name, partitions, replicationFactor, assignments, configs };
}

/** As Kafka's controller does, which refuses the whole request. */
function excessOf(topics: readonly NewTopic[], { node }: Call): Refusal | null {
  const { limits, defaults } = node.broker;
  let count = 0;
  for (const { partitions, assignments } of topics) {
    if (assignments.length > 0) count += assignments.length;
    else count += partitions === DEFAULT ? defaults.partitions : Math.max(0, partitions);
  }
  return count > limits.requestPartitionsMax ? refuse(ErrorCode.PolicyViolation, EXCESSIVE) : null;
}

/** What Kafka's controller would say; null when nothing is wrong with the request itself. */
function complaint(call: Call, topic: NewTopic): Refusal | null {
  const { name, partitions, replicationFactor, assignments } = topic;
  const nameComplaint = topicNameComplaint(name);
  if (nameComplaint !== null) return refuse(ErrorCode.InvalidTopic, nameComplaint);
  if (call.node.topic(name) !== undefined) {
    return refuse(ErrorCode.TopicAlreadyExists, `Topic '${name}' already exists.`);
  }
  if (assignments.length > 0) return assignmentComplaint(topic);
  if (partitions !== DEFAULT && partitions < 1) {
    return refuse(
      ErrorCode.InvalidPartitions,
      'Number of partitions was set to an invalid non-positive value.',
    );
  }
  if (replicationFactor !== DEFAULT && replicationFactor < 1) {
    return refuse(
      ErrorCode.InvalidReplicationFactor,
      'Replication factor must be larger than 0, or -1 to use the default value.',
    );
  }
  return null;
}

function assignmentComplaint({
  partitions,
  replicationFactor,
  assignments,
}: NewTopic): Refusal | null {
  if (partitions !== DEFAULT || replicationFactor !== DEFAULT) {
    return refuse(
      ErrorCode.InvalidRequest,
      'A manual partition assignment was specified, but numPartitions or replicationFactor was not set to -1.',
    );
  }
  const indexes = assignments.map((each) => each.index).toSorted((a, b) => a - b);
  if (indexes.some((index, i) => index !== i)) {
    return refuse(
      ErrorCode.InvalidReplicaAssignment,
      'partitions should be a consecutive 0-based integer sequence',
    );
  }
  for (const { brokerIds } of assignments) {
    if (brokerIds.length === 1 && brokerIds[0] === NODE_ID) continue;
    return refuse(
      ErrorCode.InvalidReplicaAssignment,
      `The manual partition assignment includes brokers other than ${NODE_ID}, the only one.`,
    );
  }
  return null;
}

function create(call: Call, topic: NewTopic, validateOnly: boolean): Created {
  const { broker, namespace } = call.node;
  const { name, assignments } = topic;
  const asked = assignments.length > 0 ? assignments.length : topic.partitions;
  const partitions = asked === DEFAULT ? broker.defaults.partitions : asked;
  const replicationFactor =
    topic.replicationFactor === DEFAULT ? DEFAULT_REPLICATION : topic.replicationFactor;
  try {
    const settings = topic.configs.map(([setting, value]): [string, string] => {
      if (value !== null) return [setting, value];
      const detail = { config: setting };
      throw new BrokerError(
        'invalid-argument',
        `Null value not supported for topic configs: ${setting}`,
        detail,
      );
    });
    const config = new TopicConfig(settings, broker.defaults.sync);
    if (validateOnly) {
      if (namespace.queues.has(name)) {
        throw new BrokerError('already-exists', `'${name}' is a queue`, { kind: 'queue' });
      }
      return { ...GRANTED, name, id: NO_ID, partitions, replicationFactor, config };
    }
    const request = { partitions, replicationFactor, config: Object.fromEntries(settings) };
    const { id } = namespace.createTopic(name, request);
    return { ...GRANTED, name, id, partitions, replicationFactor, config };
  } catch (error) {
    if (!(error instanceof BrokerError)) throw error;
    return failed(topic, refusalOf(error));
  }
}

function failed({ name }: NewTopic, refusal: Refusal): Created {
  return { ...refusal, name, id: NO_ID, partitions: -1, replicationFactor: -1, config: null };
}

function writeCreated(writer: Writer, created: Created, version: number): void {
  writer.string(created.name);
  if (version >= 7) writer.uuid(created.id);
  writer.int16(created.error).nullableString(created.text);
  if (version >= 5) {
    writer.int32(created.partitions).int16(created.replicationFactor);
    writeCreatedConfigs(writer, created.config);
  }
  writer.tags();
}
