/**
 * HttpRequest: the head of one HTTP/1.x request, parsed in place (RFC 9112), strictly: what two
 * parsers could understand differently is refused, because that is how requests are smuggled past a
 * proxy. A line ends in CR LF and nothing else, names end at their colon, nothing is folded, and a
 * body has one length.
 *
 * No header becomes an object: the windows of all fields lie in one array, those that matter for the
 * framing are known by number, and the rest is found by name when somebody asks.
 */
export const HttpMethod = { Other: 0, Get: 1, Head: 2, Post: 3, Options: 4 } as const;
export type HttpMethod = (typeof HttpMethod)[keyof typeof HttpMethod];

/** Statuses that end a connection: what came is no request that could be answered otherwise. */
export const HttpRefusal = {
  BadRequest: 400,
  RequestTimeout: 408,
  LengthRequired: 411,
  ContentTooLarge: 413,
  UriTooLong: 414,
  ExpectationFailed: 417,
  HeadersTooLarge: 431,
  NotImplemented: 501,
  Unavailable: 503,
  VersionNotSupported: 505,
} as const;
export type HttpRefusal = (typeof HttpRefusal)[keyof typeof HttpRefusal];

export interface HeadLimits {
  readonly headBytesMax: number;
  readonly targetBytesMax: number;
  readonly fieldsMax: number;
}

export const INCOMPLETE = 0;
const FIELDS_MAX = 128;
const LENGTH_DIGITS_MAX = 15;

const CR = 13;
const LF = 10;
const SPACE = 32;
const TAB = 9;
const COLON = 58;
const COMMA = 44;
const DIGIT_0 = 48;
const DIGIT_9 = 57;
const CASE_BIT = 32;

/** token characters of RFC 9110. */
const TOKEN = new Uint8Array(256);
for (const character of "!#$%&'*+-.^_`|~") TOKEN[character.charCodeAt(0)] = 1;
for (let i = 0; i < 256; i++) if (/[0-9A-Za-z]/.test(String.fromCharCode(i))) TOKEN[i] = 1;

const METHODS: readonly (readonly [HttpMethod, Buffer])[] = [
  [HttpMethod.Post, Buffer.from('POST')],
  [HttpMethod.Get, Buffer.from('GET')],
  [HttpMethod.Head, Buffer.from('HEAD')],
  [HttpMethod.Options, Buffer.from('OPTIONS')],
];
const VERSION = Buffer.from('HTTP/1.');
const CONTENT_LENGTH = Buffer.from('content-length');
const TRANSFER_ENCODING = Buffer.from('transfer-encoding');
const CONNECTION = Buffer.from('connection');
const EXPECT = Buffer.from('expect');
const HOST = Buffer.from('host');
const CHUNKED = Buffer.from('chunked');
const CLOSE = Buffer.from('close');
const KEEP_ALIVE = Buffer.from('keep-alive');
const CONTINUE = Buffer.from('100-continue');

export class HttpRequest {
  bytes: Buffer = Buffer.alloc(0);
  method: HttpMethod = HttpMethod.Other;
  /** 0 or 1, of HTTP/1.x. */
  minorVersion = 1;
  methodStart = 0;
  methodEnd = 0;
  targetStart = 0;
  targetEnd = 0;
  /** Four numbers for each field: name start and end, value start and end, without spaces around. */
  readonly fields = new Int32Array(FIELDS_MAX * 4);
  fieldCount = 0;
  /** -1 = none was given. */
  contentLength = -1;
  chunked = false;
  keepAlive = true;
  expectsContinue = false;
  /** The field's number; -1 = none. */
  host = -1;
  /** The body, decoded, in `bytes`; set by the reader. */
  bodyStart = 0;
  bodyEnd = 0;
  /** What was wrong, when `parse` refused. */
  reason = '';

  readonly #limits: HeadLimits;
  #transferEncoding = -1;

  constructor(limits: HeadLimits) {
    this.#limits = limits;
  }

  /** Position after the head; INCOMPLETE; or less than zero: refused with the status -x. */
  parse(bytes: Buffer, start: number, end: number): number {
    this.bytes = bytes;
    this.fieldCount = 0;
    this.contentLength = this.host = this.#transferEncoding = -1;
    this.chunked = this.expectsContinue = false;
    let at = this.#requestLine(bytes, start, end);
    while (at > 0) {
      if (at >= end) return this.#incomplete(start, end);
      if (bytes[at] === CR) {
        if (at + 1 >= end) return this.#incomplete(start, end);
        if (bytes[at + 1] !== LF) return this.#refuse(HttpRefusal.BadRequest, 'a bare CR');
        return this.#finish(at + 2, start);
      }
      at = this.#field(bytes, at, end);
    }
    return at === INCOMPLETE ? this.#incomplete(start, end) : at;
  }

  #refuse(status: HttpRefusal, reason: string): number {
    this.reason = reason;
    return -status;
  }

  #incomplete(start: number, end: number): number {
    if (end - start <= this.#limits.headBytesMax) return INCOMPLETE;
    return this.#refuse(HttpRefusal.HeadersTooLarge, 'the head is too large');
  }

  /** method SP target SP version CRLF */
  #requestLine(bytes: Buffer, start: number, end: number): number {
    let at = start;
    while (at < end && TOKEN[bytes[at]!] === 1) at++;
    if (at === end) return INCOMPLETE;
    if (bytes[at] !== SPACE || at === start) {
      return this.#refuse(HttpRefusal.BadRequest, 'the request line begins with no method');
    }
    this.methodStart = start;
    this.methodEnd = at;
    this.method = methodOf(bytes, start, at);
    this.targetStart = ++at;
    while (at < end && bytes[at]! > SPACE && bytes[at]! < 127) at++;
    this.targetEnd = at;
    if (at - this.targetStart > this.#limits.targetBytesMax) {
      return this.#refuse(HttpRefusal.UriTooLong, 'the target is too long');
    }
    if (at === end) return INCOMPLETE;
    if (bytes[at] !== SPACE || at === this.targetStart) {
      return this.#refuse(HttpRefusal.BadRequest, 'a target has no such characters');
    }
    return this.#version(bytes, at + 1, end);
  }

  #version(bytes: Buffer, at: number, end: number): number {
    const versionEnd = at + VERSION.length;
    for (let i = 0; i < VERSION.length; i++) {
      if (at + i >= end) return INCOMPLETE;
      if (bytes[at + i] === VERSION[i]) continue;
      const isOther = i >= 5 && isDigit(bytes[at + 5]!);
      return isOther
        ? this.#refuse(HttpRefusal.VersionNotSupported, 'HTTP/1.1 is spoken here')
        : this.#refuse(HttpRefusal.BadRequest, 'the request line ends with no version');
    }
    if (versionEnd + 2 >= end) return INCOMPLETE;
    const digit = bytes[versionEnd]!;
    if (!isDigit(digit) || bytes[versionEnd + 1] !== CR || bytes[versionEnd + 2] !== LF) {
      return this.#refuse(HttpRefusal.BadRequest, 'the request line ends with no version');
    }
    this.minorVersion = digit - DIGIT_0;
    if (this.minorVersion > 1) {
      return this.#refuse(HttpRefusal.VersionNotSupported, 'HTTP/1.1 is spoken here');
    }
    this.keepAlive = this.minorVersion === 1;
    return versionEnd + 3;
  }

  /** One field line from `at`; position after it. */
  #field(bytes: Buffer, start: number, end: number): number {
    let at = start;
    while (at < end && TOKEN[bytes[at]!] === 1) at++;
    if (at === end) return INCOMPLETE;
    if (bytes[at] !== COLON || at === start) {
      return this.#refuse(HttpRefusal.BadRequest, 'a field name ends at its colon');
    }
    const nameEnd = at++;
    while (at < end && (bytes[at] === SPACE || bytes[at] === TAB)) at++;
    const valueStart = at;
    let byte = 0;
    while (at < end && (((byte = bytes[at]!) >= SPACE && byte !== 127) || byte === TAB)) at++;
    if (at + 1 >= end) {
      return at === end || bytes[at] === CR
        ? INCOMPLETE
        : this.#refuse(HttpRefusal.BadRequest, 'a control character in a field');
    }
    if (bytes[at] !== CR || bytes[at + 1] !== LF) {
      return this.#refuse(HttpRefusal.BadRequest, 'a control character in a field');
    }
    let valueEnd = at;
    while (valueEnd > valueStart && isBlank(bytes[valueEnd - 1]!)) valueEnd--;
    return this.#note(start, nameEnd, valueStart, valueEnd) ?? at + 2;
  }

  /** Null unless it refuses. */
  #note(nameStart: number, nameEnd: number, valueStart: number, valueEnd: number): number | null {
    const number = this.fieldCount;
    if (number >= FIELDS_MAX || number >= this.#limits.fieldsMax) {
      return this.#refuse(HttpRefusal.HeadersTooLarge, 'too many fields');
    }
    const { bytes, fields } = this;
    fields[number * 4] = nameStart;
    fields[number * 4 + 1] = nameEnd;
    fields[number * 4 + 2] = valueStart;
    fields[number * 4 + 3] = valueEnd;
    this.fieldCount = number + 1;
    switch (nameEnd - nameStart) {
      case HOST.length:
        if (!equalsIgnoringCase(bytes, nameStart, HOST)) return null;
        if (this.host >= 0) return this.#refuse(HttpRefusal.BadRequest, 'two hosts');
        this.host = number;
        return null;
      case EXPECT.length:
        if (!equalsIgnoringCase(bytes, nameStart, EXPECT)) return null;
        if (isValue(bytes, valueStart, valueEnd, CONTINUE)) this.expectsContinue = true;
        else return this.#refuse(HttpRefusal.ExpectationFailed, 'an unknown expectation');
        return null;
      case CONNECTION.length:
        if (equalsIgnoringCase(bytes, nameStart, CONNECTION)) {
          this.#connectionOptions(valueStart, valueEnd);
        }
        return null;
      case CONTENT_LENGTH.length:
        if (!equalsIgnoringCase(bytes, nameStart, CONTENT_LENGTH)) return null;
        return this.#length(valueStart, valueEnd);
      case TRANSFER_ENCODING.length:
        if (!equalsIgnoringCase(bytes, nameStart, TRANSFER_ENCODING)) return null;
        return this.#coding(number, valueStart, valueEnd);
      default:
        return null;
    }
  }

  #length(start: number, end: number): number | null {
    if (this.contentLength >= 0) {
      return this.#refuse(HttpRefusal.BadRequest, 'more than one Content-Length');
    }
    if (start === end) return this.#refuse(HttpRefusal.BadRequest, 'an empty Content-Length');
    let length = 0;
    for (let i = start; i < end; i++) {
      const byte = this.bytes[i]!;
      if (!isDigit(byte)) return this.#refuse(HttpRefusal.BadRequest, 'Content-Length is digits');
      length = length * 10 + byte - DIGIT_0;
    }
    if (end - start > LENGTH_DIGITS_MAX) {
      return this.#refuse(HttpRefusal.ContentTooLarge, 'the body is too large');
    }
    this.contentLength = length;
    return null;
  }

  #coding(number: number, start: number, end: number): number | null {
    if (this.#transferEncoding >= 0) {
      return this.#refuse(HttpRefusal.BadRequest, 'more than one Transfer-Encoding');
    }
    this.#transferEncoding = number;
    if (!isValue(this.bytes, start, end, CHUNKED)) {
      return this.#refuse(HttpRefusal.NotImplemented, 'chunked is the only transfer coding here');
    }
    this.chunked = true;
    return null;
  }

  #connectionOptions(start: number, end: number): void {
    const { bytes } = this;
    let at = start;
    while (at < end) {
      let optionEnd = at;
      while (optionEnd < end && bytes[optionEnd] !== COMMA) optionEnd++;
      let from = at;
      let to = optionEnd;
      while (from < to && isBlank(bytes[from]!)) from++;
      while (to > from && isBlank(bytes[to - 1]!)) to--;
      if (isValue(bytes, from, to, CLOSE)) this.keepAlive = false;
      else if (isValue(bytes, from, to, KEEP_ALIVE) && this.minorVersion === 0) {
        this.keepAlive = true;
      }
      at = optionEnd + 1;
    }
  }

  /** The rules between fields. */
  #finish(headEnd: number, start: number): number {
    if (headEnd - start > this.#limits.headBytesMax) {
      return this.#refuse(HttpRefusal.HeadersTooLarge, 'the head is too large');
    }
    if (this.chunked && this.contentLength >= 0) {
      return this.#refuse(HttpRefusal.BadRequest, 'both Transfer-Encoding and Content-Length');
    }
    if (this.chunked && this.minorVersion === 0) {
      return this.#refuse(HttpRefusal.BadRequest, 'Transfer-Encoding in HTTP/1.0');
    }
    if (this.host < 0 && this.minorVersion === 1) {
      return this.#refuse(HttpRefusal.BadRequest, 'no Host');
    }
    if (this.method === HttpMethod.Other) {
      return this.#refuse(HttpRefusal.NotImplemented, 'GET, POST, HEAD and OPTIONS are served');
    }
    const hasBody = this.chunked || this.contentLength >= 0;
    if (this.method === HttpMethod.Post && !hasBody) {
      return this.#refuse(HttpRefusal.LengthRequired, 'a POST without a length');
    }
    const first = this.bytes[this.targetStart];
    if (first !== SLASH && !this.#isAbsolute() && !this.#isAsterisk()) {
      return this.#refuse(HttpRefusal.BadRequest, 'the target is neither a path nor a URL');
    }
    return headEnd;
  }

  #isAsterisk(): boolean {
    const { bytes, targetStart, targetEnd } = this;
    const is = bytes[targetStart] === ASTERISK && targetEnd - targetStart === 1;
    return is && this.method === HttpMethod.Options;
  }

  #isAbsolute(): boolean {
    return this.pathStart() >= 0;
  }

  /** Where the path begins in an origin-form or absolute-form target; the end of the target when an
   * absolute one has none; -1 when it is neither. */
  pathStart(): number {
    const { bytes, targetStart, targetEnd } = this;
    if (bytes[targetStart] === SLASH) return targetStart;
    let at = targetStart + HTTP.length;
    if (!equalsIgnoringCase(bytes, targetStart, HTTP)) return -1;
    if (bytes[at] === SMALL_S || bytes[at] === SMALL_S - CASE_BIT) at++;
    if (!equalsIgnoringCase(bytes, at, AUTHORITY)) return -1;
    at += AUTHORITY.length;
    const authority = at;
    while (at < targetEnd && bytes[at] !== SLASH && bytes[at] !== QUESTION) at++;
    return at > authority && at <= targetEnd ? at : -1;
  }

  /** The number of the first field of that name, which is given in small letters; -1 = none. */
  find(name: Uint8Array): number {
    const { bytes, fields, fieldCount } = this;
    for (let i = 0; i < fieldCount; i++) {
      const start = fields[i * 4]!;
      if (fields[i * 4 + 1]! - start !== name.length) continue;
      if (equalsIgnoringCase(bytes, start, name)) return i;
    }
    return -1;
  }

  valueStart(number: number): number {
    return this.fields[number * 4 + 2]!;
  }

  valueEnd(number: number): number {
    return this.fields[number * 4 + 3]!;
  }

  /** '' when there is no such field (-1). Bytes as they are, one character each. */
  text(number: number): string {
    if (number < 0) return '';
    return this.bytes.toString('latin1', this.valueStart(number), this.valueEnd(number));
  }

  name(number: number): string {
    const { fields } = this;
    return this.bytes.toString('latin1', fields[number * 4], fields[number * 4 + 1]);
  }

  /** Whether the field is there and has that value, but for the case of its letters. */
  is(number: number, value: Uint8Array): boolean {
    return (
      number >= 0 && isValue(this.bytes, this.valueStart(number), this.valueEnd(number), value)
    );
  }
}

const SLASH = 47;
const QUESTION = 63;
const ASTERISK = 42;
const SMALL_S = 115;
const HTTP = Buffer.from('http');
const AUTHORITY = Buffer.from('://');

function isDigit(byte: number): boolean {
  return byte >= DIGIT_0 && byte <= DIGIT_9;
}

function isBlank(byte: number): boolean {
  return byte === SPACE || byte === TAB;
}

function methodOf(bytes: Buffer, start: number, end: number): HttpMethod {
  for (let i = 0; i < METHODS.length; i++) {
    const [method, name] = METHODS[i]!;
    if (name.length !== end - start) continue;
    let at = 0;
    while (at < name.length && bytes[start + at] === name[at]) at++;
    if (at === name.length) return method;
  }
  return HttpMethod.Other;
}

/** `expected` is in small letters. The bytes may end before it does. */
function equalsIgnoringCase(bytes: Uint8Array, at: number, expected: Uint8Array): boolean {
  for (let i = 0; i < expected.length; i++) {
    const byte = bytes[at + i]!;
    const wanted = expected[i]!;
    if (byte === wanted) continue;
    if (byte < 65 || byte > 90 || byte + CASE_BIT !== wanted) return false;
  }
  return true;
}

function isValue(bytes: Buffer, start: number, end: number, expected: Uint8Array): boolean {
  return end - start === expected.length && equalsIgnoringCase(bytes, start, expected);
}
