/**
 * DiskStore: the logs of one data folder.
 *
 *   store.json        version, epoch (how often it was opened), boot id, whether it was closed
 *   log-positions     how far every log has come (positions.ts)
 *   log-slots         which log has which slot there
 *   removed/          folders of removed logs until they are deleted
 *   ephemeral/        logs that are gone after a restart
 *   <log name>/       segment files
 *
 * One store per folder and process; who may open the folder is the caller's business.
 */
import path from 'node:path';
import { CorruptionError, invariant } from '#core/errors.ts';
import type { Log, LogConfig, LogStore } from '#core/log.ts';
import type { Ports } from '#core/ports.ts';
import { ProducerTable } from '#core/topic/producer-table.ts';
import { GroupCommit } from './commit.ts';
import { DiskLog } from './disk-log.ts';
import { isDiskFull } from './file-system.ts';
import type { FileSystem } from './file-system.ts';
import { LoadedIndexes } from './index-files.ts';
import { cannotDecompress } from './memory-store.ts';
import { NodeFileSystem } from './node-file-system.ts';
import { OpenFiles } from './open-files.ts';
import { isOfAnotherTopic } from './partition-metadata.ts';
import { Positions } from './positions.ts';
import { recoverLog } from './recovery.ts';
import type { RecoveredLog } from './recovery.ts';
import { baseOffsetOf, LOG_SUFFIX } from './segment.ts';
import { FolderSync } from './services.ts';
import { ReadFailures } from './read-failures.ts';
import type { RecoveryRules, StoreServices } from './services.ts';
import { TailBudget } from './tail-budget.ts';
import type { Decompress } from './timestamps.ts';
import { BlockPool } from '#wire/block-pool.ts';

export interface DiskStoreOptions {
  readonly ports: Pick<Ports, 'defer' | 'log'>;
  /** Ends the process: a write or sync failed. Nothing may be acknowledged afterwards. */
  readonly fatal: (error: Error) => void;
  /** A timer that does not keep the process alive. */
  readonly after?: (delayMs: number, task: () => void) => void;
  readonly fs?: FileSystem;
  /** For timestamps inside of compressed batches. */
  readonly decompress?: Decompress;
  /** Below this many free bytes `hasSpace` is false. */
  readonly freeBytesMin?: number;
  /** Descriptors for segment files. */
  readonly openFilesMax?: number;
  /** Memory for what was appended lately, of all logs and of one. */
  readonly tailBytesMax?: number;
  readonly logTailBytesMax?: number;
  /** After a crash older segments are checked too, up to so many bytes per log. */
  readonly scanBytesMax?: number;
}

const MEGABYTE = 1024 * 1024;
const SPACE_CHECK_MS = 1000;
const LOADED_INDEXES_MAX = 64;
const FREE_BLOCK_BYTES_MAX = 8 * MEGABYTE;
/** Folders that end with the process and are deleted at the next start. */
const EPHEMERAL = 'ephemeral';
const REMOVED = 'removed';
const STORE_FILE = 'store.json';
const STORE_VERSION = 1;
const NAME = /^(?!.*(?:^|\/)\.{1,2}(?:\/|$))[A-Za-z0-9._-]+(?:\/[A-Za-z0-9._-]+)+$/;
const CLOSE_AT_ONCE = 16;

interface StoreFile {
  version: number;
  epoch: number;
  bootId: string | null;
  isClean: boolean;
}

export class DiskStore implements LogStore {
  readonly #services: StoreServices;
  readonly #options: DiskStoreOptions;
  readonly #bootId: string | null;
  readonly #logs = new Map<string, DiskLog>();
  readonly #opening = new Map<string, Promise<Log>>();
  /** Folders on their way out, by log name. */
  readonly #removals = new Map<string, Promise<void>>();
  #removedCount = 0;
  #isFull = false;
  #isLow = false;
  /** At the last look. */
  #freeBytes = Infinity;
  #grownBytesAtLook = 0;
  #isClosed = false;

  private constructor(services: StoreServices, options: DiskStoreOptions, bootId: string | null) {
    this.#services = services;
    this.#options = options;
    this.#bootId = bootId;
    services.commit.onFull = () => this.#setFull(true);
    services.commit.onFinished = () => {
      if (this.#isFull) this.#setFull(false);
      services.positions.flush();
      services.tails.trim();
    };
  }

  static async open(folder: string, options: DiskStoreOptions): Promise<DiskStore> {
    const fs = options.fs ?? new NodeFileSystem();
    const root = folder.replace(/\/+$/, '');
    if (await fs.makeDirectory(root)) await fs.syncDirectory(path.dirname(root));
    const bootId = await fs.bootId();
    const before = await readStoreFile(fs, root);
    const epoch = before.epoch + 1;
    await writeStoreFile(fs, root, { version: STORE_VERSION, epoch, bootId, isClean: false });
    await fs.removeDirectory(`${root}/${REMOVED}`);
    await fs.removeDirectory(`${root}/${EPHEMERAL}`);
    const isSameBoot = bootId !== null && before.bootId === bootId;
    const recovery: RecoveryRules = {
      isClean: before.isClean,
      mayHaveHoles: before.epoch > 0 && !before.isClean && !isSameBoot,
      scanBytesMax: options.scanBytesMax ?? 1024 * MEGABYTE,
    };
    const services = await makeServices(fs, root, epoch, recovery, options);
    const store = new DiskStore(services, options, bootId);
    await store.#checkSpace();
    store.#watchSpace();
    return store;
  }

  get commit(): GroupCommit {
    return this.#services.commit;
  }

  get epoch(): number {
    return this.#services.epoch;
  }

  /** What was appended since the last look counts as gone. Without it a burst between two looks fills
   * the disk, and then there is no room left for the acknowledgements that would free it. */
  get hasSpace(): boolean {
    if (this.#isFull || this.#isLow) return false;
    const sinceBytes = this.#services.tails.grownBytes - this.#grownBytesAtLook;
    return this.#freeBytes - sinceBytes >= this.#freeBytesMin;
  }

  get #freeBytesMin(): number {
    return this.#options.freeBytesMin ?? 50 * MEGABYTE;
  }

  open(name: string, config: LogConfig): Promise<Log> {
    const log = this.#logs.get(name);
    if (log !== undefined) return Promise.resolve(log);
    const opening = this.#opening.get(name) ?? this.#recover(name, config);
    this.#opening.set(name, opening);
    return opening;
  }

  async #recover(name: string, config: LogConfig): Promise<Log> {
    try {
      checkName(name);
      await this.#removals.get(name);
      if (config.ephemeral) return this.create(name, config);
      const folder = this.#folderOf(name);
      const { topicId } = config;
      if (topicId !== undefined && (await isOfAnotherTopic(this.#services.fs, folder, topicId))) {
        this.#services.positions.remove(name);
        await this.#services.positions.settle();
        return this.create(name, config);
      }
      return this.#add(name, config, await recoverLog(this.#services, name, folder, config));
    } finally {
      this.#opening.delete(name);
    }
  }

  create(name: string, config: LogConfig): Log {
    checkName(name);
    invariant(!this.#logs.has(name), `log ${name} exists`);
    return this.#add(name, config, {
      segments: [],
      startOffset: 0,
      endOffset: 0,
      syncedOffset: 0,
      producers: new ProducerTable(),
      epochs: [],
      needsClose: false,
    });
  }

  #add(name: string, config: LogConfig, recovered: RecoveredLog): DiskLog {
    const removal = this.#removals.get(name) ?? null;
    const folder = config.ephemeral
      ? `${this.#services.root}/${EPHEMERAL}/${name}`
      : this.#folderOf(name);
    const log = new DiskLog(this.#services, name, folder, config, recovered, removal);
    this.#logs.set(name, log);
    return log;
  }

  #folderOf(name: string): string {
    return `${this.#services.root}/${name}`;
  }

  async list(prefix: string): Promise<string[]> {
    const names = new Set<string>();
    for (const name of this.#logs.keys()) if (name.startsWith(prefix)) names.add(name);
    const slash = prefix.lastIndexOf('/');
    await this.#walk(slash < 0 ? '' : prefix.slice(0, slash), prefix, names);
    return [...names].toSorted();
  }

  /** Adds the logs in `folder` (relative to the root) and below. */
  async #walk(folder: string, prefix: string, names: Set<string>): Promise<void> {
    if (folder === REMOVED || folder === EPHEMERAL) return;
    const { fs, root } = this.#services;
    const entries = await fs.list(folder === '' ? root : `${root}/${folder}`);
    const isLog = entries.some((entry) => baseOffsetOf(entry.name, LOG_SUFFIX) >= 0);
    if (isLog && folder.startsWith(prefix) && !this.#removals.has(folder)) names.add(folder);
    for (const { name, isDirectory } of entries) {
      const below = folder === '' ? name : `${folder}/${name}`;
      const mayMatch = below.startsWith(prefix) || prefix.startsWith(below);
      if (isDirectory && mayMatch) await this.#walk(below, prefix, names);
    }
  }

  async remove(log: Log): Promise<void> {
    const { name } = log;
    this.#logs.delete(name);
    if (!(log instanceof DiskLog)) return;
    const before = this.#removals.get(name) ?? Promise.resolve();
    const removal = this.#removeFiles(log, before)
      .catch((error: Error) => this.#services.fatal(error))
      .finally(() => {
        if (this.#removals.get(name) === removal) this.#removals.delete(name);
      });
    this.#removals.set(name, removal);
    await removal;
  }

  /** After `before`, the removal of an earlier log of the name, whose folder it may still be. */
  async #removeFiles(log: DiskLog, before: Promise<void>): Promise<void> {
    await log.abandon();
    await before;
    const { fs, root, epoch, positions } = this.#services;
    let folder = log.folder;
    try {
      // First the position, or a new topic of this name would begin where this one did. Other names
      // are not used twice.
      if (log.config.topicId !== undefined) await positions.settle();
      if ((await fs.list(folder)).length === 0) return;
      // Out of the way at once, so that the name is free; deleting may take long.
      const away = `${root}/${REMOVED}`;
      await fs.makeDirectory(away);
      const target = `${away}/${epoch}-${this.#removedCount++}`;
      await fs.rename(folder, target);
      folder = target;
    } catch (error) {
      // On a full disk it is deleted where it is: somebody needs the space.
      if (!isDiskFull(error)) throw error;
    }
    await fs.removeDirectory(folder);
  }

  /** Closes all logs and says so in the folder, so that the next start need not look. */
  async close(): Promise<void> {
    if (this.#isClosed) return;
    await this.commit.whenIdle();
    await Promise.all(this.#removals.values());
    const logs = [...this.#logs.values()];
    for (let i = 0; i < logs.length; i += CLOSE_AT_ONCE) {
      await Promise.all(logs.slice(i, i + CLOSE_AT_ONCE).map((log) => log.close()));
    }
    this.#isClosed = true;
    const isClean = await this.#isAllRecovered();
    const { fs, root, epoch, positions } = this.#services;
    await positions.close();
    await writeStoreFile(fs, root, {
      version: STORE_VERSION,
      epoch,
      bootId: this.#bootId,
      isClean,
    });
  }

  /** False when a log was found damaged, or not looked at, since a crash: the next start must. */
  async #isAllRecovered(): Promise<boolean> {
    if (this.#services.recovery.isClean) return true;
    const names = await this.list('');
    return names.every((name) => this.#logs.has(name));
  }

  #setFull(isFull: boolean): void {
    if (isFull === this.#isFull) return;
    this.#isFull = isFull;
    const { journal, root } = this.#services;
    if (isFull) journal.warn('the disk is full; publishers are refused', { data: root });
    else journal.info('there is space on the disk again', { data: root });
  }

  /** Once a second whether we write or not: others fill the disk too. */
  #watchSpace(): void {
    const after = this.#options.after ?? afterUnref;
    after(SPACE_CHECK_MS, () => {
      if (this.#isClosed) return;
      this.#checkSpace().then(() => this.#watchSpace(), this.#services.fatal);
    });
  }

  async #checkSpace(): Promise<void> {
    const { fs, root, journal, tails } = this.#services;
    const { grownBytes } = tails;
    const freeBytes = await fs.freeBytes(root);
    this.#freeBytes = freeBytes;
    this.#grownBytesAtLook = grownBytes;
    const isLow = freeBytes < this.#freeBytesMin;
    if (isLow === this.#isLow) return;
    this.#isLow = isLow;
    const fields = { data: root, freeBytes };
    if (isLow) journal.warn('the disk is nearly full; publishers are refused', fields);
    else journal.info('there is enough space on the disk again', fields);
  }
}

async function makeServices(
  fs: FileSystem,
  root: string,
  epoch: number,
  recovery: RecoveryRules,
  options: DiskStoreOptions,
): Promise<StoreServices> {
  const { ports, fatal } = options;
  const commit = new GroupCommit({ defer: ports.defer, after: options.after ?? afterUnref, fatal });
  const tailBytesMax = options.tailBytesMax ?? 64 * MEGABYTE;
  return {
    root,
    fs,
    files: new OpenFiles(fs, options.openFilesMax ?? 512),
    commit,
    positions: await Positions.open(fs, root, !recovery.mayHaveHoles),
    tails: new TailBudget(tailBytesMax, options.logTailBytesMax ?? 8 * MEGABYTE),
    blocks: new BlockPool(FREE_BLOCK_BYTES_MAX),
    indexes: new LoadedIndexes(LOADED_INDEXES_MAX),
    folders: new FolderSync(fs),
    epoch,
    decompress: options.decompress ?? cannotDecompress,
    journal: ports.log,
    readFailures: new ReadFailures(ports.log),
    // Whatever failed, no commit may come to its end after it.
    fatal: (error) => commit.failed(error),
    recovery,
  };
}

function afterUnref(delayMs: number, task: () => void): void {
  setTimeout(task, delayMs).unref();
}

function checkName(name: string): void {
  invariant(NAME.test(name), `${JSON.stringify(name)} cannot be the name of a log`);
}

async function readStoreFile(fs: FileSystem, root: string): Promise<StoreFile> {
  const bytes = await fs.readFile(`${root}/${STORE_FILE}`);
  if (bytes === null) return { version: STORE_VERSION, epoch: 0, bootId: null, isClean: false };
  const file = parseStoreFile(`${root}/${STORE_FILE}`, Buffer.from(bytes).toString());
  if (file.version !== STORE_VERSION) {
    throw new Error(`${root} was written by another version of the store (${file.version})`);
  }
  return file;
}

function parseStoreFile(path: string, text: string): StoreFile {
  try {
    return JSON.parse(text) as StoreFile;
  } catch (error) {
    // Replaced as a whole, so this is no torn write of ours.
    throw new CorruptionError(path, 0, (error as SyntaxError).message);
  }
}

async function writeStoreFile(fs: FileSystem, root: string, file: StoreFile): Promise<void> {
  await fs.replaceFile(`${root}/${STORE_FILE}`, Buffer.from(`${JSON.stringify(file)}\n`));
}
