/** A client without a library: says bytes, hears bytes, sees the end. And what /metrics says of it. */
import { connect, type Socket } from 'node:net';
import type { PortName } from '#server/settings.ts';
import { eventually, type TestServer } from './server.ts';

export class RawClient {
  readonly socket: Socket;
  heard = Buffer.alloc(0);
  isClosed = false;

  constructor(port: number, bytes: string | Uint8Array = '') {
    this.socket = connect(port, '127.0.0.1');
    this.socket.on('error', () => {});
    this.socket.on('data', (chunk: Buffer) => (this.heard = Buffer.concat([this.heard, chunk])));
    this.socket.on('close', () => (this.isClosed = true));
    if (bytes.length > 0) this.say(bytes);
  }

  /** A byte per character. */
  get text(): string {
    return this.heard.toString('latin1');
  }

  say(bytes: string | Uint8Array): void {
    if (!this.socket.destroyed) {
      this.socket.write(typeof bytes === 'string' ? Buffer.from(bytes, 'latin1') : bytes);
    }
  }

  /** Says something and waits until that was heard, from the beginning. */
  async exchange(bytes: string | Uint8Array, expected: RegExp, withinMs?: number): Promise<void> {
    this.say(bytes);
    await this.hears(expected, withinMs);
  }

  async hears(expected: RegExp, withinMs?: number): Promise<void> {
    const failed = (): Error => new Error(`heard ${JSON.stringify(this.text)}, not ${expected}`);
    await eventually(() => expected.test(this.text), withinMs).catch(() => {
      throw failed();
    });
  }

  /** The server's doing. */
  async closes(withinMs?: number): Promise<void> {
    await eventually(() => this.isClosed, withinMs);
  }
}

export class RawClients {
  readonly #server: TestServer;
  readonly #clients: RawClient[] = [];

  constructor(server: TestServer) {
    this.#server = server;
  }

  dial(name: PortName, bytes?: string | Uint8Array): RawClient {
    const client = new RawClient(this.#server.portOf(name), bytes);
    this.#clients.push(client);
    return client;
  }

  destroy(): void {
    for (const { socket } of this.#clients) socket.destroy();
  }
}

/** A counter with its labels, as the line of /metrics begins; 0 when it is not there yet. */
export async function counted(server: TestServer, metric: string): Promise<number> {
  const answer = await fetch(`http://127.0.0.1:${server.portOf('http')}/metrics`);
  const lines = (await answer.text()).split('\n');
  return Number(lines.find((it) => it.startsWith(`${metric} `))?.slice(metric.length) ?? 0);
}
