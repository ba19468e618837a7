/**
 * A Kafka client made of bytes, for tests of the protocol: it writes requests with our Writer and
 * reads answers with our Reader, and keeps nothing to itself.
 */
import { BATCH_HEADER_BYTES, writeInt16, writeInt32, writeInt64 } from '#core/message/batch.ts';
import { sealBatch, sealCrc } from '#core/message/batch-writer.ts';
import { HANDLERS } from '#protocols/kafka/handlers/index.ts';
import { kafka } from '#protocols/kafka/index.ts';
import type { Peer, Protocol } from '#protocols/contract.ts';
import { OutputBuffer } from '#wire/output-buffer.ts';
import { Reader } from '#wire/reader.ts';
import { varintLength, writeVarint } from '#wire/varint.ts';
import { Writer } from '#wire/writer.ts';
import { connect, type DrivenConnection, LOOPBACK, type MemoryBroker } from './memory-broker.ts';

export const Key = {
  Produce: 0,
  Fetch: 1,
  ListOffsets: 2,
  Metadata: 3,
  OffsetCommit: 8,
  OffsetFetch: 9,
  FindCoordinator: 10,
  JoinGroup: 11,
  Heartbeat: 12,
  LeaveGroup: 13,
  SyncGroup: 14,
  DescribeGroups: 15,
  ListGroups: 16,
  ApiVersions: 18,
  CreateTopics: 19,
  DeleteTopics: 20,
  DeleteRecords: 21,
  InitProducerId: 22,
  OffsetForLeaderEpoch: 23,
  DescribeConfigs: 32,
  AlterConfigs: 33,
  DescribeLogDirs: 35,
  CreatePartitions: 37,
  DeleteGroups: 42,
  IncrementalAlterConfigs: 44,
  OffsetDelete: 47,
  DescribeCluster: 60,
  DescribeTopicPartitions: 75,
} as const;

const FLEXIBLE_FROM = new Map(HANDLERS.map((handler) => [handler.key, handler.flexibleFrom]));

function isFlexible(key: number, version: number): boolean {
  return version >= (FLEXIBLE_FROM.get(key) ?? Infinity);
}

/** A whole request with its length. */
export function request(
  key: number,
  version: number,
  correlationId: number,
  body: (writer: Writer) => void,
): Buffer {
  const writer = new Writer(new OutputBuffer());
  const flexible = isFlexible(key, version);
  writer.begin(false).int16(key).int16(version).int32(correlationId).nullableString('peer');
  writer.flexible = flexible;
  writer.tags();
  body(writer);
  writer.end();
  return Buffer.concat(writer.output.take());
}

export interface Answer {
  readonly correlationId: number;
  readonly reader: Reader;
  readonly bytes: Buffer;
}

export class KafkaPeer {
  readonly driven: DrivenConnection;
  readonly #memory: MemoryBroker;
  #received: Buffer = Buffer.alloc(0);
  #correlationId = 0;

  constructor(memory: MemoryBroker, protocol: Protocol, peer: Peer = LOOPBACK) {
    this.#memory = memory;
    this.driven = connect(protocol, peer);
  }

  get ended(): boolean {
    return this.driven.sink.ended;
  }

  /** Gives the connection bytes as the server does: valid during the call only. */
  write(bytes: Buffer): void {
    const chunk = new Uint8Array(bytes);
    this.driven.connection.receive(chunk);
    chunk.fill(0xff);
  }

  send(key: number, version: number, body: (writer: Writer) => void): number {
    const correlationId = ++this.#correlationId;
    this.write(request(key, version, correlationId, body));
    return correlationId;
  }

  /** The next answer that is there, or null. */
  next(key: number, version: number): Answer | null {
    this.#received = Buffer.concat([this.#received, this.driven.sink.take()]);
    if (this.#received.length < 4) return null;
    const end = 4 + this.#received.readInt32BE(0);
    if (this.#received.length < end) return null;
    const bytes = this.#received.subarray(4, end);
    this.#received = this.#received.subarray(end);
    const flexible = isFlexible(key, version);
    const reader = new Reader().reset(bytes, 0, bytes.length, flexible);
    const correlationId = reader.int32();
    if (key !== Key.ApiVersions) reader.tags();
    return { correlationId, reader, bytes };
  }

  /** Sends, lets the broker work until nothing is left to do, and reads the one answer. */
  async ask(key: number, version: number, body: (writer: Writer) => void): Promise<Reader> {
    const correlationId = this.send(key, version, body);
    await this.#memory.settle();
    const answer = this.next(key, version);
    if (answer === null) throw new Error(`no answer to API ${key} version ${version}`);
    if (answer.correlationId !== correlationId) throw new Error('an answer out of order');
    return answer.reader;
  }
}

/** Opens the protocol once and connects to it as often as one likes. */
export function kafkaOf(memory: MemoryBroker): Protocol {
  return kafka(memory.broker, { host: '127.0.0.1', port: 9092 });
}

export interface BatchOptions {
  producerId?: number;
  epoch?: number;
  sequence?: number;
  timestampMs?: number;
}

/** A batch as a producer makes it: values only, or [key, value]. */
export function batch(
  records: readonly (string | readonly [string, string])[],
  {
    producerId = -1,
    epoch = -1,
    sequence = -1,
    timestampMs = 1_700_000_000_000,
  }: BatchOptions = {},
): Buffer {
  const bytes = Buffer.alloc(
    BATCH_HEADER_BYTES + 64 * records.length + JSON.stringify(records).length,
  );
  let at = BATCH_HEADER_BYTES;
  for (const [index, record] of records.entries()) {
    const key = typeof record === 'string' ? null : record[0];
    const value = typeof record === 'string' ? record : record[1];
    at = writeRecord(bytes, at, index, key, value);
  }
  sealBatch(bytes, 0, at, records.length, timestampMs, timestampMs);
  if (producerId >= 0) {
    writeInt64(bytes, 43, producerId);
    writeInt16(bytes, 51, epoch);
    writeInt32(bytes, 53, sequence);
    sealCrc(bytes, 0, at);
  }
  return bytes.subarray(0, at);
}

function writeRecord(
  bytes: Buffer,
  at: number,
  offsetDelta: number,
  key: string | null,
  value: string,
): number {
  const keyBytes = key === null ? -1 : Buffer.byteLength(key);
  const valueBytes = Buffer.byteLength(value);
  const parts = [0, offsetDelta, keyBytes, valueBytes, 0];
  let length = 1 + Math.max(keyBytes, 0) + valueBytes;
  for (const part of parts) length += varintLength(part);
  at = writeVarint(bytes, at, length);
  bytes[at++] = 0;
  at = writeVarint(bytes, at, 0);
  at = writeVarint(bytes, at, offsetDelta);
  at = writeVarint(bytes, at, keyBytes);
  if (key !== null) at += bytes.write(key, at);
  at = writeVarint(bytes, at, valueBytes);
  at += bytes.write(value, at);
  return writeVarint(bytes, at, 0);
}
