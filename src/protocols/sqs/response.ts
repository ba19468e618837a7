/**
 * HTTP responses, written into the connection's output in one go: head and body are one text, and the
 * body's length is known before.
 */
import type { HttpRefusal } from '#wire/http-request.ts';
import type { OutputBuffer } from '#wire/output-buffer.ts';

const REASONS: Readonly<Record<number, string>> = {
  200: 'OK',
  400: 'Bad Request',
  403: 'Forbidden',
  404: 'Not Found',
  405: 'Method Not Allowed',
  408: 'Request Timeout',
  411: 'Length Required',
  413: 'Content Too Large',
  414: 'URI Too Long',
  417: 'Expectation Failed',
  431: 'Request Header Fields Too Large',
  500: 'Internal Server Error',
  501: 'Not Implemented',
  503: 'Service Unavailable',
  505: 'HTTP Version Not Supported',
};

/** What a service of AWS would call it, as the code of an error document. */
const REFUSAL_CODES: Readonly<Record<HttpRefusal, string>> = {
  400: 'MalformedHttpRequestException',
  408: 'RequestTimeout',
  411: 'MissingContentLength',
  413: 'RequestEntityTooLarge',
  414: 'RequestUriTooLong',
  417: 'ExpectationFailed',
  431: 'RequestHeaderSectionTooLarge',
  501: 'NotImplemented',
  503: 'ServiceUnavailable',
  505: 'HttpVersionNotSupported',
};

export const XML_TYPE = 'text/xml';
export const CONTINUE = Buffer.from('HTTP/1.1 100 Continue\r\n\r\n');

export interface ResponseHead {
  readonly status: number;
  readonly requestId: string;
  readonly date: string;
  readonly contentType: string;
  /** Whole header lines, each with its CR LF. */
  readonly extra: string;
  /** 'close', 'keep-alive', or '' for what HTTP/1.1 means without. */
  readonly connection: string;
}

/** `withBody` false: the answer to a HEAD, which says how long it would be. */
export function writeResponse(
  output: OutputBuffer,
  head: ResponseHead,
  body: string,
  withBody = true,
): void {
  const { status, requestId, date, contentType, extra, connection } = head;
  const bodyBytes = Buffer.byteLength(body);
  const type = contentType === '' ? '' : `Content-Type: ${contentType}\r\n`;
  const reuse = connection === '' ? '' : `Connection: ${connection}\r\n`;
  const text =
    `HTTP/1.1 ${status} ${REASONS[status] ?? 'Status'}\r\nx-amzn-RequestId: ${requestId}\r\n` +
    `Date: ${date}\r\n${type}${extra}${reuse}Content-Length: ${bodyBytes}\r\n\r\n`;
  const at = output.reserve(text.length + bodyBytes);
  const { bytes } = output;
  let end = at + bytes.write(text, at, 'latin1');
  if (withBody && bodyBytes > 0) {
    // Text of ASCII alone is copied faster when it is known to be.
    end += bytes.write(body, end, bodyBytes === body.length ? 'latin1' : 'utf8');
  }
  output.advance(end - at);
}

const REQUEST_ID_BYTES = 36;
const HEAD_END = '\r\n\r\n';
/** Of a length, and what ends the head. */
const END_BYTES_MAX = 16;

/** Answers with status 200 on a connection that stays: a head that is written anew once a second, when
 * the date changes, and copied for every answer. */
export class UsualResponse {
  readonly #contentType: string;
  #date = '';
  #head = Buffer.alloc(0);
  #idAt = 0;

  constructor(contentType: string) {
    this.#contentType = contentType;
  }

  write(output: OutputBuffer, requestId: string, date: string, body: string): void {
    if (date !== this.#date) this.#prepare(date);
    const head = this.#head;
    const bodyBytes = Buffer.byteLength(body);
    const at = output.reserve(head.length + END_BYTES_MAX + bodyBytes);
    const { bytes } = output;
    bytes.set(head, at);
    bytes.write(requestId, at + this.#idAt, REQUEST_ID_BYTES, 'latin1');
    // Length, end of the head and body are one text, when the body is ASCII.
    const end = at + head.length;
    const rest = `${bodyBytes}${HEAD_END}${body}`;
    const isAscii = bodyBytes === body.length;
    output.advance(head.length + bytes.write(rest, end, isAscii ? 'latin1' : 'utf8'));
  }

  #prepare(date: string): void {
    this.#date = date;
    const start = 'HTTP/1.1 200 OK\r\nx-amzn-RequestId: ';
    const id = ' '.repeat(REQUEST_ID_BYTES);
    this.#idAt = start.length;
    this.#head = Buffer.from(
      `${start}${id}\r\nDate: ${date}\r\nContent-Type: ${this.#contentType}\r\nContent-Length: `,
    );
  }
}

/** Of what was no request that could be answered otherwise; the connection ends with it. */
export function writeRefusal(
  output: OutputBuffer,
  status: HttpRefusal,
  reason: string,
  requestId: string,
  date: string,
): void {
  const type = status < 500 ? 'Sender' : 'Receiver';
  const body =
    `<?xml version="1.0"?><ErrorResponse xmlns="http://queue.amazonaws.com/doc/2012-11-05/"><Error>` +
    `<Type>${type}</Type><Code>${REFUSAL_CODES[status]}</Code><Message>${reason}</Message><Detail/>` +
    `</Error><RequestId>${requestId}</RequestId></ErrorResponse>`;
  const head = { status, requestId, date, contentType: XML_TYPE, extra: '', connection: 'close' };
  writeResponse(output, head, body);
}
