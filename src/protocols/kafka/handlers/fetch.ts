/**
 * Fetch (1).
 *
 * v4: isolation level, batches of format 2   v5: log start offset   v7: sessions (KIP-227)
 * v9: leader epochs (KIP-320)   v10: zstd    v11: rack   v12: flexible, diverging epochs
 * v13: topic ids instead of names (KIP-516)  v15: replica state is tagged   v16: leader hints
 * (unused: one node)   v17, v18: fields of followers
 *
 * Nothing is transactional, so the last stable offset is the high watermark and no transaction was
 * ever aborted; both isolation levels read the same.
 */
import type { Call } from '../call.ts';
import { ErrorCode } from '../errors.ts';
import { type FetchedPartition, FetchRead, partitionOf } from '../fetch-read.ts';
import type { FetchContext, FetchPartition, ForgottenTopic } from '../fetch-session.ts';
import { defineHandler } from '../handler.ts';
import type { KafkaNode } from '../node.ts';
import { WaitingFetch } from '../waiting-fetch.ts';
import type { BlockLease } from '#wire/block-pool.ts';
import type { Reader } from '#wire/reader.ts';
import type { Writer } from '#wire/writer.ts';

const TOPIC_IDS_FROM_VERSION = 13;
const FLEXIBLE_FROM_VERSION = 12;
const NO_REPLICA = -1;
const DIVERGING_EPOCH_TAG = 0;
/** epoch i32, endOffset i64, no tags. */
const DIVERGING_EPOCH_BYTES = 13;

interface FetchRequest {
  maxWaitMs: number;
  minBytes: number;
  maxBytes: number;
  sessionId: number;
  sessionEpoch: number;
  partitions: FetchPartition[];
  forgotten: ForgottenTopic[];
}

export const fetch = defineHandler<FetchRequest>({
  key: 1,
  name: 'Fetch',
  min: 4,
  max: 18,
  flexibleFrom: FLEXIBLE_FROM_VERSION,

  decode(reader, version) {
    if (version < 15) reader.int32();
    const maxWaitMs = reader.int32();
    const minBytes = reader.int32();
    const maxBytes = reader.int32();
    reader.int8();
    const sessionId = version >= 7 ? reader.int32() : 0;
    const sessionEpoch = version >= 7 ? reader.int32() : NO_REPLICA;
    const partitions: FetchPartition[] = [];
    reader.array((r) => decodeTopic(r, version, partitions));
    const forgotten = version >= 7 ? reader.array((r) => decodeForgotten(r, version)) : [];
    if (version >= 11) reader.string();
    reader.tags();
    return { maxWaitMs, minBytes, maxBytes, sessionId, sessionEpoch, partitions, forgotten };
  },

  handle(request, call) {
    const byId = call.version >= TOPIC_IDS_FROM_VERSION;
    const context = call.node.sessions.context({ ...request, byId });
    if (context.error !== ErrorCode.None) {
      answer(call, context, [], null);
      return;
    }
    const look = (late: boolean): boolean => tryAnswer(call, request, context, late);
    const [some] = context.partitions;
    if (look(request.maxWaitMs <= 0 || some === undefined)) return;
    const { maxWaitMs } = request;
    call.connection.waiting = new WaitingFetch(call.node, context.partitions, maxWaitMs, look);
  },
});

function decodeTopic(reader: Reader, version: number, into: FetchPartition[]): void {
  const byId = version >= TOPIC_IDS_FROM_VERSION;
  const id = byId ? reader.uuid() : null;
  const name = byId ? '' : reader.string();
  reader.array((r) => {
    const index = r.int32();
    const currentLeaderEpoch = version >= 9 ? r.int32() : -1;
    const offset = r.int64();
    const lastFetchedEpoch = version >= 12 ? r.int32() : -1;
    if (version >= 5) r.int64();
    const bytesMax = r.int32();
    r.tags();
    into.push({
      name,
      id,
      index,
      offset,
      bytesMax,
      currentLeaderEpoch,
      lastFetchedEpoch,
      toldHighWatermark: -1,
      toldStartOffset: -1,
    });
  });
  reader.tags();
}

function decodeForgotten(reader: Reader, version: number): ForgottenTopic {
  const byId = version >= TOPIC_IDS_FROM_VERSION;
  const id = byId ? reader.uuid() : null;
  const name = byId ? '' : reader.string();
  const indexes = reader.array((r) => r.int32());
  reader.tags();
  return { name, id, indexes };
}

/** Answers when there is enough, or anyway when `late`. */
function tryAnswer(
  call: Call,
  request: FetchRequest,
  context: FetchContext,
  late: boolean,
): boolean {
  const read = new FetchRead(call.node, request.maxBytes);
  for (const partition of context.partitions) read.add(partition);
  if (!late && !read.urgent && read.bytes < request.minBytes) {
    read.lease.release();
    return false;
  }
  if (read.pending.length === 0) {
    answer(call, context, read.results, read.lease);
    return true;
  }
  // Not in memory: the client waits for the disk, and only it.
  void answerWhenRead(call, context, read);
  return true;
}

async function answerWhenRead(call: Call, context: FetchContext, read: FetchRead): Promise<void> {
  await Promise.all(read.pending);
  if (!call.alive) {
    read.lease.release();
    return;
  }
  answer(call, context, read.results, read.lease);
}

/** `lease` holds the blocks that batches lie in, if there are any. */
function answer(
  call: Call,
  context: FetchContext,
  results: readonly FetchedPartition[],
  lease: BlockLease | null,
): void {
  const { session, incremental } = context;
  const told = incremental ? results.filter(hasNews) : results;
  const topics = byTopic(told);
  const { version } = call;
  if (call.node.broker.observer !== null) observe(call.node, told);
  const writer = call.begin();
  writer.int32(0);
  if (version >= 7) writer.int16(context.error).int32(context.sessionId);
  writer.arrayLength(topics.length);
  for (const topic of topics) {
    const { name, id } = topic[0]!.request;
    if (id === null) writer.string(name);
    else writer.uuid(id);
    writer.arrayLength(topic.length);
    for (const result of topic) writePartition(writer, result, version);
    writer.tags();
  }
  writer.tags();
  if (session !== null) {
    for (const { request, highWatermark, startOffset, bytes } of told) {
      request.toldHighWatermark = highWatermark;
      request.toldStartOffset = startOffset;
      if (bytes > 0) session.moveToEnd(request);
    }
  }
  if (lease !== null) writer.output.releaseAfter(lease);
  call.end();
}

function observe(node: KafkaNode, results: readonly FetchedPartition[]): void {
  for (const { request, batches } of results) {
    const partition = batches.length === 0 ? undefined : partitionOf(node, request);
    if (partition === undefined) continue;
    const { topic, index } = partition;
    node.broker.observer?.fetched('kafka', topic, index, batches, request.offset);
  }
}

function hasNews(result: FetchedPartition): boolean {
  const { request } = result;
  return (
    result.bytes > 0 ||
    result.error !== ErrorCode.None ||
    result.diverging !== null ||
    result.highWatermark !== request.toldHighWatermark ||
    result.startOffset !== request.toldStartOffset
  );
}

/** Neighbours of the same topic go together; the order is the one they were read in. */
function byTopic(results: readonly FetchedPartition[]): FetchedPartition[][] {
  const topics: FetchedPartition[][] = [];
  let last: FetchedPartition | null = null;
  for (const result of results) {
    const same =
      last !== null &&
      last.request.name === result.request.name &&
      (last.request.id === null || Buffer.compare(last.request.id, result.request.id!) === 0);
    if (same) topics.at(-1)!.push(result);
    else topics.push([result]);
    last = result;
  }
  return topics;
}

function writePartition(writer: Writer, result: FetchedPartition, version: number): void {
  writer
    .int32(result.request.index)
    .int16(result.error)
    .int64(result.highWatermark)
    .int64(result.highWatermark);
  if (version >= 5) writer.int64(result.startOffset);
  // No aborted transactions: null; no other replica to prefer: -1.
  writer.arrayLength(-1);
  if (version >= 11) writer.int32(NO_REPLICA);
  writer.bytesLength(result.bytes);
  for (const batch of result.batches) writer.reference(batch);
  if (version < FLEXIBLE_FROM_VERSION || result.diverging === null) {
    writer.tags();
    return;
  }
  writer.unsignedVarint(1).tag(DIVERGING_EPOCH_TAG, DIVERGING_EPOCH_BYTES);
  writer.int32(result.diverging.epoch).int64(result.diverging.endOffset).tags();
}
