/**
 * What a crash or a bad disk does to the newest segment: torn tails must be dropped, whole batches
 * before them kept; a flipped byte in the middle must stop the start with the file and position.
 *
 * One data folder is written and killed once; every round damages a fresh copy of it.
 */
import amqp from 'amqplib';
import { Kafka, logLevel } from 'kafkajs';
import { cpSync, readdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Batch } from '#core/message/batch.ts';
import { BrokerProcess, StartRefused } from './broker-process.ts';
import type { SeededRandom } from '#test/rigs/seeded-random.ts';

const TOPIC = 'damage';
const QUEUE = 'damage-queue';
const MESSAGES = 40;

export interface DamageCounts {
  torn: number;
  garbage: number;
  flippedTail: number;
  flippedMiddle: number;
  failures: string[];
}

interface BatchPlace {
  at: number;
  sizeBytes: number;
  baseOffset: number;
}

interface Target {
  /** Where the damaged log lives and how many records a restarted broker shows of it. */
  folderPart: string;
  count(broker: BrokerProcess): Promise<number>;
}

const TARGETS: readonly Target[] = [
  { folderPart: `${TOPIC}-0`, count: topicCount },
  { folderPart: QUEUE, count: queueCount },
];

export async function damageRounds(
  folder: string,
  rounds: number,
  random: SeededRandom,
): Promise<DamageCounts> {
  const counts: DamageCounts = {
    torn: 0,
    garbage: 0,
    flippedTail: 0,
    flippedMiddle: 0,
    failures: [],
  };
  const original = join(folder, 'original');
  await write(original);
  const kinds = ['torn', 'garbage', 'flippedTail', 'flippedMiddle'] as const;
  for (let round = 0; round < rounds; round++) {
    const kind = kinds[round % kinds.length]!;
    const target = TARGETS[Math.floor(round / kinds.length) % TARGETS.length]!;
    const copy = join(folder, 'copy');
    cpSync(original, copy, { recursive: true });
    try {
      await damageRound(copy, kind, target, random);
      counts[kind]++;
    } catch (error) {
      counts.failures.push(`${kind} of ${target.folderPart}: ${String(error)}`);
    }
    rmSync(copy, { recursive: true, force: true });
  }
  return counts;
}

async function damageRound(
  dataDir: string,
  kind: 'torn' | 'garbage' | 'flippedTail' | 'flippedMiddle',
  target: Target,
  random: SeededRandom,
): Promise<void> {
  const file = segmentOf(dataDir, target.folderPart);
  const bytes = readFileSync(file);
  const batches = batchesOf(bytes);
  const last = batches.at(-1)!;
  const end = last.at + last.sizeBytes;
  let expected: readonly number[] = [MESSAGES];
  if (kind === 'torn') {
    truncateSync(file, random.between(last.at + 1, end));
    expected = [last.baseOffset];
  } else if (kind === 'garbage') {
    const tail = Buffer.from(Array.from({ length: 100 }, () => random.between(1, 256)));
    writeFileSync(file, Buffer.concat([bytes.subarray(0, end), tail]));
  } else if (kind === 'flippedTail') {
    bytes[random.between(last.at + 21, end)]! ^= 1 << random.between(0, 8);
    writeFileSync(file, bytes);
    // It had been synced: a whole batch that is wrong is a bad disk, not a torn write.
    expected = [];
  } else {
    const middle = batches[random.between(0, batches.length - 2)]!;
    bytes[middle.at + random.between(21, middle.sizeBytes)]! ^= 1 << random.between(0, 8);
    writeFileSync(file, bytes);
    expected = [];
  }
  await startAndCount(dataDir, file, target, expected);
}

/** `expected` empty: the start must be refused and name the file. */
async function startAndCount(
  dataDir: string,
  file: string,
  target: Target,
  expected: readonly number[],
): Promise<void> {
  const broker = await BrokerProcess.at(dataDir);
  try {
    await broker.start();
  } catch (error) {
    if (!(error instanceof StartRefused)) throw error;
    const named = error.exit.errorText.includes(file) && /byte \d+/.test(error.exit.errorText);
    if (expected.length > 0 || !named) throw error;
    return;
  }
  try {
    if (expected.length === 0) throw new Error('started on corrupt data');
    const count = await target.count(broker);
    if (!expected.includes(count))
      throw new Error(`${count} records, not ${expected.join(' or ')}`);
  } finally {
    await broker.kill();
  }
}

async function write(dataDir: string): Promise<void> {
  const broker = await BrokerProcess.at(dataDir);
  await broker.start();
  const kafka = kafkaAt(broker.ports.kafka);
  const producer = kafka.producer({ allowAutoTopicCreation: true });
  await producer.connect();
  const connection = await amqp.connect(`amqp://127.0.0.1:${broker.ports.amqp}`);
  // The kill below ends the connection under the client.
  connection.on('error', () => {});
  const channel = await connection.createConfirmChannel();
  await channel.assertQueue(QUEUE, { durable: true });
  for (let i = 0; i < MESSAGES; i++) {
    await producer.send({ topic: TOPIC, messages: [{ value: `record ${i} ${'z'.repeat(50)}` }] });
    channel.sendToQueue(QUEUE, Buffer.from(`message ${i} ${'z'.repeat(50)}`), { persistent: true });
    await channel.waitForConfirms();
  }
  await broker.kill();
  await producer.disconnect().catch(() => {});
}

function kafkaAt(port: number): Kafka {
  return new Kafka({ brokers: [`127.0.0.1:${port}`], logLevel: logLevel.NOTHING });
}

async function topicCount(broker: BrokerProcess): Promise<number> {
  const admin = kafkaAt(broker.ports.kafka).admin();
  await admin.connect();
  const [offsets] = await admin.fetchTopicOffsets(TOPIC);
  await admin.disconnect();
  return Number(offsets!.high) - Number(offsets!.low);
}

async function queueCount(broker: BrokerProcess): Promise<number> {
  const connection = await amqp.connect(`amqp://127.0.0.1:${broker.ports.amqp}`);
  const channel = await connection.createChannel();
  let count = 0;
  while ((await channel.get(QUEUE, { noAck: true })) !== false) count++;
  await connection.close();
  return count;
}

function segmentOf(dataDir: string, folderPart: string): string {
  const files = readdirSync(dataDir, { recursive: true })
    .map(String)
    .filter((file) => file.endsWith('.log') && file.includes(folderPart));
  if (files.length !== 1) throw new Error(`${files.length} segments of ${folderPart}`);
  return join(dataDir, files[0]!);
}

function batchesOf(bytes: Uint8Array): BatchPlace[] {
  const places: BatchPlace[] = [];
  for (let at = 0; at + 61 <= bytes.length && Batch.magic(bytes, at) === 2;) {
    const sizeBytes = Batch.sizeBytes(bytes, at);
    places.push({ at, sizeBytes, baseOffset: Batch.baseOffset(bytes, at) });
    at += sizeBytes;
  }
  return places;
}
