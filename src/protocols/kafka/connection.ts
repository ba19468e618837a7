/**
 * KafkaConnection: requests in, answers out, in the same order.
 *
 * As in Kafka, a connection has one request in the works at a time: while a Fetch waits for data or
 * a JoinGroup for other members, what came behind it stays unread. Produce is the exception, since
 * producers pipeline and all they wait for is the same commit: any number of them may be open, up
 * to a bound, and each commit answers those it covered.
 *
 * What was read and cannot be served yet is copied once into `#held` and the socket is paused. While
 * memory is short a Produce also pauses it, for as long as the answer tells the client (KIP-219), or
 * until there is memory again. So does the middle of a large request while there are too many
 * (assembly.ts).
 */
import { type Assembler, SMALL_ASSEMBLY_BYTES } from '#core/assembly.ts';
import { Call } from './call.ts';
import { type FrameReceiver, Frames } from './frames.ts';
import { MALFORMED, TOO_LARGE, UNSUPPORTED } from './handler.ts';
import type { KafkaNode } from './node.ts';
import type { ProduceAnswer } from './produce-answer.ts';
import { ProtocolError } from '#core/errors.ts';
import { Failure } from '#core/metrics.ts';
import type { CommitWaiter } from '#core/log.ts';
import type { Timer } from '#core/schedule.ts';
import { CloseReason } from '#protocols/contract.ts';
import type { ByteSink, Connection, Peer } from '#protocols/contract.ts';
import { Reader } from '#wire/reader.ts';
import { Writer } from '#wire/writer.ts';

/** How long a large request may stop in the middle. */
const GATHER_IDLE_MS_MAX = 30_000;
/** As which bytes that may not come are counted; the rest are malformed. */
const FAILURES: Readonly<Record<number, Failure>> = {
  [TOO_LARGE]: Failure.TooLarge,
  [UNSUPPORTED]: Failure.Unsupported,
};
/** connections.max.idle.ms */
const IDLE_MS_MAX = 600_000;
const OPEN_PRODUCES_MAX = 256;
const OPEN_PRODUCE_BYTES_MAX = 64 * 1024 * 1024;
const PRODUCE_KEY = 0;
const HEADER_BYTES_MIN = 10;

/** Releases what a waiting request holds elsewhere (timers, listeners). */
export interface Waiting {
  abandon(): void;
  /** The clock was moved by so much. */
  stepped?(byMs: number): void;
}

export class KafkaConnection implements Connection, CommitWaiter, FrameReceiver, Assembler {
  readonly node: KafkaNode;
  readonly peer: Peer;
  readonly writer: Writer;
  closed = false;
  /** What the request in the works waits for, if it waits. */
  waiting: Waiting | null = null;
  /** Members of groups that speak through it: member id → group id. */
  readonly members = new Map<string, string>();
  readonly #sink: ByteSink;
  readonly #frames: Frames;
  readonly #reader = new Reader();
  /** The request in the works, unless it is a Produce. */
  #current: Call | null = null;
  /** Produce requests that wait for their commits, in order. */
  #produces: ProduceAnswer[] = [];
  #produceBytes = 0;
  #waitedGeneration = -1;
  /** Read, not served yet. */
  #held: Buffer[] = [];
  #serving = false;
  /** Bytes of a large request, as the node's assembly knows them. */
  #gatheredBytes = 0;
  /** Pauses the socket after a Produce while memory is short. */
  #throttle: Timer | null = null;
  #paused = false;
  #idleSinceMs: number;

  constructor(node: KafkaNode, sink: ByteSink, peer: Peer) {
    this.node = node;
    this.peer = peer;
    this.#sink = sink;
    this.writer = new Writer(sink.output);
    this.#frames = new Frames(this, node.broker.limits.requestBytesMax, node.blocks);
    this.#idleSinceMs = node.broker.ports.clock.now();
    node.joined(this);
  }

  // --- in -------------------------------------------------------------------------------------

  receive(chunk: Uint8Array): void {
    if (this.closed) return;
    const bytes = Buffer.isBuffer(chunk)
      ? chunk
      : Buffer.from(chunk.buffer, chunk.byteOffset, chunk.length);
    this.#idleSinceMs = this.node.broker.ports.clock.now();
    // Bytes that were on their way when the socket was paused.
    if (this.#held.length > 0 || this.#frames.stalled) this.#held.push(Buffer.from(bytes));
    else this.#serve(bytes, false);
  }

  #serve(bytes: Buffer, ours: boolean): void {
    this.#serving = true;
    try {
      const used = this.#frames.feed(bytes);
      if (used < bytes.length && !this.closed) {
        const rest = bytes.subarray(used);
        this.#held.unshift(ours ? rest : Buffer.from(rest));
      }
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
      this.fail(error.message, FAILURES[error.wireCode]);
    } finally {
      this.#serving = false;
    }
    this.#noteGathered();
    this.#pauseOrResume();
  }

  #noteGathered(): void {
    const filled = this.closed ? 0 : this.#frames.gatheredBytes;
    const bytes = filled > SMALL_ASSEMBLY_BYTES ? filled : 0;
    if (bytes === 0 && this.#gatheredBytes === 0) return;
    this.#gatheredBytes = bytes;
    this.node.assembly.note(this, bytes, this.#frames.stalled, this.#idleSinceMs);
  }

  /** Others have gathered less, or more (Assembler). */
  assemblyChanged(): void {
    this.#pauseOrResume();
  }

  /** There is no memory for the rest of the request now. */
  get #mustWait(): boolean {
    if (this.#gatheredBytes === 0 || this.#frames.stalled) return false;
    if (this.node.throttleMs > 0 && this.#frames.gatheredKey === PRODUCE_KEY) return true;
    return !this.node.assembly.mayGoOn(this);
  }

  /** Goes on with what was read before, if it can be served now. */
  #proceed(): void {
    if (this.#serving || this.closed) return;
    if (this.#frames.stalled) this.#serve(NO_BYTES, true);
    while (this.#held.length > 0 && !this.#frames.stalled && !this.closed) {
      this.#serve(this.#held.shift()!, true);
    }
  }

  /** One request (Frames). False = not now. */
  request(bytes: Buffer, start: number, end: number): boolean {
    if (this.closed) return false;
    if (end - start < HEADER_BYTES_MIN) {
      throw new ProtocolError(MALFORMED, `a request of ${end - start} bytes`);
    }
    const key = bytes.readInt16BE(start);
    if (!this.#mayBegin(key)) return false;
    const version = bytes.readInt16BE(start + 2);
    const handler = this.node.handlers.get(key);
    if (handler === undefined) throw new ProtocolError(UNSUPPORTED, `unknown API key ${key}`);
    const known = version >= handler.min && version <= handler.max;
    if (!known && !handler.anyVersion) {
      throw new ProtocolError(UNSUPPORTED, `unsupported ${handler.name} version ${version}`);
    }
    const flexible = known && version >= handler.flexibleFrom;
    const call = this.#open(bytes, start, end, flexible);
    if (key === PRODUCE_KEY) this.#throttleIfShort();
    else this.#current = call;
    this.node.metrics.requests++;
    handler.serve(call, this.#reader);
    return true;
  }

  #mayBegin(key: number): boolean {
    if (this.#current !== null || !this.#sink.writable) return false;
    if (key !== PRODUCE_KEY) return this.#produces.length === 0;
    return this.#produces.length < OPEN_PRODUCES_MAX && this.#produceBytes < OPEN_PRODUCE_BYTES_MAX;
  }

  /**
   * Request header: apiKey i16 | apiVersion i16 | correlationId i32 | clientId nullable string
   * | tagged fields if flexible. The client id's length stays i16 (KIP-511).
   */
  #open(bytes: Buffer, start: number, end: number, flexible: boolean): Call {
    const reader = this.#reader.reset(bytes, start, end, false);
    try {
      const handler = this.node.handlers.get(reader.int16())!;
      const version = reader.int16();
      const correlationId = reader.int32();
      const clientId = reader.nullableString() ?? '';
      reader.flexible = flexible;
      reader.tags();
      return new Call(this, handler, version, correlationId, clientId);
    } catch (error) {
      if (!(error instanceof RangeError)) throw error;
      throw new ProtocolError(MALFORMED, `malformed request header: ${error.message}`);
    }
  }

  // --- out ------------------------------------------------------------------------------------

  /** Called by the call when its answer is written. */
  answered(call: Call): void {
    this.waiting = null;
    this.#sink.schedule();
    if (call !== this.#current) return;
    this.#current = null;
    if (!this.#serving) this.#proceed();
  }

  /** Queues the answer to a Produce until its commit; `generation` 0 = nothing to wait for. */
  produced(answer: ProduceAnswer): void {
    if (answer.generation === 0 && this.#produces.length === 0) {
      answer.write();
      return;
    }
    this.#produces.push(answer);
    this.#produceBytes += answer.requestBytes;
    const { commit } = this.node.broker;
    if (answer.generation === 0 || this.#waitedGeneration === answer.generation) return;
    this.#waitedGeneration = answer.generation;
    commit.wait(this);
  }

  /** All that was appended in `generation` is safe (CommitWaiter). */
  committed(generation: number): void {
    if (this.closed) return;
    const produces = this.#produces;
    let count = 0;
    while (count < produces.length && produces[count]!.generation <= generation) {
      const answer = produces[count++]!;
      this.#produceBytes -= answer.requestBytes;
      answer.write();
    }
    if (count === produces.length) this.#produces = [];
    else produces.splice(0, count);
    this.#proceed();
  }

  drained(): void {
    this.#proceed();
  }

  #throttleIfShort(): void {
    const { broker, throttleMs } = this.node;
    if (throttleMs === 0 || this.#throttle !== null) return;
    this.#throttle = broker.schedule.at(broker.ports.clock.now() + throttleMs, () => {
      this.#throttle = null;
      this.#pauseOrResume();
    });
  }

  /** Memory got short, or is not any more. */
  alarmed(): void {
    if (this.closed) return;
    if (this.node.throttleMs === 0) this.#endThrottle();
    this.#pauseOrResume();
  }

  #endThrottle(): void {
    if (this.#throttle !== null) this.node.broker.schedule.cancel(this.#throttle);
    this.#throttle = null;
  }

  #pauseOrResume(): void {
    if (this.closed) return;
    const wanted =
      this.#held.length > 0 || this.#frames.stalled || this.#throttle !== null || this.#mustWait;
    if (wanted === this.#paused) return;
    this.#paused = wanted;
    if (wanted) this.#sink.pause();
    else {
      this.#idleSinceMs = this.node.broker.ports.clock.now();
      this.#sink.resume();
    }
  }

  // --- life -----------------------------------------------------------------------------------

  tick(nowMs: number): void {
    if (this.#gatheredBytes > 0 && !this.#paused && this.#isTooSlow(nowMs)) {
      this.fail('a large request came too slowly', Failure.TooSlow);
      return;
    }
    const busy = this.#current !== null || this.#produces.length > 0 || this.#paused;
    if (this.closed || busy || nowMs - this.#idleSinceMs < IDLE_MS_MAX) return;
    this.#sink.end();
    this.#release();
  }

  #isTooSlow(nowMs: number): boolean {
    if (nowMs - this.#idleSinceMs > GATHER_IDLE_MS_MAX) return true;
    return this.node.assembly.isLate(this, nowMs);
  }

  stepped(byMs: number): void {
    this.#idleSinceMs += byMs;
    this.waiting?.stepped?.(byMs);
    for (const [memberId, groupId] of this.members) this.node.groups.heardOf(groupId, memberId);
  }

  /** Bad bytes, or a failed Produce that has no answer to carry the error: only this one ends. */
  fail(reason: string, failure: Failure = Failure.Malformed): void {
    if (this.closed) return;
    const { remoteAddress, remotePort } = this.peer;
    this.node.broker.ports.log.warn('closing a Kafka connection', {
      reason,
      peer: `${remoteAddress}:${remotePort}`,
    });
    this.node.metrics.fail(failure);
    this.#sink.end();
    this.#release();
  }

  close(reason: CloseReason): void {
    if (this.closed) return;
    if (reason !== CloseReason.Gone) this.#sink.end();
    this.#release();
  }

  #release(): void {
    this.closed = true;
    this.#endThrottle();
    this.#noteGathered();
    this.#held = [];
    this.#produces = [];
    this.#current = null;
    this.members.clear();
    const { waiting } = this;
    this.waiting = null;
    waiting?.abandon();
    this.node.left(this);
  }
}

const NO_BYTES = Buffer.alloc(0);
