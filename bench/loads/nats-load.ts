/**
 * Our own NATS generator, run once per sample. It checks every delivery itself; what it published to
 * nobody is compared with what the server says it got.
 */
import type { Side } from '../sides.ts';
import { runGenerator } from './generator.ts';
import type { Sample } from './measured-run.ts';

interface LoadResult {
  seconds: number;
  counted: number;
  publishedInAll: number;
  roundTripUs?: { p50: number; p99: number };
}

export async function runNatsLoad(side: Side, args: readonly string[]): Promise<Sample> {
  const before = await messagesIn(side);
  const run = await runGenerator('nats', side, args);
  const { usage } = run;
  const result = run.result as LoadResult;
  const got = (await messagesIn(side)) - before;
  if (result.counted === 0 || got < result.publishedInAll) {
    throw new Error(`nats-load published ${result.publishedInAll}, the server counts ${got}`);
  }
  const rate = result.counted / result.seconds;
  return { rate, messages: result.counted, usage, latencyUs: result.roundTripUs };
}

/** What the server has received from its clients, by its own monitoring page. */
async function messagesIn(side: Side): Promise<number> {
  const response = await fetch(`http://127.0.0.1:${side.port('nats-http')}/varz`);
  return ((await response.json()) as { in_msgs: number }).in_msgs;
}
