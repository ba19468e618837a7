/**
 * Positions: how far every log has come, in one small file per store, so that recovery knows
 * exactly what had been acknowledged. A broken batch below that is corruption, one above it is the
 * torn end of a write that nobody was told of.
 *
 * `log-positions` is slots of 64 bytes, one per log:
 *
 *   start i64     first readable offset (delete-before survives a restart)
 *   synced i64    every record below was on the disk, by fdatasync
 *   written i64   every record below was written, perhaps to the page cache only
 *   segment i64   base offset of the segment that was written to
 *   bytes i64     how many bytes of that segment `written` comes to
 *   name u32      CRC-32C of the log's name
 *   crc u32       CRC-32C of the 44 bytes before
 *
 * `log-slots` is text, one line `<slot> <name> <crc>` for every log that got a slot; a later line
 * for the same slot or name wins. Slots are written once per commit, into the page cache, after the
 * data and before anybody is answered: what a slot says is therefore true as long as the machine
 * does not go down, and `synced` also afterwards, when it may be behind but never ahead.
 */
import { readInt64, readUint32, writeInt32, writeInt64 } from '#core/message/batch.ts';
import { crc32c } from '#wire/crc32c.ts';
import { isDiskFull } from './file-system.ts';
import type { FileSystem } from './file-system.ts';
import { SharedRun } from './shared-run.ts';

const SLOT_BYTES = 64;
const NAME_AT = 40;
const CRC_AT = 44;
const FIRST_SLOTS = 64;
/** Dirty slots nearer to each other than this are written in one go. */
const GAP_SLOTS = 64;
const POSITIONS_FILE = 'log-positions';
const SLOTS_FILE = 'log-slots';

export interface LogPosition {
  startOffset: number;
  syncedOffset: number;
  writtenOffset: number;
  segmentBase: number;
  segmentBytes: number;
}

export class Positions {
  readonly #fs: FileSystem;
  readonly #folder: string;
  readonly #slots = new Map<string, number>();
  readonly #free: number[] = [];
  #slotsEnd = 0;
  #mirror = Buffer.alloc(FIRST_SLOTS * SLOT_BYTES);
  #dirty: number[] = [];
  #positionsFd = -1;
  #slotsFd = -1;
  #slotsFileBytes = 0;
  /** Lines for the slots file that a full disk did not take. */
  #lines: string[] = [];

  readonly #settling = new SharedRun(() => this.#settleNow());

  private constructor(fs: FileSystem, folder: string) {
    this.#fs = fs;
    this.#folder = folder;
  }

  /** `isWrittenKept` false: the machine went down, so only what was synced is there for certain. */
  static async open(fs: FileSystem, folder: string, isWrittenKept: boolean): Promise<Positions> {
    const positions = new Positions(fs, folder);
    await positions.#load();
    if (!isWrittenKept) positions.#believeSyncedOnly();
    return positions;
  }

  /** At once for all logs: those that are not opened this time must not be believed next time. */
  #believeSyncedOnly(): void {
    for (const [name, slot] of this.#slots) {
      const { startOffset, syncedOffset, segmentBase, segmentBytes } = this.find(name)!;
      this.set(slot, startOffset, syncedOffset, syncedOffset, segmentBase, segmentBytes);
    }
    this.flush();
  }

  async #load(): Promise<void> {
    const bytes = await this.#fs.readFile(`${this.#folder}/${POSITIONS_FILE}`);
    if (bytes !== null && bytes.length > this.#mirror.length) {
      this.#mirror = Buffer.alloc(Math.ceil(bytes.length / SLOT_BYTES) * SLOT_BYTES);
    }
    if (bytes !== null) this.#mirror.set(bytes);
    const lines = await this.#fs.readFile(`${this.#folder}/${SLOTS_FILE}`);
    if (lines !== null) this.#readLines(Buffer.from(lines).toString());
    this.#freeUnused();
    // Rewritten whole, so that it does not grow over restarts.
    const content = [...this.#slots].map(([name, slot]) => slotLine(slot, name)).join('');
    const encoded = Buffer.from(content);
    await this.#fs.replaceFile(`${this.#folder}/${SLOTS_FILE}`, encoded);
    this.#slotsFileBytes = encoded.length;
    this.#slotsFd = await this.#fs.open(`${this.#folder}/${SLOTS_FILE}`, 'write');
    this.#positionsFd = await this.#fs.open(`${this.#folder}/${POSITIONS_FILE}`, 'write');
  }

  #readLines(text: string): void {
    const names = new Map<number, string>();
    for (const line of text.split('\n')) {
      const match = /^(\d+) (\S+) ([0-9a-f]+)$/.exec(line);
      if (!match || slotLine(Number(match[1]), match[2]!) !== `${line}\n`) continue;
      const slot = Number(match[1]);
      const before = names.get(slot);
      if (before !== undefined) this.#slots.delete(before);
      names.delete(this.#slots.get(match[2]!) ?? -1);
      names.set(slot, match[2]!);
      this.#slots.set(match[2]!, slot);
      this.#slotsEnd = Math.max(this.#slotsEnd, slot + 1);
    }
  }

  /** A slot without a position was given to a log that is gone, or that never wrote. */
  #freeUnused(): void {
    for (const name of this.#slots.keys()) if (this.find(name) === null) this.#slots.delete(name);
    const used = new Set(this.#slots.values());
    for (let slot = 0; slot < this.#slotsEnd; slot++) if (!used.has(slot)) this.#free.push(slot);
  }

  /** What was known of the log when the store was opened; null when nothing trustworthy is. */
  find(name: string): LogPosition | null {
    const slot = this.#slots.get(name);
    if (slot === undefined) return null;
    const at = slot * SLOT_BYTES;
    if (at + SLOT_BYTES > this.#mirror.length) return null;
    const m = this.#mirror;
    if (readUint32(m, at + CRC_AT) !== crc32c(m, at, at + CRC_AT)) return null;
    if (readUint32(m, at + NAME_AT) !== nameSum(name)) return null;
    return {
      startOffset: readInt64(m, at),
      syncedOffset: readInt64(m, at + 8),
      writtenOffset: readInt64(m, at + 16),
      segmentBase: readInt64(m, at + 24),
      segmentBytes: readInt64(m, at + 32),
    };
  }

  has(name: string): boolean {
    return this.#slots.has(name);
  }

  /** The log's slot, a new one when it has none; that must be `set` and `settle`d. */
  slotFor(name: string): number {
    let slot = this.#slots.get(name);
    if (slot !== undefined) return slot;
    slot = this.#free.pop() ?? this.#slotsEnd++;
    this.#slots.set(name, slot);
    this.#lines.push(slotLine(slot, name));
    if ((slot + 1) * SLOT_BYTES > this.#mirror.length) {
      const larger = Buffer.alloc(this.#mirror.length * 2);
      larger.set(this.#mirror);
      this.#mirror = larger;
    }
    this.#mirror.fill(0, slot * SLOT_BYTES, (slot + 1) * SLOT_BYTES);
    writeInt32(this.#mirror, slot * SLOT_BYTES + NAME_AT, nameSum(name) | 0);
    return slot;
  }

  /** Sets the slot; on disk with the next `flush`. */
  set(
    slot: number,
    startOffset: number,
    syncedOffset: number,
    writtenOffset: number,
    segmentBase: number,
    segmentBytes: number,
  ): void {
    const at = slot * SLOT_BYTES;
    const m = this.#mirror;
    writeInt64(m, at, startOffset);
    writeInt64(m, at + 8, syncedOffset);
    writeInt64(m, at + 16, writtenOffset);
    writeInt64(m, at + 24, segmentBase);
    writeInt64(m, at + 32, segmentBytes);
    this.#dirty.push(slot);
  }

  /** Forgets the log; its slot may be another's. */
  remove(name: string): void {
    const slot = this.#slots.get(name);
    if (slot === undefined) return;
    this.#slots.delete(name);
    this.#mirror.fill(0, slot * SLOT_BYTES, (slot + 1) * SLOT_BYTES);
    this.#dirty.push(slot);
    this.#free.push(slot);
  }

  /** Writes what changed. A full disk leaves it for the next time: positions may be behind. */
  flush(): void {
    if (this.#dirty.length === 0 && this.#lines.length === 0) return;
    try {
      this.#flushAll();
    } catch (error) {
      if (!isDiskFull(error)) throw error;
    }
  }

  /**
   * Resolves when everything that was set is on the disk. Needed once for every log that gets a
   * slot: without it, after the power went, the slot might show what it said of another log, or of
   * one of the same name that was removed.
   */
  settle(): Promise<void> {
    return this.#settling.run();
  }

  async #settleNow(): Promise<void> {
    this.#flushAll();
    for (const fd of [this.#slotsFd, this.#positionsFd]) {
      await new Promise<void>((resolve, reject) => {
        this.#fs.fdatasync(fd, (error) => (error ? reject(error) : resolve()));
      });
    }
  }

  #flushAll(): void {
    this.#flushLines();
    this.#flushSlots();
  }

  #flushLines(): void {
    if (this.#lines.length === 0) return;
    const bytes = Buffer.from(this.#lines.join(''));
    this.#fs.writeNow(this.#slotsFd, bytes, 0, bytes.length, this.#slotsFileBytes);
    this.#slotsFileBytes += bytes.length;
    this.#lines = [];
  }

  #flushSlots(): void {
    const dirty = this.#dirty;
    if (dirty.length > 1) dirty.sort((a, b) => a - b);
    for (let i = 0; i < dirty.length; i++) this.#seal(dirty[i]!);
    let from = 0;
    for (let i = 1; i <= dirty.length; i++) {
      if (i < dirty.length && dirty[i]! - dirty[i - 1]! <= GAP_SLOTS) continue;
      const start = dirty[from]! * SLOT_BYTES;
      const end = (dirty[i - 1]! + 1) * SLOT_BYTES;
      this.#fs.writeNow(this.#positionsFd, this.#mirror, start, end, start);
      from = i;
    }
    dirty.length = 0;
  }

  #seal(slot: number): void {
    const at = slot * SLOT_BYTES;
    writeInt32(this.#mirror, at + CRC_AT, crc32c(this.#mirror, at, at + CRC_AT) | 0);
  }

  /** Writes and syncs everything, for a clean end. */
  async close(): Promise<void> {
    await this.settle();
    await this.#fs.close(this.#slotsFd);
    await this.#fs.close(this.#positionsFd);
  }
}

function nameSum(name: string): number {
  const bytes = Buffer.from(name);
  return crc32c(bytes, 0, bytes.length);
}

function slotLine(slot: number, name: string): string {
  const text = `${slot} ${name}`;
  const bytes = Buffer.from(text);
  return `${text} ${crc32c(bytes, 0, bytes.length).toString(16)}\n`;
}
