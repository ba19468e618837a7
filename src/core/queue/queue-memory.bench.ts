/**
 * What a million queued 100-byte messages cost, run by hand:
 * node --expose-gc src/core/queue/queue-memory.bench.ts [transient|durable]
 *
 * Memory is the process's (RSS) after a collection, against the same just before; a pause is the
 * longest that one turn of publishing, requeueing or purging took.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { QueueRig } from '#test/rigs/queue-rig.ts';
import { DiskStore } from '#storage/disk-store.ts';

const COUNT = 1_000_000;
const PER_TURN = 500;

const durable = process.argv[2] === 'durable';
const collect = (globalThis as { gc?: () => void }).gc ?? ((): void => {});
const folder = await mkdtemp(join(tmpdir(), 'queue-memory-'));
const rig = await QueueRig.open(1 << 30, (ports) =>
  DiskStore.open(folder, { ports: { defer: ports.defer, log: ports.log }, fatal: console.error }),
);
const queue = rig.declare('q', { durable });
const one = rig.message('x'.repeat(100), {
  durable,
  exchange: 'amq.direct',
  routingKey: 'some-routing-key',
});

/** This thread's own time, collections included, so that a busy machine does not count. */
function cpuMs(): number {
  const { user, system } = process.threadCpuUsage();
  return (user + system) / 1000;
}

let longestMs = 0;
function timed(run: () => void): void {
  const startedAt = cpuMs();
  run();
  longestMs = Math.max(longestMs, cpuMs() - startedAt);
}
function report(what: string, extra = ''): void {
  console.log(`${what.padEnd(24)} longest pause ${longestMs.toFixed(1)} ms ${extra}`);
  longestMs = 0;
}
function publishTurn(): void {
  for (let i = 0; i < PER_TURN; i++) queue.publish(one);
  rig.turn();
}

for (let i = 0; i < 20; i++) publishTurn();
queue.purge();
await rig.settle();
collect();
const before = process.memoryUsage.rss();
for (let published = 0; published < COUNT; published += PER_TURN) {
  timed(publishTurn);
  if (published % 5000 === 0) await new Promise((resolve) => setImmediate(resolve));
}
await rig.settle();
collect();
const bytes = (process.memoryUsage.rss() - before) / COUNT;
report('publish a million', `${bytes.toFixed(0)} bytes of RSS per message`);

const offsets: number[] = [];
const subscription = queue.subscribe({
  subscriber: { deliver: (_message, offset) => offsets.push(offset), cancelled: () => {} },
  credits: [],
  noAck: false,
  exclusive: false,
  priority: 0,
  owner: rig,
  tag: '',
});
queue.pump();
console.log(`delivered ${offsets.length}`);
const all = offsets.splice(0);
subscription.cancel();
timed(() => queue.release(all, false));
report('requeue a million');
queue.lease(COUNT, 1e9, rig, () => {});
for (const offset of all) queue.accept(offset);
timed(() => rig.turn());
report('commit a million acks');
const other = rig.declare('other', { durable });
for (let published = 0; published < COUNT; published += PER_TURN) {
  for (let i = 0; i < PER_TURN; i++) other.publish(one);
  rig.turn();
}
await rig.settle();
timed(() => other.purge());
report('purge a million');
timed(() => rig.turn());
report('and commit that');
await rm(folder, { recursive: true, maxRetries: 5 });
process.exit(0);
