/**
 * SimulatedFileSystem: a process's view of a SimulatedDisk. Operations complete one by one in a
 * random order and can be made to fail; `crash` ends it in the middle of whatever is under way.
 */
import type { DirectoryEntry, Done, FileSystem, OpenMode } from '#storage/file-system.ts';
import { totalBytes } from '#storage/file-system.ts';
import { parentOf, SimulatedFile } from './simulated-disk.ts';
import type { SimulatedDisk } from './simulated-disk.ts';

interface Operation {
  readonly name: string;
  readonly path: string;
  readonly apply: () => void;
  /** Does a random part of it, for a crash in its middle. */
  readonly applyPart: () => void;
  readonly done: Done;
}

interface Descriptor {
  readonly path: string;
  readonly file: SimulatedFile;
  readonly through: boolean;
}

export class SimulatedFileSystem implements FileSystem {
  readonly disk: SimulatedDisk;
  /** Says which operation fails, and how; null = none. */
  fault: (operation: string, path: string) => string | null = () => null;
  #operations: Operation[] = [];
  readonly #descriptors = new Map<number, Descriptor>();
  #nextFd = 3;
  #isRunning = false;
  #isDead = false;

  constructor(disk: SimulatedDisk) {
    this.disk = disk;
  }

  /** The process ends, and with 'power' the machine: nothing that is under way is heard of again. */
  crash(kind: 'process' | 'power'): void {
    this.#isDead = true;
    for (const operation of this.#operations) {
      const luck = this.disk.random.below(3);
      if (luck === 0) operation.apply();
      else if (luck === 1) operation.applyPart();
    }
    this.#operations = [];
    this.disk.crash(kind);
  }

  #later(name: string, path: string, apply: () => void, done: Done, applyPart = noPart): void {
    if (this.#isDead) return;
    this.#operations.push({ name, path, apply, applyPart, done });
    if (this.#isRunning) return;
    this.#isRunning = true;
    setImmediate(() => this.#step());
  }

  #step(): void {
    this.#isRunning = false;
    if (this.#isDead || this.#operations.length === 0) return;
    const [operation] = this.#operations.splice(this.disk.random.below(this.#operations.length), 1);
    let failure: Error | null = null;
    try {
      const code = this.fault(operation!.name, operation!.path);
      if (code !== null) throw simulatedError(code, operation!.path);
      operation!.apply();
    } catch (error) {
      failure = error as Error;
    }
    operation!.done(failure);
    if (this.#operations.length > 0 && !this.#isRunning) {
      this.#isRunning = true;
      setImmediate(() => this.#step());
    }
  }

  #promise<T>(name: string, path: string, apply: () => T): Promise<T> {
    return new Promise((resolve, reject) => {
      let result: T;
      this.#later(
        name,
        path,
        () => {
          result = apply();
        },
        (error) => (error ? reject(error) : resolve(result)),
      );
    });
  }

  open(path: string, mode: OpenMode): Promise<number> {
    return this.#promise('open', path, () => {
      let file = this.disk.file(path);
      if (file === null) {
        if (mode === 'read') throw simulatedError('ENOENT', path);
        if (this.disk.names.get(parentOf(path)) !== 'folder') throw simulatedError('ENOENT', path);
        file = this.#create(path);
      }
      const fd = this.#nextFd++;
      this.#descriptors.set(fd, { path, file, through: mode === 'through' });
      return fd;
    });
  }

  #create(path: string): SimulatedFile {
    const file = new SimulatedFile();
    this.disk.change(path, (names) => names.set(path, file));
    return file;
  }

  close(fd: number): Promise<void> {
    return this.#promise('close', '', () => void this.#descriptors.delete(fd));
  }

  #descriptor(fd: number): Descriptor {
    const descriptor = this.#descriptors.get(fd);
    if (descriptor === undefined) throw simulatedError('EBADF', String(fd));
    return descriptor;
  }

  write(
    fd: number,
    parts: readonly Uint8Array[],
    position: number,
    _quick: boolean,
    done: Done,
  ): void {
    const { file, path, through } = this.#descriptor(fd);
    const bytes = Buffer.concat(parts);
    const apply = (): void => {
      this.#put(file, path, bytes, position);
      if (through) file.sync();
    };
    const applyPart = (): void => {
      const length = this.disk.random.below(totalBytes(parts) + 1);
      file.write(bytes.subarray(0, length), position);
    };
    this.#later('write', path, apply, done, applyPart);
  }

  #put(file: SimulatedFile, path: string, bytes: Uint8Array, position: number): void {
    const growth = Math.max(0, position + bytes.length - file.cached.length);
    const room = this.disk.capacityBytes - this.disk.usedBytes;
    if (growth > room) {
      file.write(
        bytes.subarray(0, Math.max(0, bytes.length - growth + Math.max(0, room))),
        position,
      );
      throw simulatedError('ENOSPC', path);
    }
    file.write(bytes, position);
  }

  writeNow(fd: number, bytes: Uint8Array, start: number, end: number, position: number): void {
    if (this.#isDead) return;
    const { file, path } = this.#descriptor(fd);
    const code = this.fault('writeNow', path);
    if (code !== null) throw simulatedError(code, path);
    this.#put(file, path, bytes.slice(start, end), position);
  }

  fdatasync(fd: number, done: Done): void {
    const { file, path } = this.#descriptor(fd);
    this.#later('fdatasync', path, () => file.sync(), done);
  }

  read(fd: number, into: Uint8Array, position: number): Promise<number> {
    const { file, path } = this.#descriptor(fd);
    return this.#promise('read', path, () => {
      const part = file.cached.subarray(position, position + into.length);
      into.set(part);
      return part.length;
    });
  }

  truncate(fd: number, bytes: number): Promise<void> {
    const { file, path } = this.#descriptor(fd);
    return this.#promise('truncate', path, () => file.truncate(bytes));
  }

  size(path: string): Promise<number> {
    return this.#promise('size', path, () => this.disk.file(path)?.cached.length ?? 0);
  }

  readFile(path: string): Promise<Uint8Array | null> {
    return this.#promise('readFile', path, () => {
      const file = this.disk.file(path);
      return file === null ? null : Buffer.from(file.cached);
    });
  }

  async replaceFile(path: string, bytes: Uint8Array): Promise<void> {
    await this.#replace(path, bytes, true);
    await this.syncDirectory(parentOf(path));
  }

  replaceFileLazily(path: string, bytes: Uint8Array): Promise<void> {
    // Real file systems write a file's content before they rename it over another.
    return this.#replace(path, bytes, true);
  }

  #replace(path: string, bytes: Uint8Array, sync: boolean): Promise<void> {
    const copy = Buffer.from(bytes);
    return this.#promise('replaceFile', path, () => {
      if (this.disk.names.get(parentOf(path)) !== 'folder') throw simulatedError('ENOENT', path);
      const file = new SimulatedFile();
      this.#put(file, path, copy, 0);
      if (sync) file.sync();
      this.disk.change(path, (names) => names.set(path, file));
    });
  }

  list(path: string): Promise<DirectoryEntry[]> {
    return this.#promise('list', path, () => {
      const entries: DirectoryEntry[] = [];
      for (const [name, node] of this.disk.names) {
        if (name === '' || parentOf(name) !== path) continue;
        entries.push({ name: name.slice(path.length + 1), isDirectory: node === 'folder' });
      }
      return entries;
    });
  }

  makeDirectory(path: string): Promise<boolean> {
    return this.#promise('makeDirectory', path, () => {
      const made = this.disk.names.get(path) !== 'folder';
      for (let end = path.indexOf('/'); ; end = path.indexOf('/', end + 1)) {
        const folder = end < 0 ? path : path.slice(0, end);
        if (!this.disk.names.has(folder)) {
          this.disk.change(folder, (names) => names.set(folder, 'folder'));
        }
        if (end < 0) return made;
      }
    });
  }

  rename(from: string, to: string): Promise<void> {
    return this.#promise('rename', from, () => {
      if (!this.disk.names.has(from)) throw simulatedError('ENOENT', from);
      this.disk.change(to, (names) => {
        const moved = [...names].filter(([name]) => isBelow(name, from));
        for (const [name, node] of moved) {
          names.delete(name);
          names.set(to + name.slice(from.length), node);
        }
      });
    });
  }

  remove(path: string): Promise<void> {
    return this.#promise('remove', path, () => {
      this.disk.change(path, (names) => names.delete(path));
    });
  }

  removeDirectory(path: string): Promise<void> {
    return this.#promise('removeDirectory', path, () => {
      this.disk.change(path, (names) => {
        for (const name of names.keys()) if (isBelow(name, path)) names.delete(name);
      });
    });
  }

  syncDirectory(path: string): Promise<void> {
    return this.#promise('syncDirectory', path, () => this.disk.syncFolder(path));
  }

  freeBytes(): Promise<number> {
    return this.#promise('freeBytes', '', () => this.disk.capacityBytes - this.disk.usedBytes);
  }

  bootId(): Promise<string | null> {
    return Promise.resolve(`boot ${this.disk.boots}`);
  }
}

function isBelow(name: string, folder: string): boolean {
  return name === folder || name.startsWith(`${folder}/`);
}

function noPart(): void {}

function simulatedError(code: string, path: string): Error {
  return Object.assign(new Error(`${code}: simulated, ${path}`), { code });
}
