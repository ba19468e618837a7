/** The door of AMQP 0-9-1, through amqplib: publishes to amq.topic, consumes a queue. */
import amqplib, {
  type ChannelModel,
  type ConfirmChannel,
  type ConsumeMessage,
  type Options,
} from 'amqplib';
import {
  type Door,
  nothingSeen,
  type PropertyName,
  type Seen,
  type Sent,
  SUBJECT,
  TO_QUEUE,
  type Value,
} from './door.ts';

const OPTION: Record<PropertyName, keyof Options.Publish> = {
  'content-type': 'contentType',
  'content-encoding': 'contentEncoding',
  'correlation-id': 'correlationId',
  'message-id': 'messageId',
  type: 'type',
  'user-id': 'userId',
  'app-id': 'appId',
};

export class AmqpDoor implements Door {
  readonly name = 'amqp';
  readonly seen: Seen[] = [];
  readonly #connection: ChannelModel;
  readonly #channel: ConfirmChannel;

  private constructor(connection: ChannelModel, channel: ConfirmChannel) {
    this.#connection = connection;
    this.#channel = channel;
  }

  static async open(url: string): Promise<AmqpDoor> {
    const connection = await amqplib.connect(url);
    const door = new AmqpDoor(connection, await connection.createConfirmChannel());
    await door.#channel.consume(TO_QUEUE, (message) => door.seen.push(seenFrom(message!)), {
      noAck: true,
    });
    return door;
  }

  cannotSend({ body, repeated }: Sent): boolean {
    return body === null || repeated !== undefined;
  }

  async publish(sent: Sent): Promise<void> {
    const headers: Record<string, unknown> = {};
    for (const [name, value] of Object.entries(sent.headers ?? {})) headers[name] = native(value);
    if (sent.key !== undefined) headers['x-key'] = sent.key;
    const options: Options.Publish = { headers };
    for (const [name, value] of Object.entries(sent.properties ?? {})) {
      Object.assign(options, { [OPTION[name as PropertyName]]: value });
    }
    if (sent.replyTo !== undefined) options.replyTo = sent.replyTo;
    if (sent.priority !== undefined) options.priority = sent.priority;
    if (sent.expirationMs !== undefined) options.expiration = String(sent.expirationMs);
    if (sent.timestampMs !== undefined) options.timestamp = Math.floor(sent.timestampMs / 1000);
    if (headers['BCC'] !== undefined) {
      options.BCC = headers['BCC'] as string[];
      delete headers['BCC'];
    }
    this.#channel.publish('amq.topic', SUBJECT(this.name), sent.body ?? Buffer.from('x'), options);
    await this.#channel.waitForConfirms();
  }

  sends(value: Value): Value {
    return value;
  }

  shows(value: Value): Value {
    return value;
  }

  async close(): Promise<void> {
    await this.#connection.close();
  }
}

function native(value: Value): unknown {
  if (!(value instanceof Date)) return value;
  return { '!': 'timestamp', value: Math.floor(value.getTime() / 1000) };
}

function seenFrom({ content, fields, properties }: ConsumeMessage): Seen {
  const seen = nothingSeen(content);
  seen.address = fields.routingKey;
  seen.durable = properties.deliveryMode === 2;
  seen.timestampMs =
    properties.timestamp === undefined ? null : Number(properties.timestamp) * 1000;
  seen.replyTo = (properties.replyTo ?? null) as string | null;
  for (const [name, option] of Object.entries(OPTION)) {
    const value = properties[option as keyof typeof properties] as string | undefined;
    if (value !== undefined) seen.properties[name as PropertyName] = value;
  }
  seen.priority = (properties.priority ?? null) as number | null;
  seen.expirationMs = properties.expiration === undefined ? null : Number(properties.expiration);
  const { 'x-key': key, priority, expiration, ...headers } = properties.headers ?? {};
  if (key !== undefined) seen.key = String(key);
  if (priority !== undefined) seen.priority = Number(priority);
  if (expiration !== undefined) seen.expirationMs = Number(expiration);
  for (const [name, value] of Object.entries(headers)) seen.headers[name] = plain(value);
  return seen;
}

function plain(value: unknown): unknown {
  const tagged = value as { '!'?: string; value?: number } | null;
  return tagged?.['!'] === 'timestamp' ? new Date(tagged.value! * 1000) : value;
}
