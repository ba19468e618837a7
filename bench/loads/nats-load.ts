/**
 * Our own NATS generator, run once per sample. It checks every delivery itself; what it published to
 * nobody is compared with what the server says it got.
 */
import type { Usage } from '../server-cost.ts';
import type { Side } from '../sides.ts';
import { generator } from './generator.ts';
import { runTool, type Sample } from './measured-run.ts';

interface LoadResult {
  event: 'start' | 'end' | 'result';
  seconds: number;
  counted: number;
  publishedInAll: number;
  roundTripUs?: { p50: number; p99: number };
}

export async function runNatsLoad(side: Side, args: readonly string[]): Promise<Sample> {
  const command = await generator('nats');
  const before = await messagesIn(side);
  let usage: Usage | undefined;
  let result: LoadResult | undefined;
  await runTool({
    command,
    args: ['--port', String(side.port('nats')), ...args],
    serverPid: side.pid,
    onLine(line, meter) {
      if (!line.startsWith('{')) return;
      const report = JSON.parse(line) as LoadResult;
      if (report.event === 'start') meter.start();
      else if (report.event === 'end') usage = meter.stop();
      else result = report;
    },
  });
  if (usage === undefined || result === undefined) throw new Error('nats-load gave no result');
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
