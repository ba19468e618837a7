/**
 * SegmentWriter: brings a log's appended buffers into its segment files, once per commit.
 *
 * Runs of buffers are written in order, one segment after the other, so that after a killed process
 * the files hold a prefix of what was appended. A synced write goes through an O_DSYNC descriptor:
 * one trip to the thread pool, and measured faster than write + fdatasync at every size. When
 * earlier bytes are still unsynced (nobody waited for them), the file is written plainly and
 * fdatasynced with everything else that is open.
 *
 * Prewriting: a file that is synced often in small pieces is filled with zeros ahead of its end, so
 * that a sync writes data only and not the file's length and blocks as well.
 */
import { isDiskFull, totalBytes } from './file-system.ts';
import type { Done } from './file-system.ts';
import type { Segment } from './segment.ts';
import type { StoreServices } from './services.ts';

interface Run {
  readonly segment: Segment;
  parts: Uint8Array[];
}

/** Below this many bytes several buffers are copied into one, above they go as they are. */
const COALESCE_BYTES_MAX = 32 * 1024;
const COALESCE_PARTS_MIN = 4;

const PREWRITE_AFTER_SYNCS = 16;
const PREWRITE_BYTES_MIN = 256 * 1024;
const PREWRITE_BYTES_MAX = 4 * 1024 * 1024;
/** Larger commits gain nothing that is worth writing every byte twice. */
const PREWRITE_COMMIT_BYTES_MAX = 64 * 1024;
const ZEROS = new Uint8Array(PREWRITE_BYTES_MIN);

export class SegmentWriter {
  readonly #services: StoreServices;
  readonly #segmentBytesMax: () => number;
  #pending: Run[] = [];
  #underWay: Run[] = [];
  #done = 0;
  #sync = false;
  #finish: Done = () => {};
  readonly #unsynced = new Set<Segment>();
  readonly #syncing = new Map<Segment, Promise<void>>();
  #syncs = 0;
  #bytesPerSync = 0;
  #prewriting: Promise<void> | null = null;
  #prewriteRefused = false;
  /** What must be done, in this order, before the next bytes are written. */
  readonly #before: (() => Promise<void>)[] = [];

  constructor(services: StoreServices, segmentBytesMax: () => number) {
    this.#services = services;
    this.#segmentBytesMax = segmentBytesMax;
  }

  /** `task` may be run more than once if the disk is full. */
  beforeNextWrite(task: () => Promise<void>): void {
    this.#before.push(task);
  }

  add(segment: Segment, bytes: Uint8Array): void {
    const last = this.#pending.at(-1);
    if (last?.segment !== segment) this.#pending.push({ segment, parts: [bytes] });
    else if (!extend(last.parts, bytes)) last.parts.push(bytes);
  }

  /** True while the segment has bytes that are not in its file. */
  isBusyWith(segment: Segment): boolean {
    return segment.writtenBytes < segment.sizeBytes;
  }

  /** Everything added until now is what the next `run` writes. */
  take(): void {
    this.#underWay = this.#pending;
    this.#pending = [];
    this.#done = 0;
  }

  /**
   * Writes what was taken and, if `sync`, syncs all of the log. After an error that is a full disk
   * it may be called again and goes on where it stopped.
   */
  run(sync: boolean, finish: Done): void {
    this.#sync = sync;
    this.#finish = finish;
    this.#next();
  }

  /**
   * After this the segment's written bytes are safe whatever happens. Shared by the commit and by
   * sealing: a segment counts as unsynced until its sync has come to its end, so that neither
   * relies on one that is only under way.
   */
  sync(segment: Segment): Promise<void> {
    if (!segment.isUnsynced) return Promise.resolve();
    const underWay = this.#syncing.get(segment);
    if (underWay !== undefined) return underWay;
    const sync = this.#syncNow(segment).finally(() => this.#syncing.delete(segment));
    this.#syncing.set(segment, sync);
    return sync;
  }

  async #syncNow(segment: Segment): Promise<void> {
    await this.#fdatasync(segment);
    segment.isUnsynced = false;
    this.#unsynced.delete(segment);
  }

  /** Takes over a segment that recovery found and could not be sure is synced. */
  adopt(segment: Segment): void {
    this.#unsynced.add(segment);
  }

  /** The segment that the last run ended in. */
  get lastWritten(): Segment | null {
    return this.#underWay.at(-1)?.segment ?? null;
  }

  /** The segment is going away. */
  forget(segment: Segment): void {
    this.#unsynced.delete(segment);
  }

  /** Resolves when no zeros are being written. */
  async whenQuiet(): Promise<void> {
    await this.#prewriting;
  }

  #next(): void {
    const run = this.#underWay[this.#done];
    if (run === undefined) return this.#afterWrites();
    if (run.segment.isNew || this.#before.length > 0 || this.#prewriting !== null) {
      this.#prepare(run).then(() => this.#write(run), this.#finish);
      return;
    }
    this.#write(run);
  }

  async #prepare(run: Run): Promise<void> {
    await this.#prewriting;
    while (this.#before.length > 0) {
      await this.#before[0]!();
      this.#before.shift();
    }
    const { segment } = run;
    if (!segment.isNew) return;
    const { files, folders } = this.#services;
    await files.use(segment.file, this.#sync ? 'through' : 'write');
    files.release(segment.file);
    await folders.sync(segment.folder);
    segment.isNew = false;
  }

  #write(run: Run): void {
    const through = this.#sync && !run.segment.isUnsynced;
    const fd = this.#services.files.use(run.segment.file, through ? 'through' : 'write');
    if (typeof fd === 'number') this.#writeTo(fd, run, through);
    else fd.then((opened) => this.#writeTo(opened, run, through), this.#finish);
  }

  #writeTo(fd: number, run: Run, through: boolean): void {
    const { segment } = run;
    const bytes = totalBytes(run.parts);
    if (run.parts.length >= COALESCE_PARTS_MIN && bytes <= COALESCE_BYTES_MAX) {
      run.parts = [Buffer.concat(run.parts, bytes)];
    }
    if (!through) {
      segment.isUnsynced = true;
      this.#unsynced.add(segment);
    }
    const { fs, files } = this.#services;
    fs.write(fd, run.parts, segment.writtenBytes, !through && !this.#sync, (error) => {
      files.release(segment.file);
      if (error) return this.#finish(error);
      segment.writtenBytes += bytes;
      this.#bytesPerSync += (bytes - this.#bytesPerSync) / 8;
      this.#done++;
      this.#next();
    });
  }

  #afterWrites(): void {
    if (!this.#sync) return this.#finish(null);
    const active = this.#underWay.at(-1)?.segment;
    if (active !== undefined) this.#prewriteWhenUseful(active);
    if (this.#unsynced.size === 0) return this.#finish(null);
    const segments = [...this.#unsynced];
    Promise.all(segments.map((segment) => this.sync(segment))).then(
      () => this.#finish(null),
      this.#finish,
    );
  }

  async #fdatasync(segment: Segment): Promise<void> {
    const { fs, files } = this.#services;
    const fd = await files.use(segment.file, 'write');
    await new Promise<void>((resolve, reject) => {
      fs.fdatasync(fd, (error) => (error ? reject(error) : resolve()));
    }).finally(() => files.release(segment.file));
  }

  #prewriteWhenUseful(segment: Segment): void {
    if (++this.#syncs < PREWRITE_AFTER_SYNCS || this.#prewriting !== null) return;
    if (this.#prewriteRefused || this.#bytesPerSync > PREWRITE_COMMIT_BYTES_MAX) return;
    const from = Math.max(segment.prewrittenBytes, segment.writtenBytes);
    const step = Math.min(Math.max(segment.writtenBytes, PREWRITE_BYTES_MIN), PREWRITE_BYTES_MAX);
    if (from - segment.writtenBytes > step / 4) return;
    const to = Math.min(from + step, this.#segmentBytesMax());
    if (to - from < PREWRITE_BYTES_MIN / 4) return;
    this.#prewriting = this.#prewriteAhead(segment, from, to);
  }

  async #prewriteAhead(segment: Segment, from: number, to: number): Promise<void> {
    try {
      await this.#prewrite(segment, from, to);
    } catch (error) {
      // A full disk is the commit's to meet, and this file does without.
      this.#prewriteRefused = true;
      if (!isDiskFull(error)) this.#services.fatal(error as Error);
    } finally {
      this.#prewriting = null;
    }
  }

  /** Only the writing of the zeros must be over before data may follow, not their sync. */
  async #prewrite(segment: Segment, from: number, to: number): Promise<void> {
    const { fs, files } = this.#services;
    const fd = await files.use(segment.file, 'write');
    const parts: Uint8Array[] = [];
    for (let at = from; at < to; at += ZEROS.length) parts.push(ZEROS.subarray(0, to - at));
    await new Promise<void>((resolve, reject) => {
      fs.write(fd, parts, from, false, (error) => {
        if (error) {
          files.release(segment.file);
          return reject(error);
        }
        segment.prewrittenBytes = to;
        fs.fdatasync(fd, (failure) => {
          files.release(segment.file);
          if (failure) this.#services.fatal(failure);
        });
        resolve();
      });
    });
  }
}

/** Buffers that were cut one after the other from the same memory are written as one. */
function extend(parts: Uint8Array[], bytes: Uint8Array): boolean {
  const last = parts.at(-1)!;
  const { buffer, byteOffset, length } = last;
  if (buffer !== bytes.buffer || byteOffset + length !== bytes.byteOffset) return false;
  parts[parts.length - 1] = new Uint8Array(buffer, byteOffset, length + bytes.length);
  return true;
}
