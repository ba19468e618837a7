/**
 * Every row of the tables in docs/limits.md, over sockets: who goes too far is told so in the words of
 * the protocol, as its clients expect them, and counted under the name that the row gives.
 */
import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import amqplib from 'amqplib';
import { Kafka, logLevel } from 'kafkajs';
import { defaultLimits } from '#core/limits.ts';
import type { PortName } from '#server/settings.ts';
import { AMQP_HEADER, handshake, startOk } from '#test/drive/raw-amqp.ts';
import { counted, type RawClient, RawClients } from '#test/drive/raw-client.ts';
import { eventually, startTestServer, type TestServer } from '#test/drive/server.ts';
import { formRequest, jsonRequest } from '#test/drive/sqs-peer.ts';
import { SIGNED_REQUESTS } from '#test/drive/signed-requests.ts';
import { createAuthority } from '#test/rigs/certificates.ts';

const folder = mkdtempSync(join(tmpdir(), 'posthorn-limits-'));
/** Everybody may come; little is allowed. */
let open: TestServer;
/** Only users may come, AMQP and NATS over TLS. */
let guarded: TestServer;
const clients: RawClients[] = [];

before(async () => {
  const limits = {
    ...defaultLimits(8 * 1024 ** 3),
    payloadBytesMax: 1024,
    subscriptionsMax: 2,
    bodyBytesMax: 4096,
    requestBytesMax: 1024 * 1024,
  };
  open = await startTestServer({ limits });
  const { cert, key } = createAuthority().issue('posthorn');
  const files = { cert: join(folder, 'cert.pem'), key: join(folder, 'key.pem') };
  writeFileSync(files.cert, cert);
  writeFileSync(files.key, key);
  const tls = { ...files, ca: null, required: { amqp: true }, verifyClient: false };
  const nothing = { allow: [], deny: [] };
  const users = [
    { name: 'app', password: 'secret' },
    { name: 'mute', password: 'secret', subjects: { publish: nothing, subscribe: nothing } },
  ];
  guarded = await startTestServer({ tls, users });
  const created = await fetch(open.sqs, {
    method: 'POST',
    body: new URLSearchParams({ Action: 'CreateQueue', QueueName: 'q' }),
  });
  assert.equal(created.status, 200);
  clients.push(new RawClients(open), new RawClients(guarded));
});

after(async () => {
  for (const it of clients) it.destroy();
  await open.stop();
  await guarded.stop();
  rmSync(folder, { recursive: true });
});

const CONNECT = 'CONNECT {"verbose":false,"pedantic":false,"headers":true,"protocol":1}\r\n';
const as = (user: string): string =>
  `CONNECT {"verbose":false,"pedantic":false,"user":"${user}","pass":"secret"}\r\n`;
const failed = (protocol: string, reason: string): string =>
  `posthorn_connections_failed_total{protocol="${protocol}",reason="${reason}"}`;
const error = (protocol: string, name: string): string =>
  `posthorn_errors_total{protocol="${protocol}",error="${name}"}`;
const listener = (counter: string, port: PortName): string =>
  `posthorn_listener_${counter}_total{listener="${port}"}`;
const FRAME = (type: string, size: string): string => `${type}\x00\x00${size}`;

interface Case {
  readonly to: PortName;
  readonly guarded?: true;
  readonly says: string | Uint8Array;
  /** All that is heard; of NATS and AMQP behind their greeting. */
  readonly hears: RegExp;
  /** The connection goes on. */
  readonly stays?: true;
  readonly counts: string;
  /** Cases that take long run beside each other. */
  readonly seconds?: number;
}

const NATS: Readonly<Record<string, Case>> = {
  'NATS: a payload over `max_payload`': {
    to: 'nats',
    says: `${CONNECT}PUB a 1025\r\n`,
    hears: /^INFO .*\r\n-ERR 'Maximum Payload Violation'\r\n$/,
    counts: failed('nats', 'too-large'),
  },
  'NATS: a control line over 4,096 bytes': {
    to: 'nats',
    says: `${CONNECT}SUB ${'a'.repeat(5000)} 1\r\n`,
    hears: /^INFO .*\r\n-ERR 'maximum control line exceeded'\r\n$/,
    counts: failed('nats', 'too-large'),
  },
  'NATS: one subscription more than `limits.subscriptionsMax`': {
    to: 'nats',
    says: `${CONNECT}SUB a 1\r\nSUB b 2\r\nSUB c 3\r\n`,
    hears: /^INFO .*\r\n-ERR 'maximum subscriptions exceeded'\r\n$/,
    stays: true,
    counts: error('nats', 'maximum subscriptions exceeded'),
  },
  'NATS: a message to an invalid subject, of a client that is `pedantic`': {
    to: 'nats',
    says: `${CONNECT.replace('"pedantic":false', '"pedantic":true')}PUB a..b 1\r\nx\r\n`,
    hears: /^INFO .*\r\n-ERR 'Invalid Publish Subject'\r\n$/,
    stays: true,
    counts: error('nats', 'Invalid Publish Subject'),
  },
  'NATS: a subscription to an invalid subject': {
    to: 'nats',
    says: `${CONNECT}SUB a..b 1\r\n`,
    hears: /^INFO .*\r\n-ERR 'Invalid Subject'\r\n$/,
    stays: true,
    counts: error('nats', 'Invalid Subject'),
  },
  'NATS: an unknown operation': {
    to: 'nats',
    says: 'GET / HTTP/1.1\r\n\r\n',
    hears: /^INFO .*\r\n-ERR 'Unknown Protocol Operation'\r\n$/,
    counts: failed('nats', 'malformed'),
  },
  'NATS: malformed JSON, or arguments that cannot be read': {
    to: 'nats',
    says: 'CONNECT {"verbose"\r\n',
    hears: /^INFO .*\r\n-ERR 'Parser Error'\r\n$/,
    counts: failed('nats', 'malformed'),
  },
  'NATS: a wrong password': {
    to: 'nats',
    guarded: true,
    says: as('nobody'),
    hears: /^INFO .*\r\n-ERR 'Authorization Violation'\r\n$/,
    counts: failed('nats', 'unauthenticated'),
  },
  'NATS: no permission': {
    to: 'nats',
    guarded: true,
    says: `${as('mute')}PUB a 1\r\nx\r\n`,
    hears: /^INFO .*\r\n-ERR 'Permissions Violation for Publish to "a"'\r\n$/,
    stays: true,
    counts: error('nats', 'Permissions Violation'),
  },
  'NATS: no CONNECT in time': {
    to: 'nats',
    guarded: true,
    says: 'CONN',
    hears: /^INFO .*\r\n-ERR 'Authentication Timeout'\r\n$/,
    counts: failed('nats', 'too-slow'),
    seconds: 4,
  },
};

const AMQP: Readonly<Record<string, Case>> = {
  'AMQP: another protocol, or another version of it': {
    to: 'amqp',
    says: 'GET / HTTP/1.1\r\n\r\n',
    hears: /^AMQP..\t.$/s,
    counts: failed('amqp', 'malformed'),
  },
  'AMQP: a frame over the negotiated size': {
    to: 'amqp',
    says: handshake() + FRAME('\x01', '\x7f\xff\xff\xff'),
    hears: /FRAME_ERROR - /,
    counts: error('amqp', 'FRAME_ERROR'),
  },
  'AMQP: a frame of an unknown type': {
    to: 'amqp',
    says: handshake() + FRAME('\x07', '\x00\x00\x00\x00\xce'),
    hears: /FRAME_ERROR - /,
    stays: true,
    counts: failed('amqp', 'malformed'),
  },
  'AMQP: a wrong password': {
    to: 'amqp',
    says: AMQP_HEADER + startOk('guest', 'wrong'),
    hears: /./s,
    counts: failed('amqp', 'unauthenticated'),
    seconds: 4,
  },
  'AMQP: a handshake that does not come to its end': {
    to: 'amqp',
    says: AMQP_HEADER,
    hears: /./s,
    counts: failed('amqp', 'too-slow'),
    seconds: 11,
  },
  'AMQP: no heartbeat': {
    to: 'amqp',
    says: handshake(1),
    hears: /./s,
    counts: failed('amqp', 'silent'),
    seconds: 5,
  },
  'TLS: plain text where TLS is required': {
    to: 'amqp',
    guarded: true,
    says: AMQP_HEADER,
    hears: /^$/,
    counts: listener('plain_text_refused', 'amqp'),
  },
  'TLS: a handshake that is none': {
    to: 'amqp',
    guarded: true,
    says: '\x16\x03\x01\x00\x05hello',
    // An alert.
    hears: /^.{7,}$/s,
    counts: listener('handshakes_failed', 'amqp'),
  },
  'TLS: a handshake that does not come to its end': {
    to: 'amqp',
    guarded: true,
    says: '\x16\x03\x01\x02\x00',
    hears: /^$/,
    counts: listener('handshakes_failed', 'amqp'),
    seconds: 12,
  },
};

const KAFKA: Readonly<Record<string, Case>> = {
  'Kafka: a request over `limits.requestBytesMax`': {
    to: 'kafka',
    says: '\x00\x10\x00\x01',
    hears: /^$/,
    counts: failed('kafka', 'too-large'),
  },
  'Kafka: a request that cannot be read': {
    to: 'kafka',
    says: '\x00\x00\x00\x0a\x00\x03\x00\x0c\x00\x00\x00\x01\x00\xff',
    hears: /^$/,
    counts: failed('kafka', 'malformed'),
  },
  'Kafka: an unknown API key or version': {
    to: 'kafka',
    says: '\x00\x00\x00\x0a\x27\x10\x00\x00\x00\x00\x00\x01\xff\xff',
    hears: /^$/,
    counts: failed('kafka', 'unsupported'),
  },
};

const SIGNED = SIGNED_REQUESTS['a JSON request']!;
const SQS: Readonly<Record<string, Case>> = {
  'SQS: malformed JSON': {
    to: 'sqs',
    says: jsonRequest('ListQueues', '{"a"'),
    hears: /^HTTP\/1\.1 400 [\s\S]*"__type":"com\.amazon\.coral\.service#SerializationException"/,
    stays: true,
    counts: error('sqs', 'SerializationException'),
  },
  'SQS: a malformed form': {
    to: 'sqs',
    says: formRequest('Action=%'),
    hears: /^HTTP\/1\.1 404 [\s\S]*<Code>MalformedQueryString<\/Code>/,
    stays: true,
    counts: error('sqs', 'MalformedQueryString'),
  },
  'SQS: an unknown action': {
    to: 'sqs',
    says: formRequest('Action=Nothing&Version=2012-11-05'),
    hears: /^HTTP\/1\.1 400 [\s\S]*<Code>InvalidAction<\/Code>/,
    stays: true,
    counts: error('sqs', 'InvalidActionException'),
  },
  'SQS: a message that is too large': {
    to: 'sqs',
    says: jsonRequest('SendMessage', {
      QueueUrl: 'http://h/000000000000/q',
      MessageBody: 'x'.repeat(1024 * 1024 + 1),
    }),
    hears: /^HTTP\/1\.1 400 [\s\S]*InvalidParameterValue/,
    stays: true,
    counts: error('sqs', 'InvalidParameterValueException'),
  },
  'SQS: no signature where one is needed': {
    to: 'sqs',
    guarded: true,
    says: jsonRequest('ListQueues'),
    hears: /^HTTP\/1\.1 40[03] [\s\S]*MissingAuthenticationToken/,
    stays: true,
    counts: error('sqs', 'MissingAuthenticationTokenException'),
  },
  'SQS: a signature that has expired': {
    to: 'sqs',
    guarded: true,
    says: `${SIGNED.head.join('\r\n')}\r\n\r\n${SIGNED.body}`,
    hears: /^HTTP\/1\.1 403 [\s\S]*InvalidSignatureException[\s\S]*Signature expired/,
    stays: true,
    counts: error('sqs', 'InvalidSignatureException'),
  },
  'SQS: a wrong signature': {
    to: 'sqs',
    guarded: true,
    says: `${SIGNED.head
      .join('\r\n')
      .replace('=alice/', '=app/')
      .replace(/X-Amz-Date: \w+/, `X-Amz-Date: ${stamp()}`)
      .replace('/20231114/', `/${stamp().slice(0, 8)}/`)}\r\n\r\n${SIGNED.body}`,
    hears: /^HTTP\/1\.1 403 [\s\S]*InvalidSignatureException[\s\S]*we calculated does not match/,
    stays: true,
    counts: error('sqs', 'InvalidSignatureException'),
  },
  'SQS: a request that does not come to its end': {
    to: 'sqs',
    says: 'POST / HTTP/1.1\r\nHo',
    hears: /^HTTP\/1\.1 408 /,
    counts: failed('sqs', 'too-slow'),
    seconds: 11,
  },
  'HTTP: a request of an operator that does not come to its end': {
    to: 'http',
    says: 'GET /metrics HTTP/1.1\r\nHo',
    hears: /^HTTP\/1\.1 408 /,
    counts: listener('late', 'http'),
    seconds: 11,
  },
};

function stamp(): string {
  return new Date().toISOString().replaceAll(/[-:]|\.\d+/g, '');
}

const CASES: Readonly<Record<string, Case>> = { ...NATS, ...AMQP, ...KAFKA, ...SQS };

async function go({ to, guarded: isGuarded, says, hears, stays, seconds }: Case): Promise<void> {
  const client: RawClient = clients[isGuarded ? 1 : 0]!.dial(to, says);
  if (stays) await client.hears(hears);
  else await client.closes(((seconds ?? 5) + 10) * 1000);
  assert.match(client.text, hears);
  if (stays) assert.equal(client.isClosed, false);
}

describe('who goes too far is told so, and counted', { concurrency: false }, () => {
  for (const [name, it_] of Object.entries(CASES)) {
    if (it_.seconds !== undefined) continue;
    it(name, async () => {
      const server = it_.guarded ? guarded : open;
      const before = await counted(server, it_.counts);
      await go(it_);
      assert.equal(await counted(server, it_.counts), before + 1);
    });
  }

  it('also who takes their time', { timeout: 60_000 }, async () => {
    const slow = Object.values(CASES).filter((it_) => it_.seconds !== undefined);
    const count = (): Promise<number[]> =>
      Promise.all(slow.map((it_) => counted(it_.guarded ? guarded : open, it_.counts)));
    const before = await count();
    await Promise.all(slow.map(go));
    assert.deepEqual(
      await count(),
      before.map((it_) => it_ + 1),
    );
  });
});

describe('through clients', () => {
  it('AMQP: a body over `limits.bodyBytesMax`', async () => {
    const connection = await amqplib.connect(open.amqpUrl);
    const channel = await connection.createChannel();
    const ended = new Promise<Error>((resolve) => channel.on('error', resolve));
    const before = await counted(open, error('amqp', 'PRECONDITION_FAILED'));
    channel.publish('', 'q', Buffer.alloc(4097));
    assert.match((await ended).message, /406 \(PRECONDITION-FAILED\).*larger than configured max/);
    assert.equal(await counted(open, error('amqp', 'PRECONDITION_FAILED')), before + 1);
    await connection.close();
  });

  it('Kafka: a batch over `max.message.bytes`', async () => {
    const kafka = new Kafka({ brokers: [guarded.kafka], logLevel: logLevel.NOTHING });
    const producer = kafka.producer({ retry: { retries: 0 } });
    await producer.connect();
    const refused = 'posthorn_refused_total{protocol="kafka"}';
    const before = await counted(guarded, refused);
    const messages = [{ value: Buffer.alloc(2 * 1024 * 1024) }];
    await assert.rejects(producer.send({ topic: 't', messages }), { type: 'MESSAGE_TOO_LARGE' });
    assert.equal(await counted(guarded, refused), before + 1);
    await producer.disconnect();
  });
});

describe('a subscriber that takes nothing', { timeout: 40_000 }, () => {
  it('NATS: is cut after ten seconds, however little waits for it', async () => {
    const stuck = clients[0]!.dial('nats', `${CONNECT}SUB flood 1\r\nPING\r\n`);
    await stuck.hears(/PONG/);
    stuck.socket.pause();
    const publisher = clients[0]!.dial('nats', CONNECT);
    // More than the kernel's buffers hold, less than may wait.
    const message = `PUB flood 1024\r\n${'x'.repeat(1024)}\r\n`;
    publisher.say(message.repeat(16 * 1024));
    await publisher.exchange('PING\r\n', /PONG/);
    const counters = [failed('nats', 'slow-consumer'), listener('stuck', 'nats')];
    const before = await Promise.all(counters.map((it_) => counted(open, it_)));
    await eventually(async () => (await counted(open, counters[0]!)) === before[0]! + 1, 20_000);
    assert.equal(await counted(open, counters[1]!), before[1]! + 1);
    await publisher.exchange('PING\r\n', /PONG\r\n.*PONG/s);
  });
});

describe('docs/limits.md', () => {
  const text = readFileSync(join(import.meta.dirname, '../../docs/limits.md'), 'utf8');

  it('has every case with what it is counted as', () => {
    for (const [name, { counts }] of Object.entries(CASES)) {
      const [metric, labels] = /^(\w+)\{(.*)\}$/.exec(counts)!.slice(1);
      const [protocol, what] = name.split(/: (.*)/s);
      const rows = text.split('\n').filter((it_) => it_.startsWith(`| ${protocol} | ${what} |`));
      assert.equal(rows.length, 1, `a row of '${name}'`);
      const part = labels!.split(',').at(-1)!;
      assert.ok(rows[0]!.includes(`\`${metric}\``), `${name}: ${metric}`);
      assert.ok(rows[0]!.includes(`\`${part}\``), `${name}: ${part}`);
    }
  });
});
