/**
 * The rows of the bench: which load, against which sides, and what is asked of the ratio. The first
 * side is the peer; every other side is Posthorn in a durability mode and is compared with it.
 */
import { runAmqpLoad } from './loads/amqp-load.ts';
import { consumeFrom, deleteTopic, produceTo } from './loads/kafka-tools.ts';
import type { Sample } from './loads/measured-run.ts';
import { runNatsLoad } from './loads/nats-load.ts';
import { runPerfTest } from './loads/perf-test.ts';
import { runSqsLoad } from './loads/sqs-load.ts';
import type { Side, SideName } from './sides.ts';

export interface Row {
  readonly id: string;
  readonly title: string;
  readonly sides: readonly [SideName, ...SideName[]];
  /** Smallest ratio asked of each Posthorn side; none where the row only informs. */
  readonly goal?: Partial<Record<SideName, number>>;
  /** Not part of a full run. */
  readonly onlyByName?: true;
  /** Before the first round, uncounted. */
  prepare?: (side: Side) => Promise<void>;
  run: (side: Side, seconds: number) => Promise<Sample>;
  /** After the last round. */
  finish?: (side: Side) => Promise<void>;
}

const transient = '--backlog 10000';
const durable = '--durable --window 1000 --prefetch 1000 --ack-every 1';
const fourDurable = `${durable} --pairs 4`;
const backlog = '--mode backlog --messages 1000000';
const single = '--mode publish --durable --window 1';
const perfTestDurable = '--flag persistent --confirm 1000 --qos 1000';
const perfTestSingle =
  '--flag persistent --confirm 1 --consumers 0 --auto-delete false --queue perftest-single';

const request = '--mode request --size 16';

const sqsSides = ['elasticmq', 'posthorn-commit', 'posthorn-os'] as const;
const kafkaSides = ['kafka', 'posthorn-os', 'posthorn-commit'] as const;
const kafkaGoal = { 'posthorn-os': 0.8 };

export const rows: readonly Row[] = [
  amqp('amqp-transient', 'AMQP 100 B transient, auto-ack', 8, transient),
  amqp('amqp-durable', 'AMQP 100 B durable, confirms, 1000 in flight, acks', 8, durable),
  amqp('amqp-single', 'AMQP 100 B durable, confirms, 1 in flight', 1.2, single),
  perfTest('perftest-transient', 'PerfTest 100 B transient, auto-ack', '--autoack'),
  perfTest('perftest-durable', 'PerfTest 100 B durable, 1000 in flight, acks', perfTestDurable),
  perfTest('perftest-single', 'PerfTest 100 B durable, 1 in flight', perfTestSingle),
  produce('kafka-produce-100', 'Kafka produce 100 B, acks=all', 100, 2_000_000),
  produce('kafka-produce-1k', 'Kafka produce 1 KB, acks=all', 1024, 400_000),
  consume('kafka-consume-100', 'Kafka consume 100 B', 100, 6_000_000),
  consume('kafka-consume-1k', 'Kafka consume 1 KB', 1024, 1_000_000),
  nats('nats-publish-16', 'NATS 16 B, publish only', 1.2, '--mode publish --size 16'),
  nats('nats-publish-128', 'NATS 128 B, publish only', 1.2, '--mode publish --size 128'),
  nats('nats-1-1-16', 'NATS 16 B, 1:1', 1.2, '--size 16'),
  nats('nats-1-1-128', 'NATS 128 B, 1:1', 1.2, '--size 128'),
  nats('nats-1-4-16', 'NATS 16 B, 1:4, deliveries', 1.2, '--subscribers 4 --size 16'),
  nats('nats-1-4-128', 'NATS 128 B, 1:4, deliveries', 1.2, '--subscribers 4 --size 128'),
  nats('nats-request-1', 'NATS 16 B, request-reply, 1 outstanding', 0.9, `${request} --window 1`),
  nats(
    'nats-request-16',
    'NATS 16 B, request-reply, 16 outstanding',
    0.9,
    `${request} --window 16`,
  ),
  sqsCycle('sqs-cycle-64', 'SQS send, receive, delete 100 B, 64 connections', 8, ''),
  sqsCycle(
    'sqs-cycle-64-batch',
    'SQS the same in batches of 10, operations on messages',
    undefined,
    '--batch 10',
  ),
  sqs('sqs-send-64', 'SQS SendMessage 100 B, 64 connections', 8, '--mode send', 64),
  sqs('sqs-receive-64', 'SQS ReceiveMessage, 64 connections', 8, '--mode receive', 64),
  sqs('sqs-delete-64', 'SQS DeleteMessage, 64 connections', 8, '--mode delete', 64),
  sqs('sqs-send-1', 'SQS SendMessage 100 B, 1 connection', undefined, '--mode send', 1),
  sqs('sqs-receive-1', 'SQS ReceiveMessage, 1 connection', undefined, '--mode receive', 1),
  sqs('sqs-delete-1', 'SQS DeleteMessage, 1 connection', undefined, '--mode delete', 1),
  onlyByName('amqp-backlog', 'AMQP 100 B transient, 1M waiting, then consumed', backlog),
  onlyByName('amqp-4-transient', 'AMQP 100 B transient, auto-ack, 4 queues', '--pairs 4'),
  onlyByName('amqp-4-durable', 'AMQP 100 B durable, 4 queues, 1000 in flight each', fourDurable),
  onlyByName(
    'amqp-1k-durable',
    'AMQP 1 KB durable, 1000 in flight, acks',
    `${durable} --size 1024`,
  ),
];

/** Beside the load: what is compared is memory, and it is read where the sides are started. */
export const idleBytesMax = 100_000_000;

function onlyByName(id: string, title: string, args: string): Row {
  return { ...amqp(id, title, 1, args), onlyByName: true };
}

function amqp(id: string, title: string, goal: number, args: string): Row {
  return {
    id,
    title,
    sides: ['rabbitmq', 'posthorn-commit'],
    goal: { 'posthorn-commit': goal },
    run(side, seconds) {
      const general = `--size 100 --warmup 1.5 --seconds ${seconds}`;
      return runAmqpLoad(side, `${general} ${args}`.split(' '));
    },
  };
}

function nats(id: string, title: string, goal: number, args: string): Row {
  return {
    id,
    title,
    sides: ['nats-server', 'posthorn-commit'],
    goal: { 'posthorn-commit': goal },
    run: (side, seconds) =>
      runNatsLoad(side, `--warmup 1.5 --seconds ${seconds} ${args}`.split(' ')),
  };
}

const cycle = '--mode cycle --size 100 --connections 64';
const warmedUp = new WeakSet<Side>();

/** Until its rate has stopped rising: a JVM goes on compiling for long. The same for every side. */
async function warmUpSqs(side: Side): Promise<void> {
  if (warmedUp.has(side)) return;
  warmedUp.add(side);
  const args = `${cycle} --warmup 0.1 --seconds 4`.split(' ');
  let best = 0;
  for (let run = 0, steady = 0; run < 15 && steady < 2; run++) {
    const { rate } = await runSqsLoad(side, args);
    steady = rate > best * 1.05 ? 0 : steady + 1;
    best = Math.max(best, rate);
  }
}

function sqsGoal(goal: number | undefined): Row['goal'] {
  return goal === undefined ? undefined : { 'posthorn-commit': goal, 'posthorn-os': goal };
}

function sqsCycle(id: string, title: string, goal: number | undefined, args: string): Row {
  return {
    id,
    title,
    sides: sqsSides,
    goal: sqsGoal(goal),
    prepare: warmUpSqs,
    run: (side, seconds) =>
      runSqsLoad(side, `${cycle} --warmup 1 --seconds ${seconds} ${args}`.trim().split(' ')),
  };
}

/** As many messages as may be received and not yet deleted, at most 120,000, and as the time needs. */
function sqs(
  id: string,
  title: string,
  goal: number | undefined,
  mode: string,
  connections: number,
): Row {
  const messages = connections === 1 ? 60_000 : 115_000;
  const load = `${mode} --size 100 --connections ${connections} --messages ${messages}`;
  return {
    id,
    title,
    sides: sqsSides,
    goal: sqsGoal(goal),
    prepare: warmUpSqs,
    // Short, so that a fast server does not run out of messages inside the window.
    run: (side, seconds) =>
      runSqsLoad(side, `${load} --warmup 0.5 --seconds ${Math.min(seconds, 2)}`.split(' ')),
  };
}

function perfTest(id: string, title: string, args: string): Row {
  return {
    id,
    title,
    sides: ['rabbitmq', 'posthorn-commit'],
    run: (side, seconds) =>
      runPerfTest(side.port('amqp'), side.pid, `--size 100 ${args}`.split(' '), seconds),
  };
}

function produce(id: string, title: string, recordBytes: number, records: number): Row {
  let round = 0;
  return {
    id,
    title,
    sides: kafkaSides,
    goal: kafkaGoal,
    async run(side) {
      const topic = `${id}-${++round}`;
      const target = { port: side.port('kafka'), serverPid: side.pid };
      const warmupRecords = Math.floor(records / 3);
      const sample = await produceTo(target, { topic, recordBytes, records, warmupRecords });
      await deleteTopic(target.port, topic);
      return sample;
    },
  };
}

function consume(id: string, title: string, recordBytes: number, records: number): Row {
  return {
    id,
    title,
    sides: kafkaSides,
    goal: kafkaGoal,
    async prepare(side) {
      const target = { port: side.port('kafka'), serverPid: side.pid };
      await produceTo(target, { topic: id, recordBytes, records, warmupRecords: 1 });
    },
    run: (side) =>
      consumeFrom({ port: side.port('kafka'), serverPid: side.pid }, id, records, recordBytes),
    finish: (side) => deleteTopic(side.port('kafka'), id),
  };
}
