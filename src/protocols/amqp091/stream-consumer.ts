/**
 * StreamConsumer: basic.consume on a stream queue, which is a topic of any origin. It reads from a
 * position of its own and takes nothing away; an acknowledgement, of whatever kind, gives credit.
 *
 * Every delivery has the header `x-stream-offset`, and `x-stream-partition` when the topic has more
 * than one, since offsets count per partition.
 */
import { Credit } from '#core/queue/credit.ts';
import { BrokerError } from '#core/errors.ts';
import type { Message } from '#core/message/message.ts';
import {
  StreamReader,
  type StreamStart,
  type StreamSubscriber,
} from '#core/topic/stream-reader.ts';
import type { Topic } from '#core/topic/topic.ts';
import type { Channel } from './channel.ts';
import { Method } from './codec.ts';
import { failLater, tellCancelled } from './consumer-end.ts';
import { AddressedContent, deliverPrefix, writeDelivery } from './delivery.ts';
import { notImplemented, preconditionFailed } from './errors.ts';
import { fieldText, TYPE_NAMES, type FieldTable } from './field-table.ts';
import type { ChannelConsumer, LeaseHolder } from './leases.ts';
import { maxAgeMs } from './max-age.ts';
import { fillContent, type ExtraHeader } from './outgoing.ts';
import { integerOf } from './queue-arguments.ts';

const content = new AddressedContent();
const OFFSET = 'x-stream-offset';

export interface StreamConsume {
  tag: string;
  noAck: boolean;
  args: FieldTable;
  where: string;
}

/** Throws what RabbitMQ answers to a consumer that a stream cannot have. */
export function consumeStream(
  channel: Channel,
  topic: Topic,
  { tag, noAck, args, where }: StreamConsume,
): StreamConsumer {
  if (channel.prefetch === 0) {
    throw preconditionFailed(`consumer prefetch count is not set for '${where}'`);
  }
  if (noAck) {
    throw notImplemented(`automatic acknowledgement not supported by stream queues ${where}`);
  }
  if (channel.credit.limit > 0) throw notImplemented(`${where} does not support global qos`);
  if (args.get('x-priority')) {
    throw preconditionFailed(
      `invalid arg 'x-priority' for ${where} of queue type rabbit_stream_queue`,
    );
  }
  if (args.get('x-stream-filter')) throw notImplemented(`x-stream-filter on ${where}`);
  const start = startOf(args, where, channel.connection.nowMs);
  const { length } = topic.partitions;
  if (typeof start === 'object' && 'offset' in start && length > 1) {
    throw preconditionFailed(
      `invalid arg '${OFFSET}' for ${where}: its ${length} partitions have offsets of their own`,
    );
  }
  return new StreamConsumer(channel, topic, tag, start);
}

function startOf(args: FieldTable, where: string, nowMs: number): StreamStart {
  const field = args.get(OFFSET);
  if (!field) return 'next';
  const text = fieldText(field);
  if (text === 'first' || text === 'last' || text === 'next') return text;
  const ageMs = text === null ? null : maxAgeMs(text);
  if (ageMs !== null) return { timestampMs: nowMs - ageMs };
  if (field.type === 'T') return { timestampMs: Number(field.value) * 1000 };
  const offset = integerOf(field);
  if (offset !== null && offset >= 0) return { offset: Number(offset) };
  const shown = text === null ? TYPE_NAMES[field.type] : `<<"${text}">>`;
  throw preconditionFailed(
    `invalid arg '${OFFSET}' for ${where}: {invalid_stream_offset_arg,{${TYPE_NAMES[field.type]},${shown}}}`,
  );
}

export class StreamConsumer implements ChannelConsumer, LeaseHolder, StreamSubscriber {
  readonly tag: string;
  readonly #channel: Channel;
  readonly #prefix: Uint8Array;
  readonly #credit: Credit;
  readonly #severalPartitions: boolean;
  /** Null until its position is found. */
  #reader: StreamReader | null = null;
  #cancelled = false;

  constructor(channel: Channel, topic: Topic, tag: string, start: StreamStart) {
    this.tag = tag;
    this.#channel = channel;
    this.#credit = new Credit(channel.prefetch);
    this.#severalPartitions = topic.partitions.length > 1;
    this.#prefix = deliverPrefix(channel.number, Method.BasicDeliver, tag);
    void this.#open(topic, start);
  }

  async #open(topic: Topic, start: StreamStart): Promise<void> {
    const credits = [this.#credit];
    const options = { topic, partition: null, start, subscriber: this, credits };
    let reader: StreamReader;
    try {
      reader = await StreamReader.open(options);
    } catch (error) {
      if (!(error instanceof BrokerError)) throw error;
      // Deleted meanwhile, or what is stored cannot be read.
      const failure = error.code === 'unreadable' ? error : null;
      if (!this.#cancelled) this.streamEnded(null, failure);
      return;
    }
    if (this.#cancelled) {
      reader.cancel();
      return;
    }
    reader.paused = !this.#channel.connection.sink.writable;
    this.#reader = reader;
    reader.pump();
  }

  deliverRecord(message: Message, partition: number, offset: number, reader: StreamReader): void {
    const { connection, unacked } = this.#channel;
    const headers: ExtraHeader[] = [{ name: OFFSET, value: { type: 'l', value: offset } }];
    if (this.#severalPartitions) {
      headers.push({ name: 'x-stream-partition', value: { type: 'l', value: partition } });
    }
    try {
      fillContent(content, message, headers, connection, reader.topic.name);
    } catch (error) {
      reader.paused = true;
      failLater(this.#channel, error);
      return;
    }
    const tag = unacked.add(this, offset);
    const { output, frameBytesMax, metrics } = connection;
    writeDelivery(output, this.#prefix, tag, false, -1, content, frameBytesMax);
    metrics.delivered++;
    metrics.deliveredBytes += message.bodyEnd - message.bodyStart;
    const { observer } = connection.broker;
    if (observer !== null) {
      observer.delivered('amqp', connection.namespace, reader.topic.name, message, 0);
    }
    connection.sendSoon();
    if (!connection.sink.writable) reader.paused = true;
  }

  streamEnded(_reader: StreamReader | null, failure: BrokerError | null): void {
    this.#channel.consumers.delete(this.tag);
    tellCancelled(this.#channel, this.tag, failure);
  }

  cancel(): void {
    this.#cancelled = true;
    this.#reader?.cancel();
  }

  drained(): void {
    if (!this.#reader?.paused) return;
    this.#reader.paused = false;
    this.#reader.pump();
  }

  pump(): void {
    this.#reader?.pump();
  }

  accept(): void {
    this.#credit.give(1);
    this.#channel.connection.pumpSoon(this);
  }

  release(offsets: number[]): void {
    this.#credit.give(offsets.length);
    this.#channel.connection.pumpSoon(this);
  }

  reject(): void {
    this.accept();
  }
}
