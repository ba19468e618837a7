/**
 * ProducerTable: what a log remembers of idempotent producers, so that a retried batch is stored
 * once: per producer id its epoch and its last five batches (KIP-98; five is the most a producer
 * has in flight).
 *
 * `check` before an append says whether the batch is new, a duplicate, or out of sequence; the log
 * calls `update` on every append and on recovery, so the table always agrees with the records.
 *
 * Saved as Kafka's `.snapshot` (org.apache.kafka.storage.internals.log.ProducerStateManager):
 *
 *   version i16 = 1 | crc u32 | count i32 | count × entry | tail
 *   entry: producerId i64 | epoch i16 | lastSequence i32 | lastOffset i64 | offsetDelta i32
 *          | timestamp i64 | coordinatorEpoch i32 | currentTxnFirstOffset i64
 *
 * CRC-32C covers count to the end. Kafka keeps one batch per producer there; the four before it
 * follow in `tail`, which Kafka's reader skips: magic u32, then per entry in the same order
 * count u8, count × (lastSequence i32 | lastOffset i64 | offsetDelta i32 | timestamp i64).
 */
import { readInt16, readInt32, readInt64, readUint32 } from '../message/batch.ts';
import { writeInt16, writeInt32, writeInt64 } from '../message/batch.ts';
import { BrokerError } from '../errors.ts';
import { crc32c } from '#wire/crc32c.ts';

export const BATCHES_KEPT = 5;
const SEQUENCE_MAX = 0x7fffffff;
const SNAPSHOT_VERSION = 1;
const CRC_COVERS_FROM = 6;
const HEADER_BYTES = 10;
const ENTRY_BYTES = 46;
const TAIL_MAGIC = 0x70687462;
const TAIL_BATCH_BYTES = 24;

/** One remembered batch. */
export interface ProducerBatch {
  lastSequence: number;
  lastOffset: number;
  /** lastOffset − baseOffset; also lastSequence − baseSequence. */
  offsetDelta: number;
  timestampMs: number;
}

export interface Producer {
  readonly id: number;
  epoch: number;
  /** Oldest first; at most BATCHES_KEPT, at least one. */
  batches: ProducerBatch[];
}

/** The sequence `count` after `sequence`; wraps from 2^31 − 1 to 0. */
export function sequenceAfter(sequence: number, count: number): number {
  const next = sequence + count;
  return next > SEQUENCE_MAX ? next - SEQUENCE_MAX - 1 : next;
}

export class ProducerTable {
  readonly #producers = new Map<number, Producer>();

  get size(): number {
    return this.#producers.size;
  }

  get(producerId: number): Producer | undefined {
    return this.#producers.get(producerId);
  }

  values(): IterableIterator<Producer> {
    return this.#producers.values();
  }

  /**
   * Null when the batch is new and may be appended; the remembered batch when it is a duplicate.
   * Throws BrokerError 'stale-producer-epoch' or 'out-of-order-sequence'. An unknown producer may
   * begin with any sequence: its state may have left with the records by retention.
   */
  check(
    producerId: number,
    epoch: number,
    baseSequence: number,
    lastOffsetDelta: number,
  ): ProducerBatch | null {
    const producer = this.#producers.get(producerId);
    if (producer === undefined) return null;
    if (epoch < producer.epoch) {
      throw new BrokerError(
        'stale-producer-epoch',
        `producer ${producerId} has epoch ${producer.epoch}, the batch ${epoch}`,
      );
    }
    if (epoch > producer.epoch) {
      if (baseSequence === 0) return null;
      throw new BrokerError(
        'out-of-order-sequence',
        `producer ${producerId} began epoch ${epoch} with sequence ${baseSequence}`,
      );
    }
    const lastSequence = sequenceAfter(baseSequence, lastOffsetDelta);
    for (const batch of producer.batches) {
      if (batch.lastSequence === lastSequence && batch.offsetDelta === lastOffsetDelta) {
        return batch;
      }
    }
    const expected = sequenceAfter(producer.batches.at(-1)!.lastSequence, 1);
    if (baseSequence === expected) return null;
    throw new BrokerError(
      'out-of-order-sequence',
      `producer ${producerId} sent sequence ${baseSequence}, expected ${expected}`,
    );
  }

  /** Remembers a batch that has been appended. */
  update(
    producerId: number,
    epoch: number,
    baseSequence: number,
    lastOffsetDelta: number,
    lastOffset: number,
    timestampMs: number,
  ): void {
    let producer = this.#producers.get(producerId);
    if (producer === undefined) {
      producer = { id: producerId, epoch, batches: [] };
      this.#producers.set(producerId, producer);
    } else if (producer.epoch !== epoch) {
      producer.epoch = epoch;
      producer.batches = [];
    }
    const { batches } = producer;
    const batch = batches.length < BATCHES_KEPT ? emptyBatch() : batches.shift()!;
    batch.lastSequence = sequenceAfter(baseSequence, lastOffsetDelta);
    batch.lastOffset = lastOffset;
    batch.offsetDelta = lastOffsetDelta;
    batch.timestampMs = timestampMs;
    batches.push(batch);
  }

  /** Forgets producers whose newest batch is older than `idleMs`. */
  expire(nowMs: number, idleMs: number): void {
    for (const producer of this.#producers.values()) {
      if (nowMs - producer.batches.at(-1)!.timestampMs > idleMs) {
        this.#producers.delete(producer.id);
      }
    }
  }

  clear(): void {
    this.#producers.clear();
  }

  encode(): Uint8Array {
    let older = 0;
    for (const producer of this.#producers.values()) older += producer.batches.length - 1;
    const count = this.#producers.size;
    const tailBytes = older === 0 ? 0 : 4 + count + older * TAIL_BATCH_BYTES;
    const bytes = new Uint8Array(HEADER_BYTES + count * ENTRY_BYTES + tailBytes);
    writeInt16(bytes, 0, SNAPSHOT_VERSION);
    writeInt32(bytes, 6, count);
    let at = HEADER_BYTES;
    for (const producer of this.#producers.values()) at = writeEntry(bytes, at, producer);
    if (older > 0) this.#writeTail(bytes, at);
    writeInt32(bytes, 2, crc32c(bytes, CRC_COVERS_FROM, bytes.length) | 0);
    return bytes;
  }

  #writeTail(bytes: Uint8Array, at: number): void {
    writeInt32(bytes, at, TAIL_MAGIC);
    at += 4;
    for (const producer of this.#producers.values()) {
      const count = producer.batches.length - 1;
      bytes[at++] = count;
      for (let i = 0; i < count; i++) {
        const batch = producer.batches[i]!;
        writeInt32(bytes, at, batch.lastSequence);
        writeInt64(bytes, at + 4, batch.lastOffset);
        writeInt32(bytes, at + 12, batch.offsetDelta);
        writeInt64(bytes, at + 16, batch.timestampMs);
        at += TAIL_BATCH_BYTES;
      }
    }
  }

  /** Null when the bytes are not a whole snapshot. */
  static decode(bytes: Uint8Array): ProducerTable | null {
    if (bytes.length < HEADER_BYTES || readInt16(bytes, 0) !== SNAPSHOT_VERSION) return null;
    if (readUint32(bytes, 2) !== crc32c(bytes, CRC_COVERS_FROM, bytes.length)) return null;
    const count = readInt32(bytes, 6);
    const tailAt = HEADER_BYTES + count * ENTRY_BYTES;
    if (count < 0 || tailAt > bytes.length) return null;
    const table = new ProducerTable();
    for (let i = 0; i < count; i++) {
      const producer = readEntry(bytes, HEADER_BYTES + i * ENTRY_BYTES);
      table.#producers.set(producer.id, producer);
    }
    if (bytes.length >= tailAt + 4 && readUint32(bytes, tailAt) === TAIL_MAGIC) {
      table.#readTail(bytes, tailAt + 4);
    }
    return table;
  }

  #readTail(bytes: Uint8Array, at: number): void {
    for (const producer of this.#producers.values()) {
      const count = bytes[at++]!;
      const older: ProducerBatch[] = [];
      for (let i = 0; i < count; i++, at += TAIL_BATCH_BYTES) {
        older.push({
          lastSequence: readInt32(bytes, at),
          lastOffset: readInt64(bytes, at + 4),
          offsetDelta: readInt32(bytes, at + 12),
          timestampMs: readInt64(bytes, at + 16),
        });
      }
      producer.batches.unshift(...older);
    }
  }
}

function emptyBatch(): ProducerBatch {
  return { lastSequence: 0, lastOffset: 0, offsetDelta: 0, timestampMs: 0 };
}

function writeEntry(bytes: Uint8Array, at: number, producer: Producer): number {
  const last = producer.batches.at(-1)!;
  writeInt64(bytes, at, producer.id);
  writeInt16(bytes, at + 8, producer.epoch);
  writeInt32(bytes, at + 10, last.lastSequence);
  writeInt64(bytes, at + 14, last.lastOffset);
  writeInt32(bytes, at + 22, last.offsetDelta);
  writeInt64(bytes, at + 26, last.timestampMs);
  // No transactions: coordinatorEpoch and currentTxnFirstOffset are "none".
  writeInt32(bytes, at + 34, -1);
  writeInt64(bytes, at + 38, -1);
  return at + ENTRY_BYTES;
}

function readEntry(bytes: Uint8Array, at: number): Producer {
  const batch: ProducerBatch = {
    lastSequence: readInt32(bytes, at + 10),
    lastOffset: readInt64(bytes, at + 14),
    offsetDelta: readInt32(bytes, at + 22),
    timestampMs: readInt64(bytes, at + 26),
  };
  return { id: readInt64(bytes, at), epoch: readInt16(bytes, at + 8), batches: [batch] };
}
