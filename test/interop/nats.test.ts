/** NATS through its JavaScript client, against the whole server. */
import assert from 'node:assert/strict';
import { connect as connectSocket } from 'node:net';
import { after, before, test } from 'node:test';
import {
  connect,
  createInbox,
  errors,
  headers,
  type ConnectionOptions,
  type Msg,
  type NatsConnection,
  type Status,
  type Subscription,
} from '@nats-io/transport-node';
import amqp from 'amqplib';
import { defaultLimits } from '#core/limits.ts';
import { eventually, startTestServer, type TestServer } from '#test/drive/server.ts';

const MEMORY_BYTES = 8 * 1024 ** 3;
let server: TestServer;
let restricted: TestServer;
const open: NatsConnection[] = [];

before(async () => {
  server = await startTestServer();
  restricted = await startTestServer({
    limits: {
      ...defaultLimits(MEMORY_BYTES),
      payloadBytesMax: 1024,
      pendingBytesMax: 1024 * 1024,
      subscriptionsMax: 3,
    },
    users: [
      { name: 'admin', password: 'secret' },
      { name: 'bearer', token: 'abc123' },
      {
        name: 'limited',
        password: 'secret',
        subjects: {
          publish: { allow: ['orders.*', 'requests'], deny: ['orders.secret'] },
          subscribe: { allow: ['news.>', 'work jobs', '_INBOX.>'], deny: ['news.private'] },
        },
      },
      {
        name: 'service',
        password: 'secret',
        subjects: { subscribe: { allow: ['requests'] }, allowResponses: true },
      },
      {
        name: 'reader',
        password: 'secret',
        permissions: { '/': { configure: '', write: '', read: '.*' } },
      },
    ],
  });
});

after(async () => {
  for (const nc of open) await nc.close();
  await server.stop();
  await restricted.stop();
});

async function client(options: ConnectionOptions = {}): Promise<NatsConnection> {
  const nc = await connect({ servers: server.nats, ...options });
  open.push(nc);
  return nc;
}

function restrictedClient(options: ConnectionOptions = {}): Promise<NatsConnection> {
  return client({ servers: restricted.nats, user: 'admin', pass: 'secret', ...options });
}

/** What a subscription is given, as it comes. */
function gather(subscription: Subscription): Msg[] {
  const messages: Msg[] = [];
  void (async () => {
    for await (const message of subscription) messages.push(message);
  })();
  return messages;
}

function watch(nc: NatsConnection): Status[] {
  const seen: Status[] = [];
  void (async () => {
    for await (const status of nc.status()) seen.push(status);
  })();
  return seen;
}

const texts = (messages: readonly Msg[]): string[] => messages.map((it) => it.string());

test('says what it is', async () => {
  const nc = await client({ name: 'informed' });
  const info = nc.info!;
  assert.equal(info.version, '2.12.0');
  assert.match(info.server_name, /^posthorn-/);
  assert.equal(info.headers, true);
  assert.equal(info.jetstream, false);
  assert.equal(info.max_payload, 1024 * 1024);
  assert.equal(info.client_ip, '127.0.0.1');
});

test('publish and subscribe, with every wildcard', async () => {
  const nc = await client();
  const seen = new Map<string, Msg[]>();
  for (const subject of ['wild.*.c', 'wild.>', 'wild.a.b', '>', 'wild.*', 'wild.#']) {
    seen.set(subject, gather(nc.subscribe(subject)));
  }
  await nc.flush();
  const published = ['wild.a.b', 'wild.a.c', 'wild.a', 'wild', 'wild.#'];
  for (const subject of published) nc.publish(subject, subject);
  await nc.flush();
  await eventually(() => seen.get('>')!.length === published.length);
  const got = Object.fromEntries([...seen].map(([subject, them]) => [subject, texts(them)]));
  assert.deepEqual(got, {
    'wild.*.c': ['wild.a.c'],
    'wild.>': ['wild.a.b', 'wild.a.c', 'wild.a', 'wild.#'],
    'wild.a.b': ['wild.a.b'],
    '>': published,
    'wild.*': ['wild.a', 'wild.#'],
    'wild.#': ['wild.#'],
  });
  assert.ok(seen.get('>')!.every((it) => it.subject === it.string()));
  await nc.close();
});

test('bodies of any bytes and any size up to the limit', async () => {
  const nc = await client();
  const got = gather(nc.subscribe('sizes'));
  const sizes = [0, 1, 15, 16, 100, 4095, 4096, 65_535, 65_536, 200_000, 1024 * 1024];
  const bodyOf = (size: number): Buffer => Buffer.alloc(size, 'x\r\nPUB y 1\r\n\0\xff', 'latin1');
  for (const size of sizes) nc.publish('sizes', bodyOf(size));
  await eventually(() => got.length === sizes.length);
  got.forEach((it, i) => assert.ok(bodyOf(sizes[i]!).equals(it.data), `${sizes[i]} bytes`));
  await nc.close();
});

test('two subscriptions that overlap get a copy each; without echo a client hears others only', async () => {
  const nc = await client({ noEcho: true });
  const other = await client();
  const one = gather(nc.subscribe('echo.*'));
  const two = gather(nc.subscribe('echo.a'));
  await nc.flush();
  nc.publish('echo.a', 'mine');
  await nc.flush();
  other.publish('echo.a', 'theirs');
  await eventually(() => one.length > 0 && two.length > 0);
  assert.deepEqual([texts(one), texts(two)], [['theirs'], ['theirs']]);
});

test('unsubscribe after so many', async () => {
  const nc = await client();
  const got: string[] = [];
  const subscription = nc.subscribe('few', {
    max: 3,
    callback: (_error, it) => void got.push(it.string()),
  });
  for (let i = 0; i < 5; i++) nc.publish('few', `${i}`);
  await subscription.closed;
  await nc.flush();
  assert.deepEqual(got, ['0', '1', '2']);
  // On the wire: the server alone counts.
  const answers = await rawSession(
    'CONNECT {"verbose":false}\r\nSUB raw 1\r\nUNSUB 1 2\r\n' +
      'PUB raw 1\r\na\r\nPUB raw 1\r\nb\r\nPUB raw 1\r\nc\r\nPING\r\n',
  );
  assert.match(answers, /MSG raw 1 1\r\na\r\nMSG raw 1 1\r\nb\r\nPONG\r\n$/);
});

/** Everything that is answered up to a PONG or the end. */
function rawSession(text: string, address = server.nats): Promise<string> {
  const [host, port] = address.split(':');
  return new Promise((resolve, reject) => {
    let answer = '';
    const socket = connectSocket(Number(port), host, () => socket.write(text));
    socket.setEncoding('latin1');
    socket.on('data', (chunk) => {
      answer += chunk;
      if (answer.endsWith('PONG\r\n')) socket.end();
    });
    socket.on('close', () => resolve(answer));
    socket.on('error', reject);
  });
}

test('request and reply; no responders at once, and a timeout when nobody answers', async () => {
  const nc = await client();
  const service = await client();
  service.subscribe('upper', {
    callback: (_error, message) => void message.respond(message.string().toUpperCase()),
  });
  service.subscribe('silent', { callback: () => {} });
  await service.flush();
  const replies = await Promise.all(
    ['a', 'b', 'c'].map(async (it) => (await nc.request('upper', it)).string()),
  );
  assert.deepEqual(replies, ['A', 'B', 'C']);
  await assert.rejects(nc.request('nobody.here', 'x'), (error: Error) => {
    assert.ok(error instanceof errors.RequestError);
    assert.ok(error.isNoResponders());
    return true;
  });
  await assert.rejects(nc.request('silent', 'x', { timeout: 200 }), errors.TimeoutError);
  const many = await nc.requestMany('upper', 'z', { maxMessages: 1, maxWait: 1000 });
  const all: string[] = [];
  for await (const it of many) all.push(it.string());
  assert.deepEqual(all, ['Z']);
});

test('no responders also when a client asks the old way', async () => {
  const nc = await client();
  const asking = nc.request('nobody', 'x', { noMux: true, timeout: 1000 });
  await assert.rejects(asking, (error: Error) => /no responders/.test(error.message));
});

test('a queue group shares, everybody else gets all', async () => {
  const nc = await client();
  const members = await Promise.all([1, 2, 3].map(() => client()));
  const shares = members.map((it) => gather(it.subscribe('jobs', { queue: 'workers' })));
  const others = gather(members[0]!.subscribe('jobs', { queue: 'auditors' }));
  const all = gather(nc.subscribe('jobs'));
  await Promise.all([nc, ...members].map((it) => it.flush()));
  const COUNT = 300;
  for (let i = 0; i < COUNT; i++) nc.publish('jobs', `${i}`);
  await eventually(() => all.length === COUNT && others.length === COUNT);
  const total = (): number => shares.reduce((sum, it) => sum + it.length, 0);
  await eventually(() => total() === COUNT);
  assert.equal(new Set(shares.flatMap(texts)).size, COUNT);
  for (const share of shares) assert.ok(share.length > COUNT / 10, `a member had ${share.length}`);
});

test('members of one group with different subjects share too', async () => {
  const nc = await client();
  const one = gather(nc.subscribe('span.*', { queue: 'q' }));
  const two = gather(nc.subscribe('span.a', { queue: 'q' }));
  for (let i = 0; i < 100; i++) nc.publish('span.a', 'both');
  nc.publish('span.b', 'first');
  await nc.flush();
  await eventually(() => one.length + two.length === 101);
  assert.ok(one.length > 10 && two.length > 10, `${one.length} and ${two.length}`);
});

test('headers: several values, other letters, binary bodies', async () => {
  const nc = await client();
  const got = gather(nc.subscribe('headed'));
  const given = headers();
  given.append('name', 'one');
  given.append('name', 'two');
  given.set('Other', 'ä: colon');
  nc.publish('headed', Buffer.from([0, 255, 13, 10]), { headers: given });
  await eventually(() => got.length === 1);
  const [message] = got;
  assert.deepEqual(message!.headers!.values('name'), ['one', 'two']);
  assert.equal(message!.headers!.get('Other'), 'ä: colon');
  assert.deepEqual([...message!.data], [0, 255, 13, 10]);
});

test('drain delivers what is on its way and ends', async () => {
  const nc = await client();
  const publisher = await client();
  const got = gather(nc.subscribe('drained'));
  await nc.flush();
  for (let i = 0; i < 1000; i++) publisher.publish('drained', `${i}`);
  await publisher.flush();
  await nc.drain();
  assert.equal(got.length, 1000);
  assert.equal(nc.isClosed(), true);
});

test('credentials: right, wrong, none, token', async () => {
  const servers = restricted.nats;
  const nc = await connect({ servers, user: 'admin', pass: 'secret' });
  await nc.close();
  const bearer = await connect({ servers, token: 'abc123' });
  await bearer.close();
  for (const options of [{ user: 'admin', pass: 'wrong' }, {}, { token: 'nope' }]) {
    const connecting = connect({ servers, ...options, reconnect: false });
    await assert.rejects(connecting, errors.AuthorizationError, JSON.stringify(options));
  }
  assert.match(
    await rawSession('PUB a 1\r\nx\r\n', restricted.nats),
    /-ERR 'Authorization Violation'\r\n$/,
  );
  // Without users the default ones count here as well.
  await assert.rejects(
    connect({ servers: server.nats, user: 'guest', pass: 'wrong', reconnect: false }),
    errors.AuthorizationError,
  );
});

test('permissions to publish and to subscribe', async () => {
  const admin = await restrictedClient();
  const nc = await restrictedClient({ user: 'limited' });
  const seen = watch(nc);
  const all = gather(admin.subscribe('>'));
  await admin.flush();
  nc.publish('orders.new', 'yes');
  nc.publish('orders.secret', 'no');
  nc.publish('elsewhere', 'no');
  await nc.flush();
  await eventually(() => seen.filter((it) => it.type === 'error').length === 2);
  assert.deepEqual(texts(all), ['yes']);
  const violations = seen.filter((it) => it.type === 'error').map((it) => it.error);
  assert.ok(violations.every((it) => it instanceof errors.PermissionViolationError));
  assert.match(String(violations[0]), /Permissions Violation for Publish to "orders.secret"/);

  const refused: unknown[] = [];
  nc.subscribe('weather', { callback: (error) => void refused.push(error) });
  nc.subscribe('work', { callback: (error) => void refused.push(error) });
  await nc.flush();
  await eventually(() => refused.length === 2);
  assert.match(String(refused[0]), /Permissions Violation for Subscription to "weather"/);
  const jobs = gather(nc.subscribe('work', { queue: 'jobs' }));
  const news = gather(nc.subscribe('news.>'));
  await nc.flush();
  admin.publish('news.public', 'seen');
  admin.publish('news.private', 'hidden');
  admin.publish('work', 'job');
  await eventually(() => jobs.length === 1);
  assert.deepEqual(texts(news), ['seen']);
});

test('who may answer may answer, once, and publish nothing else', async () => {
  const asking = await restrictedClient();
  const service = await restrictedClient({ user: 'service' });
  const seen = watch(service);
  service.subscribe('requests', {
    callback: (_error, message) => {
      message.respond('first');
      message.respond('second');
      service.publish('orders.new', 'no');
    },
  });
  await service.flush();
  assert.equal((await asking.request('requests', '')).string(), 'first');
  await eventually(() => seen.filter((it) => it.type === 'error').length === 2);
});

test('users with permissions of RabbitMQ are asked for the topic exchange', async () => {
  const nc = await restrictedClient({ user: 'reader' });
  const admin = await restrictedClient();
  const seen = watch(nc);
  const got = gather(nc.subscribe('readable'));
  await nc.flush();
  nc.publish('readable', 'no');
  admin.publish('readable', 'yes');
  await eventually(() => got.length === 1 && seen.some((it) => it.type === 'error'));
  assert.deepEqual(texts(got), ['yes']);
});

test('too large a payload and too many subscriptions', async () => {
  const nc = await restrictedClient({ reconnect: false });
  assert.equal(nc.info!.max_payload, 1024);
  assert.throws(() => nc.publish('big', Buffer.alloc(1025)), /max_payload/);
  for (let i = 0; i < 3; i++) nc.subscribe(`s${i}`);
  const seen = watch(nc);
  nc.subscribe('s4');
  await nc.flush();
  await eventually(() => seen.some((it) => it.type === 'error'));
  const answer = await rawSession(
    'CONNECT {"verbose":false,"user":"admin","pass":"secret"}\r\nPUB a 1025\r\n',
    restricted.nats,
  );
  assert.match(answer, /-ERR 'Maximum Payload Violation'\r\n$/);
});

test('a subscriber that does not read is cut off, and nobody else is held up', async () => {
  const admin = await restrictedClient();
  const [host, port] = restricted.nats.split(':');
  const stuck = connectSocket(Number(port), host);
  stuck.on('error', () => {});
  stuck.write(
    'CONNECT {"verbose":false,"user":"admin","pass":"secret"}\r\nSUB flood 1\r\nPING\r\n',
  );
  await new Promise((resolve) => stuck.once('data', resolve));
  await new Promise((resolve) => setTimeout(resolve, 50));
  stuck.pause();
  const fast = await restrictedClient();
  const got = gather(fast.subscribe('flood'));
  await fast.flush();
  const body = Buffer.alloc(1000, 'x');
  let published = 0;
  const slow = (): number => restricted.broker.defaultNamespace.exchange('amq.topic').liveCount;
  const before = slow();
  await eventually(async () => {
    for (let i = 0; i < 1000; i++) admin.publish('flood', body);
    published += 1000;
    await admin.flush();
    return slow() < before;
  }, 20_000);
  await eventually(() => got.length === published);
  stuck.destroy();
});

test('stored messages: flush waits for the commit, AMQP reads them', async () => {
  const connection = await amqp.connect(server.amqpUrl);
  const channel = await connection.createChannel();
  await channel.assertQueue('stored', { durable: true });
  await channel.bindQueue('stored', 'amq.topic', 'stored.#');
  const nc = await client();
  const given = headers();
  given.set('content-type', 'text/plain');
  given.set('x-key', 'k1');
  given.set('application', 'yes');
  nc.publish('stored.a', 'kept', { headers: given, reply: 'answers' });
  await nc.flush();
  const got = await channel.get('stored', { noAck: true });
  assert.ok(got);
  assert.equal(got.content.toString(), 'kept');
  assert.equal(got.fields.exchange, 'amq.topic');
  assert.equal(got.fields.routingKey, 'stored.a');
  assert.equal(got.properties.contentType, 'text/plain');
  assert.equal(got.properties.replyTo, 'answers');
  assert.equal(got.properties.deliveryMode, 2);
  assert.deepEqual(got.properties.headers, { application: 'yes', 'x-key': 'k1' });
  await connection.close();
});

test('what AMQP publishes to the topic exchange reaches NATS, properties as headers', async () => {
  const nc = await client();
  const got = gather(nc.subscribe('from.amqp.>'));
  await nc.flush();
  const connection = await amqp.connect(server.amqpUrl);
  const channel = await connection.createConfirmChannel();
  channel.publish('amq.topic', 'from.amqp.key', Buffer.from([1, 2, 255]), {
    contentType: 'application/x',
    correlationId: 'c1',
    replyTo: 'back.to.me',
    headers: { text: 'line one\r\nline two', number: 7 },
  });
  channel.publish('amq.topic', 'from.amqp.with space', Buffer.from('plain'));
  await channel.waitForConfirms();
  await eventually(() => got.length === 2);
  const [first, second] = got;
  assert.equal(first!.subject, 'from.amqp.key');
  assert.equal(first!.reply, 'back.to.me');
  assert.deepEqual([...first!.data], [1, 2, 255]);
  assert.equal(first!.headers!.get('content-type'), 'application/x');
  assert.equal(first!.headers!.get('correlation-id'), 'c1');
  assert.equal(first!.headers!.get('text'), 'line one line two');
  assert.equal(first!.headers!.get('number'), '7');
  assert.equal(second!.subject, 'from.amqp.with%20space');
  await connection.close();
});

test('a NATS service answers who asks by AMQP', async () => {
  const nc = await client();
  nc.subscribe('double', {
    callback: (_error, message) => void message.respond(`${Number(message.string()) * 2}`),
  });
  await nc.flush();
  const connection = await amqp.connect(server.amqpUrl);
  const channel = await connection.createChannel();
  const answers: string[] = [];
  const onAnswer = (message: amqp.ConsumeMessage | null): void =>
    void answers.push(message!.content.toString());
  await channel.consume('amq.rabbitmq.reply-to', onAnswer, { noAck: true });
  const replyTo = { replyTo: 'amq.rabbitmq.reply-to' };
  channel.publish('amq.topic', 'double', Buffer.from('21'), replyTo);
  await eventually(() => answers.length === 1);
  assert.deepEqual(answers, ['42']);
  await connection.close();
});

test('a client is told that the server ends, and reconnects to the next one', async () => {
  const first = await startTestServer();
  const port = Number(first.nats.split(':')[1]);
  const nc = await client({ servers: first.nats, reconnectTimeWait: 50 });
  const seen = watch(nc);
  const got = gather(nc.subscribe('again'));
  await nc.flush();
  await first.stop();
  assert.ok(seen.some((it) => it.type === 'ldm'));
  const second = await startTestServer({
    ports: { kafka: 0, amqp: 0, nats: port, sqs: 0, 'nats-http': 0, http: 0 },
  });
  await eventually(() => seen.some((it) => it.type === 'reconnect'));
  nc.publish('again', 'here');
  await eventually(() => got.length === 1);
  assert.equal(createInbox().startsWith('_INBOX.'), true);
  await nc.close();
  await second.stop();
});
