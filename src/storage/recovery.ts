/**
 * Recovery: what a log's folder holds after the store ended, in whatever way.
 *
 * After a clean end the files are as `log-positions` says and nothing is scanned. After any other
 * end the last segment, every segment that may not have been synced, and older ones up to a bound
 * are read and every batch is checked. Then, at the first batch that cannot be believed:
 *
 *   acknowledged (below `trusted`)   corruption: refuse, unless the file just ends there
 *   not acknowledged, nothing behind a torn write that nobody was told of: cut it off
 *   not acknowledged, valid behind   corruption, unless the machine went down: then the disk may
 *                                    have kept any part of what was never synced, so cut it off
 *
 * `trusted` is what was written if the machine stayed up, else what was synced.
 */
import { Batch, BATCH_HEADER_BYTES, readInt32, readInt64 } from '#core/message/batch.ts';
import { CorruptionError } from '#core/errors.ts';
import type { EpochStart, LogConfig } from '#core/log.ts';
import { Sync } from '#core/log.ts';
import { ProducerTable } from '#core/topic/producer-table.ts';
import { decodeEpochs, EPOCH_FILE } from './epoch-checkpoint.ts';
import { offsetIndexOf, timeIndexOf, writeIndexFiles } from './index-files.ts';
import { rememberProducer } from './memory-log.ts';
import type { LogPosition } from './positions.ts';
import { scanSegment } from './segment-scan.ts';
import type { Scan } from './segment-scan.ts';
import { TIME_ENTRY_BYTES } from './segment-index.ts';
import {
  baseOffsetOf,
  INDEX_SUFFIX,
  LOG_SUFFIX,
  Segment,
  segmentFileName,
  SNAPSHOT_SUFFIX,
  TIME_INDEX_SUFFIX,
} from './segment.ts';
import type { StoreServices } from './services.ts';

export interface RecoveredLog {
  /** Oldest first; the last one is appended to. Empty for a log without files. */
  segments: Segment[];
  startOffset: number;
  endOffset: number;
  /** Every record below is on the disk for certain. */
  syncedOffset: number;
  producers: ProducerTable;
  epochs: EpochStart[];
  /** The files beside the segments are not as a close leaves them. */
  needsClose: boolean;
}

export async function recoverLog(
  services: StoreServices,
  name: string,
  folder: string,
  config: LogConfig,
): Promise<RecoveredLog> {
  return new Recovery(services, name, folder, config).run();
}

class Recovery {
  readonly #services: StoreServices;
  readonly #name: string;
  readonly #folder: string;
  readonly #config: LogConfig;
  readonly #position: LogPosition | null;
  #segments: Segment[] = [];
  #snapshots: number[] = [];
  #snapshotOffset = 0;
  #endOffset = 0;
  #producers = new ProducerTable();
  #epochs: EpochStart[] = [];

  constructor(services: StoreServices, name: string, folder: string, config: LogConfig) {
    this.#services = services;
    this.#name = name;
    this.#folder = folder;
    this.#config = config;
    this.#position = services.positions.find(name);
  }

  async run(): Promise<RecoveredLog> {
    await this.#list();
    const position = this.#position;
    if (this.#segments.length === 0) {
      this.#endOffset = position?.startOffset ?? 0;
      return this.#result(this.#endOffset, false);
    }
    await this.#loadEpochs();
    const isExact = this.#isAsPositionSays();
    if (isExact) await this.#openClean(position!.writtenOffset);
    else await this.#openAfterCrash();
    await this.#removeStraySnapshots();
    if (isExact) return this.#result(this.#endOffset, false);
    return this.#result(await this.#syncWhatIsShown(), true);
  }

  #result(syncedOffset: number, needsClose: boolean): RecoveredLog {
    const first = this.#segments[0]?.baseOffset ?? 0;
    const startOffset = Math.max(first, this.#position?.startOffset ?? 0);
    return {
      segments: this.#segments,
      startOffset,
      endOffset: this.#endOffset,
      syncedOffset: Math.min(syncedOffset, this.#endOffset),
      producers: this.#producers,
      epochs: this.#epochs,
      needsClose,
    };
  }

  async #list(): Promise<void> {
    const { fs } = this.#services;
    const bases: number[] = [];
    for (const { name } of await fs.list(this.#folder)) {
      if (name.endsWith('.tmp')) await fs.remove(`${this.#folder}/${name}`);
      const base = baseOffsetOf(name, LOG_SUFFIX);
      if (base >= 0) bases.push(base);
      const snapshot = baseOffsetOf(name, SNAPSHOT_SUFFIX);
      if (snapshot >= 0) this.#snapshots.push(snapshot);
    }
    this.#snapshots.sort((a, b) => a - b);
    bases.sort((a, b) => a - b);
    await this.#removeDead(bases);
    for (const base of bases) {
      const segment = new Segment(this.#folder, base, this.#config.indexIntervalBytes);
      segment.sizeBytes = segment.writtenBytes = await fs.size(segment.file.path);
      this.#segments.push(segment);
    }
  }

  /** Segments below the start had been deleted, perhaps without the disk having noted it; what
   * they hold is nobody's business. */
  async #removeDead(bases: number[]): Promise<void> {
    const startOffset = this.#position?.startOffset ?? 0;
    while (bases.length > 1 && bases[1]! <= startOffset) {
      const { indexIntervalBytes } = this.#config;
      await this.#remove(new Segment(this.#folder, bases.shift()!, indexIntervalBytes));
    }
  }

  #isAsPositionSays(): boolean {
    const position = this.#position;
    const last = this.#segments.at(-1)!;
    return (
      this.#services.recovery.isClean &&
      position !== null &&
      position.segmentBase === last.baseOffset &&
      position.segmentBytes === last.sizeBytes
    );
  }

  async #loadEpochs(): Promise<void> {
    const bytes = await this.#services.fs.readFile(`${this.#folder}/${EPOCH_FILE}`);
    this.#epochs = (bytes === null ? null : decodeEpochs(bytes)) ?? [];
  }

  async #openClean(endOffset: number): Promise<void> {
    this.#endOffset = endOffset;
    for (const segment of this.#segments.slice(0, -1)) await this.#readMaximum(segment);
    const active = this.#segments.at(-1)!;
    await offsetIndexOf(this.#services, active);
    await timeIndexOf(this.#services, active);
    // It is appended to from now on and must not leave memory.
    this.#services.indexes.forget(active);
    const { timeIndex } = active;
    active.noteMaximum(timeIndex!.lastTimestampMs, timeIndex!.lastRelativeOffset);
    await this.#loadSnapshot(endOffset);
  }

  /** The last entry of a sealed time index is the segment's largest timestamp. */
  async #readMaximum(segment: Segment): Promise<void> {
    const { fs } = this.#services;
    const path = segment.pathOf(TIME_INDEX_SUFFIX);
    const bytes = await fs.size(path);
    if (bytes < TIME_ENTRY_BYTES || bytes % TIME_ENTRY_BYTES !== 0) {
      const index = await timeIndexOf(this.#services, segment);
      segment.noteMaximum(index.lastTimestampMs, index.lastRelativeOffset);
      return;
    }
    const fd = await fs.open(path, 'read');
    const entry = new Uint8Array(TIME_ENTRY_BYTES);
    try {
      await fs.read(fd, entry, bytes - TIME_ENTRY_BYTES);
    } finally {
      await fs.close(fd);
    }
    segment.noteMaximum(readInt64(entry, 0), readInt32(entry, 8));
  }

  /** The newest whole snapshot at or below `offset`. */
  async #loadSnapshot(offset: number): Promise<void> {
    for (const at of this.#snapshots.toReversed()) {
      if (at > offset) continue;
      const path = `${this.#folder}/${segmentFileName(at, SNAPSHOT_SUFFIX)}`;
      const bytes = await this.#services.fs.readFile(path);
      const table = bytes === null ? null : ProducerTable.decode(bytes);
      if (table === null) continue;
      this.#producers = table;
      this.#snapshotOffset = at;
      return;
    }
  }

  /** Segments that are not segment bases' snapshots, but for the newest, help nobody. */
  async #removeStraySnapshots(): Promise<void> {
    const bases = new Set(this.#segments.map((segment) => segment.baseOffset));
    const newest = this.#snapshots.findLast((offset) => offset <= this.#endOffset);
    for (const offset of this.#snapshots) {
      if (offset <= this.#endOffset && (offset === newest || bases.has(offset))) continue;
      const file = segmentFileName(offset, SNAPSHOT_SUFFIX);
      await this.#services.fs.remove(`${this.#folder}/${file}`);
    }
  }

  async #openAfterCrash(): Promise<void> {
    await this.#scanAll(this.#segments.at(-1)!.baseOffset);
    // The snapshot knows of batches that were lost: what they retry must not count as stored.
    if (this.#snapshotOffset > this.#endOffset) await this.#scanAll(this.#endOffset);
    this.#epochs = this.#epochs.filter(({ startOffset }) => startOffset <= this.#endOffset);
    const trusted = this.#trustedOffset();
    if (trusted !== null && this.#endOffset < trusted) {
      this.#services.journal.warn('acknowledged records are missing at the end of a log', {
        log: this.#name,
        from: this.#endOffset,
        to: trusted,
      });
    }
    await this.#skipToStart();
  }

  /** Reads every segment that may be damaged, beginning with what was known at `snapshotMax`. */
  async #scanAll(snapshotMax: number): Promise<void> {
    this.#producers = new ProducerTable();
    this.#snapshotOffset = 0;
    await this.#loadSnapshot(snapshotMax);
    const first = this.#firstToScan();
    for (const segment of this.#segments.slice(0, first)) await this.#readMaximum(segment);
    for (let i = first; i < this.#segments.length; i++) {
      const scan = await this.#scan(this.#segments[i]!);
      this.#endOffset = scan.nextOffset;
      await this.#judge(i, scan);
    }
  }

  #firstToScan(): number {
    const segments = this.#segments;
    const syncedOffset = this.#position?.syncedOffset ?? 0;
    let budget = this.#services.recovery.scanBytesMax;
    let first = segments.length - 1;
    while (first > 0) {
      const before = segments[first - 1]!;
      const end = segments[first]!.baseOffset;
      const isNeeded =
        end > syncedOffset || (this.#snapshots.length > 0 && end > this.#snapshotOffset);
      budget -= before.sizeBytes;
      if (!isNeeded && budget < 0) break;
      first--;
    }
    return first;
  }

  #scan(segment: Segment): Promise<Scan> {
    const fileBytes = segment.sizeBytes;
    segment.sizeBytes = 0;
    segment.resetIndexes();
    // What is there may be in the page cache only.
    segment.isUnsynced = true;
    return scanSegment(this.#services, segment, fileBytes, (bytes, at, lastOffset) => {
      segment.note(bytes, at, lastOffset);
      const baseOffset = Batch.baseOffset(bytes, at);
      const epoch = Batch.leaderEpoch(bytes, at);
      const latest = this.#epochs.at(-1);
      if (latest === undefined || epoch > latest.epoch) {
        this.#epochs.push({ epoch, startOffset: baseOffset });
      }
      if (baseOffset >= this.#snapshotOffset && Batch.producerId(bytes, at) >= 0) {
        rememberProducer(bytes, at, lastOffset, this.#producers);
      }
    });
  }

  /**
   * What was written and not synced before a process was killed is there now and will be shown, and
   * its publisher's retry is a duplicate that is answered at once: so it must be safe first.
   * Returns the offset below which everything is.
   */
  async #syncWhatIsShown(): Promise<number> {
    const syncedOffset = this.#position?.syncedOffset ?? 0;
    const needsSync = this.#endOffset > syncedOffset;
    if (needsSync && this.#config.sync !== Sync.Commit) return syncedOffset;
    for (const segment of this.#segments) {
      if (!segment.isUnsynced) continue;
      if (needsSync) await this.#fdatasync(segment);
      segment.isUnsynced = false;
    }
    return this.#endOffset;
  }

  async #fdatasync(segment: Segment): Promise<void> {
    const { files, fs } = this.#services;
    const fd = await files.use(segment.file, 'write');
    await new Promise<void>((resolve, reject) => {
      fs.fdatasync(fd, (error) => (error ? reject(error) : resolve()));
    }).finally(() => files.release(segment.file));
  }

  #trustedOffset(): number | null {
    if (this.#position === null) return null;
    const { mayHaveHoles } = this.#services.recovery;
    return mayHaveHoles ? this.#position.syncedOffset : this.#position.writtenOffset;
  }

  /** Segment i has been read as far as it can be believed. */
  async #judge(i: number, scan: Scan): Promise<void> {
    const segment = this.#segments[i]!;
    const next = this.#segments[i + 1];
    const { problem, validBytes } = scan;
    if (next !== undefined && scan.nextOffset === next.baseOffset) {
      // Nothing is missing; at most prewritten zeros were left.
      if (problem !== null && problem.kind !== 'zeros') this.#refuse(segment, scan);
      await this.#cut(segment, validBytes, problem !== null);
      await writeIndexFiles(this.#services, segment);
      segment.offsetIndex = segment.timeIndex = null;
      return;
    }
    const hasMore = next !== undefined || (problem !== null && problem.validAfter >= 0);
    if (hasMore && !this.#mayHaveHoles(scan)) this.#refuse(segment, scan);
    if (problem !== null) {
      const trusted = this.#trustedOffset();
      const isAcknowledged = trusted !== null && scan.nextOffset < trusted;
      // The first bytes of a batch are zeros.
      const endsThere = problem.kind === 'cut' || scan.restBytes < BATCH_HEADER_BYTES;
      if (isAcknowledged && !endsThere) this.#refuse(segment, scan);
      if (problem.kind !== 'zeros') {
        this.#services.journal.warn('dropped a write that did not come to its end', {
          file: segment.file.path,
          position: validBytes,
          reason: problem.reason,
        });
      }
      await this.#cut(segment, validBytes, true);
    }
    await this.#dropAfter(i);
  }

  /** What was never synced may have any holes after the machine went down. */
  #mayHaveHoles(scan: Scan): boolean {
    const isSynced = scan.nextOffset < (this.#position?.syncedOffset ?? 0);
    return this.#services.recovery.mayHaveHoles && !isSynced;
  }

  #refuse(segment: Segment, scan: Scan): never {
    const reason = scan.problem?.reason ?? `offset ${scan.nextOffset} and what follows are missing`;
    throw new CorruptionError(segment.file.path, scan.validBytes, reason);
  }

  async #cut(segment: Segment, bytes: number, isLonger: boolean): Promise<void> {
    segment.writtenBytes = bytes;
    if (!isLonger) return;
    const { files, fs } = this.#services;
    const fd = await files.use(segment.file, 'write');
    await fs.truncate(fd, bytes).finally(() => files.release(segment.file));
    // At once: what was cut off must not come back under what is written now.
    await this.#fdatasync(segment);
  }

  async #dropAfter(i: number): Promise<void> {
    const dropped = this.#segments.splice(i + 1);
    for (const segment of dropped) await this.#remove(segment);
    if (dropped.length > 0) await this.#services.folders.sync(this.#folder);
  }

  async #remove(segment: Segment): Promise<void> {
    const { files, fs } = this.#services;
    await files.forget(segment.file);
    for (const suffix of [LOG_SUFFIX, INDEX_SUFFIX, TIME_INDEX_SUFFIX]) {
      await fs.remove(segment.pathOf(suffix));
    }
  }

  /** When the records below the start are lost too, the log goes on at its start: an offset that
   * was deleted must not come back as another record. */
  async #skipToStart(): Promise<void> {
    const startOffset = this.#position?.startOffset ?? 0;
    if (startOffset <= this.#endOffset) return;
    // No file will tell the start any more, so the position must be safe first.
    await this.#services.positions.settle();
    await this.#dropAfter(-1);
    const { indexIntervalBytes } = this.#config;
    this.#segments.push(Segment.create(this.#folder, startOffset, indexIntervalBytes));
    this.#endOffset = startOffset;
    this.#epochs = [];
  }
}
