import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BrokerError } from '#core/errors.ts';
import { hashPassword } from './password.ts';
import { UserTable } from './user-table.ts';

test('guest comes in from this machine only, and may do everything', async () => {
  const users = new UserTable();
  const guest = await users.check('guest', 'guest', true);
  assert.equal(guest?.name, 'guest');
  assert.deepEqual(guest.tags, ['administrator']);
  assert.equal(guest.mayEnter('/'), true);
  assert.equal(guest.may('configure', 'anything', 'q'), true);
  assert.equal(await users.check('guest', 'guest', false), null);
  assert.equal(await users.check('guest', 'wrong', true), null);
  assert.equal(await users.check('nobody', 'guest', true), null);
});

test('a configured table has no guest, and takes plain and hashed passwords', async () => {
  const salt = Uint8Array.of(0x90, 0x8d, 0xc6, 0x0a);
  // The example of RabbitMQ's guide on credentials and passwords.
  const passwordHash = hashPassword('test12', salt);
  assert.equal(passwordHash, 'kI3GCqW5JLMJa4iX1lo7X4D6XbYqlLgxIs30+P6tENUV2POR');
  const users = new UserTable([
    { name: 'a', password: 'x' },
    { name: 'b', passwordHash },
  ]);
  assert.equal(await users.check('guest', 'guest', true), null);
  assert.equal((await users.check('a', 'x', false))?.name, 'a');
  assert.equal(await users.check('a', '', false), null);
  assert.equal((await users.check('b', 'test12', false))?.name, 'b');
  assert.equal(await users.check('b', 'test13', false), null);
  assert.equal(await users.check('b', passwordHash, false), null);
});

test('permissions are patterns by namespace; an empty one grants nothing', async () => {
  const users = new UserTable([
    {
      name: 'app',
      password: 'x',
      permissions: { '/': { configure: '', write: '^(amq\\.default|app-.*)$', read: '.*' } },
    },
  ]);
  const app = await users.check('app', 'x', false);
  assert.equal(app?.mayEnter('/'), true);
  assert.equal(app.mayEnter('other'), false);
  assert.equal(app.may('read', 'other', 'q'), false);
  assert.equal(app.may('read', '/', 'anything'), true);
  assert.equal(app.may('write', '/', 'app-1'), true);
  assert.equal(app.may('write', '/', ''), true, 'the default exchange is amq.default');
  assert.equal(app.may('write', '/', 'other'), false);
  assert.equal(app.may('configure', '/', 'app-1'), false);
});

test('what cannot be checked is refused at the start', () => {
  const refused = (settings: ConstructorParameters<typeof UserTable>[0]): void => {
    assert.throws(
      () => new UserTable(settings),
      (error: unknown) => error instanceof BrokerError && error.code === 'invalid-argument',
    );
  };
  refused([{ name: 'a' }]);
  const passwordHash = hashPassword('x', Uint8Array.of(1, 2, 3, 4));
  refused([{ name: 'a', password: 'x', passwordHash }]);
  for (const wrong of ['', 'x', passwordHash.slice(4), `${passwordHash.slice(4)}====`]) {
    refused([{ name: 'a', passwordHash: wrong }]);
  }
  refused([{ name: 'a', password: '' }]);
  refused([{ name: 'a', password: '', token: 't' }]);
  refused([
    { name: 'a', password: 'x' },
    { name: 'a', password: 'y' },
  ]);
  refused([
    { name: 'a', token: 't' },
    { name: 'b', token: 't' },
  ]);
  for (const pattern of ['', 'a..b', '.a', 'a.', 'a.>.b', 'a  b', 'a b c', 'a.\tb']) {
    refused([{ name: 'a', password: 'x', subjects: { publish: { allow: [pattern] } } }]);
    refused([{ name: 'a', password: 'x', subjects: { subscribe: { deny: [pattern] } } }]);
  }
  // Of subscriptions it is a rule for a queue group.
  refused([{ name: 'a', password: 'x', subjects: { publish: { allow: ['a b'] } } }]);
  const permissions = { '/': { configure: '(', write: '', read: '' } };
  refused([{ name: 'a', password: 'x', permissions }]);
});

test('a token stands for its user, from where that user may come', async () => {
  const users = new UserTable([
    { name: 'a', token: 'secret-a' },
    { name: 'b', password: 'x', token: 'secret-b', loopbackOnly: true },
    { name: 'c', password: 'x' },
  ]);
  assert.equal((await users.checkToken('secret-a', false))?.name, 'a');
  assert.equal((await users.checkToken('secret-b', true))?.name, 'b');
  assert.equal(await users.checkToken('secret-b', false), null);
  for (const wrong of ['', 'secret', 'secret-aa', 'x', 'undefined']) {
    assert.equal(await users.checkToken(wrong, true), null, wrong);
  }
  assert.equal(await users.check('a', 'secret-a', true), null, 'a token is no password');
  assert.equal(await users.check('a', '', true), null);
  assert.equal(await users.check('a', 'undefined', true), null);
  assert.equal((await users.check('b', 'x', true))?.name, 'b');
  assert.equal(await new UserTable().checkToken('guest', true), null);
});

test('nobody comes without credentials but to a broker without users, from its machine', () => {
  const open = new UserTable();
  assert.equal(open.anonymous(true)?.name, 'guest');
  assert.equal(open.anonymous(false), null);
  const configured = new UserTable([{ name: 'guest', password: 'guest' }]);
  assert.equal(configured.anonymous(true), null);
});

test('who signs needs a secret that is known here: a hash is none', () => {
  const users = new UserTable([
    { name: 'plain', password: 'x' },
    { name: 'session', password: 'y', token: 't' },
    { name: 'hashed', passwordHash: hashPassword('x', Uint8Array.of(1, 2, 3, 4)) },
    { name: 'token', token: 'u' },
    { name: 'near', password: 'z', loopbackOnly: true },
  ]);
  const plain = users.signer('plain', false);
  assert.equal(plain?.secret, 'x');
  assert.equal(plain.identity.name, 'plain');
  assert.equal(plain.sessionToken, null);
  assert.equal(users.signer('session', false)?.sessionToken, 't');
  for (const name of ['hashed', 'token', 'nobody']) assert.equal(users.signer(name, true), null);
  assert.equal(users.signer('near', true)?.secret, 'z');
  assert.equal(users.signer('near', false), null);
});

test('subjects are as configured: nothing said allows all, an empty list nothing', async () => {
  const users = new UserTable([
    { name: 'all', password: 'x' },
    {
      name: 'some',
      password: 'x',
      subjects: {
        publish: { allow: ['orders.>', 'a.*.b'], deny: ['orders.secret'] },
        subscribe: { allow: [] },
        allowResponses: true,
      },
    },
    { name: 'denied', password: 'x', subjects: { subscribe: { deny: ['>'] } } },
  ]);
  assert.equal((await users.check('all', 'x', false))?.subjects, null);
  assert.deepEqual((await users.check('some', 'x', false))?.subjects, {
    publish: { allow: ['orders.>', 'a.*.b'], deny: ['orders.secret'] },
    subscribe: { allow: [], deny: [] },
    allowResponses: true,
  });
  assert.deepEqual((await users.check('denied', 'x', false))?.subjects, {
    publish: { allow: null, deny: [] },
    subscribe: { allow: null, deny: ['>'] },
    allowResponses: false,
  });
});
