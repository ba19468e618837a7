import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { describe, it } from 'node:test';
import type { Broker } from '#core/broker.ts';
import { BrokerRig, textMessage } from '#test/rigs/broker-rig.ts';
import { UserTable } from '../auth/user-table.ts';
import { declareBindings } from './binding-settings.ts';
import { answer } from './http-api.ts';

const USERS = new UserTable([
  { name: 'root', password: 'secret', tags: ['administrator'] },
  { name: 'app', password: 'secret' },
]);

class Api implements AsyncDisposable {
  readonly #server: ReturnType<typeof createServer>;
  readonly #url: string;

  private constructor(server: ReturnType<typeof createServer>) {
    this.#server = server;
    this.#url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/api/bindings`;
  }

  static async open(broker: Broker | null): Promise<Api> {
    const source = { notReady: () => null, metrics: () => null, broker: () => broker };
    const server = createServer((request, response) => void answer(request, response, source));
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    return new Api(server);
  }

  async call(
    method: string,
    body?: unknown,
    headers: Record<string, string> = {},
  ): Promise<[status: number, answer: unknown]> {
    const response = await fetch(this.#url, {
      method,
      headers: { 'content-type': 'application/json', ...headers },
      ...(body === undefined
        ? {}
        : { body: typeof body === 'string' ? body : JSON.stringify(body) }),
    });
    const text = await response.text();
    return [response.status, text === '' ? null : (JSON.parse(text) as unknown)];
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.close();
    this.#server.closeAllConnections();
    await once(this.#server, 'close');
  }
}

function basic(name: string, password: string): Record<string, string> {
  return { authorization: `Basic ${Buffer.from(`${name}:${password}`).toString('base64')}` };
}

describe('/api/bindings', () => {
  it('declares a binding with what it names, lists it, and deletes it', async () => {
    const rig = await BrokerRig.open();
    await using api = await Api.open(rig.broker);
    const body = { from: { exchange: 'amq.topic' }, to: { queue: 'q' }, key: 'a.#', as: 'b' };
    assert.deepEqual(await api.call('GET'), [200, []]);
    assert.deepEqual(await api.call('POST', body), [201, body]);
    assert.deepEqual(await api.call('POST', body), [200, body]);
    const { durable } = rig.namespace.queue('q', null).options;
    assert.equal(durable, true);
    const listed = { namespace: '/', ...body, durable: true };
    assert.deepEqual(await api.call('GET'), [200, [listed]]);
    rig.publish('amq.topic', 'a.1', textMessage('x'));
    assert.equal(rig.namespace.queue('q', null).readyCount, 1);
    assert.deepEqual(await api.call('DELETE', body), [204, null]);
    assert.equal((await api.call('DELETE', body))[0], 404);
    assert.deepEqual(await api.call('GET'), [200, []]);
  });

  it('matches everything without a key', async () => {
    const rig = await BrokerRig.open();
    await using api = await Api.open(rig.broker);
    await api.call('POST', { from: { topic: 't' }, to: { exchange: 'new' } });
    await api.call('POST', {
      from: { exchange: 'amq.headers' },
      to: { queue: 'q' },
      arguments: { a: 1 },
    });
    const [, listed] = await api.call('GET');
    assert.deepEqual(listed, [
      { namespace: '/', from: { topic: 't' }, to: { exchange: 'new' }, key: '#', durable: true },
      {
        namespace: '/',
        from: { exchange: 'amq.headers' },
        to: { queue: 'q' },
        key: '',
        arguments: { a: 1 },
        durable: true,
      },
    ]);
    assert.equal(rig.namespace.exchange('new').options.kind, 'topic');
  });

  it('says what is wrong', async () => {
    const rig = await BrokerRig.open();
    await using api = await Api.open(rig.broker);
    rig.queue('q');
    const refused = async (status: number, reason: RegExp, ...call: Parameters<Api['call']>) => {
      const [found, error] = await api.call(...call);
      assert.equal(found, status);
      assert.match((error as { error: string }).error, reason);
    };
    const from = { exchange: 'amq.topic' };
    await refused(405, /GET/, 'PUT', {});
    await refused(400, /not JSON/, 'POST', '{');
    await refused(400, /'to': /, 'POST', { from });
    await refused(400, /one of exchange, topic and queue/, 'POST', {
      from,
      to: { queue: 'q', topic: 't' },
    });
    const [wrong, known] = ["unknown key 'routingKey'", 'here go from, to, key, as'];
    await refused(400, new RegExp(`^${wrong}; ${known}`), 'POST', {
      from,
      to: { queue: 'q' },
      routingKey: 'a',
    });
    const misspelt =
      /^unknown key 'to\.queu' \(did you mean 'queue'\?\); here go exchange, topic, queue/;
    await refused(400, misspelt, 'POST', { from, to: { queu: 'q' } });
    await refused(400, /^the body: /, 'POST', []);
    await refused(400, /'\*\.#' here/, 'POST', { from, to: { queue: 'q' }, key: 'a.>' });
    await refused(400, /at most 255/, 'POST', { from, to: { queue: 'q' }, key: 'k'.repeat(256) });
    await refused(400, /bound to itself/, 'POST', { from: { queue: 'q' }, to: { queue: 'q' } });
    await refused(403, /default exchange/, 'POST', { from: { exchange: '' }, to: { queue: 'q' } });
    await refused(403, /amq\./, 'POST', { from: { exchange: 'amq.new' }, to: { queue: 'q' } });
    await refused(404, /namespace/, 'POST', { from, to: { queue: 'q' }, namespace: 'nowhere' });
    await refused(404, /queue 'nowhere'/, 'DELETE', { from, to: { queue: 'nowhere' } });
    await refused(409, /is a queue, not a topic/, 'POST', { from, to: { topic: 'q' } });
    await refused(415, /application\/json/, 'POST', '{}', { 'content-type': 'text/plain' });
    await refused(413, /bytes/, 'POST', `"${'x'.repeat(70_000)}"`);
    assert.equal(rig.namespace.binder.table.size, 0);
  });

  it('is for administrators, when users are configured', async () => {
    const rig = await BrokerRig.open({ auth: USERS });
    await using api = await Api.open(rig.broker);
    assert.equal((await api.call('GET'))[0], 401);
    assert.equal((await api.call('GET', undefined, basic('root', 'wrong')))[0], 401);
    assert.equal((await api.call('GET', undefined, { authorization: 'Bearer x' }))[0], 401);
    assert.equal((await api.call('GET', undefined, basic('app', 'secret')))[0], 403);
    assert.equal((await api.call('GET', undefined, basic('root', 'secret')))[0], 200);
  });

  it('is not for web pages of other machines', async () => {
    const { broker } = await BrokerRig.open();
    await using api = await Api.open(broker);
    const [status] = await api.call('GET', undefined, { origin: 'https://evil.example' });
    assert.equal(status, 401);
    const [own] = await api.call('GET', undefined, { origin: 'http://localhost:3000' });
    assert.equal(own, 200);
  });

  it('is not there before the broker is', async () => {
    await using api = await Api.open(null);
    const response = await api.call('GET').catch((error: unknown) => error);
    assert.ok(response instanceof SyntaxError, 'plain text: starting');
  });
});

describe('bindings of the configuration', () => {
  it('are declared again and again, and name their place when they cannot be', async () => {
    const rig = await BrokerRig.open();
    const bindings = [
      { from: { topic: 't' }, to: { exchange: 'amq.topic' }, as: 'all.of.t' },
      { from: { queue: 'q' }, to: { topic: 't' } },
    ];
    declareBindings(rig.broker, bindings);
    declareBindings(rig.broker, bindings);
    assert.equal(rig.namespace.binder.table.size, 2);
    await rig.restart();
    declareBindings(rig.broker, bindings);
    assert.equal(rig.namespace.binder.table.size, 2);
    const wrong = [...bindings, { from: { topic: 'q' }, to: { queue: 'q' } }];
    assert.throws(() => declareBindings(rig.broker, wrong), {
      message: "bindings.2: 'q' is a queue, not a topic",
    });
  });
});
