/**
 * Our own load generators (bench/generators, C): each compiled into the cache when its sources, or
 * those they share, change; and what they print, a JSON object per line.
 */
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { installOnce, run } from '../../scripts/peers/index.ts';
import type { Usage } from '../server-cost.ts';
import type { Side } from '../sides.ts';
import { runTool } from './measured-run.ts';

type Generated = 'amqp' | 'nats' | 'sqs';

const sources = join(import.meta.dirname, '..', 'generators');

/** Compiles the generator of a protocol if need be and gives the path of the program. */
async function generator(protocol: Generated): Promise<string> {
  const files = ['common', protocol].flatMap((folder) =>
    readdirSync(join(sources, folder)).map((file) => join(sources, folder, file)),
  );
  const hash = createHash('sha256');
  for (const file of files) hash.update(readFileSync(file));
  const name = `${protocol}-load`;
  const folder = await installOnce(`bench-${name}`, hash.digest('hex'), async (target) => {
    const units = files.filter((file) => file.endsWith('.c'));
    const flags = ['-std=gnu11', '-D_GNU_SOURCE', '-O2', '-Wall', '-Wextra', '-Werror'];
    await run('cc', [...flags, '-o', join(target, name), ...units, '-lm']);
  });
  return join(folder, name);
}

/** Its last line; counting begins with `start` and ends with `end`. `onEvent`: any other one. */
export async function runGenerator(
  protocol: Generated,
  side: Side,
  args: readonly string[],
  onEvent: (event: string) => void = () => {},
): Promise<{ result: unknown; usage: Usage }> {
  const command = await generator(protocol);
  let usage: Usage | undefined;
  let result: unknown;
  await runTool({
    command,
    args: ['--port', String(side.port(protocol)), ...args],
    serverPid: side.pid,
    onLine(line, meter) {
      if (!line.startsWith('{')) return;
      const report = JSON.parse(line) as { event: string };
      if (report.event === 'start') meter.start();
      else if (report.event === 'end') usage = meter.stop();
      else if (report.event === 'result') result = report;
      else onEvent(report.event);
    },
  });
  if (usage === undefined || result === undefined) {
    throw new Error(`${protocol}-load gave no result`);
  }
  return { result, usage };
}
