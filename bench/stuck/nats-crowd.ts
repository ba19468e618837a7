/** Subscribers of NATS as bare sockets: a client library would cost more than the broker. */
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { Arrivals, type Crowd, paced, STREAM_PAYLOAD_BYTES } from './crowd.ts';

const PAYLOAD = 'x'.repeat(100);
const PUBLISH = `PUB all ${PAYLOAD.length}\r\n${PAYLOAD}\r\n`;
const DELIVERED_BYTES = `MSG all 1 ${PAYLOAD.length}\r\n${PAYLOAD}\r\n`.length;
const STREAMED = `PUB one ${STREAM_PAYLOAD_BYTES}\r\n${'y'.repeat(STREAM_PAYLOAD_BYTES)}\r\n`;
const CONNECTED_AT_ONCE = 200;

export class NatsCrowd implements Crowd {
  readonly #port: number;
  readonly #arrivals = new Arrivals();
  readonly #sockets: Socket[] = [];
  #publisher!: Socket;
  #streamer!: Socket;

  private constructor(port: number) {
    this.#port = port;
  }

  static async gather(port: number, count: number): Promise<NatsCrowd> {
    const crowd = new NatsCrowd(port);
    while (crowd.#sockets.length < count) {
      const left = Math.min(CONNECTED_AT_ONCE, count - crowd.#sockets.length);
      await Promise.all(Array.from({ length: left }, () => crowd.#subscriber()));
    }
    crowd.#publisher = await crowd.#client('');
    crowd.#streamer = await crowd.#client('');
    return crowd;
  }

  round(withinMs: number): Promise<number[]> {
    return this.#arrivals.of(this.#sockets.length, withinMs, () => this.#publisher.write(PUBLISH));
  }

  async single(): Promise<Socket> {
    const socket = await this.#client('SUB all 1\r\nSUB one 2\r\n');
    socket.resume();
    return socket;
  }

  stream(bytesPerSecond: number): () => void {
    return paced(bytesPerSecond, (count) => this.#streamer.write(STREAMED.repeat(count)));
  }

  close(): void {
    for (const socket of [...this.#sockets, this.#publisher, this.#streamer]) socket.destroy();
  }

  async #client(subscriptions: string): Promise<Socket> {
    const socket = connect(this.#port, '127.0.0.1');
    socket.on('error', () => {});
    await once(socket, 'data');
    socket.write(`CONNECT {"verbose":false,"pedantic":false}\r\n${subscriptions}PING\r\n`);
    await once(socket, 'data');
    return socket;
  }

  async #subscriber(): Promise<void> {
    const socket = await this.#client('SUB all 1\r\n');
    let bytes = 0;
    socket.on('data', (chunk: Buffer) => {
      // The broker's PING comes by itself.
      if (chunk.toString('latin1', 0, 6) === 'PING\r\n') {
        socket.write('PONG\r\n');
        bytes += chunk.length - 6;
      } else bytes += chunk.length;
      for (; bytes >= DELIVERED_BYTES; bytes -= DELIVERED_BYTES) this.#arrivals.arrived();
    });
    this.#sockets.push(socket);
  }
}
