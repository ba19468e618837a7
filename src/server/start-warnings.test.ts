import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Logger } from './log.ts';
import type { PortName, TlsSettings } from './settings.ts';
import { warnOfUnguardedKafka, warnOfUnknownNamespaces } from './start-warnings.ts';

const USERS = [{ name: 'app', password: 'secret' }];
const TLS: TlsSettings = { cert: 'c', key: 'k', ca: 'ca', required: true, verifyClient: true };

function collect(): { logger: Logger; said: string[] } {
  const said: string[] = [];
  const silent = (): void => assert.fail('not a warning');
  const warn = (_fields: object, message: string): void => void said.push(message);
  return { logger: { fatal: silent, error: silent, warn, info: silent, debug: silent }, said };
}

function kafkaWarnings(
  hosts: string[],
  users: typeof USERS | null,
  tls: TlsSettings | null = null,
  name: PortName = 'kafka',
): string[] {
  const { logger, said } = collect();
  warnOfUnguardedKafka([{ name, port: 9092, hosts, servers: [] }], { users, tls }, logger);
  return said;
}

describe('a start', () => {
  it('says that Kafka clients need no password', () => {
    for (const said of [
      kafkaWarnings(['0.0.0.0'], null),
      kafkaWarnings(['::'], null),
      kafkaWarnings(['127.0.0.1', '192.0.2.1'], null),
      kafkaWarnings(['127.0.0.1'], USERS),
      kafkaWarnings(['0.0.0.0'], USERS, { ...TLS, verifyClient: false }),
      kafkaWarnings(['0.0.0.0'], USERS, { ...TLS, required: false }),
      kafkaWarnings(['0.0.0.0'], USERS, { ...TLS, required: { amqp: true } }),
    ]) {
      assert.equal(said.length, 1);
      assert.match(said[0]!, /need no password: whoever reaches port 9092 .*--port kafka=off/);
    }
  });

  it('says nothing of Kafka where nobody is surprised', () => {
    for (const said of [
      kafkaWarnings(['127.0.0.1', '::1'], null),
      kafkaWarnings(['0.0.0.0'], USERS, null, 'amqp'),
      kafkaWarnings(['0.0.0.0'], USERS, TLS),
      kafkaWarnings(['0.0.0.0'], USERS, { ...TLS, required: { kafka: true } }),
    ]) {
      assert.deepEqual(said, []);
    }
  });

  it('names a namespace that users have permissions for and that is not there', () => {
    const { logger, said } = collect();
    const known = new Map([['/', null]]);
    const all = { configure: '', write: '', read: '.*' };
    const users = [...USERS, { name: 'tester', permissions: { '/': all, stagign: all } }];
    warnOfUnknownNamespaces(known, users, logger);
    assert.equal(said.length, 1);
    assert.match(said[0]!, /'tester' .*'stagign', which is not there; there are '\/'/);
  });
});
