/**
 * What the schedule does with a million pending delays in a real process, by real clients:
 * `node bench/schedule/run.ts [--pending 1000000] [--sync os]`
 *
 * How much memory each pending one takes, how late those are that come due meanwhile, what other
 * clients feel of it, and the same after a kill -9. Lateness is at the client, so its own work and
 * the way there are in it. Everything on one machine: others on it count too.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { residentBytes } from '../server-cost.ts';
import { BrokerProcess } from '#test/faults/broker-process.ts';
import { ByAmqp } from './by-amqp.ts';
import { BySqs, PENDING } from './by-sqs.ts';
import { lateness, probed } from './report.ts';

const SPREAD = 20_000;
const SPREAD_MS = 5000;
const AT_ONCE = 100_000;
/** Time to publish what comes due. */
const LEAD_MS = 4000;
const LEAD_AT_ONCE_MS = 15_000;
const TTL_MS = 5000;
const HIDDEN_SECONDS = 20;
const SETTLE_MS = 2000;

const { values } = parseArgs({
  options: {
    pending: { type: 'string', default: '1000000' },
    sync: { type: 'string', default: 'commit' },
  },
});
const pending = Number(values.pending);
const folder = mkdtempSync(join(tmpdir(), 'bench-schedule-'));
const broker = await BrokerProcess.at(folder, ['--sync', values.sync]);
const { nats, amqp, sqs } = broker.ports;
const measured = {
  natsPort: nats,
  get pid() {
    return broker.pid;
  },
};

async function filled(what: string, fill: (count: number) => Promise<void>): Promise<void> {
  const before = residentBytes(broker.pid);
  const startedAt = performance.now();
  await fill(pending);
  const seconds = (performance.now() - startedAt) / 1000;
  await sleep(SETTLE_MS);
  const bytes = (residentBytes(broker.pid) - before) / pending;
  const rate = (pending / seconds / 1000).toFixed(0);
  console.log(`${pending} pending, ${what}: ${bytes.toFixed(0)} bytes of RSS each, ${rate} k/s`);
}

async function byDelay(words: string): Promise<void> {
  const client = await ByAmqp.connect(amqp);
  const firstMs = Date.now() + LEAD_MS;
  await client.schedule(SPREAD, (i) => Math.floor(firstMs + (i * SPREAD_MS) / SPREAD));
  const spread = await probed(measured, () => client.later(SPREAD));
  lateness(`x-delay, spread over 5 s${words}`, spread);
  const dueMs = Date.now() + LEAD_AT_ONCE_MS;
  await client.schedule(AT_ONCE, () => dueMs);
  if (Date.now() > dueMs) console.log('    published too late');
  const atOnce = await probed(measured, () => client.later(AT_ONCE));
  lateness(`x-delay, all in one ms${words}`, atOnce);
  await client.close();
}

async function byExpiry(): Promise<void> {
  const client = await ByAmqp.connect(amqp);
  await client.expire(SPREAD, TTL_MS);
  lateness('TTL, dead letters', await probed(measured, () => client.expired(SPREAD)));
  await client.close();
}

async function bySqs(): Promise<void> {
  const client = await BySqs.connect(sqs);
  await client.schedule(SPREAD, (i) => 10 + (i % 5));
  const delayed = await probed(measured, () => client.receive(SPREAD, HIDDEN_SECONDS));
  lateness('DelaySeconds 10 to 14', delayed);
  const again = await probed(measured, () => client.receiveAgain(SPREAD, HIDDEN_SECONDS));
  lateness(`visibility of ${HIDDEN_SECONDS} s`, again);
  client.close();
}

async function restarted(): Promise<void> {
  const client = await ByAmqp.connect(amqp);
  const firstMs = Date.now() + LEAD_MS * 5;
  await client.schedule(SPREAD, (i) => Math.floor(firstMs + (i * SPREAD_MS) / SPREAD));
  await broker.kill();
  const startedAt = performance.now();
  await broker.start();
  const seconds = ((performance.now() - startedAt) / 1000).toFixed(1);
  const late = firstMs < Date.now() ? ', after the first were due' : '';
  console.log(`killed with everything pending: ready again after ${seconds} s${late}`);
  const again = await ByAmqp.connect(amqp);
  lateness('x-delay, spread over 5 s, after kill -9', await again.later(SPREAD));
  await again.close();
}

try {
  await broker.start();
  await byDelay(', nothing else');
  await filled('x-delay', async (count) => {
    const client = await ByAmqp.connect(amqp);
    await client.fill(count);
    await client.close();
  });
  await byDelay('');
  await byExpiry();
  const sqsClient = await BySqs.connect(sqs);
  sqsClient.close();
  // The same queue by AMQP, which is quicker to send.
  await filled('DelaySeconds', async (count) => {
    const client = await ByAmqp.connect(amqp);
    await client.send(PENDING, count);
    await client.close();
  });
  await bySqs();
  await restarted();
  await byDelay(', after kill -9');
} finally {
  await broker.kill();
  rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
}
