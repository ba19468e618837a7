/**
 * SocketLink: one accepted socket and the protocol connection behind it; the connection's ByteSink.
 * What it writes to is a wire: the socket, or a WebSocket over one.
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
import { Socket } from 'node:net';
import { type ByteSink, CloseReason, type Connection } from '#protocols/contract.ts';
import { OutputBuffer, type Owner } from '#wire/output-buffer.ts';
import type { Faults } from './faults.ts';
import { readInto } from './socket-reading.ts';
import { TLS_HANDSHAKE } from './tls-record.ts';
import type { Turn } from './turn.ts';

export const WRITABLE_BYTES_MAX = 1024 * 1024;
const WRITABLE_BYTES_LOW = 256 * 1024;
/** Output of one turn is written in pieces of about this size. */
const PIECE_BYTES = 128 * 1024;
/** Replies that nobody reads, before we stop reading requests. Above what one reply may weigh. */
const UNREAD_BYTES_MAX = 64 * 1024 * 1024;
/** How long a peer may take nothing of what waits for it, where its protocol has no limit of its own: it
 * is gone without a word, or does not read. */
const STUCK_MS_MAX = 600_000;
/** What a socket's buffer in the kernel has room for, when it is empty. */
const AT_ONCE_BYTES_MAX = 64 * 1024;
const NOTHING = Buffer.alloc(0);
/** How long a peer may take to close its side after we ended ours. */
const END_GRACE_MS = 5_000;

/** Counted over all links; read by /metrics. */
export interface Traffic {
  receivedBytes: number;
  sentBytes: number;
  /** Links that were cut because their peer took nothing. */
  stuck: number;
}

/** What a link writes to: a socket, or what lies over one and counts as it does. */
export interface Wire {
  /** Bytes that were written and are not yet the kernel's. */
  readonly writableLength: number;
  readonly destroyed: boolean;
  write(bytes: Uint8Array, written?: () => void): unknown;
  cork(): void;
  uncork(): void;
  pause(): unknown;
  resume(): unknown;
  end(): unknown;
  destroy(): unknown;
}

/** Of a port that speaks TLS. It is asked once, with the first bytes. */
export interface Gate {
  readonly requiresTls: boolean;
  /** A handshake has begun: `secure` or the end of the wire follows. */
  upgrade(begun: Uint8Array): void;
  /** Plain text, where it is not allowed. */
  refusePlainText(): void;
}

interface LinkServices {
  readonly turn: Turn;
  readonly faults: Faults;
}

export class SocketLink implements ByteSink {
  readonly output = new OutputBuffer();
  secured = false;
  /** Set before `attach` where the port speaks TLS. */
  gate: Gate | null = null;
  #wire: Wire;
  /** The wire is a socket without TLS: what the kernel takes is taken during `write`. */
  #isPlain: boolean;
  #upgrading = false;
  readonly #turn: Turn;
  readonly #faults: Faults;
  readonly #traffic: Traffic;
  #connection: Connection | null = null;
  #scheduled = false;
  /** `writable` was found false: `drained` is owed. */
  #starved = false;
  #pausedByProtocol = false;
  #pausedByOutput = false;
  /** Nothing was sent since the last tick. */
  #isQuiet = false;
  #ended = false;
  #endDeadlineMs = Infinity;
  readonly #stuckMsMax: number;
  /** The kernel took something since the last tick. */
  #hasMoved = false;
  #movedAtMs = -1;

  constructor(
    wire: Wire,
    services: LinkServices,
    traffic: Traffic,
    stuckMsMax: number = STUCK_MS_MAX,
  ) {
    this.#stuckMsMax = stuckMsMax;
    this.#wire = wire;
    this.#isPlain = wire instanceof Socket;
    this.#turn = services.turn;
    this.#faults = services.faults;
    this.#traffic = traffic;
  }

  /** The protocol's end is made with this link as its sink, so it comes after the constructor. */
  attach(connection: Connection): void {
    this.#connection = connection;
    if (!this.#pausedByProtocol) this.#wire.resume();
  }

  get pendingBytes(): number {
    return this.#wire.writableLength + this.output.length;
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
    this.#wire.pause();
  }

  resume(): void {
    this.#pausedByProtocol = false;
    if (this.#connection && !this.#pausedByOutput) this.#wire.resume();
  }

  end(): void {
    if (this.#ended) return;
    this.flush();
    this.#ended = true;
    // In the middle of a handshake there is no way to say anything.
    if (this.#upgrading) this.#wire.destroy();
    else this.#wire.end();
  }

  /** The handshake is over: from here on everything goes through `socket`. */
  secure(socket: Socket): void {
    this.#wire = socket;
    this.#isPlain = false;
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
    if (this.gate !== null && !this.#passes(chunk)) return;
    try {
      this.#connection.receive(chunk);
    } catch (error) {
      this.#faults.caught(error);
    }
  };

  /** False when these first bytes are not the connection's. */
  #passes(chunk: Uint8Array): boolean {
    const gate = this.gate!;
    this.gate = null;
    if (chunk[0] === TLS_HANDSHAKE) {
      this.flush();
      this.#upgrading = true;
      this.#wire.pause();
      gate.upgrade(chunk);
      return false;
    }
    if (gate.requiresTls) gate.refusePlainText();
    return !gate.requiresTls;
  }

  flush(): void {
    this.#scheduled = false;
    this.#isQuiet = false;
    if (this.#upgrading) return;
    const parts = this.output.take();
    const owners = this.output.takeOwners();
    if (this.#ended || this.#wire.destroyed || parts.length === 0) {
      this.#release(owners);
      return;
    }
    if (parts.length === 1 && this.#isTakenAtOnce(parts[0]!)) this.#writeAlone(parts[0]!, owners);
    else this.#writeAll(parts, owners);
    if (this.#wire.writableLength > UNREAD_BYTES_MAX && !this.#pausedByOutput) {
      this.#pausedByOutput = true;
      this.#wire.pause();
    }
  }

  tick(nowMs: number): void {
    if (!this.#ended) {
      if (this.#isQuiet) this.output.trim();
      this.#isQuiet = true;
      if (this.#isStuck(nowMs)) this.#cut();
      else this.#connection?.tick(nowMs);
      return;
    }
    // It has said all it had to say, and waits for the peer to go.
    if (this.#endDeadlineMs === Infinity) this.#endDeadlineMs = nowMs + END_GRACE_MS;
    if (nowMs >= this.#endDeadlineMs) this.#wire.destroy();
  }

  #isStuck(nowMs: number): boolean {
    if (this.#hasMoved || this.#movedAtMs < 0 || this.pendingBytes === 0) {
      this.#hasMoved = false;
      this.#movedAtMs = nowMs;
    }
    return nowMs - this.#movedAtMs >= this.#stuckMsMax;
  }

  /** What waits will not be read, so nothing is waited for. */
  #cut(): void {
    this.#traffic.stuck++;
    this.close(CloseReason.Stuck);
    this.#wire.destroy();
  }

  /** The clock was moved: what waits, waits as long as before. */
  stepped(byMs: number): void {
    if (this.#movedAtMs >= 0) this.#movedAtMs += byMs;
    this.#endDeadlineMs += byMs;
    this.#connection?.stepped(byMs);
  }

  destroy(): void {
    this.#wire.destroy();
  }

  /** Tells the connection; the wire stays as it is. Idempotent. */
  close(reason: CloseReason): void {
    const connection = this.#connection;
    if (!connection) return;
    if (reason === CloseReason.Gone) this.#connection = null;
    try {
      connection.close(reason);
    } catch (error) {
      this.#faults.caught(error);
    }
  }

  #writeAll(parts: readonly Uint8Array[], owners: readonly Owner[]): void {
    const last = parts.length - 1;
    if (last > 0) this.#wire.cork();
    for (let i = 0; i < last; i++) this.#write(parts[i]!);
    this.#traffic.sentBytes += parts[last]!.length;
    this.#wire.write(parts[last]!, owners.length === 0 ? this.#written : this.#writtenOf(owners));
    if (last > 0) this.#wire.uncork();
  }

  /** It nearly always is: little, and nothing waits before it. */
  #isTakenAtOnce(part: Uint8Array): boolean {
    return this.#isPlain && part.length <= AT_ONCE_BYTES_MAX && this.#wire.writableLength === 0;
  }

  /** A callback costs a pass through the queue of next ticks even when the kernel takes everything at
   * once: then nobody waits to be called. */
  #writeAlone(part: Uint8Array, owners: readonly Owner[]): void {
    this.#write(part);
    if (this.#wire.writableLength === 0 && !this.#starved && !this.#pausedByOutput) {
      this.#hasMoved = true;
      this.#release(owners);
    } else this.#wire.write(NOTHING, owners.length === 0 ? this.#written : this.#writtenOf(owners));
  }

  #write(part: Uint8Array): void {
    this.#traffic.sentBytes += part.length;
    this.#wire.write(part);
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
    this.#hasMoved = true;
    this.output.gone();
    if (this.pendingBytes > WRITABLE_BYTES_LOW) return;
    if (this.#pausedByOutput) {
      this.#pausedByOutput = false;
      if (!this.#pausedByProtocol) this.#wire.resume();
    }
    if (this.#starved && this.#connection && !this.#ended) {
      this.#starved = false;
      try {
        this.#connection.drained();
      } catch (error) {
        this.#faults.caught(error);
      }
    }
  };
}
