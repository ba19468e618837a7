/**
 * NodeFileSystem: the FileSystem of the machine, by node:fs.
 *
 * Writes that need no durability go to the page cache in a few microseconds, less than the way to
 * the thread pool and back, so small ones are done at once; when one of them took long (the kernel
 * throttles who dirties pages faster than the disk takes them) the next ones go to the pool.
 */
import fs from 'node:fs';
import fsPromises from 'node:fs/promises';
import path from 'node:path';
import { errorCode, totalBytes } from './file-system.ts';
import type { DirectoryEntry, Done, FileSystem, OpenMode } from './file-system.ts';

const { O_RDONLY, O_RDWR, O_CREAT, O_DSYNC } = fs.constants;
const FLAGS: Record<OpenMode, number> = {
  read: O_RDONLY,
  write: O_RDWR | O_CREAT,
  through: O_RDWR | O_CREAT | O_DSYNC,
};
const FILE_MODE = 0o644;
const QUICK_BYTES_MAX = 64 * 1024;
/** A quick write that took longer stops quick writes for a while. */
const QUICK_SLOW_MS = 2;
const QUICK_PAUSE_MS = 1000;
/** IOV_MAX of Linux and macOS. */
const PARTS_MAX = 1024;
const BOOT_ID_FILE = '/proc/sys/kernel/random/boot_id';

export class NodeFileSystem implements FileSystem {
  #quickFromMs = 0;

  open(file: string, mode: OpenMode): Promise<number> {
    return new Promise((resolve, reject) => {
      fs.open(file, FLAGS[mode], FILE_MODE, (error, fd) => (error ? reject(error) : resolve(fd)));
    });
  }

  close(fd: number): Promise<void> {
    return settle((done) => fs.close(fd, done));
  }

  write(
    fd: number,
    parts: readonly Uint8Array[],
    position: number,
    quick: boolean,
    done: Done,
  ): void {
    if (quick && totalBytes(parts) <= QUICK_BYTES_MAX && performance.now() >= this.#quickFromMs) {
      done(this.#writeQuickly(fd, parts, position));
    } else if (parts.length === 1) {
      writeOne(fd, parts[0]!, position, done);
    } else {
      writeMany(fd, parts, position, done);
    }
  }

  #writeQuickly(fd: number, parts: readonly Uint8Array[], position: number): Error | null {
    const startMs = performance.now();
    try {
      for (const part of parts) {
        this.writeNow(fd, part, 0, part.length, position);
        position += part.length;
      }
    } catch (error) {
      return error as Error;
    }
    const endMs = performance.now();
    if (endMs - startMs > QUICK_SLOW_MS) this.#quickFromMs = endMs + QUICK_PAUSE_MS;
    return null;
  }

  writeNow(fd: number, bytes: Uint8Array, start: number, end: number, position: number): void {
    while (start < end) {
      const written = fs.writeSync(fd, bytes, start, end - start, position);
      start += written;
      position += written;
    }
  }

  fdatasync(fd: number, done: Done): void {
    fs.fdatasync(fd, done);
  }

  read(fd: number, into: Uint8Array, position: number): Promise<number> {
    return new Promise((resolve, reject) => {
      const readOn = (filled: number): void => {
        fs.read(fd, into, filled, into.length - filled, position + filled, (error, count) => {
          if (error) reject(error);
          else if (count === 0 || filled + count === into.length) resolve(filled + count);
          else readOn(filled + count);
        });
      };
      readOn(0);
    });
  }

  truncate(fd: number, bytes: number): Promise<void> {
    return settle((done) => fs.ftruncate(fd, bytes, done));
  }

  async size(file: string): Promise<number> {
    const stats = await fsPromises.stat(file).catch(nullWhenMissing);
    return stats === null ? 0 : stats.size;
  }

  async readFile(file: string): Promise<Uint8Array | null> {
    return fsPromises.readFile(file).catch(nullWhenMissing);
  }

  async replaceFile(file: string, bytes: Uint8Array): Promise<void> {
    await this.#replace(file, bytes, true);
    await this.syncDirectory(path.dirname(file));
  }

  replaceFileLazily(file: string, bytes: Uint8Array): Promise<void> {
    return this.#replace(file, bytes, false);
  }

  async #replace(file: string, bytes: Uint8Array, sync: boolean): Promise<void> {
    const temporary = `${file}.tmp`;
    const handle = await fsPromises.open(temporary, 'w', FILE_MODE);
    try {
      await handle.writeFile(bytes);
      if (sync) await handle.datasync();
    } finally {
      await handle.close();
    }
    await fsPromises.rename(temporary, file);
  }

  async list(folder: string): Promise<DirectoryEntry[]> {
    const entries = await fsPromises
      .readdir(folder, { withFileTypes: true })
      .catch(nullWhenMissing);
    if (entries === null) return [];
    return entries.map((entry) => ({ name: entry.name, isDirectory: entry.isDirectory() }));
  }

  async makeDirectory(folder: string): Promise<boolean> {
    return (await fsPromises.mkdir(folder, { recursive: true })) !== undefined;
  }

  rename(from: string, to: string): Promise<void> {
    return fsPromises.rename(from, to);
  }

  remove(file: string): Promise<void> {
    return fsPromises.rm(file, { force: true });
  }

  removeDirectory(folder: string): Promise<void> {
    return fsPromises.rm(folder, { force: true, recursive: true });
  }

  async syncDirectory(folder: string): Promise<void> {
    // Windows cannot sync a folder; NTFS journals its names by itself.
    if (process.platform === 'win32') return;
    const handle = await fsPromises.open(folder, 'r');
    try {
      await handle.sync();
    } finally {
      await handle.close();
    }
  }

  async freeBytes(folder: string): Promise<number> {
    const stats = await fsPromises.statfs(folder);
    return stats.bavail * stats.bsize;
  }

  async bootId(): Promise<string | null> {
    const bytes = await this.readFile(BOOT_ID_FILE);
    return bytes === null ? null : Buffer.from(bytes).toString('latin1').trim();
  }
}

function nullWhenMissing(error: unknown): null {
  if (errorCode(error) === 'ENOENT') return null;
  throw error;
}

function settle(begin: (done: (error: Error | null | undefined) => void) => void): Promise<void> {
  return new Promise((resolve, reject) => {
    begin((error) => (error ? reject(error) : resolve()));
  });
}

function writeOne(fd: number, bytes: Uint8Array, position: number, done: Done): void {
  fs.write(fd, bytes, 0, bytes.length, position, (error, written) => {
    if (error || written === bytes.length) done(error);
    else writeOne(fd, bytes.subarray(written), position + written, done);
  });
}

function writeMany(fd: number, parts: readonly Uint8Array[], position: number, done: Done): void {
  const now = parts.length > PARTS_MAX ? parts.slice(0, PARTS_MAX) : parts;
  fs.writev(fd, now, position, (error, written) => {
    if (error) return done(error);
    const rest = partsAfter(parts, written);
    if (rest.length === 0) done(null);
    else writeMany(fd, rest, position + written, done);
  });
}

/** What is left of `parts` after `written` bytes. */
function partsAfter(parts: readonly Uint8Array[], written: number): readonly Uint8Array[] {
  let i = 0;
  while (i < parts.length && written >= parts[i]!.length) written -= parts[i++]!.length;
  if (i === parts.length) return [];
  return written === 0 ? parts.slice(i) : [parts[i]!.subarray(written), ...parts.slice(i + 1)];
}
