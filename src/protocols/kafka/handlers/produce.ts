/**
 * Produce (0).
 *
 * v0–2: old message formats; decoded and answered with UNSUPPORTED_VERSION, advertised because
 *       librdkafka ties compression to them
 * v3: transactional id, batches of format 2   v5: log start offset   v7: zstd
 * v8: record errors and a text (KIP-467)      v9: flexible           v10: leader hints (unused: one
 * node)   v11, v12: transaction errors        v13: topic ids instead of names (KIP-516)
 */
import { checkBatch } from '../batch-check.ts';
import type { Call } from '../call.ts';
import { ErrorCode, brokerErrorCode } from '../errors.ts';
import { defineHandler } from '../handler.ts';
import { ProduceAnswer } from '../produce-answer.ts';
import type { ProducedPartition, ProducedTopic } from '../produce-answer.ts';
import { queueText, topicError } from '../topic-error.ts';
import { BrokerError } from '#core/errors.ts';
import { Failure } from '#core/metrics.ts';
import type { Partition } from '#core/topic/partition.ts';
import type { Topic } from '#core/topic/topic.ts';
import type { Reader } from '#wire/reader.ts';

/** First version whose batches are stored. */
const SERVED_FROM_VERSION = 3;
const TOPIC_IDS_FROM_VERSION = 13;

interface PartitionRecords {
  index: number;
  /** Window into the request; start −1 = null. */
  start: number;
  end: number;
}

interface TopicRecords {
  name: string;
  id: Uint8Array | null;
  partitions: PartitionRecords[];
}

interface ProduceRequest {
  transactionalId: string | null;
  acks: number;
  topics: TopicRecords[];
  bytes: Buffer;
}

export const produce = defineHandler<ProduceRequest>({
  key: 0,
  name: 'Produce',
  min: 0,
  max: 13,
  flexibleFrom: 9,

  decode(reader, version) {
    const transactionalId = version >= 3 ? reader.nullableString() : null;
    const acks = reader.int16();
    reader.int32();
    const topics = reader.array((r) => decodeTopic(r, version));
    reader.tags();
    return { transactionalId, acks, topics, bytes: reader.bytes };
  },

  handle(request, call) {
    const refusal = refuseAll(request, call.version);
    const generation = call.node.broker.commit.generation;
    let appended = false;
    let requestBytes = 0;
    let failed = false;
    const topics: ProducedTopic[] = [];
    for (const { name, id, partitions } of request.topics) {
      const topic = id === null ? call.node.topic(name) : call.node.topicById(id);
      const results: ProducedPartition[] = [];
      for (const records of partitions) {
        requestBytes += records.end - records.start;
        const result =
          refusal === null
            ? append(request, records, topic, { name, id }, call)
            : refused(records.index, refusal, null);
        if (result.error === ErrorCode.None) appended = true;
        else failed = true;
        results.push(result);
      }
      topics.push({ name, id, partitions: results });
    }
    const silent = request.acks === 0;
    if (failed) call.node.metrics.refused++;
    if (failed && silent) {
      // There is no answer that could say so; a closed connection makes the client look again.
      call.connection.fail('a Produce with acks=0 failed', Failure.Refused);
      return;
    }
    const until = appended ? generation : 0;
    call.connection.produced(new ProduceAnswer(call, topics, until, requestBytes, silent));
  },
});

function decodeTopic(reader: Reader, version: number): TopicRecords {
  const byId = version >= TOPIC_IDS_FROM_VERSION;
  const id = byId ? reader.uuid() : null;
  const name = byId ? '' : reader.string();
  const partitions = reader.array((r) => {
    const index = r.int32();
    const present = r.nullableWindow();
    const start = present ? r.windowStart : -1;
    const end = r.windowEnd;
    r.tags();
    return { index, start, end };
  });
  reader.tags();
  return { name, id, partitions };
}

/** What is wrong with the request as a whole. */
function refuseAll(request: ProduceRequest, version: number): ErrorCode | null {
  if (version < SERVED_FROM_VERSION) return ErrorCode.UnsupportedVersion;
  const { acks, transactionalId } = request;
  if (acks !== 0 && acks !== 1 && acks !== -1) return ErrorCode.InvalidRequiredAcks;
  return transactionalId === null ? null : ErrorCode.InvalidTxnState;
}

function append(
  request: ProduceRequest,
  records: PartitionRecords,
  topic: Topic | undefined,
  named: { name: string; id: Uint8Array | null },
  call: Call,
): ProducedPartition {
  const { index, start, end } = records;
  const partition = topic?.partitions[index];
  if (partition === undefined) {
    const { name, id } = named;
    const error = topicError(call.node, name, id, topic);
    return refused(index, error, error === ErrorCode.InvalidTopic ? queueText(name) : null);
  }
  if (start < 0 || start === end) return refused(index, ErrorCode.InvalidRecord, 'no records');
  const { decompressedBytesMax } = call.node.broker.limits;
  const { bytes } = request;
  const complaint = checkBatch(bytes, start, end, call.version, decompressedBytesMax);
  if (complaint !== null) return refused(index, complaint.error, complaint.text);
  const window = bytes.subarray(start, end);
  return store(partition, window, call);
}

function store(partition: Partition, batch: Buffer, call: Call): ProducedPartition {
  const { index } = partition;
  try {
    const { baseOffset, logAppendTimeMs, duplicate } = partition.append(batch, true);
    const { metrics, broker } = call.node;
    const { observer } = broker;
    if (observer !== null && !duplicate) {
      observer.produced('kafka', partition.topic, index, batch, baseOffset);
    }
    metrics.published += batch.readInt32BE(RECORD_COUNT_AT);
    metrics.publishedBytes += batch.length;
    return { index, error: ErrorCode.None, text: null, baseOffset, logAppendTimeMs, partition };
  } catch (error) {
    if (!(error instanceof BrokerError)) throw error;
    return refused(index, appendError(error), error.message);
  }
}

/** Where a batch has its count of records. */
const RECORD_COUNT_AT = 57;

function appendError(error: BrokerError): ErrorCode {
  if (error.code !== 'invalid-argument') return brokerErrorCode(error.code);
  if ('records' in error.detail) return ErrorCode.InvalidRecord;
  return 'timestamp' in error.detail ? ErrorCode.InvalidTimestamp : ErrorCode.CorruptMessage;
}

function refused(index: number, error: ErrorCode, text: string | null): ProducedPartition {
  return { index, error, text, baseOffset: -1, logAppendTimeMs: -1, partition: null };
}
