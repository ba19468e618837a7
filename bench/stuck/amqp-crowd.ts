/** Consumers of AMQP, each on a connection and a queue of its own, all bound to one exchange. */
import type { Socket } from 'node:net';
import amqplib, { type Channel, type ChannelModel } from 'amqplib';
import { Arrivals, type Crowd, paced, STREAM_PAYLOAD_BYTES } from './crowd.ts';

const EXCHANGE = 'all';
const ALONE = 'one';
const PAYLOAD = Buffer.alloc(100, 'x');
const STREAMED = Buffer.alloc(STREAM_PAYLOAD_BYTES, 'y');
const CONNECTED_AT_ONCE = 50;

export class AmqpCrowd implements Crowd {
  readonly #url: string;
  readonly #arrivals = new Arrivals();
  readonly #connections: ChannelModel[] = [];
  readonly #count: number;
  #publisher!: Channel;

  private constructor(port: number, count: number) {
    this.#url = `amqp://guest:guest@127.0.0.1:${port}?heartbeat=0`;
    this.#count = count;
  }

  static async gather(port: number, count: number): Promise<AmqpCrowd> {
    const crowd = new AmqpCrowd(port, count);
    crowd.#publisher = await crowd.#channel();
    await crowd.#publisher.assertExchange(EXCHANGE, 'fanout', { durable: false });
    for (let made = 0; made < count; made += CONNECTED_AT_ONCE) {
      const left = Math.min(CONNECTED_AT_ONCE, count - made);
      await Promise.all(
        Array.from({ length: left }, () => crowd.#consumer(() => crowd.#arrivals.arrived())),
      );
    }
    return crowd;
  }

  round(withinMs: number): Promise<number[]> {
    return this.#arrivals.of(this.#count, withinMs, () => {
      this.#publisher.publish(EXCHANGE, '', PAYLOAD);
    });
  }

  single(): Promise<Socket> {
    return this.#consumer(() => {}, ALONE);
  }

  stream(bytesPerSecond: number): () => void {
    return paced(bytesPerSecond, (count) => {
      for (let i = 0; i < count; i++) this.#publisher.publish('', ALONE, STREAMED);
    });
  }

  close(): void {
    for (const connection of this.#connections) socketOf(connection).destroy();
  }

  async #channel(): Promise<Channel> {
    const connection = await amqplib.connect(this.#url);
    connection.on('error', () => {});
    this.#connections.push(connection);
    const channel = await connection.createChannel();
    channel.on('error', () => {});
    return channel;
  }

  async #consumer(arrived: () => void, name = ''): Promise<Socket> {
    const channel = await this.#channel();
    const { queue } = await channel.assertQueue(name, { durable: false, autoDelete: true });
    await channel.bindQueue(queue, EXCHANGE, '');
    await channel.consume(queue, arrived, { noAck: true });
    return socketOf(this.#connections.at(-1)!);
  }
}

function socketOf(connection: ChannelModel): Socket {
  return (connection.connection as unknown as { stream: Socket }).stream;
}
