/** Our own SQS generator, run once per sample. It checks every answer and every message itself. */
import type { Usage } from '../server-cost.ts';
import type { Side } from '../sides.ts';
import { generator } from './generator.ts';
import { runTool, type Sample } from './measured-run.ts';

interface LoadResult {
  event: 'start' | 'end' | 'result';
  seconds: number;
  counted: number;
  operationUs?: { p50: number; p99: number };
}

export async function runSqsLoad(side: Side, args: readonly string[]): Promise<Sample> {
  const command = await generator('sqs');
  let usage: Usage | undefined;
  let result: LoadResult | undefined;
  await runTool({
    command,
    args: ['--port', String(side.port('sqs')), ...args],
    serverPid: side.pid,
    onLine(line, meter) {
      if (!line.startsWith('{')) return;
      const report = JSON.parse(line) as LoadResult;
      if (report.event === 'start') meter.start();
      else if (report.event === 'end') usage = meter.stop();
      else result = report;
    },
  });
  if (usage === undefined || result === undefined) throw new Error('sqs-load gave no result');
  if (result.counted === 0) throw new Error('sqs-load counted nothing');
  const rate = result.counted / result.seconds;
  return { rate, messages: result.counted, usage, latencyUs: result.operationUs };
}
