/**
 * StreamReader: a topic read as messages, by a consumer with credit and a position of its own;
 * what AMQP's stream queues are made of. Nothing is leased: acknowledging gives credit back.
 *
 * Several partitions are merged batch by batch in turns, so order holds within a partition only;
 * a start by offset means nothing over several and is refused. A start:
 *
 *   first      the oldest record there is
 *   last       the first record of the last batch, which is what RabbitMQ calls the last chunk
 *   next       what is published from now on
 *   offset     that record, or the nearest end of the topic when it is outside
 *   timestamp  the first record that is not older
 */
import { Batch } from '../message/batch.ts';
import type { Credit } from '../queue/credit.ts';
import { BrokerError } from '../errors.ts';
import { Message } from '../message/message.ts';
import type { Partition, PartitionListener } from './partition.ts';
import { PartitionReader } from './partition-reader.ts';
import type { Topic, TopicFollower } from './topic.ts';

export type StreamStart =
  | 'first'
  | 'last'
  | 'next'
  | { readonly offset: number }
  | { readonly timestampMs: number };

export interface StreamSubscriber {
  /** Encode it now; `message` is valid during the call only, though its bytes never change. The
   * record's own offset and partition identify it. Must not call back, except to set `paused`. */
  deliverRecord(message: Message, partition: number, offset: number, reader: StreamReader): void;
  /** The topic is gone, or with a `failure` ('unreadable'), it cannot be read any further. Not called
   * for an own cancel(). */
  streamEnded(reader: StreamReader, failure: BrokerError | null): void;
}

export interface StreamOptions {
  readonly topic: Topic;
  /** null = all. */
  readonly partition: number | null;
  readonly start: StreamStart;
  readonly subscriber: StreamSubscriber;
  /** All must be available for a delivery; given back by whoever settles, who then pumps. */
  readonly credits: readonly Credit[];
}

/** Read ahead of one consumer, over all of its partitions. */
const READ_AHEAD_BYTES = 1024 * 1024;
const READ_BYTES_MIN = 16 * 1024;

export class StreamReader implements PartitionListener, TopicFollower {
  readonly topic: Topic;
  /** Set by the protocol while its output is not writable; then set false and pump(). */
  paused = false;
  readonly #subscriber: StreamSubscriber;
  readonly #credits: readonly Credit[];
  readonly #readers: PartitionReader[];
  readonly #readBytes: number;
  readonly #message = new Message();
  #turn = 0;
  #pumping = false;
  #ended = false;

  private constructor(options: StreamOptions, partitions: Partition[], positions: number[]) {
    this.topic = options.topic;
    this.#subscriber = options.subscriber;
    this.#credits = options.credits;
    const share = Math.floor(READ_AHEAD_BYTES / partitions.length);
    this.#readBytes = Math.max(READ_BYTES_MIN, share);
    this.#readers = partitions.map((partition, i) => this.#reader(partition, positions[i]!));
    if (options.partition === null) this.topic.follow(this);
  }

  #reader(partition: Partition, position: number): PartitionReader {
    partition.onCommitted(this);
    return new PartitionReader(
      partition,
      position,
      this.#readBytes,
      () => this.pump(),
      (failure) => this.#end(failure),
    );
  }

  /** TopicFollower: a partition was added, and is read from its beginning. */
  grown(partition: Partition): void {
    this.#readers.push(this.#reader(partition, 0));
  }

  /**
   * Finds where to start. Deliver begins with the first pump(). Throws BrokerError
   * 'invalid-argument' (an offset over several partitions), 'not-found' (the topic was deleted
   * meanwhile, or there is no such partition), 'unreadable'.
   */
  static async open(options: StreamOptions): Promise<StreamReader> {
    const { topic, partition, start } = options;
    const partitions = partition === null ? [...topic.partitions] : [topic.partition(partition)];
    if (typeof start === 'object' && 'offset' in start && partitions.length > 1) {
      throw new BrokerError(
        'invalid-argument',
        `topic '${topic.name}' has ${partitions.length} partitions, each with offsets of its own: ` +
          `start at first, last, next or a timestamp`,
        { argument: 'x-stream-offset', topic: topic.name },
      );
    }
    const positions = await Promise.all(partitions.map((each) => startOf(each, start)));
    // Those that were added meanwhile.
    if (partition === null) {
      for (const added of topic.partitions.slice(partitions.length)) {
        partitions.push(added);
        positions.push(0);
      }
    }
    if (topic.deleted) {
      const detail = { kind: 'topic', name: topic.name };
      throw new BrokerError('not-found', `topic '${topic.name}' was deleted`, detail);
    }
    return new StreamReader(options, partitions, positions);
  }

  /** Where each partition is read next, by index. */
  get positions(): ReadonlyMap<number, number> {
    return new Map(this.#readers.map((reader) => [reader.partition.index, reader.position]));
  }

  /** Delivers while there is credit and something to deliver. */
  pump(): void {
    if (this.#pumping || this.#ended) return;
    this.#pumping = true;
    while (this.#available() && this.#deliverOne()) {
      // Each turn delivers one message.
    }
    this.#pumping = false;
  }

  /** Ends it without telling the subscriber. Idempotent. */
  cancel(): void {
    if (this.#ended) return;
    this.#ended = true;
    this.topic.unfollow(this);
    for (const reader of this.#readers) {
      reader.partition.offCommitted(this);
      reader.end();
    }
  }

  /** PartitionListener. */
  advanced(): void {
    this.pump();
  }

  /** PartitionListener: the first partition that is gone ends it. */
  gone(): void {
    this.#end(null);
  }

  #end(failure: BrokerError | null): void {
    if (this.#ended) return;
    this.cancel();
    this.#subscriber.streamEnded(this, failure);
  }

  #available(): boolean {
    if (this.paused || this.#ended) return false;
    const credits = this.#credits;
    for (let i = 0; i < credits.length; i++) if (!credits[i]!.available) return false;
    return true;
  }

  /** From the partition whose turn it is; the turn passes on when its batch is finished. */
  #deliverOne(): boolean {
    const readers = this.#readers;
    const message = this.#message;
    // Twice, because each may first say that its batch is finished.
    for (let tried = 0; tried < 2 * readers.length; tried++) {
      const reader = readers[this.#turn]!;
      if (reader.next(message)) {
        const { index, topic } = reader.partition;
        topic.namespace.broker.envelopes.trust(message);
        for (let i = 0; i < this.#credits.length; i++) this.#credits[i]!.take();
        this.#subscriber.deliverRecord(message, index, reader.offset, this);
        return true;
      }
      this.#turn = (this.#turn + 1) % readers.length;
    }
    return false;
  }
}

async function startOf(partition: Partition, start: StreamStart): Promise<number> {
  // What others published in this turn was published before.
  partition.flush();
  const { log } = partition;
  if (start === 'first') return log.startOffset;
  if (start === 'next') return log.endOffset;
  if (start === 'last') return lastBatch(partition);
  if ('offset' in start) {
    return Math.min(Math.max(start.offset, log.startOffset), log.endOffset);
  }
  const end = log.endOffset;
  const found = await log.offsetForTimestamp(start.timestampMs);
  return found ? found.offset : end;
}

async function lastBatch({ log }: Partition): Promise<number> {
  if (log.committedOffset === log.startOffset) return log.endOffset;
  const last = log.committedOffset - 1;
  let found = last;
  for (const bytes of await log.read(last, 1, log.committedOffset)) {
    for (let at = 0; at < bytes.length; at += Batch.sizeBytes(bytes, at)) {
      found = Batch.baseOffset(bytes, at);
    }
  }
  return Math.max(found, log.startOffset);
}
