/**
 * Debian packages unpacked into the cache, not installed: no service starts, no root is needed and
 * the machine stays as it was. Needs `apt-get` with package lists and `dpkg`.
 */
import { readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { installOnce } from './cache.ts';
import { run } from './command.ts';

/** Unpacks the named packages (dependencies are the caller's to name) and gives the root folder. */
export function unpackDebianPackages(name: string, packages: readonly string[]): Promise<string> {
  return installOnce(name, packages.join(' '), async (folder) => {
    await download(folder, packages);
    for (const file of readdirSync(folder)) {
      if (!file.endsWith('.deb')) continue;
      await run('dpkg', ['-x', file, '.'], { cwd: folder });
      rmSync(join(folder, file));
    }
  });
}

async function download(folder: string, packages: readonly string[]): Promise<void> {
  const args = ['download', '-qq', '-o', 'APT::Sandbox::User=root', ...packages];
  const first = await run('apt-get', args, { cwd: folder, allowFailure: true });
  if (first.code === 0) return;
  // A fresh image has no package lists, or stale ones; only root may fetch them.
  if (process.getuid?.() !== 0) {
    throw new Error(
      `apt-get download ${packages[0]} failed; run "apt-get update" as root once, then again.\n` +
        first.stderr.trim(),
    );
  }
  await run('apt-get', ['update', '-qq']);
  await run('apt-get', args, { cwd: folder });
}
