import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { after, describe, it } from 'node:test';
import { UserTable } from '#auth/user-table.ts';
import { defaultLimits } from '#core/limits.ts';
import { readSettings } from './config.ts';
import { RefusedStart } from './refused-start.ts';
import { type Flags, STANDARD_PORTS } from './settings.ts';

const folder = mkdtempSync(join(tmpdir(), 'posthorn-config-'));
after(() => rmSync(folder, { recursive: true }));

function file(content: unknown): string {
  const path = join(folder, 'posthorn.json');
  writeFileSync(path, typeof content === 'string' ? content : JSON.stringify(content));
  return path;
}

async function refuses(flags: Flags, ...hints: RegExp[]): Promise<void> {
  await assert.rejects(readSettings(flags), (error) => {
    assert.ok(error instanceof RefusedStart, String(error));
    assert.equal(error.exitCode, 2);
    for (const hint of hints) assert.match(error.message, hint);
    return true;
  });
}

describe('settings', () => {
  it('have defaults for everything', async () => {
    const settings = await readSettings({});
    assert.equal(settings.dataFolder, resolve('data'));
    assert.deepEqual(settings.hosts, ['127.0.0.1', '::1']);
    assert.equal(settings.hostsAreDefault, true);
    assert.deepEqual(settings.ports, {
      kafka: 9092,
      amqp: 5672,
      nats: 4222,
      sqs: 9324,
      'nats-http': 8222,
      http: 15672,
    });
    assert.equal(settings.sync, 'commit');
    assert.equal(settings.logLevel, 'warn');
  });

  it('come from flags', async () => {
    const settings = await readSettings({
      data: 'elsewhere',
      host: '0.0.0.0',
      port: ['kafka=0', 'http=8080', 'nats-http=8223', 'sqs=off'],
      sync: 'os',
    });
    assert.equal(settings.dataFolder, resolve('elsewhere'));
    assert.deepEqual(settings.hosts, ['0.0.0.0']);
    assert.equal(settings.hostsAreDefault, false);
    const given = { kafka: 0, http: 8080, 'nats-http': 8223, sqs: null };
    assert.deepEqual(settings.ports, { ...STANDARD_PORTS, ...given });
    assert.equal(settings.sync, 'os');
  });

  it('come from the file, and a flag wins over it', async () => {
    const config = file({
      data: 'kept',
      host: ['127.0.0.1'],
      ports: { kafka: 1, amqp: 2, nats: false },
      sync: 'os',
      log: { level: 'debug' },
      limits: { connectionsMax: 7 },
    });
    const settings = await readSettings({ config, port: ['kafka=3'], sync: 'commit' });
    assert.equal(settings.dataFolder, join(folder, 'kept'));
    assert.deepEqual(settings.hosts, ['127.0.0.1']);
    assert.equal(settings.hostsAreDefault, false);
    assert.deepEqual(settings.ports, { ...STANDARD_PORTS, kafka: 3, amqp: 2, nats: null });
    assert.equal(settings.sync, 'commit');
    assert.equal(settings.logLevel, 'debug');
    assert.equal(settings.limits.connectionsMax, 7);
  });
});

describe('TLS', () => {
  it('is off without a word of it', async () => {
    assert.equal((await readSettings({})).tls, null);
    assert.equal((await readSettings({ config: file({ sync: 'os' }) })).tls, null);
  });

  it('comes from the file, with paths relative to it', async () => {
    const pair = { cert: 'c.pem', key: '/k.pem' };
    const short = await readSettings({ config: file({ tls: pair }) });
    const here = { cert: join(folder, 'c.pem'), key: '/k.pem' };
    assert.deepEqual(short.tls, { ...here, ca: null, required: false, verifyClient: false });
    const tls = { ...pair, ca: 'ca.pem', verifyClient: true, required: { kafka: true } };
    const long = await readSettings({ config: file({ tls }) });
    assert.deepEqual(long.tls, {
      ...here,
      ca: join(folder, 'ca.pem'),
      verifyClient: true,
      required: { kafka: true },
    });
  });

  it('comes from flags, with paths relative to the working folder', async () => {
    const { tls } = await readSettings({ tlsCert: 'c.pem', tlsKey: 'k.pem' });
    assert.equal(tls?.cert, resolve('c.pem'));
    assert.equal(tls.key, resolve('k.pem'));
    const config = file({ tls: { cert: 'c.pem', required: true } });
    const mixed = (await readSettings({ config, tlsKey: 'k.pem' })).tls;
    assert.equal(mixed?.cert, join(folder, 'c.pem'));
    assert.equal(mixed.key, resolve('k.pem'));
    assert.equal(mixed.required, true);
  });

  it('that cannot be is refused', async () => {
    await refuses({ tlsCert: 'c.pem' }, /tls\.cert \S+c\.pem needs tls\.key, or --tls-key <file>/);
    await refuses({ tlsKey: 'k.pem' }, /tls\.key \S+k\.pem needs tls\.cert/);
    await refuses({ config: file({ tls: { required: true } }) }, /cert and key are missing/);
    const pair = { cert: 'c', key: 'k' };
    const refusesTls = (tls: object, hint: RegExp) => refuses({ config: file({ tls }) }, hint);
    await refusesTls({ ...pair, verifyClient: true }, /verifyClient needs tls\.ca/);
    await refusesTls({ ...pair, ca: 'x' }, /tls\.ca has no effect without tls\.verifyClient/);
    await refusesTls(
      { ...pair, required: { kafak: true } },
      /'tls\.required\.kafak' \(did you mean 'kafka'/,
    );
    await refusesTls({ ...pair, required: 'yes' }, /'tls\.required': /);
    await refusesTls({ ...pair, certs: 'x' }, /'tls\.certs' \(did you mean 'cert'\?\)/);
  });
});

describe('docs/configuration.md', () => {
  const text = readFileSync(join(import.meta.dirname, '../../docs/configuration.md'), 'utf8');

  it('shows files that are accepted', async () => {
    const examples = [...text.matchAll(/```json\n([\s\S]*?)```/g)].map((it) => it[1]!);
    assert.ok(examples.length >= 3);
    for (const example of examples) {
      const { users } = await readSettings({ config: file(example) });
      assert.equal(await new UserTable(users).check('app', 'wrong', true), null);
    }
  });

  it('names every port with its number', () => {
    for (const [name, port] of Object.entries(STANDARD_PORTS)) {
      assert.ok(text.includes(`| \`${name}\` | ${port} |`), name);
    }
  });

  it('names every limit', () => {
    for (const name of Object.keys(defaultLimits(0))) assert.ok(text.includes(`\`${name}\``), name);
  });
});

describe('a bad value is refused with a hint', () => {
  it('in flags', async () => {
    await refuses({ port: ['9093'] }, /--port '9093' lacks a name/, /--port kafka=9093/);
    await refuses({ port: ['kafka'] }, /--port 'kafka' lacks the port: write --port kafka=<port>/);
    await refuses({ port: ['kakfa'] }, /did you mean 'kafka'\?/);
    await refuses({ port: ['kakfa=1'] }, /no protocol is called 'kakfa'/, /did you mean 'kafka'\?/);
    await refuses({ port: ['mqtt=1'] }, /there are kafka, amqp, nats, sqs, nats-http, http/);
    for (const port of ['', '65536', '-1', '1.5', '0x10', 'any', '1e3', ' 1']) {
      await refuses({ port: [`kafka=${port}`] }, /is not a port; 0 to 65535/, /off closes it/);
    }
    await refuses({ port: ['kafka=1', 'kafka=2'] }, /--port kafka is given twice/);
    await refuses({ sync: 'comit' }, /neither commit nor os \(did you mean 'commit'\?\)/);
    await refuses({ host: 'http://localhost' }, /is not an address/);
    await refuses({ host: '' }, /is not an address/);
    await refuses({ data: ' ' }, /--data is empty/);
  });

  it('in the file', async () => {
    await refuses({ config: join(folder, 'none.json') }, /none\.json: cannot be read \(ENOENT\)/);
    await refuses({ config: file('{ "sync": ') }, /is not JSON/);
    await refuses(
      { config: file({ prots: {} }) },
      /unknown key 'prots' \(did you mean 'ports'\?\)/,
    );
    await refuses(
      { config: file({ ports: { kafak: 1 } }) },
      /'ports\.kafak' \(did you mean 'kafka'\?\)/,
    );
    await refuses({ config: file({ ports: { kafka: 65_536 } }) }, /'ports\.kafka': .*65535/);
    for (const kafka of ['9092', true, null]) {
      await refuses(
        { config: file({ ports: { kafka } }) },
        /'ports\.kafka': a port is a number, 0 to 65535, or false$/,
      );
    }
    await refuses({ config: file({ sync: 'fsync' }) }, /'sync': /);
    await refuses({ config: file({ limits: { bodyBytes: 1 } }) }, /did you mean 'bodyBytesMax'\?/);
    await refuses({ config: file({ host: [] }) }, /'host'/);
    await refuses({ config: file([]) }, /the file: /);
  });

  it('in its users', async () => {
    const all = { configure: '.*', write: '.*', read: '(' };
    const password = 'secret';
    for (const [users, hint] of [
      [[], /'users': an empty list: name a user, or leave it out/],
      [[{ name: 'app', passwordHash: 'x' }], /the passwordHash of user app is none: .*SHA-256/],
      [[{ name: 'app', password: '' }], /the password of user app is empty/],
      [[{ name: 'app' }], /user app needs either password or passwordHash, or a token/],
      [[{ name: 'app', password, permissions: { '/': all } }], /is no regular expression/],
      [[1, 2].map(() => ({ name: 'app', password })), /user app is there twice/],
    ] as const) {
      await refuses({ config: file({ users }) }, /^--config \S+posthorn\.json: 'users': /, hint);
    }
  });
});
