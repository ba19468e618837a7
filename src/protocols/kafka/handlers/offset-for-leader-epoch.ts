/**
 * OffsetForLeaderEpoch (23): where an epoch ended, so that a client sees whether it has read what
 * the log does not have any more (KIP-320).
 *
 * v2: current leader epoch, throttle   v3: replica id   v4: flexible
 */
import type { Call } from '../call.ts';
import { ErrorCode } from '../errors.ts';
import { defineHandler } from '../handler.ts';
import { endOfEpoch, epochError, type EpochEnd } from '../leader-epoch.ts';
import { topicError } from '../topic-error.ts';

const UNKNOWN: EpochEnd = { epoch: -1, endOffset: -1 };

interface Wanted {
  index: number;
  currentLeaderEpoch: number;
  leaderEpoch: number;
}

interface OffsetForLeaderEpochTopic {
  name: string;
  partitions: Wanted[];
}

export const offsetForLeaderEpoch = defineHandler<OffsetForLeaderEpochTopic[]>({
  key: 23,
  name: 'OffsetForLeaderEpoch',
  min: 2,
  max: 4,
  flexibleFrom: 4,

  decode(reader, version) {
    if (version >= 3) reader.int32();
    const topics = reader.array((r) => {
      const name = r.string();
      const partitions = r.array((each) => {
        const index = each.int32();
        const currentLeaderEpoch = each.int32();
        const leaderEpoch = each.int32();
        each.tags();
        return { index, currentLeaderEpoch, leaderEpoch };
      });
      r.tags();
      return { name, partitions };
    });
    reader.tags();
    return topics;
  },

  handle(topics, call) {
    call.reply((writer) => {
      writer.int32(0);
      writer.array(topics, (w, { name, partitions }) => {
        w.string(name).array(partitions, (each, wanted) => {
          const { error, epoch, endOffset } = find(call, name, wanted);
          each.int16(error).int32(wanted.index).int32(epoch).int64(endOffset).tags();
        });
        w.tags();
      });
      writer.tags();
    });
  },
});

function find(call: Call, name: string, wanted: Wanted): EpochEnd & { error: ErrorCode } {
  const topic = call.node.topic(name);
  const partition = topic?.partitions[wanted.index];
  if (partition === undefined) {
    return { ...UNKNOWN, error: topicError(call.node, name, null, topic) };
  }
  const error = epochError(partition, wanted.currentLeaderEpoch);
  if (error !== ErrorCode.None) return { ...UNKNOWN, error };
  return { ...endOfEpoch(partition, wanted.leaderEpoch), error };
}
