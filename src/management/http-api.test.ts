import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { after, before, describe, it } from 'node:test';
import { Failure, Metrics } from '#core/metrics.ts';
import { answer, type HttpSource } from './http-api.ts';
import type { BrokerFigures, MetricsSource } from './metrics.ts';

const counters = new Metrics();
const figures: BrokerFigures = {
  queues: 3,
  messagesReady: 20,
  messagesUnacknowledged: 4,
  messagesDelayed: 5,
  consumers: 2,
  topics: 1,
  partitions: 6,
  exchanges: 8,
  memoryUsedBytes: 1000,
  memoryLimitBytes: 2000,
  memoryAlarm: true,
  diskAlarm: false,
};
const metricsSource: MetricsSource = {
  counters,
  listeners: () => [
    {
      name: 'kafka',
      connections: 5,
      accepted: 7,
      refused: 1,
      secured: 4,
      handshakesFailed: 3,
      broken: 6,
      malformed: 8,
      late: 9,
      stuck: 10,
      plainTextRefused: 2,
      receivedBytes: 100,
      sentBytes: 200,
    },
  ],
  figures: () => figures,
};
const state: { reason: string | null; source: MetricsSource | null } = {
  reason: null,
  source: null,
};
const source: HttpSource = {
  notReady: () => state.reason,
  metrics: () => state.source,
  broker: () => null,
};

const server = createServer((request, response) => void answer(request, response, source));
let base = '';
before(async () => {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});
after(() => {
  server.close();
  server.closeAllConnections();
});

async function get(path: string, method = 'GET'): Promise<[number, string]> {
  const response = await fetch(base + path, { method });
  return [response.status, await response.text()];
}

describe('the HTTP endpoints', () => {
  it('say live always, and ready or why not', async () => {
    state.reason = 'starting';
    assert.deepEqual(await get('/healthz/live'), [200, 'live\n']);
    assert.deepEqual(await get('/healthz/ready'), [503, 'starting\n']);
    state.reason = null;
    assert.deepEqual(await get('/healthz/ready?verbose=1'), [200, 'ready\n']);
    assert.deepEqual(await get('/healthz/ready', 'HEAD'), [200, '']);
  });

  it('refuse other paths and methods with a hint', async () => {
    const [status, text] = await get('/health');
    assert.equal(status, 404);
    assert.match(text, /\/healthz\/live/);
    assert.equal((await get('/metrics', 'POST'))[0], 405);
  });

  it('show metrics once the broker is open, and what has changed since', async () => {
    state.source = null;
    assert.equal((await get('/metrics'))[0], 503);
    state.source = metricsSource;
    counters.protocol('amqp').published = 11;
    counters.protocol('kafka').publishedBytes = 12;
    counters.expired = 13;
    counters.protocol('amqp').fail(Failure.Silent);
    for (let i = 0; i < 2; i++) counters.protocol('amqp').error('NOT_FOUND');
    const [status, text] = await get('/metrics');
    assert.equal(status, 200);
    for (const line of [
      'posthorn_published_total{protocol="amqp"} 11',
      'posthorn_published_bytes_total{protocol="kafka"} 12',
      'posthorn_messages_expired_total 13',
      'posthorn_listener_connections{listener="kafka"} 5',
      'posthorn_listener_handshakes_failed_total{listener="kafka"} 3',
      'posthorn_listener_stuck_total{listener="kafka"} 10',
      'posthorn_connections_failed_total{protocol="amqp",reason="silent"} 1',
      'posthorn_connections_failed_total{protocol="amqp",reason="malformed"} 0',
      'posthorn_errors_total{protocol="amqp",error="NOT_FOUND"} 2',
      'posthorn_listener_sent_bytes_total{listener="kafka"} 200',
      'posthorn_messages_ready 20',
      'posthorn_memory_alarm 1',
      'posthorn_disk_alarm 0',
    ]) {
      assert.ok(text.split('\n').includes(line), `'${line}' is missing in\n${text}`);
    }
    assert.match(text, /^process_resident_memory_bytes \d+/m);
    counters.protocol('amqp').published = 21;
    figures.messagesReady = 0;
    const [, later] = await get('/metrics');
    assert.match(later, /^posthorn_published_total\{protocol="amqp"\} 21$/m);
    assert.match(later, /^posthorn_messages_ready 0$/m);
  });
});
