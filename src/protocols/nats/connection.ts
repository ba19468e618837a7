/**
 * NatsConnection: one client, from our INFO to its end.
 *
 * A read is walked in place, operation by operation; what is cut off at its end is kept and
 * completed by the next read. While a password is being checked nothing further is read. Replies and
 * deliveries go into `output` and leave with one write per turn.
 */
import type { AlarmListener } from '#core/broker.ts';
import type { Identity } from '#core/authenticator.ts';
import { Failure } from '#core/metrics.ts';
import type { OutputBuffer } from '#wire/output-buffer.ts';
import { CloseReason, type ByteSink, type Connection, type Peer } from '#protocols/contract.ts';
import { Access } from './access.ts';
import { Arguments, isBlank, LF, textOf } from './arguments.ts';
import { AUTH_MS_MAX, CONTROL_LINE_BYTES_MAX, TLS_MS_MAX } from './constants.ts';
import { closedReason, errorName, failureOf, fatal, NatsError, Text } from './errors.ts';
import { connect, defaultOptions, type ConnectOptions } from './handlers/connect.ts';
import { subscribe, unsubscribe } from './handlers/subscribe.ts';
import { CONNECTED, infoLine, LAME_DUCK } from './info.ts';
import { Keepalive } from './keepalive.ts';
import type { NatsNode } from './node.ts';
import { PongQueue } from './pong-queue.ts';
import { Publisher } from './publisher.ts';
import { Pause, Reading } from './reading.ts';
import { Remainder } from './remainder.ts';
import type { Subscription } from './subscription.ts';
import { Verb, verbAt } from './verbs.ts';

/** Output between two looks at how much waits. */
const LOOK_EVERY_BYTES = 64 * 1024;
/** Share of the pending limit from which on publishers are held up. */
const STALL_SHARE = 0.75;
const STALL_MS = 10;
/** Part of the pending limit that is left while the broker is short of memory. */
const SHORT_OF_MEMORY_SHARE = 1 / 16;

const found = new Arguments();

export class NatsConnection implements Connection, AlarmListener {
  readonly id: number;
  readonly node: NatsNode;
  readonly sink: ByteSink;
  readonly output: OutputBuffer;
  readonly peer: Peer;
  readonly payloadBytesMax: number;
  readonly startedMs: number;
  readonly subscriptions = new Map<string, Subscription>();
  options: ConnectOptions = defaultOptions();
  access!: Access;
  /** A CONNECT with credentials must come first. */
  readonly authRequired: boolean;
  /** The same, as long as none came. */
  needsCredentials: boolean;
  hasEnded = false;
  /** Time of the read or tick now being handled. */
  nowMs: number;

  // Of `options`, for hot paths.
  verbose = true;
  pedantic = true;
  echo = true;
  headers = false;
  noResponders = false;
  /** A publish may need an answer or a refusal. */
  checksPublish = true;

  inMessages = 0;
  inBytes = 0;
  outMessages = 0;
  outBytes = 0;
  lastActiveMs: number;
  /** How often publishers were held up because it reads too slowly. */
  stalls = 0;

  readonly keepalive: Keepalive;
  readonly #publisher: Publisher;
  readonly #remainder = new Remainder();
  readonly #reading: Reading;
  readonly #pongs: PongQueue;
  #connected = false;
  #toldConnected = false;
  #authDeadlineMs: number;
  #endAtMs = Infinity;
  #storedPublisher = false;
  #unlookedBytes = 0;
  #slow = false;

  constructor(node: NatsNode, sink: ByteSink, peer: Peer) {
    this.node = node;
    this.sink = sink;
    this.output = sink.output;
    this.peer = peer;
    this.id = node.nextConnectionId();
    const { broker } = node;
    this.payloadBytesMax = broker.limits.payloadBytesMax;
    this.nowMs = this.startedMs = this.lastActiveMs = broker.ports.clock.now();
    const anonymous = broker.auth.anonymous(peer.loopback);
    this.authRequired = anonymous === null || !anonymous.mayEnter(node.namespace.name);
    this.needsCredentials = this.authRequired;
    const introductionMs = AUTH_MS_MAX + (peer.tls === 'none' ? 0 : TLS_MS_MAX);
    this.#authDeadlineMs = this.needsCredentials ? this.nowMs + introductionMs : Infinity;
    if (anonymous !== null) this.#setIdentity(anonymous);
    this.keepalive = new Keepalive(this, this.nowMs);
    this.#reading = new Reading(sink, node.assembly);
    this.#pongs = new PongQueue(this);
    this.#publisher = new Publisher(this);
    node.metrics.connectionsOpened++;
    node.enter(this);
    this.write(infoLine(this));
  }

  // -- reading ------------------------------------------------------------------------------------

  receive(chunk: Uint8Array): void {
    if (this.hasEnded) return;
    this.nowMs = this.node.broker.ports.clock.now();
    const messagesBefore = this.inMessages;
    const bytesBefore = this.inBytes;
    let at = 0;
    if (this.#isHeld) at = this.#remainder.keep(chunk, 0, chunk.length);
    while (at < chunk.length && !this.hasEnded) {
      if (this.#remainder.length > 0) {
        at = this.#remainder.complete(chunk, at);
        if (this.#remainder.isReady) this.#walkRemainder();
        if (this.#isHeld) at = this.#remainder.keep(chunk, at, chunk.length);
      } else {
        const walked = this.#walk(chunk, at, chunk.length);
        if (this.hasEnded) break;
        at = this.#remainder.keep(chunk, walked, chunk.length);
      }
    }
    if (!this.hasEnded) this.#reading.gathered(this.#remainder.length, this.nowMs);
    const messages = this.inMessages - messagesBefore;
    if (messages > 0) this.#countPublished(messages, this.inBytes - bytesBefore);
  }

  get #isHeld(): boolean {
    return this.#reading.has(Pause.Authentication);
  }

  #walkRemainder(): void {
    const { bytes, length } = this.#remainder;
    const walked = this.#walk(bytes, 0, length);
    if (!this.hasEnded) this.#remainder.drop(walked);
  }

  /** Returns where the first operation begins that is not all there. */
  #walk(bytes: Uint8Array, start: number, end: number): number {
    let at = start;
    try {
      while (at < end && !this.hasEnded && !this.#isHeld) {
        const next = this.#publisher.again(bytes, at, end) || this.#operation(bytes, at, end);
        if (next < 0) break;
        at = next;
      }
    } catch (error) {
      if (!(error instanceof NatsError)) throw error;
      this.#fail(error);
    }
    return at;
  }

  /** The position after the operation at `at`, −1 when it is not all there. */
  #operation(bytes: Uint8Array, at: number, end: number): number {
    this.needs(0);
    if (this.needsCredentials && !isStartOfConnect(bytes[at]!)) {
      throw fatal(Text.AuthorizationViolation);
    }
    const verb = verbAt(bytes, at, end);
    if (verb === null) return -1;
    let argumentsAt = at + verb.length;
    switch (verb) {
      case Verb.Pub:
      case Verb.Hpub:
        return this.#afterBlank(bytes, argumentsAt, end)
          ? this.#publisher.publish(bytes, at, argumentsAt, end, verb === Verb.Hpub)
          : -1;
      case Verb.Sub:
      case Verb.Unsub: {
        if (!this.#afterBlank(bytes, argumentsAt, end)) return -1;
        const lineEnd = found.scan(bytes, argumentsAt, end);
        this.checkLine(argumentsAt, lineEnd, end);
        if (lineEnd < 0) return -1;
        this.#count();
        if (verb === Verb.Sub) subscribe(this, bytes, found);
        else unsubscribe(this, bytes, found);
        return lineEnd;
      }
      default:
    }
    while (argumentsAt < end && isBlank(bytes[argumentsAt])) argumentsAt++;
    const lineEnd = bytes.subarray(0, end).indexOf(LF, argumentsAt) + 1;
    this.checkLine(argumentsAt, lineEnd === 0 ? -1 : lineEnd, end);
    if (lineEnd === 0) return -1;
    this.#line(verb, textOf(bytes, argumentsAt, lineEnd).trimEnd());
    return lineEnd;
  }

  /** Commands whose arguments are the whole line. */
  #line(verb: Verb, text: string): void {
    this.node.metrics.requests++;
    if (verb === Verb.Ping) {
      this.keepalive.heard(this.nowMs);
      this.#pongs.ping();
      this.#tellConnected();
    } else if (verb === Verb.Pong) this.keepalive.answered(this.nowMs);
    else if (verb === Verb.Connect) {
      connect(this, text);
    } else if (verb === Verb.Err) {
      this.node.broker.ports.log.warn('a NATS client reports an error', {
        peer: this.address,
        error: text,
      });
      this.end('Parse Error');
    }
  }

  /** False when the byte is not there yet; a verb that goes on is none. */
  #afterBlank(bytes: Uint8Array, at: number, end: number): boolean {
    if (at >= end) return false;
    if (!isBlank(bytes[at])) throw fatal(Text.UnknownOperation);
    return true;
  }

  /** `lineEnd` −1: not there yet. */
  checkLine(argumentsAt: number, lineEnd: number, end: number): void {
    const length = lineEnd < 0 ? end - argumentsAt : lineEnd - argumentsAt - 2;
    if (length > CONTROL_LINE_BYTES_MAX) throw fatal(Text.MaxControlLine);
  }

  /** The operation that is not all there has so many bytes; 0: its line is not there either. */
  needs(bytes: number): void {
    this.#remainder.needed = bytes;
  }

  #count(): void {
    this.node.metrics.requests++;
    this.keepalive.heard(this.nowMs);
    this.lastActiveMs = this.nowMs;
  }

  #countPublished(messages: number, bytes: number): void {
    const { metrics, totals } = this.node;
    metrics.published += messages;
    metrics.publishedBytes += bytes;
    metrics.requests += messages;
    totals.inMessages += messages;
    totals.inBytes += bytes;
    this.keepalive.heard(this.nowMs);
    this.lastActiveMs = this.nowMs;
  }

  // -- CONNECT ------------------------------------------------------------------------------------

  hasConnected(): void {
    this.#authDeadlineMs = Infinity;
  }

  /** Reads no further until the promise is settled. */
  holdFor(promise: Promise<Identity | null>, finish: (identity: Identity | null) => void): void {
    this.#reading.pause(Pause.Authentication);
    void promise.then((identity) => this.#goOn(identity, finish));
  }

  #goOn(identity: Identity | null, finish: (identity: Identity | null) => void): void {
    if (this.hasEnded) return;
    this.nowMs = this.node.broker.ports.clock.now();
    try {
      finish(identity);
    } catch (error) {
      if (!(error instanceof NatsError)) throw error;
      this.#fail(error);
      return;
    }
    this.#reading.resume(Pause.Authentication);
    const waiting = this.#remainder.take();
    if (waiting.length > 0) this.receive(waiting);
  }

  configure(options: ConnectOptions, identity: Identity): void {
    this.options = options;
    this.verbose = options.verbose;
    this.pedantic = options.pedantic;
    this.echo = options.echo;
    this.headers = options.headers;
    this.noResponders = options.no_responders;
    // What the one before might see, this one may not.
    if (this.access && this.access.identity !== identity) this.#unsubscribeAll();
    this.#setIdentity(identity);
    this.needsCredentials = false;
    if (!this.#connected) this.keepalive.connected(this.nowMs);
    this.#connected = true;
    this.#checkPublish();
  }

  /** After the first PONG. */
  #tellConnected(): void {
    if (this.#toldConnected || !this.#connected) return;
    this.#toldConnected = true;
    if (this.options.protocol >= 1) this.write(infoLine(this, CONNECTED));
  }

  #setIdentity(identity: Identity): void {
    const { namespace, broker } = this.node;
    this.access = new Access(identity, namespace.name, () => broker.ports.clock.now());
    this.#checkPublish();
  }

  #checkPublish(): void {
    this.checksPublish = this.verbose || this.pedantic || !this.access.publishesAll;
  }

  // -- subscriptions ------------------------------------------------------------------------------

  unsubscribe(subscription: Subscription): void {
    if (subscription.ended) return;
    subscription.ended = true;
    this.subscriptions.delete(subscription.sid);
    this.node.unsubscribe(subscription);
  }

  #unsubscribeAll(): void {
    for (const subscription of this.subscriptions.values()) this.unsubscribe(subscription);
  }

  // -- writing ------------------------------------------------------------------------------------

  write(text: string): void {
    this.output.append(Buffer.from(text));
    this.sink.schedule();
  }

  ok(): void {
    this.write('+OK\r\n');
  }

  error(text: string): void {
    this.node.metrics.error(errorName(text));
    this.write(`-ERR '${text}'\r\n`);
  }

  /** A subscription wrote a message: headers and body, and all that followed its prefix. */
  hasDelivered(messageBytes: number, writtenBytes: number): void {
    this.outMessages++;
    this.outBytes += messageBytes;
    const { metrics } = this.node;
    metrics.delivered++;
    metrics.deliveredBytes += messageBytes;
    this.#unlookedBytes += writtenBytes;
    if (this.#unlookedBytes >= LOOK_EVERY_BYTES) this.#lookAtPending();
    this.sink.schedule();
  }

  #lookAtPending(): void {
    this.#unlookedBytes = 0;
    const { pendingBytes } = this.sink;
    const { limits, alarms } = this.node.broker;
    const share = alarms.memory ? SHORT_OF_MEMORY_SHARE : 1;
    const pendingBytesMax = limits.pendingBytesMax * share;
    if (pendingBytes > pendingBytesMax * STALL_SHARE) this.#stallPublisher();
    if (pendingBytes <= pendingBytesMax || this.#slow) return;
    this.#slow = true;
    this.node.totals.slowConsumers++;
    this.#fail(fatal(Text.SlowConsumer));
  }

  // -- pausing ------------------------------------------------------------------------------------

  #stallPublisher(): void {
    const { live, totals } = this.node;
    if (live.publisher === null) return;
    this.stalls++;
    totals.stalls++;
    live.publisher.stall();
  }

  /** It publishes faster than somebody reads. */
  stall(): void {
    if (this.#reading.has(Pause.Stall)) return;
    this.#reading.pause(Pause.Stall);
    const { schedule } = this.node.broker;
    schedule.at(this.nowMs + STALL_MS, () => this.#reading.resume(Pause.Stall));
  }

  /** A queue or topic took a message. From now on alarms concern this connection. */
  hasStored(awaitsCommit: boolean): void {
    if (awaitsCommit) this.#pongs.stored();
    if (this.#storedPublisher) return;
    this.#storedPublisher = true;
    this.node.broker.onAlarm(this);
    this.alarmed();
  }

  alarmed(): void {
    if (this.node.broker.alarms.memory) this.#reading.pause(Pause.Alarm);
    else this.#reading.resume(Pause.Alarm);
  }

  // -- time and the end ---------------------------------------------------------------------------

  drained(): void {
    // Nothing is held back for a slow reader: it gets everything, or is cut off.
  }

  tick(nowMs: number): void {
    if (this.hasEnded) return;
    this.nowMs = nowMs;
    this.#remainder.rest();
    if (nowMs >= this.#endAtMs) this.end('Server Shutdown');
    else if (nowMs >= this.#authDeadlineMs) this.#fail(fatal(Text.AuthenticationTimeout));
    else if (this.#reading.isLate(nowMs)) this.#fail(fatal(Text.StaleConnection));
    else if (this.#reading.isPaused) this.keepalive.heard(nowMs);
    else if (this.keepalive.isStale(nowMs)) {
      this.node.totals.staleConnections++;
      this.#fail(fatal(Text.StaleConnection));
    }
  }

  stepped(byMs: number): void {
    this.nowMs += byMs;
    this.#authDeadlineMs += byMs;
    this.#endAtMs += byMs;
    this.keepalive.stepped(byMs);
  }

  /** '' as long as nobody said who they are. */
  get user(): string {
    return this.#connected && this.options.user !== '' ? this.access.identity.name : '';
  }

  get address(): string {
    return `${this.peer.remoteAddress}:${this.peer.remotePort}`;
  }

  #fail(error: NatsError): void {
    if (this.hasEnded) return;
    this.error(error.message);
    if (!error.fatal) return;
    this.node.metrics.fail(failureOf(error.message));
    this.node.broker.ports.log.warn('closing NATS connection', {
      peer: this.address,
      reason: error.message,
    });
    this.end(closedReason(error.message));
  }

  /** It would not read a word of ours. */
  #isStuck(): void {
    const { metrics, totals } = this.node;
    totals.slowConsumers++;
    metrics.error(errorName(Text.SlowConsumer));
    metrics.fail(Failure.SlowConsumer);
    this.#release('Slow Consumer (Write Deadline)');
  }

  /** Flushes what is in `output` and ends. */
  end(reason: string): void {
    if (this.hasEnded) return;
    this.#release(reason);
    this.sink.end();
  }

  #release(reason: string): void {
    this.hasEnded = true;
    this.node.leave(this, reason);
    this.#unsubscribeAll();
    this.#remainder.take();
    this.#reading.end(this.nowMs);
    const { node } = this;
    if (this.#storedPublisher) node.broker.offAlarm(this);
    node.metrics.connectionsClosed++;
  }

  close(reason: CloseReason): void {
    if (this.hasEnded) return;
    if (reason === CloseReason.Gone) this.#release('Client Closed');
    else if (reason === CloseReason.Stuck) this.#isStuck();
    else if (reason === CloseReason.Shutdown && this.#connected && this.options.protocol >= 1) {
      if (this.#endAtMs !== Infinity) return;
      this.write(infoLine(this, LAME_DUCK));
      this.#endAtMs = this.node.endsAtMs(this);
    } else this.end(reason === CloseReason.Shutdown ? 'Server Shutdown' : 'Kicked');
  }
}

function isStartOfConnect(byte: number): boolean {
  return (byte | 0x20) === 0x63;
}
