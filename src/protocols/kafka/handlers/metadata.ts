/**
 * Metadata (3).
 *
 * v0: no topics named = all   v1: null = all; racks, controller   v2: cluster id   v3: throttle
 * v4: may topics be made      v5: offline replicas    v7: leader epoch    v8: authorized operations
 * v9: flexible   v10: topic ids in answers   v11: no cluster operations   v12: topics asked for by id
 * v13: an error of the whole (KIP-1102)
 *
 * A topic that is made here is answered when it is safe, not with "ask again" as Kafka does.
 */
import { AuthorizedOperations } from '../authorized-operations.ts';
import type { Call } from '../call.ts';
import { ErrorCode } from '../errors.ts';
import { defineHandler } from '../handler.ts';
import { NODE_ID } from '../node.ts';
import { refusalOf } from '../refusal.ts';
import { isQueue, topicError, topicNameComplaint } from '../topic-error.ts';
import { BrokerError } from '#core/errors.ts';
import type { Partition } from '#core/topic/partition.ts';
import type { Topic } from '#core/topic/topic.ts';
import type { Writer } from '#wire/writer.ts';

const NO_ID = new Uint8Array(16);
const REPLICAS = [NODE_ID];
const DEFAULT_REPLICATION = 1;

interface WantedTopic {
  name: string | null;
  id: Uint8Array;
}

interface MetadataRequest {
  /** Null = all. */
  topics: WantedTopic[] | null;
  mayCreate: boolean;
  clusterOperations: boolean;
  topicOperations: boolean;
}

interface FoundTopic {
  error: ErrorCode;
  name: string | null;
  id: Uint8Array;
  topic: Topic | null;
}

export const metadata = defineHandler<MetadataRequest>({
  key: 3,
  name: 'Metadata',
  min: 0,
  max: 13,
  flexibleFrom: 9,

  decode(reader, version) {
    let topics = reader.nullableArray((r) => {
      const id = version >= 10 ? r.uuid() : NO_ID;
      const name = version >= 10 ? r.nullableString() : r.string();
      r.tags();
      return { name, id };
    });
    if (version === 0 && topics?.length === 0) topics = null;
    const mayCreate = version >= 4 ? reader.bool() : true;
    const clusterOperations = version >= 8 && version <= 10 ? reader.bool() : false;
    const topicOperations = version >= 8 ? reader.bool() : false;
    reader.tags();
    return { topics, mayCreate, clusterOperations, topicOperations };
  },

  handle(request, call) {
    const before = call.node.namespace.topics.size;
    const { limits, defaults } = call.node.broker;
    // The client asks again for those that are not there yet.
    const share = Math.floor(limits.requestPartitionsMax / defaults.partitions);
    const topicsMax = before + Math.max(1, share);
    const mayCreate = (): boolean =>
      request.mayCreate && call.node.namespace.topics.size < topicsMax;
    const found =
      request.topics === null
        ? Array.from(call.node.namespace.topics.values(), foundTopic)
        : request.topics.map((wanted) => find(call, wanted, mayCreate()));
    const answer = (writer: Writer): void => writeAnswer(writer, call, request, found);
    if (call.node.namespace.topics.size === before) call.reply(answer);
    else call.replyCommitted(answer);
  },
});

function foundTopic(topic: Topic): FoundTopic {
  return { error: ErrorCode.None, name: topic.name, id: topic.id, topic };
}

function find(call: Call, { name, id }: WantedTopic, mayCreate: boolean): FoundTopic {
  const { node } = call;
  // Kafka's own client asks by id with an empty name, others with none.
  if (name === null || Buffer.compare(id, NO_ID) !== 0) {
    const topic = node.topicById(id);
    return topic === undefined
      ? { error: ErrorCode.UnknownTopicId, name: null, id, topic: null }
      : foundTopic(topic);
  }
  const topic = node.topic(name);
  if (topic !== undefined) return foundTopic(topic);
  const missing = (error: ErrorCode): FoundTopic => ({ error, name, id: NO_ID, topic: null });
  if (isQueue(node, name)) return missing(topicError(node, name, null, topic));
  if (topicNameComplaint(name) !== null) return missing(ErrorCode.InvalidTopic);
  if (!mayCreate || !node.broker.defaults.autoCreateTopics) {
    return missing(ErrorCode.UnknownTopicOrPartition);
  }
  try {
    const { partitions } = node.broker.defaults;
    const asked = { partitions, replicationFactor: DEFAULT_REPLICATION, config: {} };
    return foundTopic(node.namespace.createTopic(name, asked));
  } catch (error) {
    if (!(error instanceof BrokerError)) throw error;
    return missing(refusalOf(error).error);
  }
}

function writeAnswer(
  writer: Writer,
  call: Call,
  request: MetadataRequest,
  found: readonly FoundTopic[],
): void {
  const { version, node } = call;
  const { host, port } = node.endpoint(call.peer);
  if (version >= 3) writer.int32(0);
  writer.arrayLength(1).int32(NODE_ID).string(host).int32(port);
  if (version >= 1) writer.nullableString(null);
  writer.tags();
  if (version >= 2) writer.nullableString(node.broker.clusterId);
  if (version >= 1) writer.int32(NODE_ID);
  writer.array(found, (w, each) => writeTopic(w, each, version, request.topicOperations));
  if (version >= 8 && version <= 10) {
    writer.int32(AuthorizedOperations.ofCluster(request.clusterOperations));
  }
  if (version >= 13) writer.int16(ErrorCode.None);
  writer.tags();
}

function writeTopic(writer: Writer, found: FoundTopic, version: number, operations: boolean): void {
  writer.int16(found.error);
  if (version >= 12) writer.nullableString(found.name);
  else writer.string(found.name ?? '');
  if (version >= 10) writer.uuid(found.id);
  if (version >= 1) writer.bool(false);
  const partitions = found.topic?.partitions ?? [];
  writer.array(partitions, (w, partition) => writePartition(w, partition, version));
  if (version >= 8) {
    writer.int32(AuthorizedOperations.ofTopic(operations && found.topic !== null));
  }
  writer.tags();
}

function writePartition(writer: Writer, partition: Partition, version: number): void {
  writer.int16(ErrorCode.None).int32(partition.index).int32(NODE_ID);
  if (version >= 7) writer.int32(partition.leaderEpoch);
  writer.int32Array(REPLICAS).int32Array(REPLICAS);
  if (version >= 5) writer.int32Array([]);
  writer.tags();
}
