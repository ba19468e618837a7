/** Messages for later through an exchange of type x-delayed-message, and such as expire, by amqplib. */
import amqp, { type ChannelModel, type ConfirmChannel } from 'amqplib';

const EXCHANGE = 'bench-later';
const QUEUE = 'bench-later';
const PENDING = 'bench-pending';
const EXPIRING = 'bench-expiring';
const DEAD = 'bench-expired';
const BODY = Buffer.alloc(100, 'x');
const PER_CONFIRM = 1000;
const HOUR_MS = 3_600_000;

/** When a message is due, or that it only waits. */
type DueMs = (i: number) => number;

export class ByAmqp {
  readonly #connection: ChannelModel;
  readonly #channel: ConfirmChannel;

  private constructor(connection: ChannelModel, channel: ConfirmChannel) {
    this.#connection = connection;
    this.#channel = channel;
  }

  static async connect(port: number): Promise<ByAmqp> {
    const connection = await amqp.connect(`amqp://127.0.0.1:${port}`);
    connection.on('error', () => {});
    const channel = await connection.createConfirmChannel();
    channel.on('error', () => {});
    const options = { durable: true, arguments: { 'x-delayed-type': 'direct' } };
    await channel.assertExchange(EXCHANGE, 'x-delayed-message', options);
    for (const queue of [QUEUE, PENDING, DEAD]) await channel.assertQueue(queue, { durable: true });
    for (const queue of [QUEUE, PENDING]) await channel.bindQueue(queue, EXCHANGE, queue);
    return new ByAmqp(connection, channel);
  }

  close(): Promise<void> {
    return this.#connection.close();
  }

  /** Messages that are due in an hour. */
  async fill(count: number): Promise<void> {
    await this.#confirmed(count, () => this.#publish(PENDING, BODY, HOUR_MS));
  }

  /** Messages to a queue. */
  async send(queue: string, count: number): Promise<void> {
    await this.#confirmed(count, () => {
      this.#channel.sendToQueue(queue, BODY, { persistent: true });
    });
  }

  async schedule(count: number, dueMs: DueMs): Promise<void> {
    await this.#confirmed(count, (i) => {
      const due = dueMs(i);
      this.#publish(QUEUE, Buffer.from(String(due)), due - Date.now());
    });
  }

  #publish(key: string, body: Buffer, delayMs: number): void {
    const headers = { 'x-delay': delayMs };
    this.#channel.publish(EXCHANGE, key, body, { headers, persistent: true });
  }

  async #confirmed(count: number, publish: (i: number) => void): Promise<void> {
    for (let i = 0; i < count; i++) {
      publish(i);
      if ((i + 1) % PER_CONFIRM === 0) await this.#channel.waitForConfirms();
    }
    await this.#channel.waitForConfirms();
  }

  /** Messages that each expire at `dueMs`, and come back as dead letters. */
  async expire(count: number, ttlMs: number): Promise<void> {
    await this.#channel.assertQueue(EXPIRING, {
      durable: true,
      deadLetterExchange: '',
      deadLetterRoutingKey: DEAD,
      messageTtl: ttlMs,
    });
    await this.#confirmed(count, () => {
      const due = Date.now() + ttlMs;
      this.#channel.sendToQueue(EXPIRING, Buffer.from(String(due)), { persistent: true });
    });
  }

  later(count: number): Promise<number[]> {
    return this.#consume(QUEUE, count);
  }

  expired(count: number): Promise<number[]> {
    return this.#consume(DEAD, count);
  }

  /** How late the next `count` messages come, in ms; their bodies say when they are due. */
  async #consume(queue: string, count: number): Promise<number[]> {
    const lateMs: number[] = [];
    const all = Promise.withResolvers<void>();
    const { consumerTag } = await this.#channel.consume(
      queue,
      (message) => {
        lateMs.push(Date.now() - Number(message!.content.toString()));
        if (lateMs.length === count) all.resolve();
      },
      { noAck: true },
    );
    await all.promise;
    await this.#channel.cancel(consumerTag);
    return lateMs;
  }
}
