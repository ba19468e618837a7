/**
 * LogRecovery: turns the batches of a queue's own log, read once from the front, back into cold
 * chunks: positions, sizes, expiries, priorities, and what the journal says is settled or was
 * returned. The bytes stay in the log until somebody wants them.
 *
 * Batches that once were one chunk share their base timestamp, which is what keeps them together.
 */
import type { RecoveredAcks } from './ack-journal.ts';
import { BATCH_HEADER_BYTES, Batch } from '../message/batch.ts';
import { Chunk } from './chunk.ts';
import type { ChunkStore } from './chunk-store.ts';
import { CorruptionError } from '../errors.ts';
import type { RecoveryVisitor } from './queue-log.ts';
import { Message } from '../message/message.ts';
import { decodeRecord, recordEnd } from '../message/record.ts';

const CHUNK_BYTES_MAX = 256 * 1024;

export class LogRecovery {
  readonly #store: ChunkStore;
  readonly #acks: RecoveredAcks | null;
  readonly #priorityMax: number | null;
  readonly #visitor: RecoveryVisitor;
  readonly #message = new Message();
  #chunk: Chunk | null = null;

  constructor(
    store: ChunkStore,
    acks: RecoveredAcks | null,
    priorityMax: number | null,
    visitor: RecoveryVisitor,
  ) {
    this.#store = store;
    this.#acks = acks;
    this.#priorityMax = priorityMax;
    this.#visitor = visitor;
  }

  /** Takes whole batches; returns the offset after them. */
  take(bytes: Uint8Array): number {
    let end = 0;
    for (let at = 0; at < bytes.length; at += Batch.sizeBytes(bytes, at)) {
      this.#takeBatch(bytes, at);
      end = Batch.lastOffset(bytes, at) + 1;
    }
    return end;
  }

  #takeBatch(bytes: Uint8Array, at: number): void {
    const sizeBytes = Batch.sizeBytes(bytes, at);
    const baseTimestampMs = Batch.baseTimestampMs(bytes, at);
    const baseOffset = Batch.baseOffset(bytes, at);
    let chunk = this.#chunk;
    if (
      chunk === null ||
      chunk.baseTimestampMs !== baseTimestampMs ||
      chunk.end !== baseOffset ||
      chunk.byteLength + sizeBytes > CHUNK_BYTES_MAX
    ) {
      this.finish();
      chunk = new Chunk(baseOffset, null, this.#priorityMax !== null);
      chunk.baseTimestampMs = baseTimestampMs;
      chunk.logOffset = baseOffset;
      this.#chunk = chunk;
      this.#store.add(chunk);
    }
    const shift = chunk.byteLength - at;
    const count = Batch.count(bytes, at);
    let position = at + BATCH_HEADER_BYTES;
    for (let i = 0; i < count; i++) {
      try {
        decodeRecord(bytes, position, this.#message, baseTimestampMs);
      } catch (error) {
        if (!(error instanceof RangeError)) throw error;
        throw new CorruptionError(`queue log at offset ${baseOffset + i}`, position, error.message);
      }
      this.#takeRecord(chunk, position + shift);
      position = recordEnd;
    }
    chunk.byteLength += sizeBytes;
  }

  #takeRecord(chunk: Chunk, position: number): void {
    const { bodyStart, bodyEnd, expiresAtMs, priority, timestampMs, arrivedMs } = this.#message;
    const acks = this.#acks;
    const offset = chunk.end;
    if (acks !== null && acks.settled.has(offset)) {
      chunk.addGap();
      this.#visitor.settled?.(offset, this.#message);
      return;
    }
    const level = Math.min(priority, this.#priorityMax ?? 0);
    const index = chunk.add(position, bodyEnd - bodyStart, expiresAtMs, level);
    chunk.came(index, timestampMs, arrivedMs);
    this.#store.counted(chunk, index);
    chunk.setRedelivered(index);
    const count = acks === null ? undefined : acks.counts.get(offset);
    if (count !== undefined) this.#store.setDeliveryCount(chunk, index, count);
    this.#visitor.unsettled(chunk, index, this.#message);
  }

  /** The chunk taken last is complete. */
  finish(): void {
    const chunk = this.#chunk;
    this.#chunk = null;
    if (chunk === null) return;
    chunk.sealed = true;
    if (chunk.live === 0) this.#store.retire(chunk);
  }
}
