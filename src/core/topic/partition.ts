/**
 * Partition: one log of a topic, as producers append to it and readers follow it.
 *
 * Producers' batches are stored as they came, unless a topic setting asks for more (batch-rewrite).
 * What other protocols publish is gathered in an open batch that the commit appends. Listeners
 * hear once per commit that the committed end moved; nothing past it is shown.
 */
import { Batch, Codec } from '../message/batch.ts';
import {
  checkPacked,
  checkTimestamps,
  clearAppendTime,
  recompress,
  stampAppendTime,
} from '../message/batch-rewrite.ts';
import { BrokerError } from '../errors.ts';
import type { CommitWaiter, Flusher, Log } from '../log.ts';
import type { Message } from '../message/message.ts';
import { OpenBatch } from '../message/open-batch.ts';
import { recordBytesMax } from '../message/record.ts';
import type { Topic } from './topic.ts';
import type { BlockLease } from '#wire/block-pool.ts';

export interface PartitionListener {
  /** Records below partition.committedOffset are there to be read. Must not append. */
  advanced(partition: Partition): void;
  /** The topic was deleted. Not heard of again. */
  gone?(partition: Partition): void;
}

export interface Appended {
  baseOffset: number;
  /** -1 when records keep their own times. */
  logAppendTimeMs: number;
  /** It had been appended before; `baseOffset` is from then. */
  duplicate: boolean;
}

/** A batch of ours is closed at this size, whatever max.message.bytes allows. */
const OPEN_BATCH_BYTES_MAX = 256 * 1024;

export class Partition implements CommitWaiter, Flusher {
  readonly topic: Topic;
  readonly index: number;
  readonly log: Log;
  readonly #open = new OpenBatch();
  readonly #listeners = new Set<PartitionListener>();
  #waitingGeneration = 0;
  #toldOffset: number;

  constructor(topic: Topic, index: number, log: Log) {
    this.topic = topic;
    this.index = index;
    this.log = log;
    this.#toldOffset = log.committedOffset;
  }

  get startOffset(): number {
    return this.log.startOffset;
  }

  get endOffset(): number {
    return this.log.endOffset;
  }

  /** Readers may see everything below it: Kafka's high watermark. */
  get committedOffset(): number {
    return this.log.committedOffset;
  }

  /** What is patched into batches appended now. */
  get leaderEpoch(): number {
    return this.topic.namespace.broker.epoch;
  }

  /**
   * Appends one or more whole batches whose CRC, magic and counts are right. `borrowed`: the bytes
   * are valid during the call only; else they are the log's from now on.
   * Throws BrokerError 'too-large', 'out-of-order-sequence', 'stale-producer-epoch', 'disk-full',
   * 'invalid-argument' (timestamps); then nothing was appended.
   */
  append(batches: Uint8Array, borrowed = false): Appended {
    const { broker } = this.topic.namespace;
    if (!broker.hasSpace) throw new BrokerError('disk-full', 'the disk is full');
    const duplicate = this.#check(batches);
    if (duplicate) return duplicate;
    const nowMs = broker.ports.clock.now();
    const bytes = this.#prepared(batches, nowMs);
    // What was published before by other protocols comes first.
    this.flush();
    // A batch that has the topic's codec already comes back as a window into what was lent.
    const lent = borrowed && bytes.buffer === batches.buffer;
    const baseOffset = this.log.append(bytes, true, lent);
    this.#awaitCommit();
    this.topic.feedRecords(bytes);
    const logAppendTimeMs = this.topic.config.logAppendTime ? nowMs : -1;
    return { baseOffset, logAppendTimeMs, duplicate: false };
  }

  /** Publishes one message into the open batch; the caller has set key and headers. */
  add(message: Message, timestampMs: number): void {
    if (this.#open.bytes + recordBytesMax(message) > this.#openBytesMax) this.flush();
    if (this.#open.count === 0) {
      this.topic.namespace.broker.commit.enlist(this);
      this.#awaitCommit();
    }
    this.#open.add(message, timestampMs);
  }

  get #openBytesMax(): number {
    return Math.min(OPEN_BATCH_BYTES_MAX, this.topic.config.messageBytesMax);
  }

  /** Appends what was gathered. Called by the commit, and when order asks for it. */
  flush(): void {
    if (this.#open.count === 0) return;
    const { config, namespace } = this.topic;
    const { broker } = namespace;
    let bytes = this.#open.seal(config.logAppendTime ? broker.ports.clock.now() : null);
    if (config.codec !== null) bytes = this.#recompressed(bytes, 0, config.codec);
    this.log.append(bytes, true);
  }

  /**
   * Whole committed batches from the one that holds `offset`. At once when they are in memory.
   * Throws BrokerError 'offset-out-of-range'. What a `lease` means: see Log.
   */
  read(offset: number, bytesMax: number, lease?: BlockLease): Uint8Array[] | Promise<Uint8Array[]> {
    return this.log.read(offset, bytesMax, this.log.committedOffset, lease);
  }

  /** DeleteRecords: nothing below `offset` is shown again, also after a restart. -1 = all that is
   * committed. Returns the new start. Throws BrokerError 'offset-out-of-range'. */
  deleteRecords(offset: number): number {
    const until = offset === -1 ? this.log.committedOffset : offset;
    if (until < 0 || until > this.log.committedOffset) {
      throw new BrokerError(
        'offset-out-of-range',
        `offset ${until} is past the committed end ${this.log.committedOffset} of ${this.log.name}`,
      );
    }
    if (until > this.log.startOffset) {
      this.log.deleteBefore(until);
      this.topic.startMoved(this.index, until);
    }
    return this.log.startOffset;
  }

  onCommitted(listener: PartitionListener): void {
    this.#listeners.add(listener);
  }

  offCommitted(listener: PartitionListener): void {
    this.#listeners.delete(listener);
  }

  /** Topic only. */
  end(): void {
    const listeners = [...this.#listeners];
    this.#listeners.clear();
    for (const listener of listeners) listener.gone?.(this);
  }

  /** CommitWaiter. */
  committed(): void {
    if (this.log.committedOffset === this.#toldOffset) return;
    this.#toldOffset = this.log.committedOffset;
    for (const listener of this.#listeners) listener.advanced(this);
  }

  #awaitCommit(): void {
    const { commit } = this.topic.namespace.broker;
    if (this.#waitingGeneration === commit.generation) return;
    this.#waitingGeneration = commit.generation;
    commit.wait(this);
  }

  /** The answer for a batch that is already there, or null when all are new. */
  #check(batches: Uint8Array): Appended | null {
    const { messageBytesMax } = this.topic.config;
    for (let at = 0; at < batches.length; at += Batch.sizeBytes(batches, at)) {
      const sizeBytes = Batch.sizeBytes(batches, at);
      if (sizeBytes > messageBytesMax) {
        throw new BrokerError(
          'too-large',
          `The record batch size in the append to ${this.topic.name}-${this.index} is ` +
            `${sizeBytes} bytes which exceeds the maximum configured value of ${messageBytesMax}`,
          { bytes: sizeBytes, bytesMax: messageBytesMax },
        );
      }
      if (Batch.producerId(batches, at) < 0) continue;
      if (sizeBytes !== batches.length) {
        throw new BrokerError(
          'invalid-argument',
          'an idempotent producer sends one batch at a time',
          { argument: 'batches' },
        );
      }
      return this.#knownBatch(batches);
    }
    return null;
  }

  #knownBatch(batch: Uint8Array): Appended | null {
    const known = this.log.producers.check(
      Batch.producerId(batch, 0),
      Batch.producerEpoch(batch, 0),
      Batch.baseSequence(batch, 0),
      Batch.lastOffsetDelta(batch, 0),
    );
    if (!known) return null;
    const baseOffset = known.lastOffset - known.offsetDelta;
    const logAppendTimeMs = this.topic.config.logAppendTime ? known.timestampMs : -1;
    return { baseOffset, logAppendTimeMs, duplicate: true };
  }

  #prepared(batches: Uint8Array, nowMs: number): Uint8Array {
    const { config, namespace } = this.topic;
    const { codecs, limits } = namespace.broker;
    const parts: Uint8Array[] = [];
    for (let at = 0; at < batches.length; at += Batch.sizeBytes(batches, at)) {
      if (this.#opens(Batch.codec(batches, at))) {
        checkPacked(batches, at, codecs, limits.decompressedBytesMax);
      }
      if (config.logAppendTime) {
        stampAppendTime(batches, at, nowMs);
      } else {
        clearAppendTime(batches, at);
        checkTimestamps(batches, at, config, nowMs, codecs, limits.decompressedBytesMax);
      }
      if (config.codec !== null) parts.push(this.#recompressed(batches, at, config.codec));
    }
    if (parts.length === 0) return batches;
    return parts.length === 1 ? parts[0]! : Buffer.concat(parts);
  }

  /** The broker itself, or a queue, will look into the compressed batch; else only its readers do. */
  #opens(codec: number): boolean {
    if (codec === Codec.None) return false;
    const { config, feed } = this.topic;
    const isRewritten = config.codec !== null && config.codec !== codec;
    return feed !== null || isRewritten || config.timestampBeforeMaxMs !== Infinity;
  }

  #recompressed(bytes: Uint8Array, at: number, codec: number): Uint8Array {
    const { config, namespace } = this.topic;
    const { codecs, limits } = namespace.broker;
    return recompress(bytes, at, codec, config.codecLevel, codecs, limits.decompressedBytesMax);
  }
}
