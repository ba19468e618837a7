/** @nats-io/transport-node: the whole client, over TCP, TLS and WebSocket. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { connect, deadline, headers, nuid, wsconnect } from '@nats-io/transport-node';
import { eventually, main, scenario, unique } from './scenario.js';

const { env } = process;
const port = (name) => ({ servers: `localhost:${env[name]}`, reconnect: false, timeout: 5000 });

async function connected(use, options = {}, name = 'NATS_PORT') {
  const nc = await connect({ ...port(name), ...options });
  try {
    return await use(nc);
  } finally {
    await nc.close();
  }
}

/** The first `count` messages. */
async function take(subscription, count) {
  const messages = [];
  await deadline(
    (async () => {
      for await (const message of subscription) {
        messages.push(message);
        if (messages.length === count) break;
      }
    })(),
    10_000,
  );
  assert.equal(messages.length, count);
  return messages;
}

function collect(nc, subject, options = {}) {
  const messages = [];
  const subscription = nc.subscribe(subject, {
    ...options,
    callback: (error, message) => messages.push(error ?? message),
  });
  return { messages, subscription };
}

async function nextError(nc, words) {
  for await (const status of nc.status()) {
    const text = String(status.error?.message ?? status.data ?? '');
    if (status.type === 'error' && words.test(text)) return status.error;
  }
  throw new Error('the connection ended');
}

scenario('connect and say who we are', () =>
  connected(
    async (nc) => {
      assert.equal(nc.info.max_payload, 1_048_576);
      assert.equal(nc.info.headers, true);
      assert.ok(!nc.info.jetstream);
      assert.ok((await nc.rtt()) < 5000);
    },
    { name: 'js', verbose: true, pedantic: true },
  ),
);

scenario('publish and subscribe', () =>
  connected(async (nc) => {
    const subject = unique('pubsub');
    const subscription = nc.subscribe(subject);
    const bodies = [new Uint8Array(), Buffer.from('text'), Buffer.alloc(1_000_000, 7)];
    for (const body of bodies) nc.publish(subject, body);
    nc.publish(subject, 'ü€', { reply: 'to.me' });
    const messages = await take(subscription, 4);
    assert.deepEqual(
      messages.slice(0, 3).map((m) => Buffer.from(m.data)),
      bodies.map((body) => Buffer.from(body)),
    );
    assert.equal(messages[3].string(), 'ü€');
    assert.equal(messages[3].reply, 'to.me');
  }),
);

scenario('order of many', () =>
  connected((nc) =>
    connected(async (other) => {
      const subject = unique('order');
      const { messages } = collect(other, subject);
      await other.flush();
      for (let n = 0; n < 50_000; n++) nc.publish(subject, String(n));
      await nc.flush();
      await eventually(() => messages.length === 50_000);
      assert.ok(messages.every((message, n) => message.string() === String(n)));
    }),
  ),
);

scenario('wildcards', () =>
  connected(async (nc) => {
    const root = unique('wild');
    const seen = Object.fromEntries(
      ['.*', '.>', '.a', '.*.c', '.a.>'].map((end) => [end, collect(nc, root + end).messages]),
    );
    for (const end of ['', '.a', '.b', '.a.b', '.a.c', '.a.b.c']) nc.publish(root + end);
    await nc.flush();
    const ends = (end) => seen[end].map((message) => message.subject.slice(root.length));
    assert.deepEqual(ends('.*'), ['.a', '.b']);
    assert.deepEqual(ends('.>'), ['.a', '.b', '.a.b', '.a.c', '.a.b.c']);
    assert.deepEqual(ends('.a'), ['.a']);
    assert.deepEqual(ends('.*.c'), ['.a.c']);
    assert.deepEqual(ends('.a.>'), ['.a.b', '.a.c', '.a.b.c']);
  }),
);

scenario('queue groups share', () =>
  connected((nc) =>
    connected(async (other) => {
      const subject = unique('group');
      const members = [nc, nc, other].map(
        (connection) => collect(connection, subject, { queue: 'q' }).messages,
      );
      const everything = collect(other, subject).messages;
      await other.flush();
      await nc.flush();
      for (let n = 0; n < 300; n++) nc.publish(subject, String(n));
      await nc.flush();
      await eventually(() => everything.length === 300);
      await eventually(() => members.reduce((sum, some) => sum + some.length, 0) === 300);
      const all = members.flat().map((message) => Number(message.string()));
      assert.equal(new Set(all).size, 300);
      assert.ok(members.filter((some) => some.length > 0).length >= 2);
    }),
  ),
);

scenario('requests, answered by a service', () =>
  connected((nc) =>
    connected(async (service) => {
      const subject = unique('service');
      service.subscribe(subject, {
        callback: (_, message) => message.respond(`answer to ${message.string()}`),
      });
      await service.flush();
      const answers = await Promise.all(
        Array.from({ length: 300 }, (_, n) => nc.request(subject, String(n), { timeout: 5000 })),
      );
      assert.ok(answers.every((answer, n) => answer.string() === `answer to ${n}`));
      const alone = await nc.request(subject, 'x', {
        timeout: 5000,
        noMux: true,
        reply: nuid.next(),
      });
      assert.equal(alone.string(), 'answer to x');
    }),
  ),
);

scenario('many answers to one request', () =>
  connected(async (nc) => {
    const subject = unique('scatter');
    for (let n = 0; n < 4; n++)
      nc.subscribe(subject, { callback: (_, message) => message.respond(String(n)) });
    const answers = [];
    for await (const answer of await nc.requestMany(subject, 'x', {
      maxMessages: 4,
      maxWait: 500,
    }))
      answers.push(answer.string());
    assert.deepEqual(new Set(answers), new Set(['0', '1', '2', '3']));
  }),
);

scenario('nobody there to answer', () =>
  connected(async (nc) => {
    const error = await nc.request(unique('nobody'), 'x', { timeout: 5000 }).catch((e) => e);
    assert.match(`${error.name} ${error.message} ${error.cause?.name}`, /no ?responders/i);
    const silent = unique('silent');
    nc.subscribe(silent);
    const late = await nc.request(silent, 'x', { timeout: 200 }).catch((e) => e);
    assert.match(`${late.name} ${late.message}`, /timeout/i);
  }),
);

scenario('headers', () =>
  connected(async (nc) => {
    const subject = unique('headers');
    const subscription = nc.subscribe(subject);
    const sent = headers();
    sent.append('Many', 'one');
    sent.append('Many', 'two');
    sent.set('x-key', 'a: b');
    nc.publish(subject, 'body', { headers: sent });
    nc.publish(subject, 'none');
    const [first, second] = await take(subscription, 2);
    assert.deepEqual(first.headers.values('Many'), ['one', 'two']);
    assert.equal(first.headers.get('x-key'), 'a: b');
    assert.equal(first.string(), 'body');
    assert.equal(second.headers, undefined);
  }),
);

scenario('no echo', () =>
  connected(
    (nc) =>
      connected(async (other) => {
        const subject = unique('echo');
        const own = collect(nc, subject).messages;
        const others = collect(other, subject).messages;
        await Promise.all([nc.flush(), other.flush()]);
        nc.publish(subject, 'x');
        await nc.flush();
        await eventually(() => others.length === 1);
        assert.equal(own.length, 0);
      }),
    { noEcho: true },
  ),
);

scenario('a limited number of messages', () =>
  connected(async (nc) => {
    const subject = unique('max');
    const { messages, subscription } = collect(nc, subject, { max: 3 });
    const ended = collect(nc, subject);
    ended.subscription.unsubscribe();
    for (let n = 0; n < 10; n++) nc.publish(subject, String(n));
    await nc.flush();
    assert.deepEqual(
      messages.map((message) => message.string()),
      ['0', '1', '2'],
    );
    assert.ok(subscription.isClosed());
    assert.equal(ended.messages.length, 0);
  }),
);

scenario('draining', () =>
  connected(async (other) => {
    const nc = await connect(port('NATS_PORT'));
    const subject = unique('drain');
    const { messages } = collect(nc, subject);
    const subscription = nc.subscribe(subject);
    await nc.flush();
    for (let n = 0; n < 500; n++) other.publish(subject, String(n));
    await other.flush();
    const kept = (async () => {
      let count = 0;
      for await (const _ of subscription) count++;
      return count;
    })();
    await nc.drain();
    assert.equal(messages.length, 500);
    assert.equal(await kept, 500);
    assert.ok(nc.isClosed());
  }),
);

scenario('too large', () =>
  connected(async (nc) => {
    assert.throws(() => nc.publish('x', new Uint8Array(1_048_577)), /payload/i);
    nc.publish('x', new Uint8Array(1_048_576));
    await nc.flush();
  }),
);

scenario('reconnects after a restart and is still subscribed', async () => {
  const nc = await connect({
    ...port('NATS_PORT'),
    reconnect: true,
    maxReconnectAttempts: -1,
    reconnectTimeWait: 50,
  });
  try {
    const seen = [];
    void (async () => {
      for await (const status of nc.status()) seen.push(status.type);
    })();
    const subject = unique('reconnect');
    const { messages } = collect(nc, subject);
    await nc.flush();
    const answer = await fetch(`${env.CONTROL}/restart`, { method: 'POST' });
    assert.equal(await answer.text(), 'restarted');
    await eventually(() => seen.includes('reconnect'));
    nc.publish(subject, 'after');
    await eventually(() => messages.length === 1);
    assert.ok(seen.includes('disconnect'), seen.join());
    // nats-server warns of its end only when it is asked for a long goodbye (SIGUSR2).
    if (env.TARGET === 'posthorn') assert.ok(seen.includes('ldm'), seen.join());
  } finally {
    await nc.close();
  }
});

scenario('user and password', async () => {
  await connected((nc) => nc.flush(), { user: 'app', pass: 'secret' }, 'NATS_AUTH_PORT');
  for (const wrong of [
    { user: 'app', pass: 'no' },
    { user: 'x', pass: 'secret' },
    { token: 'x' },
    {},
  ]) {
    const error = await connect({ ...port('NATS_AUTH_PORT'), ...wrong }).catch((e) => e);
    assert.match(`${error.name} ${error.message}`, /authorization/i);
  }
});

scenario('token', async () => {
  await connected((nc) => nc.flush(), { token: 't0ken' }, 'NATS_TOKEN_PORT');
  const error = await connect({ ...port('NATS_TOKEN_PORT'), token: 'no' }).catch((e) => e);
  assert.match(`${error.name} ${error.message}`, /authorization/i);
});

scenario('permissions', () =>
  connected(
    async (nc) => {
      const violation = nextError(nc, /publish to "forbidden"/i);
      nc.publish('forbidden', 'x');
      const error = await deadline(violation, 5000);
      assert.deepEqual(
        [error.name, error.operation, error.subject],
        ['PermissionViolationError', 'publish', 'forbidden'],
      );
      const refused = await deadline(
        new Promise((resolve) => {
          nc.subscribe('forbidden', { queue: 'q', callback: (e) => resolve(e) });
        }),
        5000,
      );
      assert.deepEqual(
        [refused.operation, refused.subject, refused.queue],
        ['subscription', 'forbidden', 'q'],
      );
      const { messages } = collect(nc, 'allowed.>');
      nc.publish('allowed.x', 'x');
      await eventually(() => messages.length === 1);
    },
    { user: 'limited', pass: 'secret' },
    'NATS_AUTH_PORT',
  ),
);

scenario('TLS', async () => {
  const ca = readFileSync(env.CA_FILE, 'utf8');
  const login = { user: 'app', pass: 'secret' };
  for (const name of ['NATS_TLS_PORT', 'NATS_EITHER_PORT']) {
    await connected(
      async (nc) => {
        const subject = unique('tls');
        const { messages } = collect(nc, subject);
        nc.publish(subject, new Uint8Array(500_000));
        await eventually(() => messages.length === 1);
        assert.equal(messages[0].data.length, 500_000);
      },
      { ...login, tls: { ca } },
      name,
    );
  }
  const distrust = await connect({ ...port('NATS_TLS_PORT'), ...login, tls: {} }).catch((e) => e);
  assert.ok(distrust instanceof Error);
  const wrong = await connect({
    ...port('NATS_TLS_PORT'),
    user: 'app',
    pass: 'no',
    tls: { ca },
  }).catch((e) => e);
  assert.match(`${wrong.name} ${wrong.message}`, /authorization/i);
});

scenario('WebSocket', () =>
  connected(async (other) => {
    const nc = await wsconnect({ servers: `ws://localhost:${env.NATS_WS_PORT}`, reconnect: false });
    try {
      const subject = unique('ws');
      const { messages } = collect(nc, `${subject}.*`);
      await nc.flush();
      const sent = headers();
      sent.set('over', 'websocket');
      for (const size of [0, 5, 125, 126, 65_535, 65_536, 900_000]) {
        other.publish(`${subject}.${size}`, new Uint8Array(size).fill(1), { headers: sent });
      }
      await eventually(() => messages.length === 7);
      for (const message of messages) {
        assert.equal(message.data.length, Number(message.subject.split('.').at(-1)));
        assert.equal(message.headers.get('over'), 'websocket');
      }
      const back = collect(other, `${subject}.back`).messages;
      await other.flush();
      nc.publish(`${subject}.back`, new Uint8Array(300_000));
      await eventually(() => back.length === 1);
      other.subscribe(`${subject}.ask`, { callback: (_, message) => message.respond('answer') });
      await other.flush();
      assert.equal((await nc.request(`${subject}.ask`, '', { timeout: 5000 })).string(), 'answer');
      const error = await nc.request(unique('nobody'), '', { timeout: 5000 }).catch((e) => e);
      assert.match(`${error.name} ${error.message}`, /responders/i);
    } finally {
      await nc.close();
    }
  }),
);

scenario('statistics', () =>
  connected(async (nc) => {
    const subject = unique('stats');
    const { messages } = collect(nc, subject);
    nc.publish(subject, '12345');
    await eventually(() => messages.length === 1);
    const { inMsgs, outMsgs, inBytes, outBytes } = nc.stats();
    assert.deepEqual(
      { inMsgs, outMsgs, inBytes, outBytes },
      { inMsgs: 1, outMsgs: 1, inBytes: 5, outBytes: 5 },
    );
  }),
);

await main();
