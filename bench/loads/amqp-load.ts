/**
 * Our own AMQP generator, run once per sample. It checks every delivery itself and fails instead of
 * reporting a rate.
 */
import { residentBytes } from '../server-cost.ts';
import type { Side } from '../sides.ts';
import { runGenerator } from './generator.ts';
import type { Sample } from './measured-run.ts';

interface LoadResult {
  seconds: number;
  confirmed: number;
  consumed: number;
  verified: number;
  confirmUs?: { p50: number; p99: number };
}

export async function runAmqpLoad(side: Side, args: readonly string[]): Promise<Sample> {
  let filledBytes = 0;
  const run = await runGenerator('amqp', side, args, (event) => {
    if (event === 'filled') filledBytes = residentBytes(side.pid);
  });
  const { usage } = run;
  const result = run.result as LoadResult;
  const messages = args.includes('publish') ? result.confirmed : result.consumed;
  if (result.verified < messages || messages === 0) {
    throw new Error(`amqp-load counted ${messages} messages and verified ${result.verified}`);
  }
  const queuedBytes =
    filledBytes === 0 ? undefined : (filledBytes - side.idleBytes) / result.verified;
  const rate = messages / result.seconds;
  return { rate, messages, usage, latencyUs: result.confirmUs, queuedBytes };
}
