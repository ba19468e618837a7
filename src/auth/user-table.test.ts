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
  refused([{ name: 'a', password: 'x', passwordHash: 'y' }]);
  refused([
    { name: 'a', password: 'x' },
    { name: 'a', password: 'y' },
  ]);
  const permissions = { '/': { configure: '(', write: '', read: '' } };
  refused([{ name: 'a', password: 'x', permissions }]);
});
