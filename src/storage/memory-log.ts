/**
 * MemoryLog: a Log that lives in memory only. For tests, and for queues and topics that need not
 * outlive the process. Its commit always succeeds at once.
 */
import {
  Batch,
  BATCH_HEADER_BYTES,
  readInt32,
  writeInt32,
  writeInt64,
} from '#core/message/batch.ts';
import { BrokerError } from '#core/errors.ts';
import type { EpochStart, Log, LogConfig, TimestampedOffset } from '#core/log.ts';
import { ProducerTable } from '#core/topic/producer-table.ts';
import { BatchTail } from './batch-tail.ts';
import type { Committable, GroupCommit } from './commit.ts';
import { findFrom, findLargest } from './timestamps.ts';
import type { Decompress } from './timestamps.ts';

export class MemoryLog implements Log, Committable {
  readonly name: string;
  config: LogConfig;
  startOffset = 0;
  endOffset = 0;
  committedOffset = 0;
  readonly producers = new ProducerTable();
  readonly epochs: EpochStart[] = [];

  readonly #commit: GroupCommit;
  readonly #epoch: number;
  readonly #decompress: Decompress;
  readonly #tail = new BatchTail(0);
  #dirty = false;
  #writtenOffset = 0;

  constructor(
    name: string,
    config: LogConfig,
    commit: GroupCommit,
    epoch: number,
    decompress: Decompress,
  ) {
    this.name = name;
    this.config = config;
    this.#commit = commit;
    this.#epoch = epoch;
    this.#decompress = decompress;
  }

  get sizeBytes(): number {
    return this.#tail.bytes;
  }

  append(appended: Uint8Array, _mustSync: boolean, borrowed = false): number {
    const batches = borrowed ? this.#tail.keep(appended) : appended;
    const baseOffset = this.endOffset;
    if (this.epochs.at(-1)?.epoch !== this.#epoch) {
      this.epochs.push({ epoch: this.#epoch, startOffset: baseOffset });
    }
    this.endOffset = stampBatches(batches, baseOffset, this.#epoch, this.producers);
    this.#tail.push(baseOffset, this.endOffset, batches);
    if (!this.#dirty) {
      this.#dirty = true;
      this.#commit.dirty(this);
    }
    return baseOffset;
  }

  write(commit: GroupCommit): void {
    this.#dirty = false;
    this.#writtenOffset = this.endOffset;
    commit.written();
  }

  committed(): void {
    this.committedOffset = Math.max(this.committedOffset, this.#writtenOffset);
  }

  read(offset: number, bytesMax: number, upTo: number): Uint8Array[] {
    checkRange(this, offset);
    return this.#tail.read(offset, bytesMax, upTo);
  }

  offsetForTimestamp(timestampMs: number): Promise<TimestampedOffset | null> {
    return timestampMs === Infinity
      ? findLargest(this.#decompress, this)
      : findFrom(this.#decompress, this, this.startOffset, timestampMs);
  }

  deleteBefore(offset: number): void {
    if (offset <= this.startOffset) return;
    checkRange(this, offset);
    this.startOffset = offset;
    this.committedOffset = Math.max(this.committedOffset, offset);
    this.#tail.dropBefore(offset);
    dropEpochsBefore(this.epochs, offset);
  }

  configure(change: Partial<LogConfig>, nowMs: number): number {
    this.config = { ...this.config, ...change };
    const { retentionMs, retentionBytes } = this.config;
    const tail = this.#tail;
    while (tail.firstChunkEnd > 0 && tail.firstChunkEnd <= this.committedOffset) {
      const [first] = tail.values();
      const tooLarge = retentionBytes >= 0 && tail.bytes - first!.length >= retentionBytes;
      const tooOld = retentionMs >= 0 && nowMs - newestTimestamp(first!) > retentionMs;
      if (!tooLarge && !tooOld) break;
      this.deleteBefore(tail.firstChunkEnd);
    }
    return this.startOffset;
  }

  async close(): Promise<void> {
    await this.#commit.whenIdle();
  }
}

function newestTimestamp(bytes: Uint8Array): number {
  let newest = -Infinity;
  forEachBatch(bytes, (at) => (newest = Math.max(newest, Batch.maxTimestampMs(bytes, at))));
  return newest;
}

function forEachBatch(bytes: Uint8Array, visit: (at: number) => void): void {
  for (let at = 0; at < bytes.length; at += Batch.sizeBytes(bytes, at)) visit(at);
}

/** @throws BrokerError 'offset-out-of-range' outside [startOffset, endOffset]. */
export function checkRange(log: Log, offset: number): void {
  if (offset >= log.startOffset && offset <= log.endOffset) return;
  throw new BrokerError(
    'offset-out-of-range',
    `offset ${offset} is outside of [${log.startOffset}, ${log.endOffset}] of ${log.name}`,
  );
}

/** Forgets epochs that ended at or before `offset`; the one that holds it begins there. */
export function dropEpochsBefore(epochs: EpochStart[], offset: number): void {
  while (epochs.length > 1 && epochs[1]!.startOffset <= offset) epochs.shift();
  if (epochs.length > 0 && epochs[0]!.startOffset < offset) epochs[0]!.startOffset = offset;
}

/**
 * Gives the batches in `bytes` their offsets from `offset` on and the leader epoch, and tells the
 * producer table of them. Returns the offset after the last record.
 */
export function stampBatches(
  bytes: Uint8Array,
  offset: number,
  epoch: number,
  producers: ProducerTable,
): number {
  let at = 0;
  while (at < bytes.length) {
    const lastOffsetDelta = readInt32(bytes, at + 23);
    writeInt64(bytes, at, offset);
    writeInt32(bytes, at + 12, epoch);
    const lastOffset = offset + lastOffsetDelta;
    // The sign of the id says enough: -1 is no producer, and that is the common case.
    if (bytes[at + 43]! < 0x80) rememberProducer(bytes, at, lastOffset, producers);
    offset = lastOffset + 1;
    at += Batch.sizeBytes(bytes, at);
  }
  if (at !== bytes.length || bytes.length < BATCH_HEADER_BYTES) {
    throw new RangeError('append takes whole batches');
  }
  return offset;
}

/** Tells the producer table of the batch at `at`. */
export function rememberProducer(
  bytes: Uint8Array,
  at: number,
  lastOffset: number,
  producers: ProducerTable,
): void {
  producers.update(
    Batch.producerId(bytes, at),
    Batch.producerEpoch(bytes, at),
    Batch.baseSequence(bytes, at),
    Batch.lastOffsetDelta(bytes, at),
    lastOffset,
    Batch.maxTimestampMs(bytes, at),
  );
}
