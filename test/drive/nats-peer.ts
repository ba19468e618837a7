/** A NATS client without a socket: sends text, takes what comes back as text. */
import type { Peer, Protocol } from '#protocols/contract.ts';
import { connect, LOOPBACK, type DrivenConnection, type MemoryBroker } from './memory-broker.ts';

export interface NatsOptions {
  readonly [name: string]: unknown;
}

const QUIET: NatsOptions = {
  verbose: false,
  pedantic: false,
  headers: true,
  no_responders: true,
  protocol: 1,
};

export class NatsPeer implements DrivenConnection {
  readonly sink: DrivenConnection['sink'];
  readonly connection: DrivenConnection['connection'];
  /** As it was told. */
  readonly info: Record<string, unknown>;
  readonly #memory: MemoryBroker;

  private constructor(memory: MemoryBroker, driven: DrivenConnection) {
    this.#memory = memory;
    this.sink = driven.sink;
    this.connection = driven.connection;
    const first = driven.sink.take().toString();
    this.info = JSON.parse(first.slice('INFO '.length)) as Record<string, unknown>;
  }

  /** Not yet introduced. */
  static raw(memory: MemoryBroker, protocol: Protocol, peer: Peer = LOOPBACK): NatsPeer {
    return new NatsPeer(memory, connect(protocol, peer));
  }

  static async open(
    memory: MemoryBroker,
    protocol: Protocol,
    options: NatsOptions = {},
  ): Promise<NatsPeer> {
    const peer = NatsPeer.raw(memory, protocol);
    const answer = await peer.say(`CONNECT ${JSON.stringify({ ...QUIET, ...options })}`);
    if (options['verbose'] !== true && answer !== '') throw new Error(answer);
    // As clients do: the first PONG brings INFO with it.
    await peer.say('PING');
    return peer;
  }

  /** The server's read buffer is overwritten by the next read. */
  send(bytes: Uint8Array): void {
    const reused = new Uint8Array(bytes);
    this.connection.receive(reused);
    reused.fill(0xff);
  }

  /** Lines in, everything that came since the last time out. */
  async say(...lines: string[]): Promise<string> {
    this.send(Buffer.from(lines.map((line) => `${line}\r\n`).join(''), 'latin1'));
    return this.heard();
  }

  async heard(): Promise<string> {
    await this.#memory.settle();
    return this.sink.take().toString('latin1');
  }
}
