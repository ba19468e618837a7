/**
 * SocketLink: one accepted socket and the protocol connection behind it; the connection's ByteSink.
 *
 * Output gathers in `output` and goes to the socket once per turn, as one write, or earlier when much
 * has gathered: what is written while still in the processor's cache costs a third less. Backpressure
 * works both ways: past WRITABLE_BYTES_MAX `writable` is false until the socket has drained below
 * WRITABLE_BYTES_LOW, then the connection hears `drained`; and past UNREAD_BYTES_MAX the peer is not
 * read at all, for a peer that only asks and never reads must not fill our memory.
 *
 * A link with a gate begins with a question: does the peer speak TLS? Its first byte tells. While the
 * handshake goes on output stays here; then everything goes through the secure socket.
 *
 * The connection hears `close` exactly once; after that it is never called again.
 */
import type { Socket } from 'node:net';
import { type ByteSink, CloseReason, type Connection } from '#protocols/contract.ts';
import { OutputBuffer, type Owner } from '#wire/output-buffer.ts';
import { readInto } from './socket-reading.ts';
import { TLS_HANDSHAKE } from './tls-record.ts';
import type { Turn } from './turn.ts';

export const WRITABLE_BYTES_MAX = 1024 * 1024;
const WRITABLE_BYTES_LOW = 256 * 1024;
/** Output of one turn is written in pieces of about this size. */
const PIECE_BYTES = 128 * 1024;
/** Replies that nobody reads, before we stop reading requests. Above what one reply may weigh. */
const UNREAD_BYTES_MAX = 64 * 1024 * 1024;
/** How long a peer may take to close its side after we ended ours. */
const END_GRACE_MS = 5_000;

/** Counted over all links; read by /metrics. */
export interface Traffic {
  receivedBytes: number;
  sentBytes: number;
}

/** Of a port that speaks TLS. It is asked once, with the first bytes. */
export interface Gate {
  readonly requiresTls: boolean;
  /** A handshake has begun: `secure` or the socket's end follows. */
  upgrade(link: SocketLink, begun: Uint8Array): void;
  /** Plain text, where it is not allowed. */
  refusePlainText(link: SocketLink): void;
}

export class SocketLink implements ByteSink {
  readonly output = new OutputBuffer();
  secured = false;
  #socket: Socket;
  #gate: Gate | null;
  #upgrading = false;
  readonly #turn: Turn;
  readonly #traffic: Traffic;
  #connection: Connection | null = null;
  #scheduled = false;
  /** `writable` was found false: `drained` is owed. */
  #starved = false;
  #pausedByProtocol = false;
  #pausedByOutput = false;
  #ended = false;
  #endDeadlineMs = Infinity;

  constructor(socket: Socket, turn: Turn, traffic: Traffic, gate: Gate | null = null) {
    this.#socket = socket;
    this.#gate = gate;
    this.#turn = turn;
    this.#traffic = traffic;
  }

  /** The secure one, once there is one. */
  get socket(): Socket {
    return this.#socket;
  }

  /** The protocol's end is made with this link as its sink, so it comes after the constructor. */
  attach(connection: Connection): void {
    this.#connection = connection;
    if (!this.#pausedByProtocol) this.#socket.resume();
  }

  get pendingBytes(): number {
    return this.#socket.writableLength + this.output.length;
  }

  get writable(): boolean {
    if (this.pendingBytes < WRITABLE_BYTES_MAX) return true;
    this.#starved = true;
    return false;
  }

  schedule(): void {
    if (this.output.length >= PIECE_BYTES) {
      this.flush();
      return;
    }
    if (this.#scheduled) return;
    this.#scheduled = true;
    this.#turn.flushLater(this);
  }

  pause(): void {
    this.#pausedByProtocol = true;
    this.#socket.pause();
  }

  resume(): void {
    this.#pausedByProtocol = false;
    if (this.#connection && !this.#pausedByOutput) this.#socket.resume();
  }

  end(): void {
    if (this.#ended) return;
    this.flush();
    this.#ended = true;
    // In the middle of a handshake there is no way to say anything.
    if (this.#upgrading) this.#socket.destroy();
    else this.#socket.end();
  }

  /** The handshake is over: from here on everything goes through `socket`. */
  secure(socket: Socket): void {
    this.#socket = socket;
    this.#upgrading = false;
    this.secured = true;
    readInto(socket, this.receive);
    if (this.#pausedByProtocol || this.#pausedByOutput) socket.pause();
    else socket.resume();
    this.flush();
  }

  /** `chunk` is the process-wide read buffer. */
  readonly receive = (chunk: Uint8Array): void => {
    // After `end` the peer may still talk; nobody listens any more.
    if (this.#ended || !this.#connection) return;
    this.#traffic.receivedBytes += chunk.length;
    if (this.#gate !== null && !this.#passes(chunk)) return;
    this.#connection.receive(chunk);
  };

  /** False when these first bytes are not the connection's. */
  #passes(chunk: Uint8Array): boolean {
    const gate = this.#gate!;
    this.#gate = null;
    if (chunk[0] === TLS_HANDSHAKE) {
      this.flush();
      this.#upgrading = true;
      this.#socket.pause();
      gate.upgrade(this, chunk);
      return false;
    }
    if (gate.requiresTls) gate.refusePlainText(this);
    return !gate.requiresTls;
  }

  flush(): void {
    this.#scheduled = false;
    if (this.#upgrading) return;
    const parts = this.output.take();
    const owners = this.output.takeOwners();
    if (this.#ended || this.#socket.destroyed || parts.length === 0) {
      this.#release(owners);
      return;
    }
    const last = parts.length - 1;
    if (last > 0) this.#socket.cork();
    for (let i = 0; i < last; i++) this.#write(parts[i]!);
    this.#traffic.sentBytes += parts[last]!.length;
    this.#socket.write(parts[last]!, owners.length === 0 ? this.#written : this.#writtenOf(owners));
    if (last > 0) this.#socket.uncork();
    if (this.#socket.writableLength > UNREAD_BYTES_MAX && !this.#pausedByOutput) {
      this.#pausedByOutput = true;
      this.#socket.pause();
    }
  }

  tick(nowMs: number): void {
    if (!this.#ended) {
      this.#connection?.tick(nowMs);
      return;
    }
    if (this.#endDeadlineMs === Infinity) this.#endDeadlineMs = nowMs + END_GRACE_MS;
    if (nowMs >= this.#endDeadlineMs) this.#socket.destroy();
  }

  /** Tells the connection; the socket stays as it is. Idempotent. */
  close(reason: CloseReason): void {
    const connection = this.#connection;
    if (!connection) return;
    if (reason === CloseReason.Gone) this.#connection = null;
    connection.close(reason);
  }

  #write(part: Uint8Array): void {
    this.#traffic.sentBytes += part.length;
    this.#socket.write(part);
  }

  /** What was taken from the output together is gone. */
  #release(owners: readonly Owner[]): void {
    for (const owner of owners) owner.release();
    this.output.gone();
  }

  #writtenOf(owners: readonly Owner[]): () => void {
    return () => {
      for (const owner of owners) owner.release();
      this.#written();
    };
  }

  /** The kernel took everything up to here, or the socket broke and nobody looks at it any more. An
   * error comes as the socket's own event. */
  readonly #written = (): void => {
    this.output.gone();
    if (this.pendingBytes > WRITABLE_BYTES_LOW) return;
    if (this.#pausedByOutput) {
      this.#pausedByOutput = false;
      if (!this.#pausedByProtocol) this.#socket.resume();
    }
    if (this.#starved && this.#connection && !this.#ended) {
      this.#starved = false;
      this.#connection.drained();
    }
  };
}
