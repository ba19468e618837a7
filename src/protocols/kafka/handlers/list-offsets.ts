/**
 * ListOffsets (2).
 *
 * v1: one offset per partition   v2: isolation level, throttle   v4: leader epochs   v6: flexible
 * v7: max timestamp (-3, KIP-734)   v8: earliest local (-4, KIP-405)   v9: last tiered (-5, KIP-1005)
 * v10: a timeout for remote storage   v11: earliest not yet tiered (-6, KIP-1023)
 *
 * There is no remote storage: the earliest local offset is the earliest, and nothing is tiered.
 */
import type { Call } from '../call.ts';
import { ErrorCode, readErrorCode } from '../errors.ts';
import { defineHandler } from '../handler.ts';
import { epochAt, epochError } from '../leader-epoch.ts';
import { topicError } from '../topic-error.ts';
import { BrokerError } from '#core/errors.ts';
import type { TimestampedOffset } from '#core/log.ts';
import type { Partition } from '#core/topic/partition.ts';

const LATEST = -1;
const EARLIEST = -2;
const MAX_TIMESTAMP = -3;
const EARLIEST_LOCAL = -4;
const LATEST_TIERED = -5;
const EARLIEST_NOT_TIERED = -6;
/** The first version that knows each special. */
const SPECIAL_FROM_VERSION = new Map([
  [LATEST, 1],
  [EARLIEST, 1],
  [MAX_TIMESTAMP, 7],
  [EARLIEST_LOCAL, 8],
  [LATEST_TIERED, 9],
  [EARLIEST_NOT_TIERED, 11],
]);
const NONE = -1;

interface Wanted {
  index: number;
  currentLeaderEpoch: number;
  timestamp: number;
}

interface Found {
  index: number;
  error: ErrorCode;
  timestamp: number;
  offset: number;
  leaderEpoch: number;
}

interface FoundTopic {
  name: string;
  partitions: Found[];
}

interface ListOffsetsTopic {
  name: string;
  partitions: Wanted[];
}

export const listOffsets = defineHandler<ListOffsetsTopic[]>({
  key: 2,
  name: 'ListOffsets',
  min: 1,
  max: 11,
  flexibleFrom: 6,

  decode(reader, version) {
    reader.int32();
    if (version >= 2) reader.int8();
    const topics = reader.array((r) => {
      const name = r.string();
      const partitions = r.array((each) => {
        const index = each.int32();
        const currentLeaderEpoch = version >= 4 ? each.int32() : NONE;
        const timestamp = each.int64();
        each.tags();
        return { index, currentLeaderEpoch, timestamp };
      });
      r.tags();
      return { name, partitions };
    });
    if (version >= 10) reader.int32();
    reader.tags();
    return topics;
  },

  handle(topics, call) {
    const searches: Promise<void>[] = [];
    const found = topics.map(({ name, partitions }) => ({
      name,
      partitions: partitions.map((wanted) => find(call, name, wanted, searches)),
    }));
    if (searches.length === 0) {
      answer(call, found);
      return;
    }
    void answerWhenFound(call, found, searches);
  },
});

function find(call: Call, name: string, wanted: Wanted, searches: Promise<void>[]): Found {
  const { index, currentLeaderEpoch, timestamp } = wanted;
  const found: Found = {
    index,
    error: ErrorCode.None,
    timestamp: NONE,
    offset: NONE,
    leaderEpoch: NONE,
  };
  const topic = call.node.topic(name);
  const partition = topic?.partitions[index];
  if (partition === undefined) {
    found.error = topicError(call.node, name, null, topic);
    return found;
  }
  found.error = epochError(partition, currentLeaderEpoch);
  if (timestamp < 0 && call.version < (SPECIAL_FROM_VERSION.get(timestamp) ?? Infinity)) {
    found.error = ErrorCode.UnsupportedVersion;
  }
  if (found.error !== ErrorCode.None) return found;
  if (timestamp === LATEST) {
    found.offset = partition.committedOffset;
    found.leaderEpoch = partition.leaderEpoch;
  } else if (timestamp === EARLIEST || timestamp === EARLIEST_LOCAL) {
    found.offset = partition.startOffset;
    found.leaderEpoch = epochAt(partition, found.offset);
  } else if (timestamp >= 0 || timestamp === MAX_TIMESTAMP) {
    searches.push(search(partition, timestamp === MAX_TIMESTAMP ? Infinity : timestamp, found));
  }
  return found;
}

async function search(partition: Partition, timestampMs: number, found: Found): Promise<void> {
  let at: TimestampedOffset | null;
  try {
    at = await partition.log.offsetForTimestamp(timestampMs);
  } catch (error) {
    // Retention, or a deletion of the topic, may have been faster than the disk, or it gives nothing.
    if (!(error instanceof BrokerError)) throw error;
    found.error = readErrorCode(error);
    return;
  }
  if (at === null || at.offset >= partition.committedOffset) return;
  found.timestamp = at.timestampMs;
  found.offset = at.offset;
  found.leaderEpoch = at.leaderEpoch;
}

async function answerWhenFound(
  call: Call,
  found: FoundTopic[],
  searches: Promise<void>[],
): Promise<void> {
  await Promise.all(searches);
  if (call.alive) answer(call, found);
}

function answer(call: Call, topics: readonly FoundTopic[]): void {
  const { version } = call;
  call.reply((writer) => {
    if (version >= 2) writer.int32(0);
    writer.array(topics, (w, { name, partitions }) => {
      w.string(name).array(partitions, (each, found) => {
        each.int32(found.index).int16(found.error).int64(found.timestamp).int64(found.offset);
        if (version >= 4) each.int32(found.leaderEpoch);
        each.tags();
      });
      w.tags();
    });
    writer.tags();
  });
}
