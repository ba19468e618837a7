/**
 * Micro benchmarks of the queue, run by hand: node --expose-gc src/core/queue/queue.bench.ts
 *
 * Messages are as AMQP has them: a 100-byte body and about 30 bytes of address and properties. What
 * a subscriber would do with a delivery (encode it) is left out; what a protocol calls is not.
 */
import { QueueRig } from '#test/rigs/queue-rig.ts';
import type { Queue } from './queue.ts';
import type { Message } from '../message/message.ts';

const BODY = 'x'.repeat(100);

/** This thread's own, so that a busy machine does not count. */
function cpuNs(): number {
  const { user, system } = process.threadCpuUsage();
  return (user + system) * 1000;
}

function best(name: string, count: number, run: () => void): void {
  let bestNs = Infinity;
  for (let round = 0; round < 7; round++) {
    const startedAt = cpuNs();
    run();
    bestNs = Math.min(bestNs, (cpuNs() - startedAt) / count);
  }
  console.log(`${name.padEnd(52)} ${bestNs.toFixed(0).padStart(6)} ns/message`);
}

function message(rig: QueueRig, durable: boolean): Message {
  return rig.message(BODY, { durable, exchange: 'amq.direct', routingKey: 'some-routing-key' });
}

function subscribe(queue: Queue, noAck: boolean): { offsets: number[]; bytes: number } {
  const got = { offsets: [] as number[], bytes: 0 };
  queue.subscribe({
    subscriber: {
      deliver: (delivered, offset) => {
        got.bytes += delivered.bodyEnd - delivered.bodyStart;
        if (!noAck) got.offsets.push(offset);
      },
      cancelled: () => {},
    },
    credits: [],
    noAck,
    exclusive: false,
    priority: 0,
    owner: got,
    tag: '',
  });
  queue.pump();
  return got;
}

async function passing(durable: boolean, noAck: boolean, perTurn: number): Promise<void> {
  const rig = await QueueRig.open(1 << 30);
  const queue = rig.declare('q', { durable });
  const got = subscribe(queue, noAck);
  const one = message(rig, durable);
  const turns = Math.ceil(200_000 / perTurn);
  const words = `${durable ? 'durable' : 'transient'}, ${noAck ? 'no ack' : 'ack'}, ${perTurn} a turn`;
  best(`publish + deliver + settle: ${words}`, turns * perTurn, () => {
    for (let turn = 0; turn < turns; turn++) {
      for (let i = 0; i < perTurn; i++) queue.publish(one);
      for (const offset of got.offsets) queue.accept(offset);
      got.offsets.length = 0;
      rig.turn();
    }
  });
}

async function backlog(durable: boolean): Promise<void> {
  const rig = await QueueRig.open(1 << 30);
  const one = message(rig, durable);
  const count = 200_000;
  const word = durable ? 'durable' : 'transient';
  let queue!: Queue;
  let round = 0;
  best(`enqueue only: ${word}`, count, () => {
    if (round > 0) queue.remove();
    queue = rig.declare(`q${round++}`, { durable });
    for (let i = 0; i < count; i++) {
      queue.publish(one);
      if (i % 500 === 499) rig.turn();
    }
    rig.turn();
  });
  const got = subscribe(queue, false);
  best(`requeue and deliver all again: ${word}`, count, () => {
    const offsets = got.offsets;
    got.offsets = [];
    queue.release(offsets, false);
  });
  const startedAt = cpuNs();
  for (const offset of got.offsets) queue.accept(offset);
  rig.turn();
  const ns = (cpuNs() - startedAt) / count;
  console.log(`${`accept all: ${word}`.padEnd(52)} ${ns.toFixed(0).padStart(6)} ns/message`);
}

await passing(false, true, 500);
await passing(false, false, 500);
await passing(false, false, 1);
await passing(true, true, 500);
await passing(true, false, 500);
await passing(true, false, 1);
await backlog(false);
await backlog(true);
