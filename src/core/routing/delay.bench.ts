/**
 * What delayed messages cost: `node --expose-gc src/core/routing/delay.bench.ts`. A million of them pending,
 * then all due at once.
 */
import { setImmediate as nextTurn } from 'node:timers/promises';
import { BrokerRig, textMessage } from '#test/rigs/broker-rig.ts';
import { encodeHeaders, readdressNeutral } from '../message/neutral-headers.ts';

const COUNT = 1_000_000;
const PER_COMMIT = 1000;
const BODY_BYTES = 100;

const rig = await BrokerRig.open();
rig.exchange('e', { kind: 'direct', delayed: true });
const queue = rig.queue('q');
rig.namespace.bind('e', { kind: 'queue', name: 'q' }, 'k', {});
const message = textMessage('x'.repeat(BODY_BYTES));
message.headers = new Uint8Array(encodeHeaders([{ name: 'x-delay', value: 60_000 }]));
message.headerCount = 1;
message.headersEnd = message.headers.length;
readdressNeutral(message, 'e', 'k');

function usedBytes(): number {
  globalThis.gc?.();
  const { heapUsed, arrayBuffers } = process.memoryUsage();
  return heapUsed + arrayBuffers;
}

/** This thread's own time, collections included, so that a busy machine does not count. */
function cpuMs(): number {
  const { user, system } = process.threadCpuUsage();
  return (user + system) / 1000;
}

const bytesBefore = usedBytes();
let startedAt = process.cpuUsage();
for (let i = 0; i < COUNT; i++) {
  rig.publish('e', 'k', message);
  if (i % PER_COMMIT === 0) await nextTurn();
}
await rig.broker.committed();
const publishNs = (process.cpuUsage(startedAt).user * 1000) / COUNT;
const bytesEach = (usedBytes() - bytesBefore) / COUNT;
console.log(`publish ${publishNs.toFixed(0)} ns, ${bytesEach.toFixed(0)} bytes each while pending`);

rig.ports.nowMs += 60_000;
startedAt = process.cpuUsage();
let longestMs = 0;
rig.broker.tick(rig.ports.nowMs);
while (queue.readyCount < COUNT) {
  const turnStartedAt = cpuMs();
  await nextTurn();
  longestMs = Math.max(longestMs, cpuMs() - turnStartedAt);
}
const routeNs = (process.cpuUsage(startedAt).user * 1000) / COUNT;
console.log(`route ${routeNs.toFixed(0)} ns each, longest turn ${longestMs.toFixed(1)} ms`);
await rig.broker.close();
