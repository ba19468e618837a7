/**
 * OwnLog: a queue's own log, seen from its memory: messages are encoded once, into the open batch
 * of the open chunk, and the same bytes are what the log writes.
 *
 * Durable: the open batch is closed and appended when the commit begins, or when the chunk is full,
 * so offsets are known before the log hands them out (nobody else appends to it). Not durable: a
 * chunk is one batch that is appended to an ephemeral log only when memory is short; its offsets
 * there differ. An open chunk that is not durable and has become empty begins again in place, so a
 * queue that is drained as fast as it is filled runs in one small piece of memory.
 */
import type { RecoveredAcks } from './ack-journal.ts';
import { BATCH_HEADER_BYTES, Batch } from '../message/batch.ts';
import { sealBatch } from '../message/batch-writer.ts';
import { Chunk } from './chunk.ts';
import type { ChunkSource, Loaded } from './chunk-store.ts';
import { ChunkStore } from './chunk-store.ts';
import { invariant } from '../errors.ts';
import type { Flusher, Log } from '../log.ts';
import { LogRecovery } from './log-recovery.ts';
import type { Message } from '../message/message.ts';
import type { QueueAcks } from './queue-acks.ts';
import type { QueueLog, RecoveryVisitor } from './queue-log.ts';
import type { QueueOptions } from './queue-options.ts';
import type { QueueServices } from './queue-services.ts';
import { encodeRecord, recordBytesMax } from '../message/record.ts';
import { COPY_BYTES_MAX } from '#wire/output-buffer.ts';

const SLAB_BYTES_MIN = 4 * 1024;
const SLAB_BYTES_MAX = 256 * 1024;
const SLAB_GROWTH = 4;
const RECOVERY_READ_BYTES = 1024 * 1024;

export class OwnLog implements QueueLog, ChunkSource, Flusher {
  readonly unread = 0;
  readonly store: ChunkStore;
  readonly log: Log;
  readonly #durable: boolean;
  /** Every message is synced before it is confirmed, whatever its publisher asked for. */
  readonly #syncsAll: boolean;
  readonly #priorityMax: number | null;
  readonly #services: QueueServices;
  #open: Chunk | null = null;
  #slabBytes = SLAB_BYTES_MIN;
  #tail: number;
  /** Chunks in the order in which they were spilled; ephemeral only. */
  #spilled: Chunk[] = [];
  #gone = false;

  constructor(services: QueueServices, log: Log, options: QueueOptions, loaded: Loaded) {
    const { durable } = options;
    this.#services = services;
    this.log = log;
    this.#durable = durable;
    this.#syncsAll = options.kind === 'quorum';
    this.#priorityMax = options.priorityMax;
    this.#tail = durable ? log.endOffset : 0;
    this.store = new ChunkStore(services, this, loaded);
  }

  /** Offset of the next message. */
  get tail(): number {
    return this.#tail;
  }

  /** Offset below which everything is settled. */
  get head(): number {
    return this.store.chunks.front?.base ?? this.#tail;
  }

  /** Stores `message`, Ready, as the last of the returned chunk. `deathsBytes` is its history. */
  append(
    message: Message,
    expiresAtMs: number,
    priority: number,
    deathsBytes: Uint8Array | null,
  ): Chunk {
    const room = recordBytesMax(message) + (deathsBytes === null ? 0 : deathsBytes.length);
    let chunk = this.#open;
    if (chunk === null || chunk.byteLength + BATCH_HEADER_BYTES + room > chunk.bytes!.length) {
      chunk = this.#nextChunk(BATCH_HEADER_BYTES + room);
    } else if (chunk.live === 0 && !this.#durable && !chunk.lent && chunk.count > 0) {
      chunk.restart(this.#tail);
    }
    if (chunk.batchAt < 0) this.#beginBatch(chunk, message.timestampMs);
    const at = chunk.byteLength;
    const timestampMs = message.timestampMs;
    const end = encodeRecord(
      chunk.bytes!,
      at,
      message,
      timestampMs - chunk.baseTimestampMs,
      chunk.count - chunk.batchIndex,
      expiresAtMs,
      deathsBytes,
    );
    if (timestampMs > chunk.maxTimestampMs) chunk.maxTimestampMs = timestampMs;
    if (message.durable || this.#syncsAll) chunk.mustSync = true;
    if (end - at >= COPY_BYTES_MAX) chunk.lent = true;
    chunk.byteLength = end;
    const index = chunk.add(at, message.bodyEnd - message.bodyStart, expiresAtMs, priority);
    chunk.came(index, timestampMs, message.arrivedMs);
    this.store.counted(chunk, index);
    this.#tail++;
    return chunk;
  }

  #beginBatch(chunk: Chunk, timestampMs: number): void {
    if (chunk.count === 0) chunk.baseTimestampMs = timestampMs;
    chunk.maxTimestampMs = timestampMs;
    chunk.batchAt = chunk.byteLength;
    chunk.batchIndex = chunk.count;
    chunk.byteLength += BATCH_HEADER_BYTES;
    if (this.#durable) this.#services.commit.enlist(this);
  }

  #nextChunk(bytesNeeded: number): Chunk {
    const last = this.#open;
    let capacity = 0;
    if (last !== null) {
      this.#seal(last);
      this.#slabBytes = Math.min(SLAB_BYTES_MAX, this.#slabBytes * SLAB_GROWTH);
    }
    const slabBytes = Math.max(this.#slabBytes, bytesNeeded);
    if (last !== null) capacity = Math.ceil((slabBytes * last.count * 1.02) / last.byteLength) + 8;
    const slab = new Uint8Array(Buffer.allocUnsafeSlow(slabBytes).buffer);
    const chunk = new Chunk(this.#tail, slab, this.#priorityMax !== null, capacity);
    // Adding it may free memory, also that of an open chunk which is empty.
    this.store.add(chunk);
    this.#open = chunk;
    return chunk;
  }

  /** Closes the open chunk for good. */
  #seal(chunk: Chunk): void {
    if (this.#durable && chunk.batchAt >= 0) this.#closeBatch(chunk);
    chunk.sealed = true;
    this.#open = null;
    if (chunk.live === 0) this.store.retire(chunk);
  }

  /** Commit only. */
  flush(): void {
    const chunk = this.#open;
    if (chunk !== null && chunk.batchAt >= 0 && !this.#gone) this.#closeBatch(chunk);
  }

  #closeBatch(chunk: Chunk): void {
    const { batchAt, batchIndex, byteLength } = chunk;
    const batch = this.#sealed(chunk, batchAt, byteLength, chunk.count - batchIndex);
    const baseOffset = this.log.append(batch, chunk.mustSync);
    invariant(
      baseOffset === chunk.base + batchIndex,
      `somebody else appended to the queue log ${this.log.name}`,
    );
    chunk.logOffset = chunk.base;
    chunk.appendedIn = this.#services.commit.generation;
    chunk.batchAt = -1;
    chunk.mustSync = false;
  }

  #sealed(chunk: Chunk, at: number, end: number, count: number): Uint8Array {
    const bytes = chunk.bytes!;
    sealBatch(bytes, at, end, count, chunk.baseTimestampMs, chunk.maxTimestampMs);
    return bytes.subarray(at, end);
  }

  read(chunk: Chunk): Uint8Array | Promise<Uint8Array> {
    const end = chunk.logOffset + chunk.count;
    const pieces = this.log.read(chunk.logOffset, chunk.byteLength, end);
    if (pieces instanceof Promise) return pieces.then((read) => this.#readRest(chunk, read));
    return totalBytes(pieces) === chunk.byteLength
      ? whole(pieces, chunk)
      : this.#readRest(chunk, pieces);
  }

  /** A read may end with a segment of the log. */
  async #readRest(chunk: Chunk, pieces: readonly Uint8Array[]): Promise<Uint8Array> {
    const all = [...pieces];
    const end = chunk.logOffset + chunk.count;
    for (;;) {
      const missing = chunk.byteLength - totalBytes(all);
      const next = offsetAfter(all);
      if (missing <= 0 || next >= end) return whole(all, chunk);
      all.push(...(await this.log.read(next, missing, end)));
    }
  }

  canDrop(chunk: Chunk, writtenGeneration: number): boolean {
    if (chunk.logOffset < 0) {
      chunk.logOffset = this.log.append(
        this.#sealed(chunk, 0, chunk.byteLength, chunk.count),
        false,
      );
      chunk.appendedIn = this.#services.commit.generation;
      this.#spilled.push(chunk);
      return false;
    }
    // One generation at a time: while the next one but one gathers, it is over.
    return chunk.appendedIn <= Math.max(writtenGeneration, this.#services.commit.generation - 2);
  }

  /** Gives up the open chunk when it is empty; the next one is small again. */
  dropIdle(): void {
    const chunk = this.#open;
    if (chunk === null || chunk.live > 0 || (this.#durable && chunk.batchAt >= 0)) return;
    this.#seal(chunk);
    this.#slabBytes = SLAB_BYTES_MIN;
  }

  retired(chunk: Chunk): void {
    if (this.#durable || chunk.logOffset < 0) return;
    const first = this.#spilled.findIndex((each) => each.live > 0);
    if (first === 0) return;
    this.log.deleteBefore(first < 0 ? this.log.endOffset : this.#spilled[first]!.logOffset);
    this.#spilled = first < 0 ? [] : this.#spilled.slice(first);
  }

  readMore(): boolean {
    return false;
  }

  skipUnread(): void {
    // Everything has its place in the store.
  }

  describe(page: QueueAcks): void {
    if (this.head > 0) page.settledRange(0, this.head);
    this.store.describe(page);
  }

  async recover(acks: RecoveredAcks | null, visitor: RecoveryVisitor): Promise<void> {
    const { log } = this;
    const recovery = new LogRecovery(this.store, acks, this.#priorityMax, visitor);
    // Settlements beyond the end are of messages that a crash has taken; they end here.
    const unsettledFrom = acks === null || visitor.settled !== null ? 0 : acks.settled.floor;
    const floor = Math.max(log.startOffset, unsettledFrom);
    let offset = Math.min(floor, log.endOffset);
    while (offset < log.endOffset) {
      const pieces = await log.read(offset, RECOVERY_READ_BYTES, log.endOffset);
      invariant(pieces.length > 0, `${log.name} gives nothing at ${offset}`);
      for (const bytes of pieces) offset = recovery.take(bytes);
    }
    recovery.finish();
    this.#tail = log.endOffset;
  }

  trim(offset: number): void {
    const end = Math.min(offset, this.log.endOffset);
    if (end > this.log.startOffset && !this.#gone) this.log.deleteBefore(end);
  }

  /** Forgets everything; what is still in the open batch is never appended. */
  close(): void {
    this.#gone = true;
    this.#open = null;
    this.#spilled = [];
    this.store.close();
  }
}

function totalBytes(pieces: readonly Uint8Array[]): number {
  let length = 0;
  for (const piece of pieces) length += piece.length;
  return length;
}

/** Offset behind the last batch in `pieces`. */
function offsetAfter(pieces: readonly Uint8Array[]): number {
  const bytes = pieces.at(-1);
  invariant(bytes !== undefined, 'a log gave back nothing of what it holds');
  let last = 0;
  for (let at = 0; at < bytes.length; at += Batch.sizeBytes(bytes, at)) last = at;
  return Batch.lastOffset(bytes, last) + 1;
}

/** The pieces as one, which must be exactly what the chunk once was. */
function whole(pieces: readonly Uint8Array[], chunk: Chunk): Uint8Array {
  const length = totalBytes(pieces);
  const first = pieces[0];
  invariant(
    first !== undefined &&
      length === chunk.byteLength &&
      Batch.baseOffset(first, 0) === chunk.logOffset,
    'a log gave back other bytes than it was given',
  );
  return pieces.length === 1 ? first : Buffer.concat(pieces, length);
}
