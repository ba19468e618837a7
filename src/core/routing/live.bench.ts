/**
 * What live subscribers cost: `node src/core/routing/live.bench.ts`. Publishing by remembered
 * addresses alone, and beside subscriptions that come and go; 10,000 subscribers of one subject.
 */
import { BrokerRig, textMessage } from '#test/rigs/broker-rig.ts';
import { AddressCache } from './address-cache.ts';
import type { LiveBinding } from './binding.ts';
import type { LiveSubscriber } from './live-subscriber.ts';
import { Outcome } from '../message/message.ts';
import type { SubjectSyntax } from './subject-trie.ts';

const SUBJECTS = 1000;
const PUBLISHES = 1_000_000;
/** 10,000 SUB and as many UNSUB a second beside 500,000 messages a second. */
const PUBLISHES_PER_CHANGE = 25;
const SUBSCRIBERS = 10_000;
const NATS: SubjectSyntax = { separator: '.', one: '*', many: null, rest: '>' };

let received = 0;
class Subscriber implements LiveSubscriber {
  readonly live = true;
  readonly name = '';
  publish(): Outcome {
    received++;
    return Outcome.Routed;
  }
}

function nanosecondsEach(count: number, task: (i: number) => void): string {
  // Of the CPU, not of the clock: the machine may be busy with something else.
  const startedAt = process.cpuUsage();
  for (let i = 0; i < count; i++) task(i);
  return `${((process.cpuUsage(startedAt).user * 1000) / count).toFixed(0)} ns`;
}

const rig = await BrokerRig.open();
const { namespace } = rig;
const addresses = new AddressCache(
  namespace,
  {
    exchange: () => 'amq.topic',
    routingKey: (bytes, start, end) => Buffer.from(bytes.subarray(start, end)).toString(),
  },
  4096,
);
const message = textMessage('x');
const subjects = Array.from({ length: SUBJECTS }, (_, i) => Buffer.from(`sensors.room${i}.heat`));
for (let i = 0; i < SUBJECTS; i++) {
  namespace.subscribe('amq.topic', `sensors.room${i}.*`, new Subscriber(), NATS);
}
namespace.subscribe('amq.topic', 'sensors.>', new Subscriber(), NATS);

function publish(i: number): void {
  const subject = subjects[i % SUBJECTS]!;
  const { route, routingKey } = addresses.lookup(subject, 0, subject.length);
  namespace.publish(route!, routingKey, message);
}

function beside(pattern: (i: number) => string): string {
  const bindings: LiveBinding[] = [];
  return nanosecondsEach(PUBLISHES, (i) => {
    if (i % PUBLISHES_PER_CHANGE === 0) {
      if (bindings.length > 100) namespace.unsubscribe(bindings.shift()!);
      else bindings.push(namespace.subscribe('amq.topic', pattern(i), new Subscriber(), NATS));
    }
    publish(i);
  });
}

for (let round = 0; round < 2; round++) {
  console.log(`publish: alone ${nanosecondsEach(PUBLISHES, publish)}`);
  console.log(`  beside inboxes that come and go: ${beside((i) => `_INBOX.${i}.*`)}`);
  console.log(`  beside single subjects: ${beside((i) => `other.room${i}.heat`)}`);
  console.log(
    `  beside patterns of the same subjects: ${beside((i) => `sensors.room${i % SUBJECTS}.*`)}`,
  );
  console.log(`  beside patterns of all subjects: ${beside(() => 'sensors.*.heat')}`);
}
const onceEach = nanosecondsEach(PUBLISHES / 4, (i) => {
  const inbox = Buffer.from(`_INBOX.abcdef.${i}`);
  const { route, routingKey } = addresses.lookup(inbox, 0, inbox.length);
  namespace.publish(route!, routingKey, message);
});
console.log(`publish to subjects used once: ${onceEach}`);

const heapBefore = process.memoryUsage().heapUsed;
const all: LiveBinding[] = [];
const same = Buffer.from('one.subject');
console.log(`${SUBSCRIBERS} of one subject:`);
console.log(
  `  subscribe ${nanosecondsEach(SUBSCRIBERS, () => {
    all.push(namespace.subscribe('amq.topic', 'one.subject', new Subscriber(), NATS));
  })}`,
);
const deliver = (): void => {
  const { route, routingKey } = addresses.lookup(same, 0, same.length);
  namespace.publish(route!, routingKey, message);
};
deliver();
received = 0;
const each = nanosecondsEach(1000, deliver);
console.log(`  publish ${each}, ${received / 1000} deliveries each`);
const churn = nanosecondsEach(1000, (i) => {
  namespace.unsubscribe(all[i]!);
  all[i] = namespace.subscribe('amq.topic', 'one.subject', new Subscriber(), NATS);
  deliver();
});
console.log(`  publish with one that leaves and one that comes before each: ${churn}`);
console.log(`  unsubscribe ${nanosecondsEach(SUBSCRIBERS, (i) => namespace.unsubscribe(all[i]!))}`);
console.log(
  `  ${Math.round((process.memoryUsage().heapUsed - heapBefore) / 2 ** 20)} MB more heap`,
);
await rig.broker.close();
