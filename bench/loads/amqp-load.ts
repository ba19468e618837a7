/**
 * Our own AMQP generator (bench/generators, C): compiled into the cache when its sources change, run
 * once per sample. It checks every delivery itself and fails instead of reporting a rate.
 */
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { installOnce, run } from '../../scripts/peers/index.ts';
import { residentBytes, type Usage } from '../server-cost.ts';
import type { Side } from '../sides.ts';
import { runTool, type Sample } from './measured-run.ts';

const sources = join(import.meta.dirname, '..', 'generators');

interface LoadResult {
  event: 'filled' | 'start' | 'end' | 'result';
  seconds: number;
  confirmed: number;
  consumed: number;
  verified: number;
  confirmUs?: { p50: number; p99: number };
}

/** Compiles the generator if need be and gives the path of the program. */
async function amqpLoadProgram(): Promise<string> {
  const files = readdirSync(sources).filter((file) => /\.[ch]$/.test(file));
  const hash = createHash('sha256');
  for (const file of files) hash.update(readFileSync(join(sources, file)));
  const folder = await installOnce('bench-amqp-load', hash.digest('hex'), async (target) => {
    const units = files.filter((file) => file.endsWith('.c')).map((file) => join(sources, file));
    const flags = ['-std=gnu11', '-O2', '-Wall', '-Wextra', '-Werror'];
    await run('cc', [...flags, '-o', join(target, 'amqp-load'), ...units]);
  });
  return join(folder, 'amqp-load');
}

export async function runAmqpLoad(side: Side, args: readonly string[]): Promise<Sample> {
  const command = await amqpLoadProgram();
  let usage: Usage | undefined;
  let result: LoadResult | undefined;
  let filledBytes = 0;
  await runTool({
    command,
    args: ['--port', String(side.port('amqp')), ...args],
    serverPid: side.pid,
    onLine(line, meter) {
      if (!line.startsWith('{')) return;
      const report = JSON.parse(line) as LoadResult;
      if (report.event === 'start') meter.start();
      else if (report.event === 'end') usage = meter.stop();
      else if (report.event === 'filled') filledBytes = residentBytes(side.pid);
      else result = report;
    },
  });
  if (usage === undefined || result === undefined) throw new Error('amqp-load gave no result');
  const messages = args.includes('publish') ? result.confirmed : result.consumed;
  if (result.verified < messages || messages === 0) {
    throw new Error(`amqp-load counted ${messages} messages and verified ${result.verified}`);
  }
  const queuedBytes =
    filledBytes === 0 ? undefined : (filledBytes - side.idleBytes) / result.verified;
  const rate = messages / result.seconds;
  return { rate, messages, usage, latencyUs: result.confirmUs, queuedBytes };
}
