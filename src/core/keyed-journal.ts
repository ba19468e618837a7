/**
 * KeyedJournal: a durable map over a log; the last value written for a key is its value.
 *
 * Every change is one record (key, value; a null value deletes). Changes of one turn are gathered
 * and appended as one batch when the commit begins. When the log has grown to several times what
 * is alive, all live entries are appended again and, once those are committed, everything before
 * them is deleted; replay is idempotent, so a crash at any point in between loses nothing.
 *
 * `values` shows what has been written, committed or not: who answers a client waits for the commit.
 */
import { BATCH_HEADER_BYTES, Batch } from './message/batch.ts';
import { sealBatch } from './message/batch-writer.ts';
import { invariant } from './errors.ts';
import type { Commit, CommitWaiter, Flusher, Log } from './log.ts';
import { Message } from './message/message.ts';
import type { Clock } from './ports.ts';
import { decodeRecord, recordEnd } from './message/record.ts';
import { varintLength, writeVarint } from '#wire/varint.ts';

const READ_BYTES = 1024 * 1024;
const FIRST_BATCH_BYTES = 16 * 1024;
const SNAPSHOT_BATCH_BYTES = 256 * 1024;
/** A snapshot is written when the log has this many times the live entries, and never below. */
const GROWTH = 4;
const ENTRIES_MIN = 4096;
/** Attributes, a timestamp delta of 0 and a header count of 0. */
const FIXED_RECORD_BYTES = 3;

export class KeyedJournal implements Flusher, CommitWaiter {
  readonly values = new Map<string, string>();
  readonly #log: Log;
  readonly #commit: Commit;
  readonly #clock: Clock;
  #bytes = Buffer.alloc(0);
  #end = BATCH_HEADER_BYTES;
  #count = 0;
  #batchTimeMs = 0;
  /** Where the last snapshot begins, until it is committed. */
  #trimTo: number | null = null;

  private constructor(log: Log, commit: Commit, clock: Clock) {
    this.#log = log;
    this.#commit = commit;
    this.#clock = clock;
  }

  static async open(log: Log, commit: Commit, clock: Clock): Promise<KeyedJournal> {
    const journal = new KeyedJournal(log, commit, clock);
    const message = new Message();
    let offset = log.startOffset;
    while (offset < log.endOffset) {
      const parts = await log.read(offset, READ_BYTES, log.endOffset);
      for (const part of parts) offset = journal.#replay(part, message);
      invariant(parts.length > 0, `${log.name} gave nothing at offset ${offset}`);
    }
    return journal;
  }

  /** Applies the batches in `bytes`; returns the offset after them. */
  #replay(bytes: Uint8Array, message: Message): number {
    let next = 0;
    for (let at = 0; at < bytes.length; at += Batch.sizeBytes(bytes, at)) {
      next = Batch.lastOffset(bytes, at) + 1;
      let recordAt = at + BATCH_HEADER_BYTES;
      for (let left = Batch.count(bytes, at); left > 0; left--) {
        decodeRecord(bytes, recordAt, message, 0);
        recordAt = recordEnd;
        const key = text(message.key, message.keyStart, message.keyEnd);
        if (message.hasBody) {
          this.values.set(key, text(message.body, message.bodyStart, message.bodyEnd));
        } else {
          this.values.delete(key);
        }
      }
    }
    return next;
  }

  set(key: string, value: string): void {
    this.values.set(key, value);
    this.#gather(key, value);
  }

  delete(key: string): void {
    if (this.values.delete(key)) this.#gather(key, null);
  }

  #gather(key: string, value: string | null): void {
    if (this.#count === 0) {
      this.#commit.enlist(this);
      this.#batchTimeMs = this.#clock.now();
    }
    this.#write(key, value);
  }

  /** Called by the commit when it begins. */
  flush(): void {
    this.#append();
    const { endOffset, startOffset } = this.#log;
    const entries = endOffset - startOffset;
    if (this.#trimTo !== null || entries < ENTRIES_MIN) return;
    if (entries < this.values.size * GROWTH) return;
    this.#trimTo = endOffset;
    for (const [key, value] of this.values) {
      this.#write(key, value);
      if (this.#end > SNAPSHOT_BATCH_BYTES) this.#append();
    }
    this.#append();
    this.#commit.wait(this);
  }

  committed(): void {
    if (this.#trimTo === null) return;
    this.#log.deleteBefore(this.#trimTo);
    this.#trimTo = null;
  }

  #append(): void {
    if (this.#count === 0) return;
    const bytes = this.#bytes.subarray(0, this.#end);
    sealBatch(bytes, 0, this.#end, this.#count, this.#batchTimeMs, this.#batchTimeMs);
    // The log owns the bytes from here on.
    this.#bytes = Buffer.alloc(0);
    this.#end = BATCH_HEADER_BYTES;
    this.#count = 0;
    this.#log.append(bytes, true);
  }

  #write(key: string, value: string | null): void {
    const keyBytes = Buffer.byteLength(key);
    const valueBytes = value === null ? -1 : Buffer.byteLength(value);
    const bodyBytes = Math.max(valueBytes, 0);
    const length =
      FIXED_RECORD_BYTES +
      varintLength(this.#count) +
      varintLength(keyBytes) +
      keyBytes +
      varintLength(valueBytes) +
      bodyBytes;
    this.#reserve(varintLength(length) + length);
    const bytes = this.#bytes;
    let at = writeVarint(bytes, this.#end, length);
    bytes[at++] = 0;
    at = writeVarint(bytes, at, 0);
    at = writeVarint(bytes, at, this.#count);
    at = writeVarint(bytes, at, keyBytes);
    at += bytes.write(key, at);
    at = writeVarint(bytes, at, valueBytes);
    if (value !== null) at += bytes.write(value, at);
    at = writeVarint(bytes, at, 0);
    this.#end = at;
    this.#count++;
  }

  #reserve(count: number): void {
    if (this.#end + count <= this.#bytes.length) return;
    const wanted = Math.max(FIRST_BATCH_BYTES, this.#bytes.length * 2, this.#end + count);
    const next = Buffer.alloc(wanted);
    this.#bytes.copy(next, 0, 0, Math.min(this.#end, this.#bytes.length));
    this.#bytes = next;
  }
}

function text(bytes: Uint8Array, start: number, end: number): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset + start, end - start).toString();
}
