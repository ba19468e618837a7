/**
 * OffsetCommit (8).
 *
 * v2: retention asked by the client   v3: throttle   v5: no retention   v6: leader epochs
 * v7: static members   v8: flexible   v9: KIP-848   v10: topic ids
 */
import type { Call } from '../call.ts';
import { ErrorCode, groupErrorCode } from '../errors.ts';
import { defineHandler } from '../handler.ts';
import { topicError } from '../topic-error.ts';
import type { Committer, OffsetToCommit } from '#core/group/group-coordinator.ts';
import type { Reader } from '#wire/reader.ts';

const TOPIC_IDS_FROM_VERSION = 10;
const NONE = -1;

interface PartitionOffset {
  index: number;
  offset: number;
  leaderEpoch: number;
  metadata: string;
}

interface TopicOffsets {
  name: string;
  id: Uint8Array | null;
  partitions: PartitionOffset[];
}

interface OffsetCommitRequest extends Committer {
  groupId: string;
  topics: TopicOffsets[];
}

export const offsetCommit = defineHandler<OffsetCommitRequest>({
  key: 8,
  name: 'OffsetCommit',
  min: 2,
  max: 10,
  flexibleFrom: 8,

  decode(reader, version) {
    const groupId = reader.string();
    const generation = reader.int32();
    const memberId = reader.string();
    const instanceId = version >= 7 ? reader.nullableString() : null;
    const asked = version <= 4 ? reader.int64() : NONE;
    const retentionMs = asked === NONE ? null : asked;
    const topics = reader.array((r) => decodeTopic(r, version));
    reader.tags();
    return { groupId, generation, memberId, instanceId, retentionMs, topics };
  },

  handle(request, call) {
    const { groups } = call.node;
    const { groupId, topics, retentionMs } = request;
    const refusal = groupErrorCode(groups.commitError(groupId, request));
    const accepted: OffsetToCommit[] = [];
    const results = topics.map(({ name, id, partitions }) => ({
      name,
      id,
      partitions: partitions.map((partition) => ({
        index: partition.index,
        error: refusal === ErrorCode.None ? accept(call, name, id, partition, accepted) : refusal,
      })),
    }));
    const answer = (): void => {
      if (call.alive) reply(call, results);
    };
    if (accepted.length === 0) answer();
    else groups.commitOffsets(groupId, accepted, retentionMs, answer);
  },
});

function decodeTopic(reader: Reader, version: number): TopicOffsets {
  const byId = version >= TOPIC_IDS_FROM_VERSION;
  const id = byId ? reader.uuid() : null;
  const name = byId ? '' : reader.string();
  const partitions = reader.array((r) => {
    const index = r.int32();
    const offset = r.int64();
    const leaderEpoch = version >= 6 ? r.int32() : NONE;
    const metadata = r.nullableString() ?? '';
    r.tags();
    return { index, offset, leaderEpoch, metadata };
  });
  reader.tags();
  return { name, id, partitions };
}

/** Takes the offset, or says why not. */
function accept(
  call: Call,
  name: string,
  id: Uint8Array | null,
  { index, offset, leaderEpoch, metadata }: PartitionOffset,
  accepted: OffsetToCommit[],
): ErrorCode {
  const { node } = call;
  const topic = id === null ? node.topic(name) : node.topicById(id);
  if (topic?.partitions[index] === undefined) return topicError(node, name, id, topic);
  if (metadata.length > node.groups.limits.metadataCharsMax) {
    return ErrorCode.OffsetMetadataTooLarge;
  }
  accepted.push({ topic: topic.name, partition: index, offset, leaderEpoch, metadata });
  return ErrorCode.None;
}

interface Result {
  name: string;
  id: Uint8Array | null;
  partitions: { index: number; error: ErrorCode }[];
}

function reply(call: Call, results: readonly Result[]): void {
  call.reply((writer) => {
    if (call.version >= 3) writer.int32(0);
    writer.array(results, (w, { name, id, partitions }) => {
      if (id === null) w.string(name);
      else w.uuid(id);
      w.array(partitions, (each, { index, error }) => each.int32(index).int16(error).tags());
      w.tags();
    });
    writer.tags();
  });
}
