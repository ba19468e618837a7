/**
 * FileSystem: the port that storage does all of its I/O through. The real one is
 * `node-file-system.ts`; the simulation has its own, with crashes, torn writes and full disks.
 *
 * What happens on every commit takes callbacks, since a promise per write is measurable; what
 * happens when files are opened, rolled or recovered takes promises. A callback may come at once.
 * Errors are Node's, with `code`.
 *
 * Durability as on POSIX: a write is safe after `fdatasync` of its file or if the file was opened
 * 'through' (O_DSYNC: the write itself returns when the data are safe); a created, renamed or
 * removed name is safe after `syncDirectory` of its folder.
 */
export type OpenMode = 'read' | 'write' | 'through';

export interface DirectoryEntry {
  readonly name: string;
  readonly isDirectory: boolean;
}

export type Done = (error: Error | null) => void;

export interface FileSystem {
  /** 'write' and 'through' create the file when it is not there. */
  open(path: string, mode: OpenMode): Promise<number>;
  close(fd: number): Promise<void>;
  /**
   * Writes all parts one after the other from `position`. The parts must stay as they are until
   * `done`. `quick` says that the caller needs no durability and may be served synchronously.
   */
  write(
    fd: number,
    parts: readonly Uint8Array[],
    position: number,
    quick: boolean,
    done: Done,
  ): void;
  /** Writes [start, end) of `bytes` at once; for a few bytes that need no durability. */
  writeNow(fd: number, bytes: Uint8Array, start: number, end: number, position: number): void;
  fdatasync(fd: number, done: Done): void;
  /** Fills `into` from `position` as far as the file goes; resolves to how much. */
  read(fd: number, into: Uint8Array, position: number): Promise<number>;
  truncate(fd: number, bytes: number): Promise<void>;

  /** Bytes of the file; 0 when there is no such file. */
  size(path: string): Promise<number>;
  /** Whole content, null when there is no such file. */
  readFile(path: string): Promise<Uint8Array | null>;
  /** Puts a whole new content in place of the file, atomically and durably. */
  replaceFile(path: string, bytes: Uint8Array): Promise<void>;
  /** As replaceFile, but may be lost with the power; never torn. */
  replaceFileLazily(path: string, bytes: Uint8Array): Promise<void>;
  /** Empty when there is no such folder. */
  list(path: string): Promise<DirectoryEntry[]>;
  /** With all folders above it; true when it was not there. */
  makeDirectory(path: string): Promise<boolean>;
  rename(from: string, to: string): Promise<void>;
  /** No error when it is not there. */
  remove(path: string): Promise<void>;
  /** With all that is in it; no error when it is not there. */
  removeDirectory(path: string): Promise<void>;
  syncDirectory(path: string): Promise<void>;
  /** Bytes that may still be written below `path`. */
  freeBytes(path: string): Promise<number>;
  /** Differs after every start of the operating system; null when that cannot be known. While it
   * is the same, everything that was ever written is still there, synced or not. */
  bootId(): Promise<string | null>;
}

export function errorCode(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error ? String(error.code) : undefined;
}

/** No space, or no quota: it passes when somebody deletes something. */
export function isDiskFull(error: unknown): boolean {
  const code = errorCode(error);
  return code === 'ENOSPC' || code === 'EDQUOT';
}

export function totalBytes(parts: readonly Uint8Array[]): number {
  let total = 0;
  for (const part of parts) total += part.length;
  return total;
}
