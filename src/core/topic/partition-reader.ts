/**
 * PartitionReader: a position in one partition and the batches read ahead of it, given out record
 * by record. At most one read is under way; what is held is one read's answer.
 *
 * A position that retention overtook moves to the first record there is: what was deleted is gone.
 */
import { Batch } from '../message/batch.ts';
import { BrokerError } from '../errors.ts';
import type { Message } from '../message/message.ts';
import type { Partition } from './partition.ts';
import { RecordCursor } from '../message/record-cursor.ts';

export class PartitionReader {
  readonly partition: Partition;
  /** The next record's offset, or lower when there are gaps. */
  position: number;
  readonly #cursor: RecordCursor;
  readonly #readBytes: number;
  readonly #loaded: () => void;
  readonly #failed: (failure: BrokerError) => void;
  #chunks: Uint8Array[] = [];
  #chunk = 0;
  /** Of the next batch in the chunk. */
  #at = 0;
  /** After the batch that is open; -1 when none is. */
  #batchEnd = -1;
  #loading = false;
  #ended = false;

  /** `loaded` is called when a read that had to wait is there, `failed` when what comes next cannot
   * be read (BrokerError 'unreadable'): then this reader has ended. */
  constructor(
    partition: Partition,
    position: number,
    readBytes: number,
    loaded: () => void,
    failed: (failure: BrokerError) => void,
  ) {
    const { codecs, limits } = partition.topic.namespace.broker;
    this.partition = partition;
    this.position = position;
    this.#readBytes = readBytes;
    this.#loaded = loaded;
    this.#failed = failed;
    this.#cursor = new RecordCursor(codecs, limits.decompressedBytesMax);
  }

  /** The offset of the message read last. */
  get offset(): number {
    return this.#cursor.offset;
  }

  /**
   * Points `message` at the next record. False when there is none yet, when it is being read, and
   * once at the end of each batch, so that others may have their turn.
   */
  next(message: Message): boolean {
    if (this.#batchEnd >= 0) return this.#nextInBatch(message);
    while (this.#openBatch() || this.#load()) {
      if (this.#batchEnd >= 0 && this.#nextInBatch(message)) return true;
    }
    return false;
  }

  end(): void {
    this.#ended = true;
    this.#chunks = [];
    this.#batchEnd = -1;
  }

  #nextInBatch(message: Message): boolean {
    const cursor = this.#cursor;
    while (cursor.next(message)) {
      if (cursor.offset < this.position) continue;
      this.position = cursor.offset + 1;
      return true;
    }
    if (cursor.malformed) this.partition.topic.namespace.broker.metrics.malformedRecords++;
    if (this.#batchEnd > this.position) this.position = this.#batchEnd;
    this.#batchEnd = -1;
    return false;
  }

  #openBatch(): boolean {
    while (this.#chunk < this.#chunks.length) {
      const bytes = this.#chunks[this.#chunk]!;
      if (this.#at >= bytes.length) {
        this.#chunk++;
        this.#at = 0;
        continue;
      }
      const at = this.#at;
      this.#at += Batch.sizeBytes(bytes, at);
      const end = Batch.lastOffset(bytes, at) + 1;
      if (end <= this.position) continue;
      this.#cursor.open(bytes, at);
      this.#batchEnd = end;
      return true;
    }
    return false;
  }

  /** True when there is more to open now. */
  #load(): boolean {
    if (this.#loading || this.#ended) return false;
    const { partition } = this;
    this.#chunks = [];
    this.#chunk = this.#at = 0;
    if (this.position < partition.startOffset) this.position = partition.startOffset;
    if (this.position >= partition.committedOffset) return false;
    const read = partition.read(this.position, this.#readBytes);
    if (Array.isArray(read)) {
      this.#chunks = read;
      return read.length > 0;
    }
    this.#loading = true;
    void this.#await(read);
    return false;
  }

  async #await(read: Promise<Uint8Array[]>): Promise<void> {
    let chunks: Uint8Array[] = [];
    try {
      chunks = await read;
    } catch (error) {
      if (!(error instanceof BrokerError)) throw error;
      if (error.code === 'unreadable') {
        if (!this.#ended) this.#failed(error);
        return;
      }
      // Deleted while it was read: the next load begins at what there is, if there is anything.
    }
    this.#loading = false;
    if (this.#ended) return;
    this.#chunks = chunks;
    this.#loaded();
  }
}
