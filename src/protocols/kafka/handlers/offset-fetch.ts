/**
 * OffsetFetch (9).
 *
 * v1: offsets kept by the broker   v2: null = all topics; an error of the whole   v3: throttle
 * v5: leader epochs   v6: flexible   v7: only stable offsets (all are: no transactions)
 * v8: many groups (KIP-709)   v9: KIP-848 members   v10: topic ids
 */
import type { Call } from '../call.ts';
import { ErrorCode } from '../errors.ts';
import { defineHandler } from '../handler.ts';
import type { Reader } from '#wire/reader.ts';
import type { Writer } from '#wire/writer.ts';

const GROUPS_FROM_VERSION = 8;
const TOPIC_IDS_FROM_VERSION = 10;
const NONE = -1;

interface WantedTopic {
  name: string;
  id: Uint8Array | null;
  indexes: number[];
}

interface WantedGroup {
  groupId: string;
  /** Null = all that the group has. */
  topics: WantedTopic[] | null;
}

interface Found {
  index: number;
  error: ErrorCode;
  offset: number;
  leaderEpoch: number;
  metadata: string;
}

interface FoundTopic {
  name: string;
  id: Uint8Array | null;
  partitions: Found[];
}

export const offsetFetch = defineHandler<WantedGroup[]>({
  key: 9,
  name: 'OffsetFetch',
  min: 1,
  max: 10,
  flexibleFrom: 6,

  decode(reader, version) {
    const groups =
      version >= GROUPS_FROM_VERSION
        ? reader.array((r) => decodeGroup(r, version))
        : [{ groupId: reader.string(), topics: decodeTopics(reader, version) }];
    if (version >= 7) reader.bool();
    reader.tags();
    return groups;
  },

  handle(groups, call) {
    const { version } = call;
    call.reply((writer) => {
      if (version >= 3) writer.int32(0);
      if (version >= GROUPS_FROM_VERSION) {
        writer.array(groups, (w, group) => {
          w.string(group.groupId);
          writeTopics(w, find(call, group), version);
          w.int16(ErrorCode.None).tags();
        });
      } else {
        writeTopics(writer, find(call, groups[0]!), version);
        if (version >= 2) writer.int16(ErrorCode.None);
      }
      writer.tags();
    });
  },
});

function decodeGroup(reader: Reader, version: number): WantedGroup {
  const groupId = reader.string();
  if (version >= 9) {
    reader.nullableString();
    reader.int32();
  }
  const topics = decodeTopics(reader, version);
  reader.tags();
  return { groupId, topics };
}

function decodeTopics(reader: Reader, version: number): WantedTopic[] | null {
  return reader.nullableArray((r) => {
    const byId = version >= TOPIC_IDS_FROM_VERSION;
    const id = byId ? r.uuid() : null;
    const name = byId ? '' : r.string();
    const indexes = r.array((each) => each.int32());
    r.tags();
    return { name, id, indexes };
  });
}

function find(call: Call, { groupId, topics }: WantedGroup): FoundTopic[] {
  const { node, version } = call;
  if (topics === null) return findAll(call, groupId);
  return topics.map(({ name, id, indexes }) => {
    const topicName = id === null ? name : node.topicById(id)?.name;
    const partitions = indexes.map((index) =>
      topicName === undefined
        ? none(index, ErrorCode.UnknownTopicId)
        : findOne(call, groupId, topicName, index),
    );
    return { name, id: version >= TOPIC_IDS_FROM_VERSION ? id : null, partitions };
  });
}

function findAll(call: Call, groupId: string): FoundTopic[] {
  const { node, version } = call;
  const found: FoundTopic[] = [];
  for (const [name, partitions] of node.groups.offsets(groupId)) {
    const id = version >= TOPIC_IDS_FROM_VERSION ? node.topic(name)?.id : null;
    if (id === undefined) continue;
    const indexes = [...partitions.keys()];
    const offsets = indexes.map((index) => findOne(call, groupId, name, index));
    found.push({ name, id, partitions: offsets });
  }
  return found;
}

function findOne(call: Call, groupId: string, topic: string, index: number): Found {
  const committed = call.node.groups.offset(groupId, topic, index);
  if (committed === null) return none(index, ErrorCode.None);
  const { offset, leaderEpoch, metadata } = committed;
  return { index, error: ErrorCode.None, offset, leaderEpoch, metadata };
}

function none(index: number, error: ErrorCode): Found {
  return { index, error, offset: NONE, leaderEpoch: NONE, metadata: '' };
}

function writeTopics(writer: Writer, topics: readonly FoundTopic[], version: number): void {
  writer.array(topics, (w, { name, id, partitions }) => {
    if (id === null) w.string(name);
    else w.uuid(id);
    w.array(partitions, (each, { index, error, offset, leaderEpoch, metadata }) => {
      each.int32(index).int64(offset);
      if (version >= 5) each.int32(leaderEpoch);
      each.nullableString(metadata).int16(error).tags();
    });
    w.tags();
  });
}
