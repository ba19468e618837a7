/**
 * One look at all partitions of a Fetch: what each has to say now, within the limits on bytes.
 *
 * Batches are the log's own bytes, never copied and never opened. The first partition that has
 * something gives at least one batch, however large (KIP-74); later ones only what still fits.
 */
import { ErrorCode, readErrorCode } from './errors.ts';
import type { FetchPartition } from './fetch-session.ts';
import { endOfEpoch, epochError, type EpochEnd } from './leader-epoch.ts';
import type { KafkaNode } from './node.ts';
import { topicError } from './topic-error.ts';
import { BrokerError } from '#core/errors.ts';
import type { Partition } from '#core/topic/partition.ts';
import type { BlockLease } from '#wire/block-pool.ts';

export interface FetchedPartition {
  readonly request: FetchPartition;
  error: ErrorCode;
  highWatermark: number;
  startOffset: number;
  batches: readonly Uint8Array[];
  bytes: number;
  /** The client has read what this log does not have (KIP-595); it should go back to there. */
  diverging: EpochEnd | null;
}

/** fetch.max.bytes */
export const FETCH_BYTES_MAX = 57_671_680;
const NO_BATCHES: readonly Uint8Array[] = [];

export class FetchRead {
  readonly results: FetchedPartition[] = [];
  /** Of all batches that are here. */
  bytes = 0;
  /** Something that the client must hear now: an error, a divergence, batches on their way. */
  urgent = false;
  /** Reads from disk. */
  readonly pending: Promise<void>[] = [];
  /** Of the blocks that the batches may lie in; released when the answer is gone. */
  readonly lease: BlockLease;
  readonly #node: KafkaNode;
  #left: number;

  constructor(node: KafkaNode, bytesMax: number) {
    this.#node = node;
    this.lease = node.blocks.lease();
    this.#left = Math.min(bytesMax, FETCH_BYTES_MAX);
  }

  add(request: FetchPartition): void {
    const result: FetchedPartition = {
      request,
      error: ErrorCode.None,
      highWatermark: -1,
      startOffset: -1,
      batches: NO_BATCHES,
      bytes: 0,
      diverging: null,
    };
    this.results.push(result);
    const topic = topicOf(this.#node, request);
    const partition = topic?.partitions[request.index];
    if (partition === undefined) {
      result.error = topicError(this.#node, request.name, request.id, topic);
      this.urgent = true;
      return;
    }
    this.#look(partition, request, result);
    if (result.error !== ErrorCode.None || result.diverging !== null) this.urgent = true;
  }

  #look(partition: Partition, request: FetchPartition, result: FetchedPartition): void {
    result.error = epochError(partition, request.currentLeaderEpoch);
    if (result.error !== ErrorCode.None) return;
    const { committedOffset, startOffset } = partition;
    result.highWatermark = committedOffset;
    result.startOffset = startOffset;
    const { offset, lastFetchedEpoch } = request;
    if (lastFetchedEpoch >= 0) {
      const end = endOfEpoch(partition, lastFetchedEpoch);
      if (end.epoch < lastFetchedEpoch || end.endOffset < offset) {
        result.diverging = end;
        return;
      }
    }
    if (offset < startOffset || offset > partition.endOffset) {
      result.error = ErrorCode.OffsetOutOfRange;
      result.highWatermark = -1;
      result.startOffset = -1;
      return;
    }
    if (offset >= committedOffset) return;
    const first = this.bytes === 0 && this.pending.length === 0;
    const wanted = Math.min(request.bytesMax, this.#left);
    if (wanted > 0 || first) this.#read(partition, offset, wanted, first, result);
  }

  #read(
    partition: Partition,
    offset: number,
    wanted: number,
    first: boolean,
    result: FetchedPartition,
  ): void {
    const batches = partition.read(offset, wanted, this.lease);
    if (!(batches instanceof Promise)) {
      this.#take(batches, wanted, first, result);
      return;
    }
    this.urgent = true;
    this.#left -= wanted;
    this.pending.push(this.#await(batches, wanted, first, result));
  }

  async #await(
    batches: Promise<Uint8Array[]>,
    wanted: number,
    first: boolean,
    result: FetchedPartition,
  ): Promise<void> {
    try {
      const found = await batches;
      this.#left += wanted;
      this.#take(found, wanted, first, result);
    } catch (error) {
      // Retention may have been faster than the disk, or the disk gives nothing.
      if (!(error instanceof BrokerError)) throw error;
      result.error = readErrorCode(error);
    }
  }

  #take(
    batches: readonly Uint8Array[],
    wanted: number,
    first: boolean,
    result: FetchedPartition,
  ): void {
    let bytes = 0;
    for (const batch of batches) bytes += batch.length;
    // The log gives one batch at least; only the first partition may go over the limit.
    if (bytes > wanted && !first) return;
    result.batches = batches;
    result.bytes = bytes;
    this.bytes += bytes;
    this.#left -= bytes;
  }
}

function topicOf(node: KafkaNode, request: FetchPartition): ReturnType<KafkaNode['topic']> {
  return request.id === null ? node.topic(request.name) : node.topicById(request.id);
}

/** The partition that a request names, if it is there. */
export function partitionOf(node: KafkaNode, request: FetchPartition): Partition | undefined {
  return topicOf(node, request)?.partitions[request.index];
}
