/**
 * Shapes of HTTP that two parsers could understand differently, and those that only look unusual: to
 * SQS, whose parser is ours, and to the ports that Node's own HTTP answers. Over sockets: what is
 * refused is answered once, with HTTP's own status, counted, and whatever is hidden behind it is not
 * served; what is allowed is served, and so is the request behind it.
 */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type { PortName } from '#server/settings.ts';
import { counted, RawClients } from '#test/drive/raw-client.ts';
import { startTestServer, type TestServer } from '#test/drive/server.ts';

let server: TestServer;
let clients: RawClients;

before(async () => {
  server = await startTestServer();
  clients = new RawClients(server);
});

after(async () => {
  clients.destroy();
  await server.stop();
});

/** What is hidden in a body, or comes behind. */
const INNER = 'GET /hidden HTTP/1.1\r\nHost: h\r\n\r\n';
const request = (fields: string, body = '', line = 'POST / HTTP/1.1'): string =>
  `${line}\r\nHost: h\r\n${fields}\r\n${body}`;
const head = (fields: string): string => request(fields, '', 'GET / HTTP/1.1');
const CHUNKED = 'Transfer-Encoding: chunked\r\n';

type Reason = 'malformed' | 'too-large' | 'unsupported';
type Refused = readonly [status: number, reason: Reason, bytes: string];

const REFUSED: Readonly<Record<string, Refused>> = {
  'CL and TE': [400, 'malformed', request(`Content-Length: 5\r\n${CHUNKED}`, `0\r\n\r\n${INNER}`)],
  'TE and CL': [400, 'malformed', request(`${CHUNKED}Content-Length: 5\r\n`, `0\r\n\r\n${INNER}`)],
  'two CLs': [400, 'malformed', request('Content-Length: 0\r\nContent-Length: 34\r\n', INNER)],
  'two equal CLs': [400, 'malformed', request('Content-Length: 1\r\nContent-Length: 1\r\n', 'x')],
  'a list of CLs': [400, 'malformed', request('Content-Length: 0, 34\r\n', INNER)],
  'CL with a sign': [400, 'malformed', request('Content-Length: +0\r\n', INNER)],
  'CL in hexadecimal': [400, 'malformed', request('Content-Length: 0x0\r\n', INNER)],
  'two TEs': [400, 'malformed', request(CHUNKED + CHUNKED, `0\r\n\r\n${INNER}`)],
  'TE in disguise': [501, 'unsupported', request('Transfer-Encoding: xchunked\r\n', INNER)],
  'TE identity': [501, 'unsupported', request('Transfer-Encoding: identity\r\n', INNER)],
  'TE chunked, identity': [
    501,
    'unsupported',
    request('Transfer-Encoding: chunked, identity\r\n', `0\r\n\r\n${INNER}`),
  ],
  'TE with a vertical tab': [
    400,
    'malformed',
    request('Transfer-Encoding:\x0bchunked\r\n', `0\r\n\r\n${INNER}`),
  ],
  'TE with a space before the colon': [
    400,
    'malformed',
    request('Transfer-Encoding : chunked\r\n', `0\r\n\r\n${INNER}`),
  ],
  'TE in a folded line': [
    400,
    'malformed',
    request('X: y\r\n Transfer-Encoding: chunked\r\n', `0\r\n\r\n${INNER}`),
  ],
  'TE in HTTP/1.0': [400, 'malformed', request(CHUNKED, `0\r\n\r\n${INNER}`, 'POST / HTTP/1.0')],
  'obs-fold': [400, 'malformed', head('X: a\r\n\tb\r\n')],
  'bare LF after the request line': [400, 'malformed', `GET / HTTP/1.1\nHost: h\r\n\r\n${INNER}`],
  'bare LF after a field': [400, 'malformed', `GET / HTTP/1.1\r\nHost: h\n\r\n${INNER}`],
  'bare CR in a field': [400, 'malformed', head('X: a\rb\r\n')],
  'NUL in a field': [400, 'malformed', head('X: a\0b\r\n')],
  'LF inside of a chunk extension': [
    400,
    'malformed',
    request(CHUNKED, `1;\n\r\na\r\n0\r\n\r\n${INNER}`),
  ],
  'CR inside of a chunk extension': [
    400,
    'malformed',
    request(CHUNKED, `1;a\rb\r\na\r\n0\r\n\r\n${INNER}`),
  ],
  'a chunk size with a sign': [400, 'malformed', request(CHUNKED, `+1\r\na\r\n0\r\n\r\n${INNER}`)],
  'a chunk size that overflows': [
    400,
    'malformed',
    request(CHUNKED, `100000000000000001\r\na\r\n0\r\n\r\n${INNER}`),
  ],
  'a chunk longer than it says': [
    400,
    'malformed',
    request(CHUNKED, `1\r\nab\r\n0\r\n\r\n${INNER}`),
  ],
  'two Hosts': [400, 'malformed', head('Host: i\r\n')],
  'no Host': [400, 'malformed', 'GET / HTTP/1.1\r\n\r\n'],
  'a huge field': [431, 'too-large', head(`X: ${'x'.repeat(100_000)}\r\n`)],
  'many fields': [431, 'too-large', head('X: y\r\n'.repeat(500))],
  'a huge target': [414, 'too-large', `GET /${'x'.repeat(60_000)} HTTP/1.1\r\nHost: h\r\n\r\n`],
  'a huge body': [413, 'too-large', request('Content-Length: 999999999\r\n')],
  'a POST without a length': [411, 'malformed', request('')],
  'an unknown expectation': [
    417,
    'unsupported',
    request('Expect: nothing\r\nContent-Length: 0\r\n'),
  ],
  'the preface of HTTP/2': [505, 'unsupported', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'],
  'HTTP/0.9': [400, 'malformed', 'GET /\r\n'],
  'a TLS handshake where there is no TLS': [400, 'malformed', '\x16\x03\x01\x00\x05hello'],
};

const ACTION = 'Action=ListQueues';
const FORM = 'Content-Type: application/x-www-form-urlencoded\r\n';
const listing = (fields: string, line = 'POST / HTTP/1.1', body = ACTION): string =>
  request(`${FORM}${fields}`, body, line);
const LENGTH = `Content-Length: ${ACTION.length}\r\n`;
const LAST = listing(`${LENGTH}Connection: close\r\n`);

const SERVED: Readonly<Record<string, string>> = {
  'requests one after the other': listing(LENGTH),
  'an empty line before': `\r\n${listing(LENGTH)}`,
  'absolute form': listing(LENGTH, 'POST http://sqs.eu-west-1.amazonaws.com/ HTTP/1.1'),
  'a chunked body with extensions and a trailer': listing(
    CHUNKED,
    'POST / HTTP/1.1',
    `7;a=b\r\nAction=\r\nA\r\nListQueues\r\n0\r\nX-Checksum: y\r\n\r\n`,
  ),
  'HTTP/1.0 that stays': listing(`${LENGTH}Connection: keep-alive\r\n`, 'POST / HTTP/1.0'),
};

describe('SQS refuses', () => {
  for (const [name, [status, reason, bytes]] of Object.entries(REFUSED)) {
    it(name, async () => {
      const failed = `posthorn_connections_failed_total{protocol="sqs",reason="${reason}"}`;
      const errors = `posthorn_errors_total{protocol="sqs",error="${status}"}`;
      const before = [await counted(server, failed), await counted(server, errors)];
      const client = clients.dial('sqs', bytes);
      await client.closes();
      assert.equal(client.text.match(/HTTP\/1\.1 \d/g)?.length, 1, `one answer: ${client.text}`);
      assert.match(client.text, new RegExp(`^HTTP/1\\.1 ${status} `));
      assert.match(client.text, /\r\nConnection: close\r\n/);
      const now = [await counted(server, failed), await counted(server, errors)];
      assert.deepEqual(now, [before[0]! + 1, before[1]! + 1]);
    });
  }
});

describe('SQS serves', () => {
  for (const [name, bytes] of Object.entries(SERVED)) {
    it(name, async () => {
      const client = clients.dial('sqs', bytes + LAST);
      await client.closes();
      assert.equal(client.text.match(/HTTP\/1\.1 200 OK\r\n/g)?.length, 2, client.text);
      assert.equal(client.text.match(/<ListQueuesResponse/g)?.length, 2);
    });
  }

  it('HTTP/1.0 once, and closes', async () => {
    const client = clients.dial('sqs', listing(LENGTH, 'POST / HTTP/1.0') + LAST);
    await client.closes();
    assert.equal(client.text.match(/HTTP\/1\.1 200 OK\r\n/g)?.length, 1);
  });

  it('Expect: 100-continue, before the body comes', async () => {
    const client = clients.dial('sqs', request(`${FORM}${LENGTH}Expect: 100-continue\r\n`));
    await client.hears(/^HTTP\/1\.1 100 Continue\r\n\r\n$/);
    await client.exchange(ACTION, /HTTP\/1\.1 200 OK[\s\S]*<ListQueuesResponse/);
  });

  it('a request that comes byte by byte', async () => {
    const client = clients.dial('sqs');
    for (const byte of listing(LENGTH)) client.say(byte);
    await client.hears(/<ListQueuesResponse/);
  });
});

/** Node's parser has its own statuses. */
const REFUSED_BY_NODE: Readonly<Record<string, readonly [status: number, bytes: string]>> = {
  'CL and TE': [400, REFUSED['CL and TE']![2]],
  'TE and CL': [400, REFUSED['TE and CL']![2]],
  'two CLs': [400, REFUSED['two CLs']![2]],
  'TE in disguise': [400, REFUSED['TE in disguise']![2]],
  'TE with a space before the colon': [400, REFUSED['TE with a space before the colon']![2]],
  'bare LF after the request line': [400, REFUSED['bare LF after the request line']![2]],
  'bare CR in a field': [400, REFUSED['bare CR in a field']![2]],
  'a chunk size with a sign': [400, REFUSED['a chunk size with a sign']![2]],
  'a huge field': [431, REFUSED['a huge field']![2]],
  'the preface of HTTP/2': [400, REFUSED['the preface of HTTP/2']![2]],
};

for (const port of ['http', 'nats-http'] satisfies PortName[]) {
  describe(`the port '${port}' refuses`, () => {
    for (const [name, [status, bytes]] of Object.entries(REFUSED_BY_NODE)) {
      it(name, async () => {
        const malformed = `posthorn_listener_malformed_total{listener="${port}"}`;
        const before = await counted(server, malformed);
        const client = clients.dial(port, bytes);
        await client.closes();
        const answers = client.text.match(/HTTP\/1\.1 \d+/g);
        // A head that is fine may be answered before its body is found not to be.
        assert.equal(answers?.at(-1), `HTTP/1.1 ${status}`, client.text);
        assert.equal(client.text.includes('200'), false);
        assert.equal(await counted(server, malformed), before + 1);
      });
    }
  });
}
