/**
 * What was acknowledged is still there after `kill -9`: one program writes, the brokers are killed
 * and started again on the same data, a second one reads.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { programSuite, type Suite } from './suite.ts';

export function restartSuite(python: string): Suite {
  const program = join(import.meta.dirname, 'python', 'restart.py');
  return {
    client: 'restart',
    run: async (target) => {
      const folder = mkdtempSync(join(tmpdir(), 'clients-restart-'));
      const env = { STATE: join(folder, 'state.json') };
      const phase = (name: string): Suite =>
        programSuite('restart', python, [program, name], { env });
      try {
        const before = await phase('before').run(target);
        // Acknowledgements by consumers are allowed to reach the disk a little later.
        await sleep(1500);
        await target.halt('SIGKILL');
        await target.resume();
        return [...before, ...(await phase('after').run(target))];
      } finally {
        rmSync(folder, { recursive: true, force: true });
      }
    },
  };
}
