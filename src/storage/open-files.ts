/**
 * OpenFiles: at most so many descriptors for any number of segment files. A file is opened when it
 * is used and closed when others need the place; ten thousand queues hold a few hundred.
 *
 * A StoredFile may have two descriptors: 'write' (plain) and 'through' (O_DSYNC, so that a write is
 * also its sync and costs one trip to the thread pool instead of two). Reading takes either.
 */
import { BrokerError } from '#core/errors.ts';
import type { FileSystem, OpenMode } from './file-system.ts';

export class StoredFile {
  readonly path: string;
  plain = -1;
  through = -1;
  users = 0;
  lastUsed = 0;
  /** Set when the file goes away: descriptors close with the last user. */
  gone = false;
  opening: Promise<void> | null = null;

  constructor(path: string) {
    this.path = path;
  }

  descriptor(mode: OpenMode): number {
    if (mode === 'write') return this.plain;
    if (mode === 'through') return this.through;
    return this.through >= 0 ? this.through : this.plain;
  }
}

export class OpenFiles {
  readonly fs: FileSystem;
  readonly #filesMax: number;
  readonly #open = new Set<StoredFile>();
  #useCount = 0;

  constructor(fs: FileSystem, filesMax: number) {
    this.fs = fs;
    this.#filesMax = filesMax;
  }

  get count(): number {
    return this.#open.size;
  }

  /** A descriptor, at once when the file is open; to be given back with `release`. */
  use(file: StoredFile, mode: OpenMode): number | Promise<number> {
    // Opening would make the file anew.
    if (file.gone) return Promise.reject(removed(file));
    file.users++;
    file.lastUsed = ++this.#useCount;
    const fd = file.descriptor(mode);
    return fd >= 0 ? fd : this.#openFor(file, mode);
  }

  release(file: StoredFile): void {
    file.users--;
    if (file.gone && file.users === 0) void this.#close(file);
  }

  /** Closes the file, now or when its last user releases it. */
  async forget(file: StoredFile): Promise<void> {
    file.gone = true;
    if (file.users === 0) await this.#close(file);
  }

  /** Closes the descriptors; the file may be used again. Nobody may be using it. */
  closeIdle(file: StoredFile): Promise<void> {
    return file.users === 0 ? this.#close(file) : Promise.resolve();
  }

  async #openFor(file: StoredFile, mode: OpenMode): Promise<number> {
    try {
      while (file.opening !== null) await file.opening;
      if (file.descriptor(mode) < 0) {
        file.opening = this.#openNow(file, mode);
        await file.opening;
      }
      return file.descriptor(mode);
    } catch (error) {
      this.release(file);
      // Its folder may be gone by now.
      throw file.gone ? removed(file) : error;
    }
  }

  async #openNow(file: StoredFile, mode: OpenMode): Promise<void> {
    try {
      // Plain even for reading: the same descriptor then serves a later write.
      const fd = await this.fs.open(file.path, mode === 'through' ? 'through' : 'write');
      if (mode === 'through') file.through = fd;
      else file.plain = fd;
      this.#open.add(file);
    } finally {
      file.opening = null;
    }
    if (this.#open.size > this.#filesMax) this.#closeOldest();
  }

  /** Makes room for a while at once, so that this is rare. */
  #closeOldest(): void {
    const idle = [...this.#open].filter((file) => file.users === 0);
    idle.sort((a, b) => a.lastUsed - b.lastUsed);
    for (const file of idle.slice(0, Math.ceil(this.#filesMax / 4))) void this.#close(file);
  }

  async #close(file: StoredFile): Promise<void> {
    this.#open.delete(file);
    const { plain, through } = file;
    file.plain = file.through = -1;
    if (plain >= 0) await this.fs.close(plain);
    if (through >= 0) await this.fs.close(through);
  }
}

/** A refusal: who reads a log may be overtaken by its deletion. */
function removed(file: StoredFile): BrokerError {
  return new BrokerError('not-found', `${file.path} has been removed`);
}
