import assert from 'node:assert/strict';
import { once } from 'node:events';
import { rm, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { test } from 'node:test';
import amqplib from 'amqplib';
import { startBroker } from './index.ts';

const NOT_AMQP = 'GET / HTTP/1.1\r\n\r\n';

test('what is thrown in an event of the broker fails the broker, not the process', async () => {
  const thrown = new Error('from within');
  const broker = await startBroker({
    log: {
      log: (level) => {
        if (level === 'warn') throw thrown;
      },
    },
  });
  const bystander = await amqplib.connect(broker.amqp.url);
  bystander.on('error', () => {});
  const cut = new Promise((resolve) => bystander.once('close', resolve));
  const waiting = broker.spy.next({}, 10_000);
  assert.equal(broker.failure, null);
  // A connection that breaks the protocol is warned of.
  const offender = connect(broker.amqp.port, '127.0.0.1');
  offender.on('error', () => {});
  offender.write('AMQP\0\0\x09\x01');
  await once(offender, 'data');
  offender.write(NOT_AMQP);
  await assert.rejects(waiting, thrown);
  await cut;
  assert.equal(broker.failure, thrown);
  await assert.rejects(broker.publish('q', 'x'), thrown);
  await assert.rejects(broker.advance(1), thrown);
  await assert.rejects(broker.close(), thrown);
});

test('a write that fails fails the broker: nothing more is promised', async () => {
  const broker = await startBroker({ store: 'temporary', log: 'silent' });
  await rm(broker.folder!, { recursive: true });
  await writeFile(broker.folder!, 'no folder');
  await broker.declareQueue('q');
  await assert.rejects(broker.publish('q', 'x'), /EEXIST|ENOTDIR/);
  assert.match(broker.failure!.message, /EEXIST|ENOTDIR/);
  await assert.rejects(broker.declareQueue('r'), /EEXIST|ENOTDIR/);
  const late = connect(broker.amqp.port, '127.0.0.1');
  const [error] = (await once(late, 'error')) as [NodeJS.ErrnoException];
  assert.equal(error.code, 'ECONNREFUSED');
  await assert.rejects(broker.close(), /EEXIST|ENOTDIR/);
  late.destroy();
});
