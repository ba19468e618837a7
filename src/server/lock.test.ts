import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { lockDataFolder } from './lock.ts';
import { RefusedStart } from './refused-start.ts';

const base = mkdtempSync(join(tmpdir(), 'posthorn-lock-'));
after(() => rmSync(base, { recursive: true }));

const lockModule = new URL('./lock.ts', import.meta.url).href;
const program = `
  import { lockDataFolder } from '${lockModule}';
  try {
    lockDataFolder(process.argv[1]);
    // The lock must not hang on whether its caller keeps what it was given.
    globalThis.gc();
    process.stdout.write('held\\n');
    setInterval(() => {}, 1000);
  } catch (error) {
    process.stdout.write('refused ' + error.message + '\\n');
  }`;

/** Another process that takes the folder and keeps it; resolves with what it says. */
async function contender(folder: string) {
  const child = spawn(
    process.execPath,
    ['--expose-gc', '--input-type=module', '-e', program, folder],
    {
      stdio: ['ignore', 'pipe', 'inherit'],
    },
  );
  const [said] = (await once(child.stdout, 'data')) as [Buffer];
  return { child, said: said.toString().trim() };
}

describe('the lock of a data folder', () => {
  it('is held by one, in this process or another, and named in the refusal', async () => {
    const folder = join(base, 'a/b');
    const lock = lockDataFolder(folder);
    assert.throws(() => lockDataFolder(folder), RefusedStart);
    const { said } = await contender(folder);
    assert.match(said, new RegExp(`refused another posthorn \\(process ${process.pid}\\) uses`));
    assert.match(said, /--data <dir>/);
    lock.release();
    const { child, said: now } = await contender(folder);
    assert.equal(now, 'held');
    assert.throws(() => lockDataFolder(folder), new RegExp(`process ${child.pid}`));
    child.kill('SIGKILL');
    await once(child, 'exit');
  });

  it('is free after a kill -9, whatever was left behind', async () => {
    const folder = join(base, 'killed');
    for (let round = 0; round < 3; round++) {
      const { child, said } = await contender(folder);
      assert.equal(said, 'held');
      child.kill('SIGKILL');
      await once(child, 'exit');
    }
    writeFileSync(join(folder, 'lock-owner.json'), 'torn');
    const lock = lockDataFolder(folder);
    assert.deepEqual(readdirSync(folder).toSorted(), ['lock', 'lock-owner.json']);
    lock.release();
  });

  it('admits one of many who come at once', async () => {
    const folder = join(base, 'crowd');
    const crowd = await Promise.all(Array.from({ length: 4 }, () => contender(folder)));
    for (const { child } of crowd) child.kill('SIGKILL');
    assert.equal(crowd.filter(({ said }) => said === 'held').length, 1);
  });

  it('is refused on a folder that cannot be', () => {
    const path = join(base, 'a-file');
    writeFileSync(path, '');
    assert.throws(() => lockDataFolder(path), /cannot be used .*--data <dir>/);
  });
});
