import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { HttpReader, type HttpReceiver } from './http-reader.ts';
import { HttpMethod, type HttpRefusal, type HttpRequest } from './http-request.ts';

const LIMITS = { headBytesMax: 4096, targetBytesMax: 1024, fieldsMax: 20, bodyBytesMax: 10_000 };

interface Seen {
  method: HttpMethod;
  target: string;
  fields: string[];
  body: string;
  keepAlive: boolean;
}

class Desk implements HttpReceiver {
  readonly seen: Seen[] = [];
  readonly refused: { status: HttpRefusal; reason: string }[] = [];
  continued = 0;
  /** Answers to `request`: false = it is still in the works. */
  goesOn = true;
  readonly reader = new HttpReader(this, LIMITS);

  request(request: HttpRequest): boolean {
    const { bytes, targetStart, targetEnd, bodyStart, bodyEnd } = request;
    const fields = Array.from(
      { length: request.fieldCount },
      (_, i) => `${request.name(i)}=${request.text(i)}`,
    );
    this.seen.push({
      method: request.method,
      target: bytes.toString('latin1', targetStart, targetEnd),
      fields,
      body: bytes.toString('utf8', bodyStart, bodyEnd),
      keepAlive: request.keepAlive,
    });
    return this.goesOn;
  }

  sendContinue(): void {
    this.continued++;
  }

  refuse(status: HttpRefusal, reason: string): void {
    this.refused.push({ status, reason });
  }

  /** The buffer is overwritten afterwards, as a socket's is. */
  feed(text: string, size = Infinity): this {
    const bytes = Buffer.from(text, 'latin1');
    for (let at = 0; at < bytes.length; at += size) {
      const chunk = Buffer.from(bytes.subarray(at, at + Math.min(size, bytes.length)));
      this.reader.feed(chunk);
      chunk.fill(0);
    }
    return this;
  }
}

const desk = (text: string, size = Infinity): Desk => new Desk().feed(text, size);
const HOST = 'Host: h\r\n';
const post = (fields: string, body = ''): string =>
  `POST / HTTP/1.1\r\n${HOST}${fields}\r\n${body}`;

const VALID: Readonly<Record<string, readonly [string, Partial<Seen>]>> = {
  GET: ['GET /a?b=c HTTP/1.1\r\nHost: h\r\n\r\n', { method: HttpMethod.Get, target: '/a?b=c' }],
  'POST with a length': [post('Content-Length: 3\r\n', 'abc'), { body: 'abc' }],
  'POST with nothing in it': [post('Content-Length: 0\r\n'), { body: '' }],
  'a chunked body': [
    post('Transfer-Encoding: chunked\r\n', '3\r\nabc\r\nA;x=y\r\n0123456789\r\n0\r\nT: t\r\n\r\n'),
    { body: 'abc0123456789' },
  ],
  'an empty chunked body': [post('transfer-encoding:CHUNKED\r\n', '0\r\n\r\n'), { body: '' }],
  'HTTP/1.0 without a Host': ['GET / HTTP/1.0\r\n\r\n', { keepAlive: false }],
  'HTTP/1.0 that stays': ['GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n', { keepAlive: true }],
  close: ['GET / HTTP/1.1\r\nHost: h\r\nConnection: x, close\r\n\r\n', { keepAlive: false }],
  'absolute form': [
    'GET http://a:1/b HTTP/1.1\r\nHost: h\r\n\r\n',
    { target: 'http://a:1/b', method: HttpMethod.Get },
  ],
  asterisk: ['OPTIONS * HTTP/1.1\r\nHost: h\r\n\r\n', { method: HttpMethod.Options }],
  'spaces around a value': [
    'GET / HTTP/1.1\r\nHost: \t h \t\r\nEmpty:\r\n\r\n',
    { fields: ['Host=h', 'Empty='] },
  ],
  'bytes above ASCII in a value': [
    'GET / HTTP/1.1\r\nHost: h\r\nA: \xe4\r\n\r\n',
    { fields: ['Host=h', 'A=\xe4'] },
  ],
  'an empty line before': ['\r\nGET / HTTP/1.1\r\nHost: h\r\n\r\n', { method: HttpMethod.Get }],
};

describe('a request is read', () => {
  for (const [name, [text, expected]] of Object.entries(VALID)) {
    test(name, () => {
      for (const size of [Infinity, 1, 2, 3, 7]) {
        const { seen, refused, reader } = desk(text, size);
        assert.deepEqual(refused, []);
        assert.equal(seen.length, 1, `in pieces of ${size}`);
        assert.deepEqual({ ...seen[0], ...expected }, seen[0]);
        assert.equal(reader.isWithin, false);
        assert.equal(reader.keptBytes, 0);
      }
    });
  }
});

const REFUSED: Readonly<Record<string, readonly [number, string]>> = {
  'no HTTP at all': [400, '\x16\x03\x01\x02\x00'],
  'no target': [400, 'GET HTTP/1.1\r\nHost: h\r\n\r\n'],
  'two spaces in the request line': [400, 'GET  / HTTP/1.1\r\nHost: h\r\n\r\n'],
  'a bare LF after the request line': [400, 'GET / HTTP/1.1\nHost: h\r\n\r\n'],
  'a bare LF after a field': [400, 'GET / HTTP/1.1\r\nHost: h\n\r\n'],
  'a bare CR in a field': [400, 'GET / HTTP/1.1\r\nHost: h\rx\r\n\r\n'],
  'a bare CR at the end': [400, 'GET / HTTP/1.1\r\nHost: h\r\n\rx'],
  'a bare LF at the end': [400, 'GET / HTTP/1.1\r\nHost: h\r\n\n'],
  'a NUL in a field': [400, 'GET / HTTP/1.1\r\nHost: h\0\r\n\r\n'],
  'a folded field': [400, 'GET / HTTP/1.1\r\nHost: h\r\n x\r\n\r\n'],
  'a space before the colon': [400, 'POST / HTTP/1.1\r\nHost: h\r\nContent-Length : 1\r\n\r\nx'],
  'a field without a name': [400, 'GET / HTTP/1.1\r\nHost: h\r\n: x\r\n\r\n'],
  'a field without a colon': [400, 'GET / HTTP/1.1\r\nHost: h\r\nx\r\n\r\n'],
  'no Host': [400, 'GET / HTTP/1.1\r\n\r\n'],
  'two Hosts': [400, 'GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n'],
  'both lengths': [400, post('Content-Length: 3\r\nTransfer-Encoding: chunked\r\n', '0\r\n\r\n')],
  'both lengths, the other way': [
    400,
    post('Transfer-Encoding: chunked\r\nContent-Length: 3\r\n', '0\r\n\r\n'),
  ],
  'two lengths': [400, post('Content-Length: 3\r\nContent-Length: 4\r\n', 'abcd')],
  'two equal lengths': [400, post('Content-Length: 3\r\nContent-Length: 3\r\n', 'abc')],
  'a list of lengths': [400, post('Content-Length: 3, 3\r\n', 'abc')],
  'a length with a sign': [400, post('Content-Length: +3\r\n', 'abc')],
  'a negative length': [400, post('Content-Length: -3\r\n', 'abc')],
  'a length with a space': [400, post('Content-Length: 1 3\r\n', 'abc')],
  'a hexadecimal length': [400, post('Content-Length: 0x3\r\n', 'abc')],
  'an empty length': [400, post('Content-Length:\r\n')],
  'a length without end': [413, post(`Content-Length: ${'9'.repeat(30)}\r\n`)],
  'a body that is too large': [413, post('Content-Length: 10001\r\n')],
  'a POST without a length': [411, post('')],
  'an unknown coding': [501, post('Transfer-Encoding: gzip, chunked\r\n')],
  'a coding in disguise': [501, post('Transfer-Encoding: xchunked\r\n', '0\r\n\r\n')],
  'two codings': [
    400,
    post('Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n', '0\r\n\r\n'),
  ],
  'a coding in HTTP/1.0': [
    400,
    'POST / HTTP/1.0\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
  ],
  'a chunk size that is none': [400, post('Transfer-Encoding: chunked\r\n', 'x\r\n')],
  'a chunk size with a sign': [400, post('Transfer-Encoding: chunked\r\n', '+3\r\nabc\r\n')],
  'a chunk size with 0x': [400, post('Transfer-Encoding: chunked\r\n', '0x3\r\nabc\r\n')],
  'a chunk size that overflows': [
    400,
    post('Transfer-Encoding: chunked\r\n', '100000000000000003\r\nabc\r\n'),
  ],
  'a chunk that is longer': [400, post('Transfer-Encoding: chunked\r\n', '3\r\nabcd\r\n')],
  'a bare LF after a chunk size': [400, post('Transfer-Encoding: chunked\r\n', '3\nabc\r\n')],
  'a bare LF after a chunk': [400, post('Transfer-Encoding: chunked\r\n', '3\r\nabc\n0\r\n\r\n')],
  'a bare CR in a chunk extension': [
    400,
    post('Transfer-Encoding: chunked\r\n', '3;a\rb\r\nabc\r\n'),
  ],
  'a long chunk extension': [
    400,
    post('Transfer-Encoding: chunked\r\n', `3;${'x'.repeat(300)}\r\nabc\r\n`),
  ],
  'many chunk extensions': [
    400,
    post('Transfer-Encoding: chunked\r\n', `1;${'x'.repeat(200)}\r\na\r\n`.repeat(60)),
  ],
  'a chunked body that is too large': [
    413,
    post('Transfer-Encoding: chunked\r\n', '1000\r\n'.concat('x'.repeat(4096), '\r\n').repeat(3)),
  ],
  'a trailer that is none': [400, post('Transfer-Encoding: chunked\r\n', '0\r\nx y\r\n\r\n')],
  'a method that is not served': [501, 'BREW / HTTP/1.1\r\nHost: h\r\n\r\n'],
  'a method in small letters': [501, 'get / HTTP/1.1\r\nHost: h\r\n\r\n'],
  'HTTP/2': [505, 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'],
  'HTTP/1.2': [505, 'GET / HTTP/1.2\r\nHost: h\r\n\r\n'],
  'HTTP/1.11': [400, 'GET / HTTP/1.11\r\nHost: h\r\n\r\n'],
  'no version': [400, 'GET /\r\nHost: h\r\n\r\n'],
  'a target that is neither path nor URL': [400, 'GET a HTTP/1.1\r\nHost: h\r\n\r\n'],
  'a target of another scheme': [400, 'GET ftp://a/ HTTP/1.1\r\nHost: h\r\n\r\n'],
  'an asterisk to GET': [400, 'GET * HTTP/1.1\r\nHost: h\r\n\r\n'],
  'a control character in the target': [400, 'GET /\x01 HTTP/1.1\r\nHost: h\r\n\r\n'],
  'a target that is too long': [414, `GET /${'x'.repeat(2000)} HTTP/1.1\r\nHost: h\r\n\r\n`],
  'a target without end': [414, `GET /${'x'.repeat(9000)}`],
  'a head without end': [431, `GET / HTTP/1.1\r\nHost: h\r\nA: ${'x'.repeat(9000)}`],
  'a head that is too large': [431, `GET / HTTP/1.1\r\nHost: h\r\nA: ${'x'.repeat(5000)}\r\n\r\n`],
  'too many fields': [431, `GET / HTTP/1.1\r\nHost: h\r\n${'A: x\r\n'.repeat(30)}\r\n`],
  'an unknown expectation': [417, post('Expect: 200-ok\r\nContent-Length: 1\r\n', 'x')],
};

describe('refused:', () => {
  for (const [name, [status, text]] of Object.entries(REFUSED)) {
    test(name, () => {
      for (const size of [Infinity, 1, 5]) {
        const { seen, refused } = desk(text, size).feed('GET / HTTP/1.1\r\nHost: h\r\n\r\n');
        assert.deepEqual(seen, [], `in pieces of ${size}: taken`);
        assert.equal(refused.length, 1, `in pieces of ${size}: not refused`);
        assert.equal(refused[0]!.status, status, refused[0]!.reason);
      }
    });
  }
});

test('requests one after the other come in order, however they are cut', () => {
  const texts = [
    ...Object.values(VALID).map(([text]) => text),
    post('Transfer-Encoding: chunked\r\n', '5\r\nhello\r\n0\r\n\r\n'),
    post('Content-Length: 9000\r\n', 'x'.repeat(9000)),
    post('Content-Length: 1\r\n', 'y'),
  ];
  const expected = texts.flatMap((text) => desk(text).seen);
  assert.equal(expected.length, texts.length);
  for (const size of [Infinity, 1, 2, 3, 11, 1000]) {
    assert.deepEqual(desk(texts.join(''), size).seen, expected, `in pieces of ${size}`);
  }
});

test('while a request is in the works the next one waits', () => {
  const it = new Desk();
  it.goesOn = false;
  it.feed(post('Content-Length: 1\r\n', 'a') + post('Content-Length: 1\r\n', 'b'));
  it.feed(post('Transfer-Encoding: chunked\r\n', '1\r\nc\r\n0\r\n\r\n'), 3);
  assert.deepEqual(
    it.seen.map(({ body }) => body),
    ['a'],
  );
  assert.equal(it.reader.stalled, true);
  assert.equal(it.reader.isWithin, false);
  it.reader.resume();
  assert.deepEqual(
    it.seen.map(({ body }) => body),
    ['a', 'b'],
  );
  it.reader.resume();
  assert.deepEqual(
    it.seen.map(({ body }) => body),
    ['a', 'b', 'c'],
  );
  it.reader.resume();
  assert.equal(it.reader.stalled, false);
  assert.equal(it.reader.keptBytes, 0);
});

test('100-continue is sent once, and only when the body is not there yet', () => {
  const head = post('Expect: 100-Continue\r\nContent-Length: 4\r\n');
  assert.equal(desk(`${head}abcd`).continued, 0);
  const slow = desk(head);
  assert.equal(slow.continued, 1);
  slow.feed('ab').feed('cd');
  assert.equal(slow.continued, 1);
  assert.equal(slow.seen[0]!.body, 'abcd');
  slow.feed(head);
  assert.equal(slow.continued, 2);
  const chunked = desk(post('Expect: 100-continue\r\nTransfer-Encoding: chunked\r\n'));
  assert.equal(chunked.continued, 1);
  chunked.feed('2\r\nab\r\n0\r\n\r\n');
  assert.equal(chunked.seen[0]!.body, 'ab');
});

test('what it keeps is known: of a head, of a body, of what waits', () => {
  const it = desk('GET / HT');
  assert.deepEqual(
    [it.reader.isWithin, it.reader.isWithinBody, it.reader.keptBytes],
    [true, false, 8],
  );
  const body = desk(post('Content-Length: 4\r\n', 'ab'));
  assert.deepEqual([body.reader.isWithin, body.reader.isWithinBody], [true, true]);
  const chunks = desk(post('Transfer-Encoding: chunked\r\n', '4\r\nab'));
  assert.equal(chunks.reader.isWithinBody, true);
  chunks.reader.close();
  assert.equal(chunks.reader.keptBytes, 0);
});
