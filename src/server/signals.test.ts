import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';

const signalsModule = new URL('./signals.ts', import.meta.url).href;
/** Whose orderly end never comes. */
const program = `
  import { onStopSignal } from '${signalsModule}';
  onStopSignal((signal) => process.stdout.write('stopping at ' + signal + '\\n'));
  setInterval(() => {}, 1000);
  process.stdout.write('up\\n');`;

async function start() {
  const child = spawn(process.execPath, ['--input-type=module', '-e', program], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const run = { child, out: '', exit: once(child, 'exit') as Promise<[number | null]> };
  child.stdout.on('data', (chunk: Buffer) => (run.out += chunk.toString()));
  await once(child.stdout, 'data');
  return run;
}

describe('signals', () => {
  for (const [signal, exitCode] of [
    ['SIGTERM', 143],
    ['SIGINT', 130],
  ] as const) {
    it(`${signal} asks for an orderly end, and a second one ends at once`, async () => {
      const { child, exit, ...run } = await start();
      child.kill(signal);
      await once(child.stdout, 'data');
      await sleep(300);
      assert.equal(child.exitCode, null, run.out);
      child.kill(signal);
      assert.deepEqual((await exit)[0], exitCode);
    });
  }

  it('one that comes twice at once, as below npm, is one', async () => {
    const run = await start();
    run.child.kill('SIGINT');
    await once(run.child.stdout, 'data');
    run.child.kill('SIGINT');
    await sleep(300);
    assert.equal(run.child.exitCode, null);
    assert.equal(run.out, 'up\nstopping at SIGINT\n');
    run.child.kill('SIGKILL');
    await run.exit;
  });
});
