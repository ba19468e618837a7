/** The door of Kafka, through kafkajs: produces to one topic, consumes another. */
import { type Consumer, type IHeaders, Kafka, logLevel, type Producer } from 'kafkajs';
import type { KafkaMessage } from 'kafkajs';
import {
  asText,
  type Door,
  FROM_TOPIC,
  isText,
  namedHeaders,
  nothingSeen,
  type Seen,
  type Sent,
  sortHeaders,
  TO_TOPIC,
  type Value,
} from './door.ts';

export class KafkaDoor implements Door {
  readonly name = 'kafka';
  readonly seen: Seen[] = [];
  readonly #producer: Producer;
  readonly #consumer: Consumer;

  private constructor(kafka: Kafka) {
    this.#producer = kafka.producer();
    this.#consumer = kafka.consumer({ groupId: 'matrix' });
  }

  static async open(address: string): Promise<KafkaDoor> {
    const door = new KafkaDoor(new Kafka({ brokers: [address], logLevel: logLevel.ERROR }));
    await door.#producer.connect();
    await door.#consumer.connect();
    await door.#consumer.subscribe({ topic: TO_TOPIC, fromBeginning: true });
    await door.#consumer.run({
      eachMessage: async ({ message }) => void door.seen.push(seenFrom(message)),
    });
    return door;
  }

  cannotSend(): boolean {
    return false;
  }

  async publish(sent: Sent): Promise<void> {
    const headers: IHeaders = {};
    for (const [name, value] of namedHeaders(sent)) headers[name] = bytesOrText(value);
    if (sent.replyTo !== undefined) headers['reply-to'] = sent.replyTo;
    if (sent.repeated) headers[sent.repeated.name] = sent.repeated.values;
    const message = {
      value: sent.body === undefined ? 'x' : sent.body,
      headers,
      ...(sent.key === undefined ? {} : { key: sent.key }),
      ...(sent.timestampMs === undefined ? {} : { timestamp: String(sent.timestampMs) }),
    };
    await this.#producer.send({ topic: FROM_TOPIC, messages: [message] });
  }

  sends(value: Value): Value {
    return bytesOrText(value);
  }

  shows(value: Value): Value {
    return bytesOrText(value);
  }

  async close(): Promise<void> {
    await this.#producer.disconnect();
    await this.#consumer.disconnect();
  }
}

function bytesOrText(value: Value): string | Buffer {
  return Buffer.isBuffer(value) ? value : asText(value);
}

function seenFrom({ key, value, headers, timestamp }: KafkaMessage): Seen {
  const seen = nothingSeen(value ?? Buffer.alloc(0));
  seen.key = key?.toString() ?? null;
  seen.timestampMs = Number(timestamp);
  const shown: Record<string, unknown> = {};
  for (const [name, header] of Object.entries(headers ?? {})) {
    if (name === 'posthorn') continue;
    shown[name] = Array.isArray(header) ? header.map(shownValue) : shownValue(header!);
  }
  sortHeaders(shown, seen);
  return seen;
}

function shownValue(value: Buffer | string): string | Buffer {
  return Buffer.isBuffer(value) && !isText(value) ? value : value.toString();
}
