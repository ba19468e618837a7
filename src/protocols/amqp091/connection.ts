/**
 * AmqpConnection: one client, from its protocol header to its end.
 *
 * States: header → starting → tuning → opening → running → closing → ended. In `closing` we have
 * sent connection.close and wait for close-ok, ignoring everything else; in `ended` nothing is read
 * or written any more. The handshake is in handshake.ts, channels are in channel.ts; this file owns
 * the frame loop, heartbeats, alarms and the way errors leave.
 *
 * One read is one turn: deliveries, replies and confirms that it causes go into `output` and leave
 * with one write. Queues whose consumers got credit are pumped once, at the end of the read.
 */
import type { Broker } from '#core/broker.ts';
import type { Identity } from '#core/authenticator.ts';
import { Failure, type ProtocolMetrics } from '#core/metrics.ts';
import type { Namespace } from '#core/namespace.ts';
import type { OutputBuffer } from '#wire/output-buffer.ts';
import { CloseReason, type ByteSink, type Connection, type Peer } from '#protocols/contract.ts';
import { Channel } from './channel.ts';
import {
  FRAME_BYTES_MIN,
  FRAME_END,
  FrameType,
  Method,
  MethodReader,
  MethodWriter,
  ReplyCode,
} from './codec.ts';
import type { Confirms } from './confirms.ts';
import { AmqpError, amqpErrorOf, snippet } from './errors.ts';
import { FrameReader, type FrameSink } from './frames.ts';
import { Handshake, ProtocolHeader } from './handshake.ts';
import { ConnectionState } from './connection-state.ts';

export interface Pumpable {
  pump(): void;
}

const HANDSHAKE_MS_MAX = 10_000;
/** How long a client that was refused waits before it is told, or the close-ok is waited for. */
const REFUSAL_DELAY_MS = 3000;
/** The spec allows two; clients that send late, up to an interval, are spared as RabbitMQ does. */
const SILENT_HEARTBEATS_MAX = 3;
const CLOSE_OK_MS_MAX = 30_000;

export class AmqpConnection implements Connection, FrameSink {
  readonly broker: Broker;
  readonly sink: ByteSink;
  readonly output: OutputBuffer;
  readonly peer: Peer;
  readonly metrics: ProtocolMetrics;
  readonly writer: MethodWriter;
  readonly reader = new MethodReader();
  readonly bodyBytesMax: number;

  /** Set by the handshake. */
  identity!: Identity;
  namespace!: Namespace;
  vhost = '';
  channelsMax = 0;
  frameBytesMax = FRAME_BYTES_MIN;
  heartbeatMs = 0;
  /** What connection.open is refused with; null: it is not. */
  refusal: string | null = null;
  /** What the client says it understands. */
  canBeCancelled = false;
  canBeBlocked = false;
  wantsAuthenticationFailure = false;

  /** While one of its requests ends consumers: what they are to be told, after the answer. */
  lateCancels: (() => void)[] | null = null;

  /** Time of the read or tick now being handled. */
  nowMs: number;
  state: ConnectionState = ConnectionState.Header;

  readonly #frames: FrameReader;
  readonly #handshake: Handshake;
  readonly #header = new ProtocolHeader();
  readonly #channels = new Map<number, Channel>();
  #lastChannel: Channel | null = null;
  #dirtyConfirms: Confirms[] = [];
  readonly #pumps = new Set<Pumpable>();
  #reading = false;
  #blocked = false;
  #published = false;
  #receivedAtMs: number;
  #sentAtMs: number;
  /** Past it the connection is ended, whatever it waits for; Infinity when it waits for nothing. */
  #deadlineMs: number;

  constructor(broker: Broker, sink: ByteSink, peer: Peer) {
    this.broker = broker;
    this.sink = sink;
    this.output = sink.output;
    this.peer = peer;
    this.metrics = broker.metrics.protocol('amqp');
    this.metrics.connectionsOpened++;
    this.bodyBytesMax = broker.limits.bodyBytesMax;
    this.writer = new MethodWriter(sink.output);
    this.#frames = new FrameReader(this);
    this.#handshake = new Handshake(this);
    this.nowMs = this.#receivedAtMs = this.#sentAtMs = broker.ports.clock.now();
    this.#deadlineMs = this.nowMs + HANDSHAKE_MS_MAX;
  }

  // -- reading ------------------------------------------------------------------------------------

  receive(chunk: Uint8Array): void {
    if (this.state === ConnectionState.Ended) return;
    this.nowMs = this.#receivedAtMs = this.broker.ports.clock.now();
    this.#reading = true;
    let at = 0;
    if (this.state === ConnectionState.Header) {
      at = this.#header.feed(chunk);
      if (this.#header.complete) this.#handshake.begin(this.#header);
    }
    this.#frames.feed(chunk, at, chunk.length);
    this.#endOfRead();
  }

  #endOfRead(): void {
    this.#reading = false;
    if (this.#pumps.size > 0) {
      for (const queue of this.#pumps) {
        this.#pumps.delete(queue);
        queue.pump();
      }
    }
    const dirty = this.#dirtyConfirms;
    if (dirty.length > 0) {
      for (const confirms of dirty) confirms.settle();
      dirty.length = 0;
    }
  }

  frame(type: number, number: number, bytes: Uint8Array, start: number, end: number): boolean {
    this.metrics.requests++;
    let method = 0;
    const channel = number === 0 ? null : this.#channelOf(number);
    try {
      if (type === FrameType.Method && end - start >= 4) {
        this.reader.reset(bytes, start, end);
        method = this.reader.long();
      }
      this.#dispatch(type, number, channel, method, bytes, start, end);
    } catch (error) {
      this.fail(amqpErrorOf(error), channel, method);
    }
    return !this.#frames.held;
  }

  #dispatch(
    type: number,
    number: number,
    channel: Channel | null,
    method: number,
    bytes: Uint8Array,
    start: number,
    end: number,
  ): void {
    if (this.state === ConnectionState.Closing) {
      this.#whileClosing(number, method);
      return;
    }
    const known = type >= FrameType.Method && type <= FrameType.Body;
    const heartbeat = type === FrameType.Heartbeat && start === end;
    if ((!known && !heartbeat) || (type === FrameType.Method && end - start < 4)) {
      const text = `type ${type}, ${snippet(bytes, start, end)}: unknown_frame`;
      throw new AmqpError(ReplyCode.FrameError, text);
    }
    if (number === 0) {
      if (heartbeat) return;
      if (type !== FrameType.Method) this.#unexpected(type, bytes, start, end);
      this.#handshake.method(method, this.reader);
      return;
    }
    if (heartbeat || this.state !== ConnectionState.Running) {
      this.#unexpected(type, bytes, start, end);
    }
    (channel ?? this.#addChannel(number)).frame(type, method, bytes, start, end);
  }

  #unexpected(type: number, bytes: Uint8Array, start: number, end: number): never {
    const text = `type ${type}, ${snippet(bytes, start, end)}`;
    throw new AmqpError(ReplyCode.UnexpectedFrame, text);
  }

  #whileClosing(number: number, method: number): void {
    if (number !== 0) return;
    if (method === Method.ConnectionCloseOk) this.end();
    else if (method === Method.ConnectionClose) {
      this.writer.begin(0, Method.ConnectionCloseOk).end();
      this.end();
    }
  }

  badFrame(type: number, _channel: number, reason: string): void {
    this.#frames.discard();
    const text = `type ${type}, all octets = <<>>: ${reason}`;
    this.fail(new AmqpError(ReplyCode.FrameError, text), null, 0);
    // We have lost sync with the client: its close-ok would not be understood.
    if (this.state !== ConnectionState.Ended) this.end();
  }

  takesPublish(number: number): boolean {
    return this.#channelOf(number)?.takesPublish ?? false;
  }

  publish(
    number: number,
    bytes: Uint8Array,
    addressAt: number,
    addressEnd: number,
    propertiesAt: number,
    propertiesEnd: number,
    bodyAt: number,
    bodyEnd: number,
  ): boolean {
    const channel = this.#channelOf(number)!;
    try {
      channel.publisher.publish(
        bytes,
        addressAt,
        addressEnd,
        bytes[addressEnd]!,
        bytes,
        propertiesAt,
        propertiesEnd,
        bytes,
        bodyAt,
        bodyEnd,
      );
    } catch (error) {
      this.fail(amqpErrorOf(error), channel, Method.BasicPublish);
    }
    return !this.#frames.held;
  }

  // -- channels -----------------------------------------------------------------------------------

  #channelOf(number: number): Channel | null {
    if (this.#lastChannel?.number === number) return this.#lastChannel;
    const channel = this.#channels.get(number) ?? null;
    if (channel) this.#lastChannel = channel;
    return channel;
  }

  #addChannel(number: number): Channel {
    if (this.channelsMax !== 0 && this.#channels.size >= this.channelsMax) {
      const max = this.channelsMax;
      throw new AmqpError(
        ReplyCode.NotAllowed,
        `number of channels opened (${max}) has reached the negotiated channel_max (${max})`,
      );
    }
    const channel = new Channel(this, number);
    this.#channels.set(number, channel);
    return channel;
  }

  /** The channel's number may be used again. */
  forgetChannel(channel: Channel): void {
    if (this.#lastChannel === channel) this.#lastChannel = null;
    this.#channels.delete(channel.number);
  }

  // -- what channels ask for ----------------------------------------------------------------------

  /** Something was written to `output`. */
  sendSoon(): void {
    // At most a tick too early, for what arrives by other connections does not tell us the time.
    this.#sentAtMs = this.nowMs;
    this.sink.schedule();
  }

  confirmSoon(confirms: Confirms): void {
    const dirty = this.#dirtyConfirms;
    if (dirty.length === 0 || dirty[dirty.length - 1] !== confirms) dirty.push(confirms);
  }

  /** Pumps at the end of this read, once however often it is asked for. */
  pumpSoon(queue: Pumpable): void {
    if (this.#reading) this.#pumps.add(queue);
    else queue.pump();
  }

  /** Reads no further until `resume`: an answer must come first. */
  hold(): void {
    this.#frames.hold();
    this.sink.pause();
  }

  resume(): void {
    if (this.state === ConnectionState.Ended) return;
    this.nowMs = this.broker.ports.clock.now();
    if (!this.#blocked) this.sink.resume();
    this.#reading = true;
    this.#frames.resume();
    this.#endOfRead();
  }

  // -- errors and the end -------------------------------------------------------------------------

  /** Answers an error: closes the channel or, when it is hard, the connection. */
  fail(error: AmqpError, channel: Channel | null, method: number): void {
    if (this.state === ConnectionState.Ended) return;
    this.metrics.error(error.codeName);
    if (channel !== null && !error.hard && this.state === ConnectionState.Running) {
      channel.closeWith(error, method);
      return;
    }
    this.broker.ports.log.warn('closing AMQP connection', {
      peer: `${this.peer.remoteAddress}:${this.peer.remotePort}`,
      reason: error.message,
    });
    const isStranger = this.state === ConnectionState.Starting;
    const isRefused = isStranger && error.replyCode === ReplyCode.AccessRefused;
    this.metrics.fail(isRefused ? Failure.Unauthenticated : error.failure);
    if (isStranger && !this.wantsAuthenticationFailure) {
      // Not yet trusted: told nothing, and made to wait.
      this.#frames.discard();
      this.#deadlineMs = this.nowMs + REFUSAL_DELAY_MS;
      this.state = ConnectionState.Closing;
      return;
    }
    this.closeWith(error, method);
  }

  /** Sends connection.close and waits for close-ok. */
  closeWith(error: AmqpError, method: number): void {
    if (this.state >= ConnectionState.Closing) return;
    this.#releaseChannels();
    this.writer
      .begin(0, Method.ConnectionClose)
      .short(error.replyCode)
      .shortstr(error.message)
      .long(method)
      .end();
    this.sendSoon();
    this.state = ConnectionState.Closing;
    const waitMs =
      this.heartbeatMs > 0 ? Math.min(this.heartbeatMs, CLOSE_OK_MS_MAX) : CLOSE_OK_MS_MAX;
    this.#deadlineMs = this.nowMs + waitMs;
    if (this.#blocked) this.sink.resume();
  }

  /** The client asked for it. */
  closeByClient(): void {
    this.#releaseChannels();
    this.writer.begin(0, Method.ConnectionCloseOk).end();
    this.end();
  }

  /** Flushes what is in `output` and ends. */
  end(): void {
    if (this.state === ConnectionState.Ended) return;
    this.#releaseChannels();
    this.state = ConnectionState.Ended;
    this.#frames.discard();
    this.metrics.connectionsClosed++;
    this.sink.end();
  }

  /** The handshake is done. */
  opened(): void {
    this.state = ConnectionState.Running;
    this.#deadlineMs = Infinity;
    this.broker.onAlarm(this);
  }

  #releaseChannels(): void {
    this.#lastChannel = null;
    if (this.state === ConnectionState.Running) {
      // All consumers first: what one channel gives back must not go to another one here.
      for (const channel of this.#channels.values()) channel.cancelConsumers();
      for (const channel of this.#channels.values()) channel.release();
      this.broker.offAlarm(this);
      this.broker.ownerGone(this);
    }
    this.#channels.clear();
    this.#pumps.clear();
  }

  close(reason: CloseReason): void {
    if (this.state === ConnectionState.Ended) return;
    if (reason === CloseReason.Gone) {
      this.#releaseChannels();
      this.state = ConnectionState.Ended;
      this.#frames.discard();
      this.metrics.connectionsClosed++;
      return;
    }
    const text =
      reason === CloseReason.Shutdown
        ? "broker forced connection closure with reason 'shutdown'"
        : 'Closed via management plugin';
    if (this.state === ConnectionState.Running) {
      this.closeWith(new AmqpError(ReplyCode.ConnectionForced, text), 0);
    }
    if (reason === CloseReason.Shutdown || this.state !== ConnectionState.Closing) this.end();
  }

  // -- time, output, alarms -----------------------------------------------------------------------

  drained(): void {
    for (const channel of this.#channels.values()) channel.drained();
  }

  tick(nowMs: number): void {
    if (this.state === ConnectionState.Ended) return;
    this.nowMs = nowMs;
    if (nowMs >= this.#deadlineMs) {
      if (this.state < ConnectionState.Running) this.metrics.fail(Failure.TooSlow);
      this.end();
      return;
    }
    if (this.heartbeatMs === 0) return;
    if (nowMs - this.#sentAtMs >= this.heartbeatMs / 2) this.#heartbeat(nowMs);
    // What the client sends is not read while it is blocked or held: that is not its fault.
    if (this.#blocked || this.#frames.held) this.#receivedAtMs = nowMs;
    if (nowMs - this.#receivedAtMs > this.heartbeatMs * SILENT_HEARTBEATS_MAX) {
      this.broker.ports.log.warn('closing AMQP connection', {
        peer: `${this.peer.remoteAddress}:${this.peer.remotePort}`,
        reason: `missed heartbeats from client, timeout: ${this.heartbeatMs / 1000}s`,
      });
      this.metrics.fail(Failure.Silent);
      this.end();
    }
  }

  stepped(byMs: number): void {
    this.nowMs += byMs;
    this.#receivedAtMs += byMs;
    this.#sentAtMs += byMs;
    this.#deadlineMs += byMs;
  }

  #heartbeat(nowMs: number): void {
    const at = this.output.reserve(8);
    this.output.bytes.fill(0, at, at + 7);
    this.output.bytes[at] = FrameType.Heartbeat;
    this.output.bytes[at + 7] = FRAME_END;
    this.output.advance(8);
    this.#sentAtMs = nowMs;
    this.sink.schedule();
  }

  /** A publish came in: from now on alarms concern this connection. */
  hasPublished(): void {
    if (this.#published) return;
    this.#published = true;
    this.alarmed();
  }

  alarmed(): void {
    const { memory, disk } = this.broker.alarms;
    const block = this.#published && (memory || disk);
    if (block === this.#blocked || this.state !== ConnectionState.Running) return;
    this.#blocked = block;
    if (block) {
      const reason = memory && disk ? 'memory & disk' : memory ? 'memory' : 'disk';
      if (this.canBeBlocked) {
        this.writer.begin(0, Method.ConnectionBlocked).shortstr(`low on ${reason}`).end();
      }
      this.sink.pause();
    } else {
      if (this.canBeBlocked) this.writer.begin(0, Method.ConnectionUnblocked).end();
      if (!this.#frames.held) this.sink.resume();
    }
    this.sendSoon();
  }
}
