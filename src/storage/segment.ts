/**
 * Segment: one `<base offset>.log` file of whole batches with its two sparse indexes
 * (org.apache.kafka.storage.internals.log.LogSegment).
 *
 *   sizeBytes      all that was appended, also what is not yet written
 *   writtenBytes   what the file holds; [writtenBytes, prewrittenBytes) of the file are zeros
 *
 * The indexes of the segment that is appended to are in memory; those of an older one are read when
 * somebody asks. `.index` and `.timeindex` files are written when the segment is sealed (rolled or
 * closed) and are only a shortcut: recovery makes them anew from the batches.
 */
import { Batch } from '#core/message/batch.ts';
import { StoredFile } from './open-files.ts';
import { OffsetIndex, TimeIndex } from './segment-index.ts';

const NAME_DIGITS = 20;
export const LOG_SUFFIX = '.log';
export const INDEX_SUFFIX = '.index';
export const TIME_INDEX_SUFFIX = '.timeindex';
export const SNAPSHOT_SUFFIX = '.snapshot';

export function segmentFileName(baseOffset: number, suffix: string): string {
  return String(baseOffset).padStart(NAME_DIGITS, '0') + suffix;
}

/** The base offset of a file named by segmentFileName; −1 when it is named otherwise. */
export function baseOffsetOf(fileName: string, suffix: string): number {
  if (fileName.length !== NAME_DIGITS + suffix.length || !fileName.endsWith(suffix)) return -1;
  const digits = fileName.slice(0, NAME_DIGITS);
  return /^\d+$/.test(digits) ? Number(digits) : -1;
}

export class Segment {
  readonly baseOffset: number;
  readonly folder: string;
  readonly indexIntervalBytes: number;
  readonly file: StoredFile;
  sizeBytes = 0;
  writtenBytes = 0;
  /** The file is this long; zeros from writtenBytes on. */
  prewrittenBytes = 0;
  /** The file has no name on the disk yet. */
  isNew = false;
  /** Something was written that no sync has covered. */
  isUnsynced = false;
  /** Largest timestamp of its records, −1 when it has none. */
  maxTimestampMs = -1;
  /** Last offset of the batch with that timestamp, relative to the base. */
  maxTimestampOffset = 0;
  /** Timestamp of its first batch, from which its age counts. */
  firstTimestampMs = -1;
  /** Null while they are on disk only. */
  offsetIndex: OffsetIndex | null = null;
  timeIndex: TimeIndex | null = null;
  #bytesSinceEntry = 0;

  constructor(folder: string, baseOffset: number, indexIntervalBytes: number) {
    this.folder = folder;
    this.baseOffset = baseOffset;
    this.indexIntervalBytes = indexIntervalBytes;
    this.file = new StoredFile(this.pathOf(LOG_SUFFIX));
  }

  /** An empty one to append to. */
  static create(folder: string, baseOffset: number, indexIntervalBytes: number): Segment {
    const segment = new Segment(folder, baseOffset, indexIntervalBytes);
    segment.isNew = true;
    segment.resetIndexes();
    return segment;
  }

  pathOf(suffix: string): string {
    return `${this.folder}/${segmentFileName(this.baseOffset, suffix)}`;
  }

  resetIndexes(): void {
    this.offsetIndex = new OffsetIndex();
    this.timeIndex = new TimeIndex();
    this.maxTimestampMs = this.firstTimestampMs = -1;
    this.maxTimestampOffset = 0;
    this.#bytesSinceEntry = 0;
  }

  /** Accounts for the batch at `at`, which begins at byte sizeBytes of this segment. */
  note(bytes: Uint8Array, at: number, lastOffset: number): void {
    this.noteMaximum(Batch.maxTimestampMs(bytes, at), lastOffset - this.baseOffset);
    if (this.#bytesSinceEntry > this.indexIntervalBytes) {
      this.offsetIndex!.append(lastOffset - this.baseOffset, this.sizeBytes);
      this.timeIndex!.maybeAppend(this.maxTimestampMs, this.maxTimestampOffset);
      this.#bytesSinceEntry = 0;
    }
    const size = Batch.sizeBytes(bytes, at);
    this.sizeBytes += size;
    this.#bytesSinceEntry += size;
  }

  noteMaximum(timestampMs: number, relativeOffset: number): void {
    if (this.firstTimestampMs < 0) this.firstTimestampMs = timestampMs;
    if (timestampMs <= this.maxTimestampMs) return;
    this.maxTimestampMs = timestampMs;
    this.maxTimestampOffset = relativeOffset;
  }

  /** The last entry of a sealed time index is the segment's maximum (as Kafka's is). */
  closeTimeIndex(): void {
    this.timeIndex!.maybeAppend(this.maxTimestampMs, this.maxTimestampOffset);
  }
}
