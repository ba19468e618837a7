/**
 * HttpReader: requests out of the bytes of one connection, whole, in order, one at a time.
 *
 * What arrives whole is parsed where it lies; only what is cut is copied, into a buffer that exists
 * as long as there is something in it. A chunked body is joined in that buffer. While a request is in
 * the works the reader is stalled and keeps what comes behind it.
 */
import { HttpRefusal, HttpRequest, INCOMPLETE } from './http-request.ts';
import type { HeadLimits } from './http-request.ts';

export interface HttpReceiver {
  /** Valid during the call only. False: the next one not before `resume`. */
  request(request: HttpRequest): boolean;
  /** The client waits for this before it sends the body. */
  sendContinue(): void;
  /** What came is no HTTP request, or too large; nothing is read any more. */
  refuse(status: HttpRefusal, reason: string): void;
}

export interface HttpLimits extends HeadLimits {
  readonly bodyBytesMax: number;
}

/** Below it a request that is cut counts for nothing. */
const FIRST_BYTES = 4096;
/** Longer lines of a chunked body hide something. */
const CHUNK_LINE_BYTES_MAX = 256;
/** Of extensions and trailers together, which are read over. */
const CHUNK_EXTRA_BYTES_MAX = 8192;
const CHUNK_DIGITS_MAX = 8;
const CR = 13;
const LF = 10;
const SEMICOLON = 59;
const NO_BYTES = Buffer.alloc(0);

const Part = { Head: 0, Body: 1, ChunkLine: 2, ChunkData: 3, ChunkEnd: 4, Trailer: 5 } as const;
type Part = (typeof Part)[keyof typeof Part];

export class HttpReader {
  readonly request: HttpRequest;
  readonly #receiver: HttpReceiver;
  readonly #limits: HttpLimits;
  /** What is not served yet lies in [start, end) of it. */
  #kept: Buffer = NO_BYTES;
  #start = 0;
  #end = 0;
  #part: Part = Part.Head;
  #stalled = false;
  #closed = false;
  #continued = false;
  /** Of a body that is cut, relative to the beginning of the request. */
  #headBytes = 0;
  /** Of a chunked one: where its decoded bytes end, and what is left of the chunk. */
  #joinedEnd = 0;
  #chunkLeft = 0;
  #extraBytes = 0;

  constructor(receiver: HttpReceiver, limits: HttpLimits) {
    this.#receiver = receiver;
    this.#limits = limits;
    this.request = new HttpRequest(limits);
  }

  get stalled(): boolean {
    return this.#stalled;
  }

  /** Bytes that wait here. */
  get keptBytes(): number {
    return this.#end - this.#start;
  }

  /** A request has begun and is not whole. */
  get isWithin(): boolean {
    return !this.#stalled && this.#end > this.#start;
  }

  /** Its head is whole. */
  get isWithinBody(): boolean {
    return this.isWithin && this.#part !== Part.Head;
  }

  /** Nothing is read any more. */
  close(): void {
    this.#closed = true;
    this.#kept = NO_BYTES;
    this.#start = this.#end = 0;
  }

  /** [start, end) of `bytes` came; they are valid during the call only. */
  feed(bytes: Buffer, start = 0, end = bytes.length): void {
    if (this.#closed || start === end) return;
    if (this.#stalled || this.#end > this.#start) {
      this.#keep(bytes, start, end);
      if (!this.#stalled) this.#run();
      return;
    }
    const used = this.#serve(bytes, start, end);
    if (used < end && !this.#closed) {
      this.#keep(bytes, used, end);
      if (this.#part !== Part.Head && !this.#stalled) this.#run();
    }
  }

  /** The request in the works is answered. */
  resume(): void {
    this.#stalled = false;
    if (this.#end > this.#start) this.#run();
  }

  #keep(bytes: Buffer, start: number, end: number): void {
    const count = end - start;
    if (this.#end + count > this.#kept.length) this.#grow(count);
    bytes.copy(this.#kept, this.#end, start, end);
    this.#end += count;
  }

  #grow(count: number): void {
    const kept = this.#end - this.#start;
    const needed = kept + count;
    const target =
      needed > this.#kept.length
        ? Buffer.allocUnsafeSlow(Math.max(FIRST_BYTES, needed, this.#kept.length * 2))
        : this.#kept;
    this.#kept.copy(target, 0, this.#start, this.#end);
    this.#kept = target;
    this.#joinedEnd -= this.#start;
    this.#start = 0;
    this.#end = kept;
  }

  /** Serves what is kept. */
  #run(): void {
    while (this.#start < this.#end && !this.#stalled && !this.#closed) {
      if (this.#part === Part.Head || this.#part === Part.Body) {
        const used = this.#serve(this.#kept, this.#start, this.#end);
        if (this.#closed) return;
        const more = used > this.#start || this.#isChunked;
        this.#start = used;
        if (!more) break;
      } else if (!this.#join()) break;
    }
    if (this.#start !== this.#end) return;
    this.#kept = NO_BYTES;
    this.#start = this.#end = 0;
  }

  get #isChunked(): boolean {
    return this.#part >= Part.ChunkLine;
  }

  /** Hands on the whole requests that lie there; position of the first byte that is not used. */
  #serve(bytes: Buffer, start: number, end: number): number {
    let at = start;
    while (at < end && !this.#stalled && !this.#closed && !this.#isChunked) {
      const next = this.#one(bytes, at, end);
      if (next === at) return at;
      at = next;
    }
    return at;
  }

  /** Position after it; `at` when it is not whole, or refused. */
  #one(bytes: Buffer, at: number, end: number): number {
    const { request } = this;
    if (this.#part === Part.Head) {
      // Empty lines before a request are read over (RFC 9112, 2.2).
      if (bytes[at] === CR && at + 1 === end) return at;
      if (bytes[at] === CR && bytes[at + 1] === LF) return at + 2;
      const headEnd = request.parse(bytes, at, end);
      if (headEnd === INCOMPLETE) return at;
      if (headEnd < 0) return this.#refused(-headEnd as HttpRefusal, request.reason, at);
      this.#headBytes = headEnd - at;
      if (request.contentLength > this.#limits.bodyBytesMax) {
        return this.#refused(HttpRefusal.ContentTooLarge, 'the body is too large', at);
      }
      if (request.chunked) return this.#beginChunks(at);
    }
    const bodyStart = at + this.#headBytes;
    const bodyEnd = bodyStart + Math.max(request.contentLength, 0);
    if (bodyEnd > end) {
      this.#part = Part.Body;
      this.#continue();
      return at;
    }
    // The windows of its fields moved when its bytes were copied.
    if (this.#part === Part.Body) request.parse(bytes, at, bodyStart);
    this.#hand(bodyStart, bodyEnd);
    return bodyEnd;
  }

  #continue(): void {
    if (!this.request.expectsContinue || this.#continued) return;
    this.#continued = true;
    if (this.request.minorVersion === 1) this.#receiver.sendContinue();
  }

  #hand(bodyStart: number, bodyEnd: number): void {
    this.request.bodyStart = bodyStart;
    this.request.bodyEnd = bodyEnd;
    this.#part = Part.Head;
    this.#continued = false;
    if (!this.#receiver.request(this.request)) this.#stalled = true;
  }

  #refused(status: HttpRefusal, reason: string, at: number): number {
    this.close();
    this.#receiver.refuse(status, reason);
    return at;
  }

  // --- chunked bodies: joined in the kept bytes ------------------------------------------------

  #beginChunks(at: number): number {
    this.#part = Part.ChunkLine;
    this.#joinedEnd = -1;
    this.#extraBytes = 0;
    this.#continue();
    return at;
  }

  /** Goes through what has arrived. False when more must come first. */
  #join(): boolean {
    const bytes = this.#kept;
    const bodyStart = this.#start + this.#headBytes;
    if (this.#joinedEnd < bodyStart) this.#joinedEnd = bodyStart;
    // What is not gone through yet always begins where the joined bytes end.
    let at = this.#joinedEnd;
    let before = -1;
    while (at !== before && !this.#closed) {
      before = at;
      if (this.#part === Part.ChunkData) {
        const count = Math.min(this.#chunkLeft, this.#end - at);
        if (at !== this.#joinedEnd) bytes.copyWithin(this.#joinedEnd, at, at + count);
        this.#joinedEnd += count;
        this.#chunkLeft -= count;
        at += count;
        if (this.#chunkLeft === 0) this.#part = Part.ChunkEnd;
        else break;
      }
      at = this.#line(bytes, at);
      if (this.#part === Part.Head) return this.#joined(bodyStart, at);
    }
    if (this.#closed) return false;
    bytes.copyWithin(this.#joinedEnd, at, this.#end);
    this.#end -= at - this.#joinedEnd;
    return false;
  }

  /** One line between data; position after it, or `at` when it is not whole. */
  #line(bytes: Buffer, at: number): number {
    const lineEnd = bytes.subarray(0, this.#end).indexOf(LF, at);
    const length = (lineEnd < 0 ? this.#end : lineEnd) - at;
    if (length > CHUNK_LINE_BYTES_MAX) return this.#badChunk('a line of a chunked body', at);
    if (lineEnd < 0) return at;
    if (lineEnd === at || bytes[lineEnd - 1] !== CR) return this.#badChunk('a bare LF', at);
    const text = bytes.toString('latin1', at, lineEnd - 1);
    // oxlint-disable-next-line no-control-regex -- they are what is looked for
    if (/[\x00-\x08\x0a-\x1f\x7f]/.test(text)) return this.#badChunk('a control character', at);
    this.#takeLine(text, at);
    return lineEnd + 1;
  }

  #takeLine(text: string, at: number): void {
    if (this.#part === Part.ChunkEnd) {
      if (text !== '') this.#badChunk('a chunk that is longer than it says', at);
      this.#part = Part.ChunkLine;
    } else if (this.#part === Part.Trailer) {
      if (text === '') this.#part = Part.Head;
      else if (!/^[!#$%&'*+\-.^_`|~0-9A-Za-z]+:/.test(text)) this.#badChunk('a trailer', at);
      else this.#countExtra(text.length, at);
    } else this.#takeSize(text, at);
  }

  #takeSize(text: string, at: number): void {
    const found = /^([0-9A-Fa-f]+)[ \t]*(;.*)?$/.exec(text);
    if (found === null || found[1]!.length > CHUNK_DIGITS_MAX) {
      this.#badChunk('a chunk size', at);
      return;
    }
    if (text.charCodeAt(found[1]!.length) === SEMICOLON) this.#countExtra(text.length, at);
    this.#chunkLeft = parseInt(found[1]!, 16);
    const joined = this.#joinedEnd - this.#start - this.#headBytes;
    if (joined + this.#chunkLeft > this.#limits.bodyBytesMax) {
      this.#refused(HttpRefusal.ContentTooLarge, 'the body is too large', at);
      return;
    }
    this.#part = this.#chunkLeft === 0 ? Part.Trailer : Part.ChunkData;
  }

  #countExtra(count: number, at: number): void {
    this.#extraBytes += count;
    if (this.#extraBytes > CHUNK_EXTRA_BYTES_MAX) {
      this.#badChunk('too much beside the data of a chunked body', at);
    }
  }

  #badChunk(reason: string, at: number): number {
    return this.#closed ? at : this.#refused(HttpRefusal.BadRequest, reason, at);
  }

  #joined(bodyStart: number, at: number): boolean {
    if (this.#closed) return false;
    const bodyEnd = this.#joinedEnd;
    const { request } = this;
    const start = this.#start;
    this.#start = at;
    request.parse(this.#kept, start, bodyStart);
    this.#hand(bodyStart, bodyEnd);
    return true;
  }
}
