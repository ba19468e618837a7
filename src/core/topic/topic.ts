/**
 * Topic: a name over one or more logs. Kafka produces into its partitions; every other protocol
 * publishes messages to it, and bindings may feed what arrives to queues, by the record's key.
 *
 * Which partition: murmur2 of the key as Kafka's own producers do, in turns without a key.
 */
import { Batch, BATCH_HEADER_BYTES } from '../message/batch.ts';
import type { Arguments } from '../routing/binding.ts';
import type { Envelope } from '../message/envelope.ts';
import type { Feed, FeedSource } from '../routing/feed.ts';
import { BrokerError } from '../errors.ts';
import { Message, Origin, Outcome } from '../message/message.ts';
import type { Destination } from '../message/message.ts';
import { murmur2 } from './murmur2.ts';
import type { Namespace } from '../namespace.ts';
import { encodeNeutral, KEY_HEADER, readdressNeutral } from '../message/neutral-headers.ts';
import { Partition } from './partition.ts';
import { recordBytesMax } from '../message/record.ts';
import { RecordCursor } from '../message/record-cursor.ts';
import type { TopicConfig } from './topic-config.ts';
import type { Log } from '../log.ts';

export interface TopicFollower {
  grown(partition: Partition): void;
}

export class Topic implements Destination, FeedSource {
  readonly name: string;
  readonly namespace: Namespace;
  /** A UUID: 16 bytes. */
  readonly id: Uint8Array;
  /** As requested at creation; there is one replica whatever it says. */
  readonly replicationFactor: number;
  readonly partitions: Partition[] = [];
  /** As a protocol declared it, for its equivalence texts. */
  readonly arguments: Arguments;
  config: TopicConfig;
  deleted = false;
  /** Its bindings as a source; null until there is one. */
  feed: Feed | null = null;
  readonly #followers = new Set<TopicFollower>();
  #nextPartition = 0;
  #cursor: RecordCursor | null = null;

  constructor(
    namespace: Namespace,
    name: string,
    id: Uint8Array,
    replicationFactor: number,
    config: TopicConfig,
    args: Arguments = {},
  ) {
    this.namespace = namespace;
    this.name = name;
    this.id = id;
    this.replicationFactor = replicationFactor;
    this.config = config;
    this.arguments = args;
  }

  get idHex(): string {
    return Buffer.from(this.id).toString('hex');
  }

  /** Namespace only. */
  addPartition(log: Log): void {
    const partition = new Partition(this, this.partitions.length, log);
    this.partitions.push(partition);
    for (const follower of this.#followers) follower.grown(partition);
  }

  /** Hears of every partition that is added. */
  follow(follower: TopicFollower): void {
    this.#followers.add(follower);
  }

  unfollow(follower: TopicFollower): void {
    this.#followers.delete(follower);
  }

  /** Namespace only: it is deleted; whoever follows a partition hears of it. */
  end(): void {
    this.deleted = true;
    for (const partition of this.partitions) partition.end();
  }

  /** Partition only: the start moved by request, to be remembered. */
  startMoved(partition: number, startOffset: number): void {
    this.namespace.topicStartMoved(this, partition, startOffset);
  }

  publish(message: Message): Outcome {
    const { feed } = this;
    // Back by way of its own feed: it is here already.
    if (feed !== null && feed.hasFed(message)) return Outcome.Unrouted;
    const { broker } = this.namespace;
    if (!broker.hasSpace) return Outcome.Refused;
    const { hasKey, key, keyStart, keyEnd } = message;
    const { headerCount, headers, headersStart, headersEnd } = message;
    let timestampMs: number | null = message.timestampMs;
    if (message.origin !== Origin.None) {
      const envelope = broker.envelopes.decode(message);
      timestampMs = envelope.timestampMs;
      setKey(message, recordKey(envelope));
      encodeNeutral(envelope, message);
    } else if (!message.hasKey && message.sourceEnd > message.sourceStart) {
      const { exchange, routingKey } = broker.envelopes.decode(message);
      if (exchange !== '' && routingKey !== '') setKey(message, Buffer.from(routingKey));
    }
    const feedKey = feed === null ? null : keyText(message);
    const fits = this.#append(message, this.#acceptable(timestampMs));
    message.hasKey = hasKey;
    message.key = key;
    message.keyStart = keyStart;
    message.keyEnd = keyEnd;
    message.headerCount = headerCount;
    message.headers = headers;
    message.headersStart = headersStart;
    message.headersEnd = headersEnd;
    if (!fits) return Outcome.Refused;
    if (feed !== null) feed.publish(feedKey!, message);
    return Outcome.Routed | Outcome.AwaitCommit;
  }

  /** False when it is too large for the topic. */
  #append(message: Message, timestampMs: number): boolean {
    if (BATCH_HEADER_BYTES + recordBytesMax(message) > this.config.messageBytesMax) return false;
    this.#partitionFor(message).add(message, timestampMs);
    return true;
  }

  /** The publisher's time if the topic's settings allow it, else now. */
  #acceptable(timestampMs: number | null): number {
    const nowMs = this.namespace.broker.ports.clock.now();
    if (timestampMs === null) return nowMs;
    const aheadMs = timestampMs - nowMs;
    if (aheadMs > this.config.timestampAfterMaxMs) return nowMs;
    return -aheadMs > this.config.timestampBeforeMaxMs ? nowMs : timestampMs;
  }

  #partitionFor(message: Message): Partition {
    const { partitions } = this;
    if (partitions.length === 1) return partitions[0]!;
    if (message.hasKey) {
      const hash = murmur2(message.key, message.keyStart, message.keyEnd);
      return partitions[(hash & 0x7fffffff) % partitions.length]!;
    }
    this.#nextPartition = (this.#nextPartition + 1) % partitions.length;
    return partitions[this.#nextPartition]!;
  }

  /** Partition only: hands the records of stored batches to what is bound to this topic. */
  feedRecords(batches: Uint8Array): void {
    const { feed } = this;
    if (feed === null) return;
    const { broker } = this.namespace;
    const nowMs = broker.ports.clock.now();
    this.#cursor ??= new RecordCursor(broker.codecs, broker.limits.decompressedBytesMax);
    const cursor = this.#cursor;
    const message = new Message();
    for (let at = 0; at < batches.length; at += Batch.sizeBytes(batches, at)) {
      cursor.open(batches, at);
      while (cursor.next(message)) {
        const key = keyText(message);
        broker.envelopes.trust(message);
        if (message.origin === Origin.None) readdressNeutral(message, this.name, key);
        message.expiresAtMs = 0;
        message.arrive(nowMs);
        feed.publish(key, message);
      }
      if (cursor.malformed) broker.metrics.malformedRecords++;
    }
  }

  /** Throws when a client names a partition that is not there. */
  partition(index: number): Partition {
    const partition = this.partitions[index];
    if (partition) return partition;
    throw new BrokerError('not-found', `topic ${this.name} has no partition ${index}`, {
      kind: 'partition',
      name: this.name,
      partition: index,
    });
  }
}

/** The header x-key; else the routing key, if it went through a named exchange; else none. */
function recordKey(envelope: Envelope): Uint8Array | null {
  for (const { name, value } of envelope.headers) {
    if (name !== KEY_HEADER) continue;
    if (typeof value === 'string') return Buffer.from(value);
    if (value instanceof Uint8Array) return value;
  }
  if (envelope.key) return envelope.key;
  return envelope.exchange === '' ? null : Buffer.from(envelope.routingKey);
}

function setKey(message: Message, key: Uint8Array | null): void {
  message.hasKey = key !== null;
  if (key === null) {
    message.keyStart = message.keyEnd = 0;
    return;
  }
  message.key = key;
  message.keyStart = 0;
  message.keyEnd = key.length;
}

function keyText(message: Message): string {
  if (!message.hasKey) return '';
  const { key, keyStart, keyEnd } = message;
  return Buffer.from(key.buffer, key.byteOffset + keyStart, keyEnd - keyStart).toString();
}
