/**
 * AckJournal: what all durable queues have settled and returned, in one log, `state/acks`.
 *
 * Queues gather ranges; at the beginning of a commit they become one record (ack-codec.ts). An
 * acknowledgement alone never asks for an fdatasync: what a crash takes back is delivered again.
 * Who is told that a message is settled has it promised.
 * Only after the commit may a queue drop what it settled from its own log.
 *
 * A queue's log may lose its unsynced end in a crash while settlements of it survive here. Those
 * are clipped: `recovered` writes a snapshot of what is true now and resolves when it is safe,
 * before anything new can take the same offsets. The same snapshot, when the journal has grown,
 * makes everything before it unnecessary.
 */
import { AckWriter, readAcks } from './ack-codec.ts';
import type { AckVisitor } from './ack-codec.ts';
import { BATCH_HEADER_BYTES, Batch } from '../message/batch.ts';
import { sealBatch } from '../message/batch-writer.ts';
import { CorruptionError, invariant } from '../errors.ts';
import type { Commit, CommitWaiter, Flusher, Log } from '../log.ts';
import { Message } from '../message/message.ts';
import { OffsetSet } from './offset-set.ts';
import type { AckHolder } from './queue-acks.ts';
import { QueueAcks } from './queue-acks.ts';
import { decodeRecord } from '../message/record.ts';
import { varintLength, writeVarint } from '#wire/varint.ts';

const CHECKPOINT_BYTES_MIN = 16 * 1024 * 1024;
/** A checkpoint is due when the journal has grown by so many times its last snapshot. */
const CHECKPOINT_FACTOR = 4;
const READ_BYTES = 1024 * 1024;

/** What the journal knew of one queue at the start. */
export interface RecoveredAcks {
  readonly settled: OffsetSet;
  /** Delivery counts of unsettled messages that were returned. */
  readonly counts: Map<number, number>;
}

interface Trim {
  page: QueueAcks;
  offset: number;
}

export class AckJournal implements Flusher, CommitWaiter {
  readonly log: Log;
  readonly #commit: Commit;
  readonly #checkpointBytes: number;
  readonly #pages = new Map<number, QueueAcks>();
  readonly #writer = new AckWriter();
  #recovered = new Map<number, RecoveredAcks>();
  #dirty: QueueAcks[] = [];
  #forgotten: number[] = [];
  #enlisted = false;
  #isPromised = false;
  /** Trims of the generations under way, oldest first. */
  #trims: { generation: number; trims: Trim[]; deleteBefore: number }[] = [];
  #bytesSinceSnapshot = 0;
  #snapshotBytes = 0;
  #recoveryDone: (() => void) | null = null;
  readonly #markDirty = (page: QueueAcks): void => {
    this.#dirty.push(page);
    this.#enlist();
  };

  private constructor(log: Log, commit: Commit, checkpointBytes: number) {
    this.log = log;
    this.#commit = commit;
    this.#checkpointBytes = checkpointBytes;
  }

  /** Replays `log`. `checkpointBytes`: growth after which a snapshot is taken. */
  static async open(
    log: Log,
    commit: Commit,
    checkpointBytes = CHECKPOINT_BYTES_MIN,
  ): Promise<AckJournal> {
    const journal = new AckJournal(log, commit, checkpointBytes);
    await journal.#replay();
    return journal;
  }

  /** Something was replayed for the queue and not taken yet. */
  knows(queueId: number): boolean {
    return this.#recovered.has(queueId);
  }

  /** What was replayed for a queue; null when nothing was. Once. */
  take(queueId: number): RecoveredAcks | null {
    const recovered = this.#recovered.get(queueId) ?? null;
    this.#recovered.delete(queueId);
    return recovered;
  }

  /** Opens the page of a queue. */
  register(queueId: number, holder: AckHolder): QueueAcks {
    invariant(!this.#pages.has(queueId), `queue id ${queueId} is used twice`);
    const page = new QueueAcks(queueId, holder, this.#markDirty);
    this.#pages.set(queueId, page);
    return page;
  }

  /** Somebody waits for the next commit to tell that what was settled until now is so. */
  promise(): void {
    this.#isPromised = true;
  }

  /** The queue is deleted. */
  forget(queueId: number): void {
    if (!this.#pages.delete(queueId)) return;
    this.#forgotten.push(queueId);
    this.#enlist();
  }

  /**
   * After all queues have recovered: forgets those that are gone and writes down what is true.
   * Nothing may be published to a durable queue before it resolves.
   */
  async recovered(): Promise<void> {
    this.#recovered = new Map();
    if (this.log.endOffset === this.log.startOffset) return;
    await new Promise<void>((resolve) => {
      this.#recoveryDone = resolve;
      this.#bytesSinceSnapshot = Infinity;
      this.#enlist();
    });
  }

  #enlist(): void {
    if (this.#enlisted) return;
    this.#enlisted = true;
    this.#commit.enlist(this);
  }

  /** Commit only. */
  flush(): void {
    this.#enlisted = false;
    const due = Math.max(this.#checkpointBytes, CHECKPOINT_FACTOR * this.#snapshotBytes);
    if (this.#bytesSinceSnapshot >= due) this.#writeSnapshot();
    else this.#writeChanges(this.#isPromised);
    this.#isPromised = false;
    this.#writer.clear();
  }

  #writeChanges(mustSync: boolean): void {
    const writer = this.#writer;
    const trims: Trim[] = [];
    for (const queueId of this.#forgotten) writer.forgotten(queueId);
    for (const page of this.#dirty) {
      if (this.#pages.get(page.queueId) !== page) continue;
      page.write(writer);
      this.#noteTrim(page, trims);
    }
    this.#forgotten = [];
    this.#dirty = [];
    if (writer.length === 0) return;
    this.#append(mustSync);
    this.#bytesSinceSnapshot += writer.length;
    if (trims.length > 0) this.#await(trims, 0);
  }

  #noteTrim(page: QueueAcks, trims: Trim[]): void {
    const offset = page.holder.settledBefore;
    if (offset <= page.trimmedTo) return;
    page.trimmedTo = offset;
    trims.push({ page, offset });
  }

  #writeSnapshot(): void {
    const writer = this.#writer;
    const trims: Trim[] = [];
    writer.snapshot();
    for (const page of this.#pages.values()) {
      page.writeAll(writer);
      this.#noteTrim(page, trims);
    }
    this.#forgotten = [];
    this.#dirty = [];
    this.#snapshotBytes = writer.length;
    this.#bytesSinceSnapshot = 0;
    const offset = this.#append(true);
    this.#await(trims, offset);
  }

  #await(trims: Trim[], deleteBefore: number): void {
    this.#trims.push({ generation: this.#commit.generation, trims, deleteBefore });
    this.#commit.wait(this);
  }

  committed(generation: number): void {
    while (this.#trims.length > 0 && this.#trims[0]!.generation <= generation) {
      const { trims, deleteBefore } = this.#trims.shift()!;
      for (const { page, offset } of trims) {
        if (this.#pages.get(page.queueId) === page) page.holder.trim(offset);
      }
      if (deleteBefore > this.log.startOffset) this.log.deleteBefore(deleteBefore);
      if (deleteBefore > 0) this.#recoveryDone?.();
    }
  }

  /** One batch of one record: no key, the entries as its value. */
  #append(mustSync: boolean): number {
    const { bytes: value, length: valueLength } = this.#writer;
    const bodyLength = 5 + varintLength(valueLength) + valueLength;
    const batch = new Uint8Array(BATCH_HEADER_BYTES + varintLength(bodyLength) + bodyLength);
    let at = writeVarint(batch, BATCH_HEADER_BYTES, bodyLength);
    at += 3;
    at = writeVarint(batch, at, -1);
    at = writeVarint(batch, at, valueLength);
    batch.set(value.subarray(0, valueLength), at);
    sealBatch(batch, 0, batch.length, 1, 0, 0);
    return this.log.append(batch, mustSync);
  }

  async #replay(): Promise<void> {
    const { log } = this;
    const message = new Message();
    const visitor = new Replay(this.#recovered);
    let offset = log.startOffset;
    while (offset < log.endOffset) {
      const pieces = await log.read(offset, READ_BYTES, log.endOffset);
      invariant(pieces.length > 0, `${log.name} gives nothing at ${offset}`);
      for (const bytes of pieces) {
        for (let at = 0; at < bytes.length; at += Batch.sizeBytes(bytes, at)) {
          try {
            decodeRecord(bytes, at + BATCH_HEADER_BYTES, message, 0);
            readAcks(bytes, message.bodyStart, message.bodyEnd, visitor);
          } catch (error) {
            if (!(error instanceof RangeError)) throw error;
            throw new CorruptionError(log.name, offset, error.message);
          }
          offset = Batch.lastOffset(bytes, at) + 1;
        }
      }
    }
  }
}

class Replay implements AckVisitor {
  readonly #queues: Map<number, RecoveredAcks>;

  constructor(queues: Map<number, RecoveredAcks>) {
    this.#queues = queues;
  }

  #of(queueId: number): RecoveredAcks {
    let queue = this.#queues.get(queueId);
    if (queue === undefined) {
      queue = { settled: new OffsetSet(), counts: new Map() };
      this.#queues.set(queueId, queue);
    }
    return queue;
  }

  snapshot(): void {
    this.#queues.clear();
  }

  forgotten(queueId: number): void {
    this.#queues.delete(queueId);
  }

  settled(queueId: number, from: number, to: number): void {
    const queue = this.#of(queueId);
    queue.settled.add(from, to);
    if (queue.counts.size === 0) return;
    if (to - from > queue.counts.size) {
      for (const offset of queue.counts.keys()) {
        if (offset >= from && offset < to) queue.counts.delete(offset);
      }
    } else for (let offset = from; offset < to; offset++) queue.counts.delete(offset);
  }

  returned(queueId: number, offset: number, deliveryCount: number): void {
    this.#of(queueId).counts.set(offset, deliveryCount);
  }
}
