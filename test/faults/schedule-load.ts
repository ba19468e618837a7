/**
 * Messages for later, by both doors: SQS with DelaySeconds, and AMQP through an exchange of type
 * x-delayed-message. Whatever was acknowledged must come, once its time is there and not before,
 * although the broker is killed in between.
 */
import amqp, { type ChannelModel } from 'amqplib';
import { setTimeout as sleep } from 'node:timers/promises';
import type { SeededRandom } from '#test/rigs/seeded-random.ts';
import { SqsClient } from './sqs-client.ts';

const DELAYED_QUEUE = 'faults-delayed';
const EXCHANGE = 'faults-later';
const LATER_QUEUE = 'faults-later-queue';
const DELAY_SECONDS_MAX = 4;
const PAUSE_MS = 5;
/** After the longest delay everything has come. */
const PATIENCE_MS = (DELAY_SECONDS_MAX + 3) * 1000;

interface Fate {
  /** Not before; by this process's clock, which is the broker's. */
  dueMs: number;
  acknowledged: boolean;
  received: number;
}

export interface ScheduleCounts {
  acknowledged: number;
  received: number;
  lost: string[];
  early: string[];
}

export class ScheduleLoad {
  readonly #random: SeededRandom;
  readonly #fates = new Map<string, Fate>();
  readonly #early: string[] = [];
  #sequence = 0;

  constructor(random: SeededRandom) {
    this.#random = random;
  }

  /** Sends until the broker is gone or `until` says so. Never rejects for that. */
  async run(amqpPort: number, sqsPort: number, until: AbortSignal): Promise<void> {
    try {
      await Promise.all([this.#bySqs(sqsPort, until), this.#byAmqp(amqpPort, until)]);
    } catch (error) {
      await sleep(200);
      if (!until.aborted) throw error;
    }
  }

  /** Waits for everything that is still to come. */
  async verify(amqpPort: number, sqsPort: number): Promise<ScheduleCounts> {
    const until = Date.now() + PATIENCE_MS;
    const client = new SqsClient(sqsPort, new AbortController().signal);
    const connection = await amqp.connect(`amqp://127.0.0.1:${amqpPort}`);
    const channel = await connection.createChannel();
    await channel.consume(LATER_QUEUE, (message) => this.#received(message!.content.toString()), {
      noAck: true,
    });
    while (Date.now() < until) {
      const messages = await client.receive(DELAYED_QUEUE, 1);
      for (const { Body } of messages) this.#received(Body);
      if (messages.length > 0) await client.delete(DELAYED_QUEUE, messages);
    }
    await connection.close();
    client.close();
    const fates = [...this.#fates];
    return {
      acknowledged: fates.filter(([, fate]) => fate.acknowledged).length,
      received: fates.filter(([, fate]) => fate.received > 0).length,
      lost: fates.filter(([, fate]) => fate.acknowledged && fate.received === 0).map(([id]) => id),
      early: this.#early,
    };
  }

  async #bySqs(port: number, until: AbortSignal): Promise<void> {
    const client = new SqsClient(port, until);
    await client.call('CreateQueue', { QueueName: DELAYED_QUEUE });
    while (!until.aborted) {
      const seconds = this.#random.between(1, DELAY_SECONDS_MAX);
      const id = this.#add('sqs', seconds * 1000);
      const input = { MessageBody: id, DelaySeconds: seconds };
      await client.call('SendMessage', input, DELAYED_QUEUE);
      this.#fates.get(id)!.acknowledged = true;
      await sleep(PAUSE_MS);
    }
    client.close();
  }

  async #byAmqp(port: number, until: AbortSignal): Promise<void> {
    const connection = await amqp.connect(`amqp://127.0.0.1:${port}`);
    const broken = new AbortController();
    connection.on('error', () => broken.abort());
    connection.on('close', () => broken.abort());
    await this.#publish(connection, AbortSignal.any([until, broken.signal]));
    if (!broken.signal.aborted) connection.close().catch(() => {});
  }

  async #publish(connection: ChannelModel, until: AbortSignal): Promise<void> {
    const channel = await connection.createConfirmChannel();
    channel.on('error', () => {});
    const options = { durable: true, arguments: { 'x-delayed-type': 'direct' } };
    await channel.assertExchange(EXCHANGE, 'x-delayed-message', options);
    await channel.assertQueue(LATER_QUEUE, { durable: true });
    await channel.bindQueue(LATER_QUEUE, EXCHANGE, 'later');
    while (!until.aborted) {
      const delayMs = this.#random.between(100, DELAY_SECONDS_MAX * 1000);
      const id = this.#add('amqp', delayMs);
      const headers = { 'x-delay': delayMs };
      channel.publish(
        EXCHANGE,
        'later',
        Buffer.from(id),
        { headers, persistent: true },
        (error) => {
          if (error === null) this.#fates.get(id)!.acknowledged = true;
        },
      );
      await sleep(PAUSE_MS);
    }
  }

  #add(prefix: string, delayMs: number): string {
    const id = `${prefix}-${this.#sequence++}`;
    this.#fates.set(id, { dueMs: Date.now() + delayMs, acknowledged: false, received: 0 });
    return id;
  }

  #received(id: string): void {
    const fate = this.#fates.get(id);
    if (!fate) throw new Error(`received what was never sent: ${id}`);
    if (Date.now() < fate.dueMs) this.#early.push(id);
    fate.received++;
  }
}
