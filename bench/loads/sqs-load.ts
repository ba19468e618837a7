/** Our own SQS generator, run once per sample. It checks every answer and every message itself. */
import type { Side } from '../sides.ts';
import { runGenerator } from './generator.ts';
import type { Sample } from './measured-run.ts';

interface LoadResult {
  seconds: number;
  counted: number;
  operationUs?: { p50: number; p99: number };
}

export async function runSqsLoad(side: Side, args: readonly string[]): Promise<Sample> {
  const run = await runGenerator('sqs', side, args);
  const { usage } = run;
  const result = run.result as LoadResult;
  if (result.counted === 0) throw new Error('sqs-load counted nothing');
  const rate = result.counted / result.seconds;
  return { rate, messages: result.counted, usage, latencyUs: result.operationUs };
}
