/**
 * SharedLog: a topic's log under a queue. The topic appends and its retention deletes; the queue
 * only keeps its own account of what is settled. Records get a place in the store when the line
 * needs them, one chunk per batch of the producer; a compressed batch is opened into the chunk.
 *
 * Records that retention has deleted leave the queue, unless they are leased right now. What cannot
 * be read although its batch is whole (forged bytes, control batches) is passed over.
 */
import type { RecoveredAcks } from './ack-journal.ts';
import { BATCH_HEADER_BYTES, Batch, CONTROL_BIT, Codec } from '../message/batch.ts';
import { Chunk, State } from './chunk.ts';
import type { ChunkSource, Loaded } from './chunk-store.ts';
import { ChunkStore } from './chunk-store.ts';
import { BrokerError } from '../errors.ts';
import type { Log } from '../log.ts';
import { Message } from '../message/message.ts';
import type { OffsetSet } from './offset-set.ts';
import type { QueueAcks } from './queue-acks.ts';
import type { QueueLog } from './queue-log.ts';
import type { QueueServices, SharedSource, SourceListener } from './queue-services.ts';
import { decodeRecord, recordEnd, recordOffsetDelta } from '../message/record.ts';

const READ_BYTES = 256 * 1024;

export class SharedLog implements QueueLog, ChunkSource, SourceListener {
  readonly store: ChunkStore;
  readonly log: Log;
  readonly #services: QueueServices;
  readonly #source: SharedSource;
  readonly #loaded: Loaded;
  readonly #message = new Message();
  #tail: number;
  /** First offset of the log when we last looked. */
  #start: number;
  #reading = false;
  #gone = false;
  /** What the journal knows of offsets that have no place yet. */
  #settledAhead: OffsetSet | null = null;
  #countsAhead = new Map<number, number>();
  /** Below it, everything may have been delivered before the restart. */
  #redeliveredBefore = 0;

  constructor(services: QueueServices, source: SharedSource, startOffset: number, loaded: Loaded) {
    this.#services = services;
    this.#source = source;
    this.#loaded = loaded;
    this.log = source.log;
    this.#start = this.log.startOffset;
    this.#tail = Math.max(startOffset, this.#start);
    this.store = new ChunkStore(services, this, loaded);
    source.onCommitted(this);
  }

  get tail(): number {
    return this.#tail;
  }

  get head(): number {
    return this.store.chunks.front?.base ?? this.#tail;
  }

  get unread(): number {
    return Math.max(0, this.log.committedOffset - Math.max(this.#tail, this.log.startOffset));
  }

  /** The partition has committed more, or retention has moved its start. */
  advanced(): void {
    this.#dropBeforeStart();
    this.#loaded(null);
  }

  #dropBeforeStart(): void {
    const start = this.log.startOffset;
    if (start === this.#start) return;
    this.#start = start;
    const old: Chunk[] = [];
    for (let i = 0; i < this.store.chunks.length; i++) {
      const chunk = this.store.chunks.at(i)!;
      if (chunk.base >= start) break;
      old.push(chunk);
    }
    for (const chunk of old) {
      const end = Math.min(chunk.count, start - chunk.base);
      for (let index = 0; chunk.live > 0 && index < end; index++) {
        if (chunk.state(index) === State.Ready) this.store.settle(chunk, index);
      }
    }
    if (this.#tail < start) this.#skipTo(start);
  }

  #skipTo(offset: number): void {
    this.store.acks?.settledRange(this.#tail, offset);
    this.#tail = offset;
  }

  skipUnread(): void {
    if (this.unread > 0) this.#skipTo(this.log.committedOffset);
  }

  readMore(): boolean {
    this.#dropBeforeStart();
    if (this.#reading || this.unread === 0) return false;
    const pieces = this.log.read(this.#tail, READ_BYTES, this.log.committedOffset);
    if (!(pieces instanceof Promise)) return this.#take(pieces);
    void this.#takeLater(pieces);
    return false;
  }

  async #takeLater(pieces: Promise<Uint8Array[]>): Promise<void> {
    this.#reading = true;
    let failure: BrokerError | null = null;
    try {
      const read = await pieces;
      if (!this.#gone) this.#take(read);
    } catch (error) {
      if (!(error instanceof BrokerError)) throw error;
      // Else retention may have overtaken the read; the next one begins behind it.
      if (error.code === 'unreadable') failure = error;
    } finally {
      this.#reading = false;
    }
    if (!this.#gone) this.#loaded(failure);
  }

  #take(pieces: readonly Uint8Array[]): boolean {
    const before = this.#tail;
    for (const bytes of pieces) {
      for (let at = 0; at < bytes.length;) {
        const sizeBytes = Batch.sizeBytes(bytes, at);
        if (Batch.lastOffset(bytes, at) >= this.#tail) {
          this.#takeBatch(bytes.subarray(at, at + sizeBytes));
        }
        at += sizeBytes;
      }
    }
    return this.#tail > before;
  }

  #takeBatch(batch: Uint8Array): void {
    const chunk = new Chunk(Batch.baseOffset(batch, 0), null, false);
    chunk.baseTimestampMs = Batch.baseTimestampMs(batch, 0);
    chunk.logOffset = chunk.base;
    chunk.byteLength = batch.length;
    chunk.bytes = this.#opened(batch);
    const end = Batch.lastOffset(batch, 0) + 1;
    this.store.add(chunk);
    if (chunk.bytes !== null) this.#takeRecords(chunk, chunk.bytes, Batch.count(batch, 0));
    while (chunk.end < end) chunk.addGap();
    this.#tail = end;
    chunk.sealed = true;
    if (chunk.live === 0) this.store.retire(chunk);
  }

  /** Offsets that a batch does not have and records that nobody may see become gaps. */
  #takeRecords(chunk: Chunk, bytes: Uint8Array, count: number): void {
    let position = BATCH_HEADER_BYTES;
    const from = this.#tail;
    for (let i = 0; i < count; i++) {
      if (!this.#decode(chunk, bytes, position)) return;
      const offset = chunk.base + recordOffsetDelta;
      // A producer's word; what is past the batch is another one's.
      if (offset < chunk.end || offset > Batch.lastOffset(bytes, 0)) return;
      while (chunk.end < offset) chunk.addGap();
      if (offset < from || this.#isSettledAhead(offset)) chunk.addGap();
      else this.#takeRecord(chunk, position);
      position = recordEnd;
    }
  }

  /** What the journal says of offsets past the recovered end is about records that a crash took. */
  #isSettledAhead(offset: number): boolean {
    return offset < this.#redeliveredBefore && this.#settledAhead?.has(offset) === true;
  }

  #decode(chunk: Chunk, bytes: Uint8Array, position: number): boolean {
    try {
      decodeRecord(bytes, position, this.#message, chunk.baseTimestampMs);
      return true;
    } catch (error) {
      if (!(error instanceof RangeError)) throw error;
      this.#warn(chunk, error);
      return false;
    }
  }

  #takeRecord(chunk: Chunk, position: number): void {
    const { bodyStart, bodyEnd } = this.#message;
    const index = chunk.add(position, bodyEnd - bodyStart, 0, 0);
    const offset = chunk.base + index;
    this.store.counted(chunk, index);
    if (offset < this.#redeliveredBefore) chunk.setRedelivered(index);
    const count = this.#countsAhead.get(offset);
    if (count === undefined) return;
    this.#countsAhead.delete(offset);
    this.store.setDeliveryCount(chunk, index, count);
  }

  /** The batch with its records readable, header first; null when they cannot be. */
  #opened(batch: Uint8Array): Uint8Array | null {
    if ((Batch.attributes(batch, 0) & CONTROL_BIT) !== 0) return null;
    const codec = Batch.codec(batch, 0);
    if (codec === Codec.None) return batch;
    const { codecs, limits } = this.#services;
    try {
      const records = codecs.decompress(
        codec,
        batch.subarray(BATCH_HEADER_BYTES),
        limits.decompressedBytesMax,
      );
      return Buffer.concat([batch.subarray(0, BATCH_HEADER_BYTES), records]);
    } catch (error) {
      if (!(error instanceof BrokerError)) throw error;
      this.#warn({ base: Batch.baseOffset(batch, 0) }, error);
      return null;
    }
  }

  #warn(batch: { base: number }, error: Error): void {
    this.#services.ports.log.warn('records of a topic cannot be read and are passed over', {
      log: this.log.name,
      batch: batch.base,
      reason: error.message,
    });
  }

  read(chunk: Chunk): Uint8Array | Promise<Uint8Array> {
    if (chunk.base < this.log.startOffset) return this.#deleted(chunk);
    const pieces = this.log.read(chunk.base, chunk.byteLength, chunk.end);
    return pieces instanceof Promise
      ? pieces.then(
          (read) => this.#reopened(read),
          (error: unknown) => {
            if (!(error instanceof BrokerError) || error.code === 'unreadable') throw error;
            return this.#deleted(chunk);
          },
        )
      : this.#reopened(pieces);
  }

  #reopened(pieces: readonly Uint8Array[]): Uint8Array {
    const bytes = pieces[0]!;
    return this.#opened(bytes.subarray(0, Batch.sizeBytes(bytes, 0)))!;
  }

  /** Retention has deleted the batch: its ready messages are gone, its leased ones have no bytes. */
  async #deleted(chunk: Chunk): Promise<Uint8Array> {
    for (let index = 0; chunk.live > 0 && index < chunk.count; index++) {
      if (chunk.state(index) === State.Ready) this.store.settle(chunk, index);
      else chunk.positions[index] = 0;
    }
    return DELETED_RECORD;
  }

  canDrop(): boolean {
    return true;
  }

  dropIdle(): void {
    // Keeps nothing for later.
  }

  retired(): void {
    // The log is the topic's.
  }

  append(): never {
    throw new BrokerError(
      'unsupported',
      'what a queue over a topic holds is published to the topic',
    );
  }

  describe(page: QueueAcks): void {
    if (this.head > 0) page.settledRange(0, this.head);
    this.store.describe(page);
    this.#settledAhead?.forEachRange(this.#tail, this.#redeliveredBefore, (from, to) =>
      page.settledRange(from, to),
    );
    for (const [offset, count] of this.#countsAhead) page.returned(offset, count);
  }

  async recover(acks: RecoveredAcks | null): Promise<void> {
    const end = this.log.committedOffset;
    this.#redeliveredBefore = end;
    if (acks === null) return;
    this.#tail = Math.min(Math.max(acks.settled.floor, this.log.startOffset), end);
    this.#settledAhead = acks.settled;
    this.#countsAhead = acks.counts;
    for (const offset of acks.counts.keys()) if (offset >= end) acks.counts.delete(offset);
  }

  trim(): void {
    // Retention is the topic's.
  }

  close(): void {
    this.#gone = true;
    this.#source.offCommitted(this);
    this.store.close();
  }
}

/** length 6 | attributes | timestampDelta | offsetDelta | null key | null value | no headers */
const DELETED_RECORD = Uint8Array.of(12, 0, 0, 0, 1, 1, 0);
