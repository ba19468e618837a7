import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { type AddressInfo, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import type { Broker } from './api.ts';
import { startBroker } from './index.ts';

describe('options that cannot be are refused', () => {
  const all = { configure: '.*', write: '.*', read: '.*' };
  const refused: [object | null, RegExp][] = [
    [null, /options: null is no object/],
    [{ protocol: ['kafka'] }, /no option of startBroker 'protocol' \(did you mean 'protocols'\?\)/],
    [{ store: 'disk' }, /store: 'disk' is none of memory, temporary/],
    [{ store: null }, /store: null is no object/],
    [{ store: { path: '/tmp' } }, /no kind of store 'path'/],
    [{ store: {} }, /store\.folder is missing/],
    [{ store: { folder: '' } }, /not the path of a folder/],
    [{ sync: 'never' }, /sync: 'never'/],
    [{ sync: 'commit' }, /a store in memory syncs nothing/],
    [{ protocols: 'kafka' }, /protocols: 'kafka' is no array/],
    [{ protocols: [] }, /protocols is empty/],
    [{ protocols: ['kafka', 'mqtt'] }, /protocols\[1\]: 'mqtt' is none of/],
    [{ ports: { amqp: 70_000 } }, /ports\.amqp: 70000 is not a whole number from 0 to 65535/],
    [{ protocols: ['amqp'], ports: { kafka: 9092 } }, /kafka is not among options\.protocols/],
    [{ limits: { queueMax: 1 } }, /no limit 'queueMax' \(did you mean 'queuesMax'\?\)/],
    [{ limits: { queuesMax: 0 } }, /0 is not a whole number/],
    [{ topics: { partition: 1 } }, /no option of topics 'partition'/],
    [{ topics: { partitions: 0 } }, /topics\.partitions: 0/],
    [{ topics: { autoCreate: 'no' } }, /'no' is neither true nor false/],
    [{ namespaces: 'a' }, /namespaces: 'a' is no array/],
    [{ namespaces: [''] }, /namespaces\[0\]: '' is no name/],
    [{ users: [] }, /users is empty/],
    [{ users: [{ user: 'me' }] }, /no field of a user 'user'/],
    [{ users: [{ password: 'x' }] }, /users\[0\]\.name is missing/],
    [{ users: [{ name: 'me' }] }, /neither a password nor a token/],
    [
      { users: [{ name: 'me', password: 'x', permissions: { '/': { ...all, admin: '' } } }] },
      /no permission 'admin'/,
    ],
    [{ users: [{ name: 'me', password: 'x', subjects: { pub: {} } }] }, /field of subjects 'pub'/],
    [{ bindings: [{ source: 'x' }] }, /no field of a binding 'source'/],
    [{ bindings: [{ from: { queue: 'x' } }] }, /bindings\[0\]\.to is missing/],
    [
      { bindings: [{ from: { queue: 'x', topic: 'y' }, to: { queue: 'z' } }] },
      /from names one of exchange, topic and queue/,
    ],
    [{ log: 'verbose' }, /log: 'verbose'/],
    [{ log: {} }, /log\.log: undefined is no function/],
    [{ spy: { size: 1 } }, /no option of spy 'size'/],
    [{ spy: 'yes' }, /spy: 'yes' is neither/],
  ];
  for (const [options, message] of refused) {
    test(JSON.stringify(options), () =>
      assert.rejects(startBroker(options as object), { name: 'TypeError', message }),
    );
  }
});

test('a port or folder that is taken is told without the flags of the command', async () => {
  const other = createServer().listen(0, '127.0.0.1');
  await once(other, 'listening');
  const { port } = other.address() as AddressInfo;
  await assert.rejects(startBroker({ ports: { kafka: port } }), {
    message: `port ${port} (kafka) is taken on 127.0.0.1`,
  });
  other.close();
  const folder = await mkdtemp(join(tmpdir(), 'posthorn-test-'));
  const first = await startBroker({ store: { folder } });
  await assert.rejects(startBroker({ store: { folder } }), {
    message: `another posthorn (process ${process.pid}) uses the data folder ${folder}`,
  });
  await first.close();
  await rm(folder, { recursive: true });
  await assert.rejects(startBroker({ store: { folder: join(import.meta.filename, 'x') } }), {
    message: /^the data folder .* cannot be used \(ENOTDIR/,
  });
});

describe('what cannot be done is refused', () => {
  type Call = (broker: Broker) => Promise<unknown>;
  /** As somebody without TypeScript may write it. */
  const any = (value: unknown): never => value as never;
  const refused: [name: string, Call, RegExp][] = [
    ['an unknown queue option', (it) => it.declareQueue('q', any({ ttl: 1 })), /mean 'ttlMs'/],
    ['a TTL below 0', (it) => it.declareQueue('q', { ttlMs: -1 }), /options\.ttlMs: -1 is not/],
    ['a TTL in text', (it) => it.declareQueue('q', { ttlMs: any('1') }), /options\.ttlMs: '1'/],
    ['no overflow', (it) => it.declareQueue('q', { overflow: any('drop') }), /none of drop-head/],
    ['a priority of 256', (it) => it.declareQueue('q', { priorityMax: 256 }), /from 1 to 255/],
    ['dead letters', (it) => it.declareQueue('q', { deadLetterRoutingKey: 'd' }), /needs options/],
    [
      'overflow',
      (it) => it.declareQueue('q', { overflow: 'drop-head' }),
      /needs options.lengthMax/,
    ],
    ['no name', (it) => it.declareQueue(''), /'' is no name/],
    ["the broker's name", (it) => it.declareQueue('amq.q'), /the broker's own/],
    ['another TTL', (it) => it.declareQueue('ttl', { ttlMs: 2 }), /is there with another/],
    [
      'other partitions',
      (it) => it.declareTopic('three', { partitions: 4 }),
      /3 partitions, not 4/,
    ],
    [
      'another retention',
      (it) => it.declareTopic('three', { config: { 'retention.ms': '1' } }),
      /retention\.ms 5, not 1/,
    ],
    [
      'an unknown setting of a topic that is there',
      (it) => it.declareTopic('three', { config: { 'retention.days': '1' } }),
      /retention\.days/,
    ],
    ['a queue as a topic', (it) => it.declareTopic('ttl'), /'ttl' is a queue/],
    ['no kind', (it) => it.declareExchange('e', any({})), /options\.kind is missing/],
    ['half a binding', (it) => it.bind(any({ from: { queue: 'ttl' } })), /binding\.to is missing/],
    ['no exchange', (it) => it.publish('a', 'x', { exchange: 'no' }), /no exchange 'no'/],
    ['no body', (it) => it.publish('a', any(undefined)), /body: undefined is neither/],
    ['an unknown option', (it) => it.publish('a', 'x', any({ delay: 1 })), /mean 'delayMs'/],
    ['a priority in text', (it) => it.publish('a', 'x', { priority: any('9') }), /priority: '9'/],
    [
      'a header',
      (it) => it.publish('a', 'x', { headers: { h: any(test) } }),
      /options\.headers\.h/,
    ],
    [
      'a delay for a topic',
      (it) => it.publish('three', 'x', { delayMs: 1 }),
      /'three' is no queue/,
    ],
    ['no message', async (it) => it.depth('nowhere'), /queue 'nowhere'.* is not there/],
    ['a namespace without name', (it) => it.namespace(''), /'' is no name/],
    ['too long a namespace', (it) => it.namespace('x'.repeat(256)), /at most 255 bytes/],
    ['a wait below 0', (it) => it.spy.next({}, -1), /timeoutMs: -1/],
    ['a filter', (it) => it.spy.next({ protocol: any('mqtt') }), /filter\.protocol: 'mqtt'/],
    ['time in text', (it) => it.advance(any('1')), /not by a string/],
    ['half a millisecond', (it) => it.advance(0.5), /not by 0\.5/],
    ['a century', (it) => it.advance(100 * 365 * 24 * 3_600_000), /ten years/],
  ];
  test('each by its name, and the broker goes on', async (t) => {
    await using broker = await startBroker();
    await broker.declareQueue('ttl', { ttlMs: 1 });
    await broker.declareTopic('three', { partitions: 3, config: { 'retention.ms': '5' } });
    for (const [name, call, message] of refused) {
      await t.test(name, () => assert.rejects(call(broker), { message }));
    }
    await broker.declareTopic('three');
    await broker.declareTopic('three', { partitions: 3, config: { 'retention.ms': '5' } });
    assert.deepEqual(broker.spy.published, []);
    assert.equal(broker.failure, null);
  });
});

test('a namespace that is closed does nothing any more, and can be made anew', async () => {
  await using broker = await startBroker();
  const space = await broker.namespace('one');
  await space.close();
  await assert.rejects(space.declareQueue('q'), /the namespace 'one' is closed/);
  await assert.rejects(space.publish('q', 'x'), /the namespace 'one' is closed/);
  assert.throws(() => space.depth('q'), /the namespace 'one' is closed/);
  const again = await broker.namespace('one');
  assert.equal(await again.publish('q', 'x'), 0);
});
