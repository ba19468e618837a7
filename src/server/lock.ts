/**
 * One broker per data folder.
 *
 * The lock is a record lock of the operating system on the file `lock`, taken through SQLite, which
 * every Node carries: the kernel releases it when the process ends in whatever way, so a crash
 * leaves nothing to clean up and no two processes ever hold it, in containers that share a volume
 * neither. The file stays empty. It must not be opened here in any other way: POSIX drops a
 * process's locks on a file as soon as the process closes any descriptor of it.
 *
 * Beside it, `lock-owner.json` says who holds it, for the message only.
 */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { ExitCode, RefusedStart } from './refused-start.ts';

const SQLITE_BUSY = 5;

/** A database that nobody refers to is collected, and its lock with it: these are referred to. */
const held = new Set<DatabaseSync>();

export interface DataFolderLock {
  release(): void;
}

/** Creates the folder when it is not there, and takes it. Throws RefusedStart when it is taken. */
export function lockDataFolder(folder: string): DataFolderLock {
  const ownerFile = join(folder, 'lock-owner.json');
  let database: DatabaseSync | null = null;
  try {
    makeFolder(folder);
    database = new DatabaseSync(join(folder, 'lock'), { timeout: 0 });
    // Journal in memory: the lock must leave no second file behind.
    database.exec('PRAGMA journal_mode = MEMORY; BEGIN EXCLUSIVE');
    writeFileSync(ownerFile, `${JSON.stringify({ pid: process.pid, since: new Date() })}\n`);
  } catch (error) {
    database?.close();
    throw refusal(folder, ownerFile, error);
  }
  return hold(database);
}

/** Node's own `recursive` goes round for ever where nothing can be made, as in /proc. */
function makeFolder(folder: string): void {
  if (existsSync(folder)) return;
  makeFolder(dirname(folder));
  try {
    mkdirSync(folder);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  }
}

function hold(database: DatabaseSync): DataFolderLock {
  held.add(database);
  const release = (): void => {
    if (held.delete(database)) database.close();
  };
  return { release };
}

function refusal(folder: string, ownerFile: string, error: unknown): RefusedStart {
  const { errcode, message } = error as { errcode?: number; message: string };
  if (errcode !== SQLITE_BUSY) {
    return new RefusedStart(
      ExitCode.Failed,
      `the data folder ${folder} cannot be used (${message})`,
      'choose another folder with --data <dir>',
    );
  }
  return new RefusedStart(
    ExitCode.Failed,
    `another posthorn${ownerOf(ownerFile)} uses the data folder ${folder}`,
    'stop it, or choose another folder with --data <dir>',
  );
}

/** ` (process 12)`; '' when the file cannot be read: the lock alone decides. */
function ownerOf(ownerFile: string): string {
  try {
    const { pid } = JSON.parse(readFileSync(ownerFile, 'utf8')) as { pid: number };
    return ` (process ${pid})`;
  } catch {
    return '';
  }
}
