/**
 * DescribeTopicPartitions (75): topics in order of their names, page by page (KIP-966).
 *
 * A page ends at the limit of partitions; the cursor names the partition that the next begins with.
 */
import { AuthorizedOperations } from '../authorized-operations.ts';
import type { Call } from '../call.ts';
import { ErrorCode } from '../errors.ts';
import { defineHandler } from '../handler.ts';
import { NODE_ID } from '../node.ts';
import { topicError } from '../topic-error.ts';
import type { Partition } from '#core/topic/partition.ts';
import type { Topic } from '#core/topic/topic.ts';
import type { Writer } from '#wire/writer.ts';

/** max.request.partition.size.limit */
const PARTITIONS_MAX = 2000;
const NO_ID = new Uint8Array(16);
const REPLICAS = [NODE_ID];
const PRESENT = 1;
const NULL = -1;

interface Cursor {
  topic: string;
  index: number;
}

interface DescribeRequest {
  /** Empty = all. */
  names: string[];
  limit: number;
  cursor: Cursor | null;
}

interface Page {
  topics: { name: string; topic: Topic | undefined; partitions: Partition[] }[];
  next: Cursor | null;
}

export const describeTopicPartitions = defineHandler<DescribeRequest>({
  key: 75,
  name: 'DescribeTopicPartitions',
  min: 0,
  max: 0,
  flexibleFrom: 0,

  decode(reader) {
    const names = reader.array((r) => {
      const name = r.string();
      r.tags();
      return name;
    });
    const limit = reader.int32();
    let cursor: Cursor | null = null;
    if (reader.int8() === PRESENT) {
      cursor = { topic: reader.string(), index: reader.int32() };
      reader.tags();
    }
    reader.tags();
    return { names, limit, cursor };
  },

  handle(request, call) {
    const { topics, next } = page(call, request);
    call.reply((writer) => {
      writer.int32(0);
      writer.array(topics, (w, { name, topic, partitions }) => {
        const found = topic !== undefined;
        w.int16(found ? ErrorCode.None : topicError(call.node, name, null, undefined));
        w.nullableString(name)
          .uuid(topic?.id ?? NO_ID)
          .bool(false);
        w.array(partitions, writePartition);
        w.int32(AuthorizedOperations.ofTopic(found)).tags();
      });
      if (next === null) writer.int8(NULL);
      else writer.int8(PRESENT).string(next.topic).int32(next.index).tags();
      writer.tags();
    });
  },
});

function page(call: Call, { names, limit, cursor }: DescribeRequest): Page {
  const wanted = names.length > 0 ? new Set(names) : call.node.namespace.topics.keys();
  let left = Math.min(limit > 0 ? limit : PARTITIONS_MAX, PARTITIONS_MAX);
  const topics: Page['topics'] = [];
  for (const name of [...wanted].toSorted()) {
    if (cursor !== null && name < cursor.topic) continue;
    const topic = call.node.topic(name);
    const from = cursor !== null && name === cursor.topic ? Math.max(cursor.index, 0) : 0;
    const all = topic?.partitions ?? [];
    if (left === 0) return { topics, next: { topic: name, index: from } };
    const partitions = all.slice(from, from + left);
    left -= partitions.length;
    topics.push({ name, topic, partitions });
    if (from + partitions.length < all.length) {
      return { topics, next: { topic: name, index: from + partitions.length } };
    }
  }
  return { topics, next: null };
}

function writePartition(writer: Writer, { index, leaderEpoch }: Partition): void {
  writer.int16(ErrorCode.None).int32(index).int32(NODE_ID).int32(leaderEpoch);
  writer.int32Array(REPLICAS).int32Array(REPLICAS);
  // Eligible leaders and the last known of them: nobody else could lead. No replica is offline.
  writer.int32Array([]).int32Array([]).int32Array([]).tags();
}
