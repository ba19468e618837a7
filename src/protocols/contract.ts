/**
 * What the server and a protocol know of each other. Protocols do no I/O: a connection is driven
 * by bytes and time, writes into its `ByteSink`, and can be fuzzed and simulated.
 */
import type { Broker } from '#core/broker.ts';
import type { OutputBuffer } from '#wire/output-buffer.ts';

export interface Peer {
  readonly remoteAddress: string;
  readonly remotePort: number;
  readonly localAddress: string;
  readonly localPort: number;
  /** True when the remote address is a loopback address. */
  readonly loopback: boolean;
  /** How it came; absent: 'tcp'. */
  readonly transport?: 'tcp' | 'websocket';
  /** Whether this port speaks TLS, and whether it insists. A peer that begins with a TLS handshake is
   * upgraded by the server, also after the connection has written its greeting. */
  readonly tls: 'none' | 'available' | 'required';
}

/** The way out of a connection. Owned by the server, one per connection. */
export interface ByteSink {
  /** Replies and deliveries are built in place here; `flush` hands it to the socket. */
  readonly output: OutputBuffer;
  /** What is received came through TLS. Known from the first `receive` on. */
  readonly secured: boolean;
  /** Ask for one flush at the end of this turn. Cheap to call many times. */
  schedule(): void;
  /** Bytes handed to the socket and not yet taken by the kernel, plus what is in `output`. */
  readonly pendingBytes: number;
  /** True while pendingBytes is under the high-water mark; `drained()` tells when it is again. */
  readonly writable: boolean;
  /** Stop and resume reading from the peer: backpressure on publishers. */
  pause(): void;
  resume(): void;
  /** Flush what is in `output`, then end the connection. */
  end(): void;
}

export const CloseReason = {
  /** The peer is gone: end of stream, reset, or half-open and found dead. */
  Gone: 'gone',
  /** The peer takes nothing of what waits for it. As `Gone`, and counted. */
  Stuck: 'stuck',
  /** The broker is shutting down: say goodbye in the protocol's words. */
  Shutdown: 'shutdown',
  /** An operator closed it. */
  Forced: 'forced',
} as const;
export type CloseReason = (typeof CloseReason)[keyof typeof CloseReason];

export interface Connection {
  /** `chunk` is valid during the call only. A ProtocolError never escapes; the connection answers
   * it in its own words and ends. */
  receive(chunk: Uint8Array): void;
  /** The sink is writable again. */
  drained(): void;
  /** A few times a second: heartbeats, idle timeouts. */
  tick(nowMs: number): void;
  /** The clock was moved by so much, and the peer lived through none of it: what measures its
   * silence moves along. */
  stepped(byMs: number): void;
  /** After `Gone` and `Stuck` nothing is written. Releases all that the connection holds. Idempotent. */
  close(reason: CloseReason): void;
}

/** A page that a protocol shows over HTTP, such as NATS's monitoring. */
export interface Page {
  readonly status: number;
  readonly contentType: string;
  readonly body: string;
}

/** The server that shows the page, as far as a protocol has pages about it. */
export interface PageHost {
  /** Of the port that shows it. */
  readonly host: string;
  readonly port: number;
  readonly tls: boolean;
  readonly cores: number;
  /** Processor time since the last page in percent of one core. */
  cpuPercent(): number;
  /** What a TLS handshake may take. */
  readonly handshakeMsMax: number;
}

/** Why a connection is not taken. */
export const Refusal = {
  /** As many are open as may be. */
  Connections: 'connections',
  /** It speaks plain text where TLS is required. */
  PlainText: 'plain-text',
} as const;
export type Refusal = (typeof Refusal)[keyof typeof Refusal];

export interface Protocol {
  readonly name: string;
  /** How long a peer may take nothing of what waits for it; absent: as long as the server allows. */
  readonly stuckMsMax?: number;
  /** One connection. Called once per accepted socket. */
  accept(sink: ByteSink, peer: Peer): Connection;
  /** A connection that is taken only to be told that as many are open as may be, where clients listen
   * to nothing before a handshake. Absent: `refuse` has the words. */
  turnAway?(sink: ByteSink, peer: Peer): Connection;
  /** What a connection that is not taken is told before it is closed. Absent: nothing. */
  refuse?(reason: Refusal): Uint8Array;
  /** Null when there is no such page. `query` as in the URL, decoded. */
  page?(path: string, query: ReadonlyMap<string, string>, host: PageHost): Page | null;
}

/** How a protocol is made: once per broker and listener. `namespace` is what is seen by clients of a
 * protocol that cannot name one; the default one when absent. */
export type ProtocolFactory = (
  broker: Broker,
  address: { host: string; port: number },
  namespace?: string,
) => Protocol;
