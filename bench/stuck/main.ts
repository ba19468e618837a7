/**
 * Many subscribers of one subject, and one who does not read: what the others notice of it, and what
 * it costs in memory.
 *
 *   node bench/stuck/main.ts nats [subscribers]     10,000 by default
 *   node bench/stuck/main.ts amqp [consumers]       a fanout exchange with 500 queues by default
 *
 * Rounds of one message to everybody are timed until each of them has it. Beside them goes a stream of
 * larger messages to one subscriber alone: first it reads, then it stops. It is told nothing that the
 * others are not told, so the difference between the phases is what its being stuck does.
 */
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { freePorts, repositoryRoot } from '../../scripts/peers/index.ts';
import { startPeer } from '../../scripts/peers/peer-process.ts';
import { residentBytes } from '../server-cost.ts';
import { AmqpCrowd } from './amqp-crowd.ts';
import type { Crowd } from './crowd.ts';
import { NatsCrowd } from './nats-crowd.ts';

const MIB = 1024 * 1024;
const ROUNDS = 30;
const ROUND_GAP_MS = 100;
const WITHIN_MS = 30_000;

const [protocol = 'nats', given] = process.argv.slice(2);
const count = Number(given ?? (protocol === 'nats' ? 10_000 : 500));
const folder = mkdtempSync(join(tmpdir(), 'bench-stuck-'));
const [amqpPort, natsPort, pagesPort, httpPort] = (await freePorts(4)) as [
  number,
  number,
  number,
  number,
];
const ports = { kafka: false, sqs: false, amqp: amqpPort, nats: natsPort };
const config = join(folder, 'posthorn.json');
writeFileSync(
  config,
  JSON.stringify({
    ports: { ...ports, 'nats-http': pagesPort, http: httpPort },
    host: '127.0.0.1',
    limits: { connectionsMax: count + 100 },
  }),
);
const broker = await startPeer({
  name: 'posthorn',
  version: '',
  command: process.execPath,
  args: [join(repositoryRoot, 'bin/posthorn.js'), 'serve', '--config', config, '--data', folder],
  port: natsPort,
  dataDir: folder,
  logFile: join(folder, 'log'),
  readyWithinMs: 20_000,
  isReady: (log) => log.includes(' ready '),
});

function memory(): number {
  return Math.round(residentBytes(broker.pid) / MIB);
}

async function metric(line: string): Promise<number> {
  const text = await (await fetch(`http://127.0.0.1:${httpPort}/metrics`)).text();
  return Number(
    text
      .split('\n')
      .find((it) => it.startsWith(`${line} `))
      ?.slice(line.length) ?? 0,
  );
}

interface Phase {
  readonly p50: number;
  readonly p99: number;
  readonly max: number;
  readonly memoryMax: number;
}

/** Each subscriber's wait in each round. */
async function timed(crowd: Crowd): Promise<Phase> {
  const waits: number[] = [];
  let memoryMax = 0;
  for (let round = 0; round < ROUNDS; round++) {
    waits.push(...(await crowd.round(WITHIN_MS)));
    memoryMax = Math.max(memoryMax, memory());
    await sleep(ROUND_GAP_MS);
  }
  waits.sort((a, b) => a - b);
  const at = (share: number): number => waits[Math.floor((waits.length - 1) * share)]!;
  return { p50: at(0.5), p99: at(0.99), max: at(1), memoryMax };
}

function show(name: string, { p50, p99, max, memoryMax }: Phase): void {
  const times = [p50, p99, max].map((it) => it.toFixed(1).padStart(8)).join(' ');
  console.log(`${name.padEnd(34)} ${times} ms   ${memoryMax} MB`);
}

let cutBefore = 0;
const idle = memory();
const crowd: Crowd =
  protocol === 'amqp'
    ? await AmqpCrowd.gather(amqpPort, count)
    : await NatsCrowd.gather(natsPort, count);
await sleep(1_000);
console.log(
  `${count} subscribers over ${protocol}; broker idle ${idle} MB, with them ${memory()} MB`,
);
console.log(`${''.padEnd(34)} ${'p50'.padStart(8)} ${'p99'.padStart(8)} ${'max'.padStart(8)}`);
await timed(crowd);
const streams = [
  ['a little', 2 * MIB],
  ['much', 24 * MIB],
] as const;
for (const [name, bytesPerSecond] of streams) {
  const one = await crowd.single();
  const stop = crowd.stream(bytesPerSecond);
  show(`${name} to one that reads`, await timed(crowd));
  // Whichever way its client reads.
  one.removeAllListeners('readable').pause();
  show(`${name} to one that is stuck`, await timed(crowd));
  const gone = one.destroyed ? null : once(one, 'close');
  if (protocol === 'nats') await untilCut();
  console.log(`  memory ${memory()} MB`);
  stop();
  one.destroy();
  await gone;
}

/** A stuck NATS subscriber is ended ten seconds after it took something last. */
async function untilCut(): Promise<void> {
  const line = 'posthorn_connections_failed_total{protocol="nats",reason="slow-consumer"}';
  for (let s = 0; s < 15 && (await metric(line)) === cutBefore; s++) await sleep(1_000);
  const now = await metric(line);
  console.log(now > cutBefore ? '  cut off as a slow consumer' : '  not cut off');
  cutBefore = now;
}

await sleep(5_000);
show('afterwards', await timed(crowd));
crowd.close();
await broker.stop();
rmSync(folder, { recursive: true, force: true });
process.exit();
