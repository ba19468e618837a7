/**
 * The ignored `.cache/` folder in the repository root, where real brokers and foreign clients are
 * installed once and reused.
 *
 * Each entry is a folder with a `.installed` marker that holds the key (versions) it was made for;
 * another key or a missing marker rebuilds the entry. A lock file with the builder's pid lets the
 * benches and the client suite start side by side on a new machine without installing twice.
 */
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

export const repositoryRoot: string = join(import.meta.dirname, '..', '..');
export const cacheFolder: string = join(repositoryRoot, '.cache');

/** Runs `install` unless `.cache/<name>` was already made for `key`; resolves to the folder. */
export async function installOnce(
  name: string,
  key: string,
  install: (folder: string) => Promise<void>,
): Promise<string> {
  const folder = join(cacheFolder, name);
  const marker = join(folder, '.installed');
  if (textOf(marker) === key) return folder;
  mkdirSync(cacheFolder, { recursive: true });
  const lock = join(cacheFolder, `${name}.lock`);
  await takeLock(lock);
  try {
    if (textOf(marker) === key) return folder;
    rmSync(folder, { recursive: true, force: true });
    mkdirSync(folder, { recursive: true });
    await install(folder);
    writeFileSync(marker, key);
    return folder;
  } finally {
    rmSync(lock, { force: true });
  }
}

async function takeLock(lock: string): Promise<void> {
  for (;;) {
    try {
      writeFileSync(lock, String(process.pid), { flag: 'wx' });
      return;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    }
    const owner = Number(textOf(lock));
    // An empty file is a lock being written just now; a dead owner left its lock behind.
    if (owner > 0 && !isAlive(owner)) rmSync(lock, { force: true });
    else await sleep(250);
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

function textOf(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}
