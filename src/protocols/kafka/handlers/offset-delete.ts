/**
 * OffsetDelete (47): forgets offsets of topics that the group does not read any more.
 *
 * An empty group may lose any; one with members only those of topics that no member subscribes to,
 * which can only be known when the members are consumers.
 */
import type { Call } from '../call.ts';
import { subscribedTopics } from '../consumer-protocol.ts';
import { ErrorCode } from '../errors.ts';
import { defineHandler } from '../handler.ts';
import { topicError } from '../topic-error.ts';
import { GroupState } from '#core/group/group.ts';

interface OffsetDeleteRequest {
  groupId: string;
  topics: { name: string; indexes: number[] }[];
}

interface Result {
  name: string;
  partitions: { index: number; error: ErrorCode }[];
}

export const offsetDelete = defineHandler<OffsetDeleteRequest>({
  key: 47,
  name: 'OffsetDelete',
  min: 0,
  max: 0,
  flexibleFrom: Infinity,

  decode(reader) {
    const groupId = reader.string();
    const topics = reader.array((r) => ({
      name: r.string(),
      indexes: r.array((each) => each.int32()),
    }));
    return { groupId, topics };
  },

  handle({ groupId, topics }, call) {
    const group = call.node.groups.groups.get(groupId);
    const subscribed = group === undefined ? null : subscribedTopics(group);
    if (group === undefined) {
      answer(call, ErrorCode.GroupIdNotFound, []);
    } else if (group.state !== GroupState.Empty && subscribed === null) {
      answer(call, ErrorCode.NonEmptyGroup, []);
    } else {
      const results = topics.map(({ name, indexes }) => ({
        name,
        partitions: indexes.map((index) => ({
          index,
          error: remove(call, groupId, name, index, subscribed),
        })),
      }));
      answer(call, ErrorCode.None, results);
    }
  },
});

function remove(
  call: Call,
  groupId: string,
  name: string,
  index: number,
  subscribed: ReadonlySet<string> | null,
): ErrorCode {
  const topic = call.node.topic(name);
  if (topic?.partitions[index] === undefined) return topicError(call.node, name, null, topic);
  if (subscribed?.has(name) === true) return ErrorCode.GroupSubscribedToTopic;
  call.node.groups.deleteOffset(groupId, name, index);
  return ErrorCode.None;
}

function answer(call: Call, error: ErrorCode, results: readonly Result[]): void {
  call.replyCommitted((writer) => {
    writer.int16(error).int32(0);
    writer.array(results, (w, { name, partitions }) => {
      w.string(name).array(partitions, (each, result) => {
        each.int32(result.index).int16(result.error);
      });
    });
  });
}
