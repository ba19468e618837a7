/**
 * Idempotent producers with acks=all that live through the broker's deaths and retry with the same
 * sequence numbers, through kafkajs; and a reader that checks the whole topic: every acknowledged
 * message is there, none twice, offsets dense, each producer's order kept within a partition.
 */
import { Kafka, logLevel, type Producer } from 'kafkajs';
import { setTimeout as sleep } from 'node:timers/promises';
import type { SeededRandom } from '#test/rigs/seeded-random.ts';

const TOPIC = 'faults';
const PARTITIONS = 3;
const BATCH_MAX = 50;
const VALUE_PADDING = 'y'.repeat(80);
const READ_WITHIN_MS = 120_000;

export interface KafkaCounts {
  sent: number;
  acknowledged: number;
  read: number;
  lost: string[];
  duplicated: string[];
  disordered: string[];
  gaps: string[];
}

export class KafkaLoad {
  readonly #kafka: Kafka;
  readonly #random: SeededRandom;
  readonly #acknowledged = new Set<string>();
  #producers: Producer[] = [];
  #sent = 0;
  #stopped = false;
  #loops: Promise<void>[] = [];

  constructor(port: number, random: SeededRandom) {
    this.#random = random;
    this.#kafka = new Kafka({
      clientId: 'faults',
      brokers: [`127.0.0.1:${port}`],
      logLevel: logLevel.NOTHING,
      connectionTimeout: 1000,
      requestTimeout: 5000,
      retry: { initialRetryTime: 30, maxRetryTime: 200, retries: 10_000 },
    });
  }

  async start(producers: number): Promise<void> {
    const admin = this.#kafka.admin();
    await admin.connect();
    await admin.createTopics({ topics: [{ topic: TOPIC, numPartitions: PARTITIONS }] });
    await admin.disconnect();
    for (let index = 0; index < producers; index++) {
      const producer = this.#kafka.producer({
        idempotent: true,
        maxInFlightRequests: 1,
        retry: { initialRetryTime: 30, maxRetryTime: 200, retries: 10_000 },
      });
      await producer.connect();
      this.#producers.push(producer);
      this.#loops.push(this.#produce(producer, index));
    }
  }

  get acknowledgedCount(): number {
    return this.#acknowledged.size;
  }

  /** Call while the broker is up: waits for what is under way. */
  async stop(): Promise<void> {
    this.#stopped = true;
    await Promise.all(this.#loops);
    await Promise.all(this.#producers.map(async (producer) => producer.disconnect()));
  }

  async #produce(producer: Producer, index: number): Promise<void> {
    for (let sequence = 0; !this.#stopped;) {
      const values: string[] = [];
      const count = this.#random.between(1, BATCH_MAX);
      for (let i = 0; i < count; i++) values.push(`${index}:${sequence++} ${VALUE_PADDING}`);
      this.#sent += count;
      const messages = values.map((value, at) => ({ value, partition: at % PARTITIONS }));
      await producer.send({ topic: TOPIC, acks: -1, messages });
      for (const value of values) this.#acknowledged.add(idOf(value));
      await sleep(1);
    }
  }

  /** Reads the whole topic and compares. */
  async verify(): Promise<KafkaCounts> {
    const admin = this.#kafka.admin();
    await admin.connect();
    const ends = new Map<number, number>();
    for (const { partition, high } of await admin.fetchTopicOffsets(TOPIC)) {
      ends.set(partition, Number(high));
    }
    await admin.disconnect();
    const check = new TopicCheck(ends);
    const consumer = this.#kafka.consumer({ groupId: `verify-${this.#sent}-${process.pid}` });
    await consumer.connect();
    await consumer.subscribe({ topic: TOPIC, fromBeginning: true });
    await consumer.run({
      autoCommit: false,
      eachBatch: async ({ batch }) => {
        for (const { offset, value } of batch.messages) {
          check.record(batch.partition, Number(offset), String(value));
        }
      },
    });
    const deadline = Date.now() + READ_WITHIN_MS;
    while (!check.complete && Date.now() < deadline) await sleep(20);
    await consumer.disconnect();
    if (!check.complete) throw new Error('the topic could not be read to its end');
    return {
      sent: this.#sent,
      acknowledged: this.#acknowledged.size,
      read: check.seen.size,
      lost: [...this.#acknowledged].filter((id) => !check.seen.has(id)),
      duplicated: check.duplicated,
      disordered: check.disordered,
      gaps: check.gaps,
    };
  }
}

class TopicCheck {
  readonly seen = new Set<string>();
  readonly duplicated: string[] = [];
  readonly disordered: string[] = [];
  readonly gaps: string[] = [];
  readonly #ends: ReadonlyMap<number, number>;
  readonly #next = new Map<number, number>();
  readonly #lastSequence = new Map<string, number>();

  constructor(ends: ReadonlyMap<number, number>) {
    this.#ends = ends;
  }

  get complete(): boolean {
    return [...this.#ends].every(([partition, end]) => (this.#next.get(partition) ?? 0) >= end);
  }

  record(partition: number, offset: number, value: string): void {
    const expected = this.#next.get(partition) ?? 0;
    if (offset !== expected) this.gaps.push(`${partition}@${offset}, not ${expected}`);
    this.#next.set(partition, offset + 1);
    const id = idOf(value);
    if (this.seen.has(id)) this.duplicated.push(id);
    this.seen.add(id);
    const [producer, sequence] = id.split(':') as [string, string];
    const key = `${producer}/${partition}`;
    if (Number(sequence) <= (this.#lastSequence.get(key) ?? -1)) this.disordered.push(id);
    this.#lastSequence.set(key, Number(sequence));
  }
}

function idOf(value: string): string {
  return value.slice(0, value.indexOf(' '));
}
