/**
 * SqsConnection: HTTP requests in, answers out, in the same order, one request in the works at a time.
 * While one waits (for its commit, or for messages) what comes behind it is kept; the socket goes on
 * being read, because only so it is noticed that a client which waits has gone, and pauses when too
 * much is kept.
 */
import { CloseReason } from '#protocols/contract.ts';
import type { ByteSink, Connection, Peer } from '#protocols/contract.ts';
import { BrokerError } from '#core/errors.ts';
import { Failure } from '#core/metrics.ts';
import type { CommitWaiter } from '#core/log.ts';
import { HttpReader, type HttpReceiver } from '#wire/http-reader.ts';
import { HttpMethod, HttpRefusal, type HttpRequest } from '#wire/http-request.ts';
import type { Handlers } from './action.ts';
import { ACTIONS, type ActionName, type Input } from './actions.ts';
import { authenticate, mannerOf, readAsk, targetOf, traceHeaderOf } from './dispatch.ts';
import { SqsError } from './errors.ts';
import { JSON_TYPE } from './json.ts';
import type { SqsNode } from './node.ts';
import type { RequestIds } from './request-ids.ts';
import { UsualResponse, CONTINUE, writeRefusal, writeResponse } from './response.ts';
import {
  type Answerer,
  Codec,
  contentType,
  errorAnswer,
  type Manner,
  ServedCall,
} from './served-call.ts';
import { SiteReader } from './site.ts';
import { throttled } from './throttle.ts';

/** A message of 1 MiB, every character of it escaped: `\u0001` in JSON. */
const BODY_BYTES_MAX = 8 * 1024 * 1024;
const LIMITS = {
  headBytesMax: 64 * 1024,
  // GET requests carry a message in their target.
  targetBytesMax: 48 * 1024,
  fieldsMax: 100,
  bodyBytesMax: BODY_BYTES_MAX,
};
/** As which a refusal of HTTP is counted; the rest are of bytes that are no request. */
const FAILURES: Partial<Record<HttpRefusal, Failure>> = {
  [HttpRefusal.RequestTimeout]: Failure.TooSlow,
  [HttpRefusal.ContentTooLarge]: Failure.TooLarge,
  [HttpRefusal.UriTooLong]: Failure.TooLarge,
  [HttpRefusal.ExpectationFailed]: Failure.Unsupported,
  [HttpRefusal.HeadersTooLarge]: Failure.TooLarge,
  [HttpRefusal.NotImplemented]: Failure.Unsupported,
  [HttpRefusal.Unavailable]: Failure.TooMany,
  [HttpRefusal.VersionNotSupported]: Failure.Unsupported,
};
const KEPT_BYTES_MAX = 128 * 1024;
/** What a connection has arriving counts from here on. */
const SMALL_BYTES = 16 * 1024;
const HEAD_MS_MAX = 10_000;
const BODY_IDLE_MS_MAX = 20_000;
const BODY_MS_MAX = 120_000;
const IDLE_MS_MAX = 180_000;

/** Of JSON, that are no errors. */
const jsonAnswers = new UsualResponse(JSON_TYPE);

export class SqsConnection implements Connection, HttpReceiver, Answerer, CommitWaiter {
  readonly #node: SqsNode;
  readonly #handlers: Handlers;
  readonly #sink: ByteSink;
  readonly #peer: Peer;
  readonly #reader: HttpReader;
  readonly #site: SiteReader;
  readonly #requestIds: RequestIds;
  #current: ServedCall | null = null;
  /** Of the request in the works. */
  #connectionHeader = '';
  #closed = false;
  /** After the answer in the works. */
  #ending = false;
  #serving = false;
  #paused = false;
  #arrivingBytes = 0;
  #heardAtMs: number;
  /** When the request that is arriving began to. */
  #begunAtMs = 0;

  constructor(node: SqsNode, handlers: Handlers, sink: ByteSink, peer: Peer) {
    this.#node = node;
    this.#handlers = handlers;
    this.#sink = sink;
    this.#peer = peer;
    this.#reader = new HttpReader(this, LIMITS);
    this.#site = new SiteReader(`${peer.localAddress}:${peer.localPort}`);
    this.#requestIds = node.requestIds();
    this.#heardAtMs = node.broker.ports.clock.now();
    node.metrics.connectionsOpened++;
  }

  // --- in -------------------------------------------------------------------------------------

  receive(chunk: Uint8Array): void {
    if (this.#closed || this.#ending) return;
    const { byteOffset } = chunk;
    this.#heardAtMs = this.#node.broker.ports.clock.now();
    const wasWithin = this.#reader.isWithin;
    this.#serving = true;
    this.#reader.feed(wholeOf(chunk), byteOffset, byteOffset + chunk.length);
    this.#serving = false;
    if (!wasWithin) this.#begunAtMs = this.#heardAtMs;
    this.#afterReading();
  }

  #afterReading(): void {
    if (this.#closed) return;
    const { keptBytes, stalled } = this.#reader;
    this.#noteArriving(keptBytes > SMALL_BYTES ? keptBytes : 0);
    const { arrivingBytes, broker } = this.#node;
    const isMine = this.#arrivingBytes > 0 && !stalled;
    if (isMine && arrivingBytes > broker.limits.assembledBytesMax) {
      this.refuse(HttpRefusal.Unavailable, 'too many large requests are arriving');
      return;
    }
    const wanted = stalled && keptBytes > KEPT_BYTES_MAX;
    if (wanted === this.#paused) return;
    this.#paused = wanted;
    if (wanted) this.#sink.pause();
    else this.#sink.resume();
  }

  #noteArriving(bytes: number): void {
    this.#node.arrivingBytes += bytes - this.#arrivingBytes;
    this.#arrivingBytes = bytes;
  }

  /** HttpReceiver. */
  request(request: HttpRequest): boolean {
    const node = this.#node;
    node.metrics.requests++;
    this.#connectionHeader = connectionHeader(request);
    const manner = mannerOf(request, this.#requestIds.next());
    if (request.method === HttpMethod.Options) this.#writeOptions(manner);
    else this.#serve(request, manner);
    return this.#mayGoOn;
  }

  get #mayGoOn(): boolean {
    return this.#current === null && !this.#ending && this.#sink.writable;
  }

  #serve(request: HttpRequest, manner: Manner): void {
    try {
      const node = this.#node;
      const target = targetOf(request);
      if (request.method === HttpMethod.Head) throw new SqsError('UnknownOperationException');
      const { loopback } = this.#peer;
      const identity = authenticate(node, request, target, loopback);
      const { action, input, queueName } = readAsk(node, request, target, manner);
      const site = this.#site.read(request, this.#sink.secured, target.query);
      const traceHeader = traceHeaderOf(request);
      const caller = { node, identity, site, owner: this, traceHeader };
      const call = new ServedCall(action, caller, manner);
      if (queueName !== '') {
        call.permit(queueName);
        call.queueName = queueName;
      }
      this.#current = call;
      if ('publishes' in ACTIONS[action] && throttled(call, () => this.#handle(call, input)))
        return;
      this.#handle(call, input);
    } catch (error) {
      if (!(error instanceof SqsError)) throw error;
      this.#refuseRequest(error, manner, request.method !== HttpMethod.Head);
    }
  }

  #handle(call: ServedCall, input: Record<string, unknown>): void {
    const handler = this.#handlers[call.action] as (
      call: ServedCall,
      input: Input<ActionName>,
    ) => object | null;
    try {
      const output = handler(call, input);
      if (output !== null) call.answer(output);
    } catch (error) {
      if (!(error instanceof SqsError) && !(error instanceof BrokerError)) throw error;
      call.refuse(error);
    }
  }

  // --- out ------------------------------------------------------------------------------------

  /** Answerer. */
  awaitCommit(): void {
    this.#node.broker.commit.wait(this);
  }

  /** CommitWaiter. */
  committed(): void {
    const call = this.#current;
    if (call !== null && !call.over) call.finish();
  }

  /** Answerer. */
  answered(call: ServedCall, status: number, extra: string, body: string): void {
    this.#write(call.manner, status, extra, body, true);
    this.#current = null;
    this.#done();
  }

  /** An error from before there was a call. */
  #refuseRequest(error: SqsError, manner: Manner, withBody: boolean): void {
    this.#node.metrics.error(error.shape);
    const { status, extra, body } = errorAnswer(error, manner);
    this.#write(manner, status, extra, body, withBody);
    this.#current = null;
    this.#done();
  }

  #writeOptions(manner: Manner): void {
    this.#write(manner, 200, 'Allow: GET, HEAD, OPTIONS, POST\r\n', '', true);
    this.#done();
  }

  #write(manner: Manner, status: number, extra: string, body: string, withBody: boolean): void {
    const { requestId } = manner;
    const { output } = this.#sink;
    const connection = this.#ending ? 'close' : this.#connectionHeader;
    const date = this.#node.httpDate();
    if (status === 200 && manner.codec === Codec.Json && extra === '' && connection === '') {
      jsonAnswers.write(output, requestId, date, body);
    } else {
      const type = contentType(manner);
      const head = { status, requestId, date, contentType: type, extra, connection };
      writeResponse(output, head, body, withBody);
    }
    this.#sink.schedule();
  }

  /** One request is over. */
  #done(): void {
    if (this.#connectionHeader === 'close' || this.#ending) {
      this.#ending = true;
      this.#end();
    } else if (!this.#serving) this.#proceed();
  }

  #proceed(): void {
    if (this.#closed || !this.#mayGoOn) return;
    this.#serving = true;
    this.#heardAtMs = this.#begunAtMs = this.#node.broker.ports.clock.now();
    this.#reader.resume();
    this.#serving = false;
    this.#afterReading();
  }

  /** HttpReceiver. */
  sendContinue(): void {
    this.#sink.output.append(CONTINUE);
    this.#sink.schedule();
  }

  /** HttpReceiver: what came cannot be answered otherwise. */
  refuse(status: HttpRefusal, reason: string): void {
    if (this.#closed) return;
    const { metrics, broker } = this.#node;
    metrics.fail(FAILURES[status] ?? Failure.Malformed);
    metrics.error(`${status}`);
    const { remoteAddress, remotePort } = this.#peer;
    broker.ports.log.info('refusing an HTTP request', {
      status,
      reason,
      peer: `${remoteAddress}:${remotePort}`,
    });
    const { output } = this.#sink;
    writeRefusal(output, status, reason, this.#requestIds.next(), this.#node.httpDate());
    this.#end();
  }

  // --- life -----------------------------------------------------------------------------------

  drained(): void {
    if (this.#reader.stalled) this.#proceed();
  }

  tick(nowMs: number): void {
    if (this.#closed || this.#current !== null) return;
    const reader = this.#reader;
    if (!reader.isWithin) {
      if (nowMs - this.#heardAtMs > IDLE_MS_MAX) this.#end();
      return;
    }
    const sinceMs = nowMs - this.#begunAtMs;
    const isLate = reader.isWithinBody
      ? sinceMs > BODY_MS_MAX || nowMs - this.#heardAtMs > BODY_IDLE_MS_MAX
      : sinceMs > HEAD_MS_MAX;
    if (isLate) this.refuse(HttpRefusal.RequestTimeout, 'the request came too slowly');
  }

  stepped(byMs: number): void {
    this.#heardAtMs += byMs;
    this.#begunAtMs += byMs;
  }

  close(reason: CloseReason): void {
    if (this.#closed) return;
    if (reason === CloseReason.Gone) {
      this.#release();
      return;
    }
    this.#ending = true;
    const call = this.#current;
    if (call === null || reason === CloseReason.Forced) this.#end();
    else call.waiting?.hurry();
  }

  #end(): void {
    if (this.#closed) return;
    this.#sink.end();
    this.#release();
  }

  #release(): void {
    this.#closed = true;
    this.#reader.close();
    this.#noteArriving(0);
    const call = this.#current;
    this.#current = null;
    call?.abandon();
    this.#node.metrics.connectionsClosed++;
  }
}

let whole: Buffer = Buffer.alloc(0);

/** All of the memory that the chunk lies in, which mostly is what the one before lay in. */
function wholeOf({ buffer }: Uint8Array): Buffer {
  if (buffer !== whole.buffer) whole = Buffer.from(buffer);
  return whole;
}

/** Of the answer. HTTP/1.1 keeps a connection without saying so. */
function connectionHeader({ keepAlive, minorVersion }: HttpRequest): string {
  if (!keepAlive) return 'close';
  return minorVersion === 0 ? 'keep-alive' : '';
}
