/**
 * CreatePartitions (37).
 *
 * v2: flexible. The count is the new number of all partitions; it can only rise.
 */
import type { Call } from '../call.ts';
import { ErrorCode } from '../errors.ts';
import { defineHandler } from '../handler.ts';
import { NODE_ID } from '../node.ts';
import { GRANTED, type Refusal, refusalOf, refuse } from '../refusal.ts';
import { BrokerError } from '#core/errors.ts';

const EXCESSIVE = 'Excessively large number of partitions per request.';

interface Growth {
  name: string;
  count: number;
  /** Of the new partitions; null = the broker decides. */
  assignments: number[][] | null;
}

interface CreatePartitionsRequest {
  topics: Growth[];
  validateOnly: boolean;
}

export const createPartitions = defineHandler<CreatePartitionsRequest>({
  key: 37,
  name: 'CreatePartitions',
  min: 0,
  max: 3,
  flexibleFrom: 2,

  decode(reader) {
    const topics = reader.array((r) => {
      const name = r.string();
      const count = r.int32();
      const assignments = r.nullableArray((each) => {
        const brokerIds = each.array((broker) => broker.int32());
        each.tags();
        return brokerIds;
      });
      r.tags();
      return { name, count, assignments };
    });
    reader.int32();
    const validateOnly = reader.bool();
    reader.tags();
    return { topics, validateOnly };
  },

  handle({ topics, validateOnly }, call) {
    let left = call.node.broker.limits.requestPartitionsMax;
    const results = topics.map((topic) => {
      const { name, count } = topic;
      let refusal = complaint(call, topic);
      if (refusal === null) {
        left -= count - call.node.topic(name)!.partitions.length;
        if (left < 0) refusal = refuse(ErrorCode.InvalidPartitions, EXCESSIVE);
      }
      return { name, ...(refusal ?? grow(call, topic, validateOnly)) };
    });
    call.replyCommitted((writer) => {
      writer.int32(0);
      writer.array(results, (w, { name, error, text }) => {
        w.string(name).int16(error).nullableString(text).tags();
      });
      writer.tags();
    });
  },
});

function complaint(call: Call, { name, count, assignments }: Growth): Refusal | null {
  const topic = call.node.topic(name);
  if (topic === undefined) {
    return refuse(
      ErrorCode.UnknownTopicOrPartition,
      'This server does not host this topic-partition.',
    );
  }
  const now = topic.partitions.length;
  if (count === now) {
    return refuse(ErrorCode.InvalidPartitions, `Topic already has ${now} partition(s).`);
  }
  if (count < now) {
    return refuse(
      ErrorCode.InvalidPartitions,
      `The topic ${name} currently has ${now} partition(s); ${count} would not be an increase.`,
    );
  }
  if (assignments === null) return null;
  const fits = assignments.every((ids) => ids.length === 1 && ids[0] === NODE_ID);
  if (fits && assignments.length === count - now) return null;
  return refuse(
    ErrorCode.InvalidReplicaAssignment,
    `Attempted to add ${count - now} additional partition(s), but ${assignments.length} assignment(s) were specified, or some to brokers other than ${NODE_ID}.`,
  );
}

function grow(call: Call, { name, count }: Growth, validateOnly: boolean): Refusal {
  if (validateOnly) return GRANTED;
  try {
    call.node.namespace.createPartitions(name, count);
    return GRANTED;
  } catch (error) {
    if (!(error instanceof BrokerError)) throw error;
    return refusalOf(error);
  }
}
