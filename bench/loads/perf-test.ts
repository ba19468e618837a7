/**
 * RabbitMQ's own PerfTest (Java client) as an independent voice. It prints one line per second; the
 * first seconds warm up the JVM and are not counted. Its client is often the bottleneck: the CPU
 * columns of the report say so.
 */
import { join } from 'node:path';
import { copyMavenArtifacts } from '../../scripts/peers/index.ts';
import type { Usage } from '../server-cost.ts';
import { runTool, type Sample } from './measured-run.ts';

const warmupSeconds = 3;

/** `…, time 3.001 s, sent: 56872 msg/s, confirmed: …, received: 56617 msg/s, …` */
function figures(line: string): { atSeconds: number; rate: number } | undefined {
  const at = /time ([\d.]+) s, /.exec(line);
  if (at === null) return undefined;
  const rate = /received: ([\d.]+) msg/.exec(line) ?? /confirmed: ([\d.]+) msg/.exec(line);
  return { atSeconds: Number(at[1]), rate: rate === null ? 0 : Number(rate[1]) };
}

export async function runPerfTest(
  port: number,
  serverPid: number,
  args: readonly string[],
  seconds: number,
): Promise<Sample> {
  const folder = await copyMavenArtifacts(
    'perf-test',
    join(import.meta.dirname, '..', 'perf-test', 'pom.xml'),
  );
  const until = warmupSeconds + seconds;
  let usage: Usage | undefined;
  let startedAt = 0;
  let lastAt = 0;
  let messages = 0;
  await runTool({
    command: 'java',
    args: [
      '-Xms256m',
      '-Xmx512m',
      '-cp',
      join(folder, '*'),
      'com.rabbitmq.perf.PerfTest',
      '--uri',
      `amqp://guest:guest@127.0.0.1:${port}`,
      '--time',
      String(until + 1),
      '--metrics-format',
      'default',
      ...args,
    ],
    serverPid,
    onLine(text, meter) {
      const now = figures(text);
      if (now === undefined || usage !== undefined) return;
      if (startedAt > 0) messages += (now.atSeconds - lastAt) * now.rate;
      lastAt = now.atSeconds;
      if (startedAt === 0 && lastAt >= warmupSeconds) {
        startedAt = lastAt;
        meter.start();
      } else if (lastAt >= until) {
        usage = meter.stop();
      }
    },
  });
  if (usage === undefined) throw new Error('PerfTest ended before the counted window did');
  if (messages === 0) throw new Error('PerfTest counted no message');
  return { rate: messages / (lastAt - startedAt), messages, usage };
}
