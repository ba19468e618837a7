/**
 * What routing costs: `node src/core/routing/router.bench.ts`. 100,000 topic bindings of mixed patterns,
 * then publishes by routing keys that are remembered and by ones that never were.
 */
import { BrokerRig } from '#test/rigs/broker-rig.ts';

const BINDINGS = 100_000;
const QUEUES = 1000;
const ROUNDS = 200_000;

function nanosecondsEach(count: number, task: (i: number) => void): string {
  // Of the CPU, not of the clock: the machine may be busy with something else.
  const startedAt = process.cpuUsage();
  for (let i = 0; i < count; i++) task(i);
  return `${((process.cpuUsage(startedAt).user * 1000) / count).toFixed(0)} ns`;
}

const rig = await BrokerRig.open();
for (let i = 0; i < QUEUES; i++) rig.queue(`q${i}`);

function pattern(i: number): string {
  const group = Math.floor(i / 5);
  switch (i % 5) {
    case 0:
      return `region${group % 50}.device${group}.temperature`;
    case 1:
      return `region${group % 50}.device${group}.*`;
    case 2:
      return `*.device${group}.status`;
    case 3:
      return `region${group % 50}.device${group}.#`;
    default:
      return `#.alarm${group}`;
  }
}

const bindEach = nanosecondsEach(BINDINGS, (i) => {
  rig.namespace.bind('amq.topic', { kind: 'queue', name: `q${i % QUEUES}` }, pattern(i), {});
});
let found = 0;
const resolve = (key: string): void => {
  found += rig.namespace.resolve('amq.topic', key)!.targets.length;
};
const uncached = nanosecondsEach(ROUNDS, (i) => {
  resolve(`region${i % 50}.device${i % 20_000}.temperature.n${i}`);
});
const keys = Array.from({ length: 1000 }, (_, i) => `region${i % 50}.device${i}.temperature`);
for (const key of keys) resolve(key);
const cached = nanosecondsEach(ROUNDS, (i) => resolve(keys[i % keys.length]!));
const unbindEach = nanosecondsEach(BINDINGS, (i) => {
  rig.namespace.unbind('amq.topic', { kind: 'queue', name: `q${i % QUEUES}` }, pattern(i), {});
});

console.log(`${BINDINGS} bindings: bind ${bindEach}, unbind ${unbindEach} each`);
console.log(`route by a key never seen: ${uncached}; by a remembered one: ${cached}`);
console.log(`${found} targets, ${Math.round(process.memoryUsage().heapUsed / 2 ** 20)} MB heap`);
await rig.broker.close();
