/**
 * A full disk: publishers are refused or blocked in their protocol's way, consumers go on, nothing
 * acknowledged is lost, and all is well again when there is space. On a small tmpfs of its own,
 * which needs root on Linux.
 */
import amqp, { type ConfirmChannel } from 'amqplib';
import { Kafka, logLevel } from 'kafkajs';
import { execFileSync } from 'node:child_process';
import { mkdirSync, rmSync, statfsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { BrokerProcess } from './broker-process.ts';

const DISK_BYTES = 192 * 1024 * 1024;
const QUEUE = 'disk-full-queue';
const TOPIC = 'disk-full-topic';
const WAIT_MS = 15_000;

export interface DiskFullCounts {
  confirmedBefore: number;
  consumedWhileFull: number;
  kafkaRefusedWhileFull: number;
  confirmedAfter: number;
  failures: string[];
}

export async function diskFullRound(folder: string): Promise<DiskFullCounts> {
  const disk = join(folder, 'disk');
  mkdirSync(disk);
  execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${DISK_BYTES}`, 'tmpfs', disk]);
  const broker = await BrokerProcess.at(join(disk, 'data'));
  try {
    await broker.start();
    return await fillAndFree(broker, disk);
  } finally {
    await broker.kill();
    execFileSync('umount', ['-l', disk]);
  }
}

async function fillAndFree(broker: BrokerProcess, disk: string): Promise<DiskFullCounts> {
  const failures: string[] = [];
  const connection = await amqp.connect(`amqp://127.0.0.1:${broker.ports.amqp}`);
  const blocked: boolean[] = [];
  connection.on('blocked', () => blocked.push(true));
  connection.on('unblocked', () => blocked.push(false));
  const publisher = await connection.createConfirmChannel();
  await publisher.assertQueue(QUEUE, { durable: true });
  const producer = new Kafka({
    brokers: [`127.0.0.1:${broker.ports.kafka}`],
    logLevel: logLevel.NOTHING,
    retry: { retries: 1, initialRetryTime: 50 },
  }).producer();
  await producer.connect();
  await producer.send({ topic: TOPIC, messages: [{ value: 'before' }] });

  const counts: DiskFullCounts = {
    confirmedBefore: await publish(publisher, 200),
    consumedWhileFull: 0,
    kafkaRefusedWhileFull: 0,
    confirmedAfter: 0,
    failures,
  };

  const filler = join(disk, 'filler');
  const { bavail, bsize } = statfsSync(disk);
  writeFileSync(filler, Buffer.alloc(bavail * bsize - 64 * 1024));
  await until(() => blocked.at(-1) === true, 'connection.blocked', failures);
  await producer.send({ topic: TOPIC, messages: [{ value: 'full' }] }).then(
    () => failures.push('Kafka produced on a full disk'),
    () => counts.kafkaRefusedWhileFull++,
  );
  counts.consumedWhileFull = await consumeSome(broker, 100);
  if (counts.consumedWhileFull !== 100) failures.push('consumers did not go on');
  const waiting = publish(publisher, 50);

  rmSync(filler);
  await until(() => blocked.at(-1) === false, 'connection.unblocked', failures);
  counts.confirmedAfter = await waiting;
  await producer.send({ topic: TOPIC, messages: [{ value: 'after' }] });
  await producer.disconnect();
  await connection.close();

  await broker.kill();
  await broker.start();
  const left = await consumeSome(broker, Number.POSITIVE_INFINITY);
  if (left !== counts.confirmedBefore - counts.consumedWhileFull + counts.confirmedAfter) {
    failures.push(`${left} messages left after a restart`);
  }
  return counts;
}

async function publish(channel: ConfirmChannel, count: number): Promise<number> {
  let confirmed = 0;
  const body = Buffer.alloc(1000, 'd');
  for (let i = 0; i < count; i++) {
    channel.sendToQueue(QUEUE, body, { persistent: true }, (error: unknown) => {
      if (error === null) confirmed++;
    });
  }
  await channel.waitForConfirms();
  return confirmed;
}

async function consumeSome(broker: BrokerProcess, countMax: number): Promise<number> {
  const connection = await amqp.connect(`amqp://127.0.0.1:${broker.ports.amqp}`);
  const channel = await connection.createChannel();
  let count = 0;
  while (count < countMax) {
    const message = await channel.get(QUEUE, {});
    if (message === false) break;
    channel.ack(message);
    count++;
  }
  // In order on the channel behind the acks; amqplib's connection.close may overtake them.
  await channel.close();
  await connection.close();
  return count;
}

async function until(test: () => boolean, what: string, failures: string[]): Promise<void> {
  const deadline = Date.now() + WAIT_MS;
  while (!test()) {
    if (Date.now() > deadline) {
      failures.push(`no ${what} in ${WAIT_MS} ms`);
      return;
    }
    await sleep(20);
  }
}
