/** A protocol for tests of the server: its connections record what they hear and do what they are told. */
import type { ByteSink, CloseReason, Connection, Peer, Protocol } from '#protocols/contract.ts';

export class Probe implements Connection {
  received: Buffer[] = [];
  drains = 0;
  ticks = 0;
  steppedMs = 0;
  closed: CloseReason[] = [];
  readonly sink: ByteSink;
  readonly peer: Peer;
  onReceive: (chunk: Uint8Array) => void = () => {};

  constructor(sink: ByteSink, peer: Peer) {
    this.sink = sink;
    this.peer = peer;
  }
  receive(chunk: Uint8Array): void {
    this.received.push(Buffer.from(chunk));
    this.onReceive(chunk);
  }
  drained(): void {
    this.drains++;
  }
  tick(): void {
    this.ticks++;
  }
  stepped(byMs: number): void {
    this.steppedMs += byMs;
  }
  close(reason: CloseReason): void {
    this.closed.push(reason);
    if (reason === 'shutdown') this.sink.end();
  }
  get text(): string {
    return Buffer.concat(this.received).toString();
  }
  send(bytes: Uint8Array): void {
    this.sink.output.append(bytes);
    this.sink.schedule();
  }
}

/** `probes` gets every connection. `greet` is called with each when it is made. */
export function probeProtocol(probes: Probe[], greet: (probe: Probe) => void = () => {}): Protocol {
  return {
    name: 'probe',
    accept: (sink, peer) => {
      const probe = new Probe(sink, peer);
      probes.push(probe);
      greet(probe);
      return probe;
    },
    refuse: (reason) => Buffer.from(`refused: ${reason}`),
  };
}
