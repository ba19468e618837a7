/**
 * DeleteRecords (21).
 *
 * v2: flexible. Offset -1 = everything that is committed.
 */
import type { Call } from '../call.ts';
import { brokerErrorCode, ErrorCode } from '../errors.ts';
import { defineHandler } from '../handler.ts';
import { topicError } from '../topic-error.ts';
import { BrokerError } from '#core/errors.ts';

interface DeleteRecordsTopic {
  name: string;
  partitions: { index: number; offset: number }[];
}

interface Result {
  index: number;
  lowWatermark: number;
  error: ErrorCode;
}

export const deleteRecords = defineHandler<DeleteRecordsTopic[]>({
  key: 21,
  name: 'DeleteRecords',
  min: 0,
  max: 2,
  flexibleFrom: 2,

  decode(reader) {
    const topics = reader.array((r) => {
      const name = r.string();
      const partitions = r.array((each) => {
        const index = each.int32();
        const offset = each.int64();
        each.tags();
        return { index, offset };
      });
      r.tags();
      return { name, partitions };
    });
    reader.int32();
    reader.tags();
    return topics;
  },

  handle(topics, call) {
    const results = topics.map(({ name, partitions }) => ({
      name,
      partitions: partitions.map(({ index, offset }) => remove(call, name, index, offset)),
    }));
    call.replyCommitted((writer) => {
      writer.int32(0);
      writer.array(results, (w, { name, partitions }) => {
        w.string(name).array(partitions, (each, { index, lowWatermark, error }) => {
          each.int32(index).int64(lowWatermark).int16(error).tags();
        });
        w.tags();
      });
      writer.tags();
    });
  },
});

function remove(call: Call, name: string, index: number, offset: number): Result {
  const topic = call.node.topic(name);
  const partition = topic?.partitions[index];
  if (partition === undefined) {
    return { index, lowWatermark: -1, error: topicError(call.node, name, null, topic) };
  }
  try {
    return { index, lowWatermark: partition.deleteRecords(offset), error: ErrorCode.None };
  } catch (error) {
    if (!(error instanceof BrokerError)) throw error;
    return { index, lowWatermark: -1, error: brokerErrorCode(error.code) };
  }
}
