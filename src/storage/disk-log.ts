/**
 * DiskLog: a Log in a folder of Kafka segment files.
 *
 * append only stamps the batches, notes them in the indexes of the last segment and hands the very
 * buffers to the writer and to the tail; the commit writes them. What was appended lately is read
 * from the tail, everything older from the files, asynchronously.
 *
 * Offsets: startOffset ≤ committedOffset ≤ endOffset; a buffer leaves the tail only
 * after it is in its file. Segments are deleted from the oldest on, by one chore after the other, so
 * that a crash never leaves a gap.
 */
import { Batch } from '#core/message/batch.ts';
import { invariant } from '#core/errors.ts';
import type { EpochStart, Log, LogConfig, TimestampedOffset } from '#core/log.ts';
import { Sync } from '#core/log.ts';
import type { ProducerTable } from '#core/topic/producer-table.ts';
import { BatchTail } from './batch-tail.ts';
import type { Committable, GroupCommit } from './commit.ts';
import { encodeEpochs, EPOCH_FILE } from './epoch-checkpoint.ts';
import { isDiskFull } from './file-system.ts';
import { writeIndexFiles } from './index-files.ts';
import { checkRange, dropEpochsBefore, stampBatches } from './memory-log.ts';
import { writeMetadata } from './partition-metadata.ts';
import type { RecoveredLog } from './recovery.ts';
import { countDisposable } from './retention.ts';
import {
  INDEX_SUFFIX,
  LOG_SUFFIX,
  Segment,
  segmentFileName,
  SNAPSHOT_SUFFIX,
  TIME_INDEX_SUFFIX,
} from './segment.ts';
import { readSegment } from './segment-reader.ts';
import { SegmentWriter } from './segment-writer.ts';
import type { StoreServices } from './services.ts';
import type { TailOwner } from './tail-budget.ts';
import { findTimestamp } from './timestamp-search.ts';
import type { BlockLease } from '#wire/block-pool.ts';

/** Relative offsets and positions are signed 32-bit in the indexes. */
const INT32_MAX = 2 ** 31 - 1;
/** A segment of which every record was deleted is replaced by a new one from this size on. */
const DEAD_BYTES_MAX = 16 * 1024 * 1024;

export class DiskLog implements Log, Committable, TailOwner {
  readonly name: string;
  readonly folder: string;
  config: LogConfig;
  startOffset: number;
  endOffset: number;
  committedOffset: number;
  readonly producers: ProducerTable;
  readonly epochs: EpochStart[];

  readonly #services: StoreServices;
  readonly #segments: Segment[];
  /** Older ones, below the start, whose files are still to be deleted. */
  readonly #dead: Segment[] = [];
  readonly #writer: SegmentWriter;
  readonly #tail: BatchTail;
  #slot = -1;
  #sizeBytes = 0;
  #writtenOffset: number;
  #syncedOffset: number;
  /** In the commit that gathers. */
  #isDirty = false;
  #mustSync = false;
  /** The commit under way writes up to here; −1 when none does. */
  #writingOffset = -1;
  #writingSync = false;
  /** Where the last finished commit left the files. */
  #writtenSegment: Segment | null;
  #isClosed = false;
  /** Something was appended or deleted since it was opened, or it was not closed in order. */
  #isTouched: boolean;
  #chores: Promise<void> = Promise.resolve();
  #whenWritten: (() => void) | null = null;
  readonly #finishWrite = (error: Error | null): void => this.#afterWrite(error);

  constructor(
    services: StoreServices,
    name: string,
    folder: string,
    config: LogConfig,
    recovered: RecoveredLog,
    afterRemoval: Promise<void> | null,
  ) {
    this.#services = services;
    this.name = name;
    this.folder = folder;
    this.config = config;
    this.startOffset = recovered.startOffset;
    this.endOffset = this.committedOffset = this.#writtenOffset = recovered.endOffset;
    this.#syncedOffset = recovered.syncedOffset;
    this.producers = recovered.producers;
    this.epochs = recovered.epochs;
    this.#segments = recovered.segments;
    this.#isTouched = recovered.needsClose;
    this.#writtenSegment = recovered.segments.at(-1) ?? null;
    this.#tail = new BatchTail(this.endOffset, services.blocks);
    const isNew = this.#segments.length === 0;
    this.#writer = new SegmentWriter(services, () => this.config.segmentBytesMax);
    this.#writer.beforeNextWrite(() => this.#prepare(afterRemoval, isNew));
    for (const segment of this.#segments) {
      this.#sizeBytes += segment.sizeBytes;
      if (segment.isUnsynced) this.#writer.adopt(segment);
    }
    dropEpochsBefore(this.epochs, this.startOffset);
  }

  get sizeBytes(): number {
    return this.#sizeBytes;
  }

  append(appended: Uint8Array, mustSync: boolean, borrowed = false): number {
    invariant(!this.#isClosed, `append to ${this.name}, which is closed`);
    const batches = borrowed ? this.#tail.keep(appended) : appended;
    const baseOffset = this.endOffset;
    const segment = this.#segmentFor(batches);
    const { epoch } = this.#services;
    if (this.epochs.at(-1)?.epoch !== epoch) this.#beginEpoch(epoch);
    this.endOffset = stampBatches(batches, baseOffset, epoch, this.producers);
    for (let at = 0; at < batches.length; at += Batch.sizeBytes(batches, at)) {
      segment.note(batches, at, Batch.lastOffset(batches, at));
    }
    this.#sizeBytes += batches.length;
    this.#writer.add(segment, batches);
    this.#tail.push(baseOffset, this.endOffset, batches);
    this.#services.tails.grow(this, batches.length);
    if (mustSync) this.#mustSync = true;
    this.#becomeDirty();
    return baseOffset;
  }

  #becomeDirty(): void {
    if (this.#isDirty) return;
    this.#isDirty = this.#isTouched = true;
    const { positions, commit } = this.#services;
    if (this.#slot < 0 && !this.config.ephemeral) {
      if (!positions.has(this.name)) this.#writer.beforeNextWrite(() => this.#settleSlot());
      this.#slot = positions.slotFor(this.name);
    }
    commit.dirty(this);
  }

  #beginEpoch(epoch: number): void {
    this.epochs.push({ epoch, startOffset: this.endOffset });
    const epochs = encodeEpochs(this.epochs);
    this.#writer.beforeNextWrite(() =>
      this.#services.fs.replaceFileLazily(`${this.folder}/${EPOCH_FILE}`, epochs),
    );
  }

  async #settleSlot(): Promise<void> {
    this.#notePosition();
    await this.#services.positions.settle();
  }

  /** Folder and files that must be there before the first bytes. */
  async #prepare(afterRemoval: Promise<void> | null, isNew: boolean): Promise<void> {
    await afterRemoval;
    const { fs, folders } = this.#services;
    // A folder that should not be there is one whose removal was lost.
    if (isNew && (await fs.list(this.folder)).length > 0) await fs.removeDirectory(this.folder);
    await fs.makeDirectory(this.folder);
    if (isNew) {
      const parts = this.folder.slice(this.#services.root.length + 1).split('/');
      let parent = this.#services.root;
      for (const part of parts) {
        await folders.sync(parent);
        parent += `/${part}`;
      }
    }
    const { topicId } = this.config;
    if (topicId !== undefined) await writeMetadata(fs, this.folder, topicId);
  }

  #segmentFor(batches: Uint8Array): Segment {
    const active = this.#segments.at(-1);
    if (active === undefined) return this.#addSegment();
    const { segmentBytesMax, segmentAgeMsMax } = this.config;
    const isFull =
      active.sizeBytes > 0 &&
      (active.sizeBytes + batches.length > Math.min(segmentBytesMax, INT32_MAX) ||
        Batch.maxTimestampMs(batches, 0) - active.firstTimestampMs > segmentAgeMsMax ||
        this.endOffset + countOffsets(batches) - active.baseOffset > INT32_MAX ||
        (this.startOffset === this.endOffset && active.sizeBytes >= DEAD_BYTES_MAX));
    return isFull ? this.#roll() : active;
  }

  #addSegment(): Segment {
    const { indexIntervalBytes } = this.config;
    const segment = Segment.create(this.folder, this.endOffset, indexIntervalBytes);
    this.#segments.push(segment);
    return segment;
  }

  #roll(): Segment {
    const old = this.#segments.at(-1)!;
    const snapshot = this.producers.size > 0 ? this.producers.encode() : null;
    const segment = this.#addSegment();
    // By then the commit that writes the old segment's last bytes may still be to come.
    this.#chore(() => this.#seal(old, snapshot, segment.baseOffset));
    return segment;
  }

  write(commit: GroupCommit): void {
    // Removed meanwhile, perhaps while it waited for space: there is nobody to write it for.
    if (this.#isClosed) return commit.written();
    if (this.#writingOffset < 0) {
      this.#isDirty = false;
      this.#writingOffset = this.endOffset;
      const { sync, ephemeral } = this.config;
      this.#writingSync = this.#mustSync && sync === Sync.Commit && !ephemeral;
      this.#mustSync = false;
      this.#writer.take();
    }
    this.#writer.run(this.#writingSync, this.#finishWrite);
  }

  #afterWrite(error: Error | null): void {
    const { commit } = this.#services;
    if (error === null) commit.written();
    else if (isDiskFull(error)) commit.full(this);
    else commit.failed(error);
  }

  committed(): void {
    if (this.#writingOffset < 0) return;
    this.#writtenOffset = this.#writingOffset;
    if (this.#writingSync) this.#syncedOffset = this.#writingOffset;
    this.committedOffset = Math.max(this.committedOffset, this.#writtenOffset);
    this.#writtenSegment = this.#writer.lastWritten ?? this.#writtenSegment;
    this.#writingOffset = -1;
    this.#notePosition();
    const { tails } = this.#services;
    // Who appends to an ephemeral log does it to have the memory back.
    const bytesMax = this.config.ephemeral ? 0 : tails.logBytesMax;
    while (this.#tail.bytes > bytesMax && this.dropOldest() > 0);
    this.#deleteDeadSegments();
    this.#whenWritten?.();
  }

  #notePosition(): void {
    if (this.#slot < 0) return;
    const segment = this.#writtenSegment;
    this.#services.positions.set(
      this.#slot,
      this.startOffset,
      this.#syncedOffset,
      this.#writtenOffset,
      segment?.baseOffset ?? 0,
      segment?.writtenBytes ?? 0,
    );
  }

  dropOldest(): number {
    const end = this.#tail.firstChunkEnd;
    if (end < 0 || end > this.#writtenOffset) return 0;
    const size = this.#tail.dropFirst();
    this.#services.tails.shrink(size);
    return size;
  }

  read(
    offset: number,
    bytesMax: number,
    upTo: number,
    lease?: BlockLease,
  ): Uint8Array[] | Promise<Uint8Array[]> {
    checkRange(this, offset);
    if (offset >= upTo || offset === this.endOffset) return [];
    if (offset >= this.#tail.firstOffset) return this.#tail.read(offset, bytesMax, upTo, lease);
    return this.#readFiles(offset, bytesMax, upTo, lease);
  }

  async #readFiles(
    offset: number,
    bytesMax: number,
    upTo: number,
    lease: BlockLease | undefined,
  ): Promise<Uint8Array[]> {
    const segment = this.#segmentOf(offset);
    let found: Uint8Array;
    try {
      found = await readSegment(this.#services, segment, offset, bytesMax, upTo, lease);
    } catch (error) {
      // Deleted while it was being read: then the answer is that it is gone.
      checkRange(this, offset);
      throw this.#services.readFailures.refusal(this.name, segment.file.path, error);
    }
    return found.length === 0 ? [] : [found];
  }

  #segmentOf(offset: number): Segment {
    let low = 0;
    let high = this.#segments.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >>> 1;
      if (this.#segments[middle]!.baseOffset <= offset) low = middle;
      else high = middle - 1;
    }
    return this.#segments[low]!;
  }

  async offsetForTimestamp(timestampMs: number): Promise<TimestampedOffset | null> {
    try {
      return await findTimestamp(this.#services, this, this.#segments, timestampMs);
    } catch (error) {
      throw this.#services.readFailures.refusal(this.name, this.folder, error);
    }
  }

  deleteBefore(offset: number): void {
    if (offset <= this.startOffset) return;
    checkRange(this, offset);
    this.startOffset = offset;
    this.committedOffset = Math.max(this.committedOffset, offset);
    const before = this.#tail.bytes;
    this.#tail.dropBefore(Math.min(offset, this.#writtenOffset));
    this.#services.tails.shrink(before - this.#tail.bytes);
    dropEpochsBefore(this.epochs, offset);
    this.#buryDeadSegments();
    this.#becomeDirty();
  }

  configure(change: Partial<LogConfig>, nowMs: number): number {
    this.config = { ...this.config, ...change };
    const count = countDisposable(this.#segments, this.config, this.#sizeBytes, nowMs);
    if (count === 0) return this.startOffset;
    const next = this.#segments[count];
    const offset = next === undefined ? this.endOffset : next.baseOffset;
    if (offset > this.committedOffset) return this.startOffset;
    // The new segment's file must be there before the last other one goes.
    if (next === undefined) this.#writer.add(this.#roll(), new Uint8Array(0));
    this.deleteBefore(Math.max(offset, this.startOffset));
    return this.startOffset;
  }

  /** Segments that lie wholly below the start do not count any more. */
  #buryDeadSegments(): void {
    let count = 0;
    while (
      count + 1 < this.#segments.length &&
      this.#segments[count + 1]!.baseOffset <= this.startOffset
    ) {
      this.#sizeBytes -= this.#segments[count++]!.sizeBytes;
    }
    if (count > 0) this.#dead.push(...this.#segments.splice(0, count));
  }

  /** Deletes the files of dead segments, once the new start has been noted. The segment after a
   * deleted one must have a file: its name tells where the log begins even if nothing else does. */
  #deleteDeadSegments(): void {
    while (this.#dead.length > 0) {
      const segment = this.#dead[0]!;
      const next = this.#dead[1] ?? this.#segments[0]!;
      if (this.#writer.isBusyWith(segment) || next.isNew) return;
      this.#dead.shift();
      this.#services.indexes.forget(segment);
      this.#chore(() => this.#deleteFiles(segment));
    }
  }

  async #deleteFiles(segment: Segment): Promise<void> {
    const { files, fs, positions } = this.#services;
    await this.#writer.whenQuiet();
    // If the power goes, the file may be back, with holes where it was never synced: then the start
    // must be known, or else what comes after the holes would count as lost. Until it is safe,
    // commits sync the segment like any other.
    if (segment.isUnsynced && !this.config.ephemeral) await positions.settle();
    this.#writer.forget(segment);
    await files.forget(segment.file);
    for (const suffix of [LOG_SUFFIX, INDEX_SUFFIX, TIME_INDEX_SUFFIX, SNAPSHOT_SUFFIX]) {
      await fs.remove(segment.pathOf(suffix));
    }
  }

  /** Does `task` after those before it. A full disk skips it: everything here can be made anew. */
  #chore(task: () => Promise<void>): void {
    this.#chores = this.#chores.then(task).catch((error: Error) => {
      if (isDiskFull(error)) {
        this.#services.journal.warn('disk full: index files will be made anew', { log: this.name });
      } else this.#services.fatal(error);
    });
  }

  /** A segment that is not appended to any more gets its final form on disk. */
  async #seal(segment: Segment, snapshot: Uint8Array | null, nextBase: number): Promise<void> {
    while (this.#writer.isBusyWith(segment) && !this.#isClosed) await this.#nextWrite();
    if (this.#isClosed || !this.#segments.includes(segment)) return;
    await this.#writer.whenQuiet();
    await this.#finishFile(segment);
    await writeIndexFiles(this.#services, segment);
    this.#services.indexes.touch(segment);
    if (snapshot !== null) {
      const path = `${this.folder}/${segmentFileName(nextBase, SNAPSHOT_SUFFIX)}`;
      await this.#services.fs.replaceFileLazily(path, snapshot);
    }
  }

  /** Trims prewritten zeros and syncs. */
  async #finishFile(segment: Segment): Promise<void> {
    const { files, fs } = this.#services;
    if (segment.prewrittenBytes > segment.writtenBytes) {
      const fd = await files.use(segment.file, 'write');
      await fs.truncate(fd, segment.writtenBytes).finally(() => files.release(segment.file));
      segment.prewrittenBytes = 0;
    }
    if (!this.config.ephemeral) await this.#writer.sync(segment);
  }

  #nextWrite(): Promise<void> {
    return new Promise((resolve) => {
      const before = this.#whenWritten;
      this.#whenWritten = () => {
        before?.();
        this.#whenWritten = null;
        resolve();
      };
    });
  }

  async close(): Promise<void> {
    if (this.#isClosed) return;
    await this.#services.commit.whenIdle();
    await this.#chores;
    this.#isClosed = true;
    await this.#writer.whenQuiet();
    const active = this.#segments.at(-1);
    if (active !== undefined && this.#isTouched && !active.isNew && !this.config.ephemeral) {
      for (const segment of this.#segments) await this.#finishFile(segment);
      await writeIndexFiles(this.#services, active);
      await this.#writeFinalSnapshot();
      this.#syncedOffset = this.#writtenOffset = this.endOffset;
      this.#writtenSegment = active;
      if (this.#slot < 0) this.#slot = this.#services.positions.slotFor(this.name);
      this.#notePosition();
    }
    this.#leaveMemory();
    for (const segment of [...this.#dead, ...this.#segments]) {
      await this.#services.files.closeIdle(segment.file);
    }
  }

  async #writeFinalSnapshot(): Promise<void> {
    if (this.producers.size === 0) return;
    const path = `${this.folder}/${segmentFileName(this.endOffset, SNAPSHOT_SUFFIX)}`;
    await this.#services.fs.replaceFileLazily(path, this.producers.encode());
  }

  /** Stops using the folder, which is about to be removed. Nothing more is written. */
  async abandon(): Promise<void> {
    this.#isClosed = true;
    if (!this.config.ephemeral) this.#services.positions.remove(this.name);
    this.#slot = -1;
    while (this.#writingOffset >= 0) await this.#nextWrite();
    this.#whenWritten?.();
    await this.#chores;
    await this.#writer.whenQuiet();
    this.#leaveMemory();
    for (const segment of [...this.#dead, ...this.#segments]) {
      await this.#services.files.forget(segment.file);
    }
  }

  #leaveMemory(): void {
    this.#services.tails.leave(this, this.#tail.bytes);
    this.#tail.forget();
  }
}

/** A compressed batch may have, or claim, more of them than bytes. */
function countOffsets(batches: Uint8Array): number {
  let count = 0;
  for (let at = 0; at < batches.length; at += Batch.sizeBytes(batches, at)) {
    count += Batch.lastOffsetDelta(batches, at) + 1;
  }
  return count;
}
