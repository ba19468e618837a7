/**
 * What a million pending times cost, run by hand: node --expose-gc src/core/queue/due-offsets.bench.ts
 *
 * First DueOffsets alone: memory (typed arrays, room to grow included) and time for each. Then a
 * queue with a million delayed messages that become due in the same millisecond: the longest turn,
 * and how long it is until the last one is ready; the same with leases that end, and with messages
 * that expire and go on as dead letters.
 */
import { QueueRig } from '#test/rigs/queue-rig.ts';
import { DueOffsets } from './due-offsets.ts';
import type { Queue } from './queue.ts';

const COUNT = 1_000_000;
const collect = (globalThis as { gc?: () => void }).gc ?? ((): void => {});

/** This thread's own time, collections included, so that a busy machine does not count. */
function cpuMs(): number {
  const { user, system } = process.threadCpuUsage();
  return (user + system) / 1000;
}

function report(what: string, startedAt: number): void {
  const ns = ((cpuMs() - startedAt) * 1e6) / COUNT;
  console.log(`${what.padEnd(48)} ${ns.toFixed(0).padStart(6)} ns each`);
}

async function alone(words: string, timeOf: (i: number) => number): Promise<void> {
  const rig = await QueueRig.open();
  let fired = 0;
  const due = new DueOffsets(rig.schedule, rig.ports, (offsets) => (fired += offsets.length));
  const before = process.memoryUsage().arrayBuffers;
  let longestMs = 0;
  let startedAt = cpuMs();
  for (let i = 0; i < COUNT;) {
    const turnAt = cpuMs();
    const end = i + 500;
    for (; i < end; i++) due.set(i, rig.nowMs + 1000 + timeOf(i));
    longestMs = Math.max(longestMs, cpuMs() - turnAt);
  }
  report(`set, ${words}`, startedAt);
  collect();
  const bytes = (process.memoryUsage().arrayBuffers - before) / COUNT;
  console.log(`${`memory, ${words}`.padEnd(48)} ${bytes.toFixed(0).padStart(6)} bytes each`);
  console.log(`${`longest 500, ${words}`.padEnd(48)} ${longestMs.toFixed(1).padStart(6)} ms`);
  startedAt = cpuMs();
  for (let i = 0; i < COUNT; i++) due.set(i, rig.nowMs + 2000 + timeOf(i));
  report(`move, ${words}`, startedAt);
  startedAt = cpuMs();
  for (let i = 0; i < COUNT; i += 2) due.delete(i);
  report(`delete every other, ${words}`, startedAt);
  startedAt = cpuMs();
  rig.pass(1e7);
  report(`fire the rest, ${words}`, startedAt);
  if (fired !== COUNT / 2) throw new Error(`${fired} fired`);
}

/** Runs what is due now, turn by turn, until all are ready in `queue`. */
function fire(rig: QueueRig, what: string, queue: Queue): void {
  let longestMs = 0;
  const startedAt = cpuMs();
  let task = (): void => rig.schedule.due(rig.nowMs);
  for (let turns = 0; queue.readyCount < COUNT; turns++) {
    const turnAt = cpuMs();
    task();
    longestMs = Math.max(longestMs, cpuMs() - turnAt);
    task = (): void => rig.oneTurn();
    if (turns > COUNT) throw new Error(`${queue.readyCount} are ready`);
  }
  const allMs = cpuMs() - startedAt;
  console.log(`${what}: longest turn ${longestMs.toFixed(1)} ms, all after ${allMs.toFixed(0)} ms`);
}

await alone('ascending times', (i) => i / 100);
await alone('equal times', () => 0);
await alone('any times', (i) => (i * 7919) % 1_000_003);
const rig = await QueueRig.open(1 << 30);
const queue = rig.declare('q', { delayMs: 60_000 });
const message = rig.message('x'.repeat(100));
for (let i = 0; i < COUNT; i++) queue.publish(message);
console.log(`${queue.delayedCount} delayed`);
rig.nowMs += 60_000;
fire(rig, 'a million delays over at once', queue);
queue.lease(COUNT, 30_000, rig, () => {});
console.log(`${queue.unackedCount} leased`);
rig.nowMs += 30_000;
fire(rig, 'a million leases over at once', queue);
queue.purge();
const expiring = rig.declare('expiring', {
  ttlMs: 10_000,
  deadLetterExchange: '',
  deadLetterRoutingKey: 'dead',
});
const dead = rig.declare('dead');
for (let i = 0; i < COUNT; i++) expiring.publish(message);
rig.nowMs += 10_000;
fire(rig, 'a million expire at once', dead);
