/**
 * DeleteTopics (20).
 *
 * v1: throttle time   v4: flexible   v5: error text   v6: topics by name or by id (KIP-516)
 */
import type { Call } from '../call.ts';
import { ErrorCode } from '../errors.ts';
import { defineHandler } from '../handler.ts';
import { GRANTED, type Refusal, refuse } from '../refusal.ts';
import { isQueue } from '../topic-error.ts';
import type { Topic } from '#core/topic/topic.ts';

const NO_ID = new Uint8Array(16);

interface Unwanted {
  name: string | null;
  id: Uint8Array;
}

interface Deleted extends Refusal {
  name: string | null;
  id: Uint8Array;
}

export const deleteTopics = defineHandler<Unwanted[]>({
  key: 20,
  name: 'DeleteTopics',
  min: 1,
  max: 6,
  flexibleFrom: 4,

  decode(reader, version) {
    const topics = reader.array((r) => {
      const name = version >= 6 ? r.nullableString() : r.string();
      const id = version >= 6 ? r.uuid() : NO_ID;
      if (version >= 6) r.tags();
      return { name, id };
    });
    reader.int32();
    reader.tags();
    return topics;
  },

  handle(topics, call) {
    const deleted = topics.map((topic) => remove(call, topic));
    call.replyCommitted((writer) => {
      writer.int32(0);
      writer.array(deleted, (w, { name, id, error, text }) => {
        if (call.version >= 6) w.nullableString(name).uuid(id);
        else w.string(name ?? '');
        w.int16(error);
        if (call.version >= 5) w.nullableString(text);
        w.tags();
      });
      writer.tags();
    });
  },
});

function remove(call: Call, { name, id }: Unwanted): Deleted {
  const { node } = call;
  const byId = name === null;
  const topic: Topic | undefined = byId ? node.topicById(id) : node.topic(name);
  if (topic !== undefined) {
    node.namespace.deleteTopic(topic.name);
    return { ...GRANTED, name: topic.name, id: topic.id };
  }
  if (byId) {
    const refusal = refuse(ErrorCode.UnknownTopicId, 'This server does not host this topic ID.');
    return { ...refusal, name, id };
  }
  const refusal = isQueue(node, name)
    ? refuse(ErrorCode.InvalidTopic, `'${name}' is a queue, not a topic.`)
    : refuse(ErrorCode.UnknownTopicOrPartition, 'This server does not host this topic-partition.');
  return { ...refusal, name, id };
}
