/**
 * Our own AMQP generator, run once per sample. It checks every delivery itself and fails instead of
 * reporting a rate.
 */
import { residentBytes, type Usage } from '../server-cost.ts';
import type { Side } from '../sides.ts';
import { generator } from './generator.ts';
import { runTool, type Sample } from './measured-run.ts';

interface LoadResult {
  event: 'filled' | 'start' | 'end' | 'result';
  seconds: number;
  confirmed: number;
  consumed: number;
  verified: number;
  confirmUs?: { p50: number; p99: number };
}

export async function runAmqpLoad(side: Side, args: readonly string[]): Promise<Sample> {
  const command = await generator('amqp');
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
