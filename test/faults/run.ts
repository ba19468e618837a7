/**
 * `npm run faults`: the broker under load, killed without warning again and again; damaged tails;
 * a full disk. Prints the counts and fails on the first promise that was not kept.
 *
 *   --rounds <n>   kill rounds (200)      --damage <n>  damaged copies (40)
 *   --seed <n>     of all random choices  --sync os|commit, passed to the broker
 *   --no-disk-full leaves out the round that needs root for a small tmpfs
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { AmqpLoad, type AmqpCounts } from './amqp-load.ts';
import { BrokerProcess } from './broker-process.ts';
import { diskFullRound } from './disk-full.ts';
import { KafkaLoad, type KafkaCounts } from './kafka-load.ts';
import { NatsLoad, type NatsCounts } from './nats-load.ts';
import { SeededRandom } from '#test/rigs/seeded-random.ts';
import { ScheduleLoad, type ScheduleCounts } from './schedule-load.ts';
import { SqsLoad, type SqsCounts } from './sqs-load.ts';
import { damageRounds } from './tail-damage.ts';

const PUBLISHERS = 2;
const CONSUMERS = 2;
const PRODUCERS = 2;
const SENDERS = 2;
const RECEIVERS = 2;
const LIFE_MS_MIN = 150;
const LIFE_MS_MAX = 1200;
const PROGRESS_EVERY = 20;

const { values } = parseArgs({
  options: {
    rounds: { type: 'string', default: '200' },
    damage: { type: 'string', default: '40' },
    seed: { type: 'string', default: String(Date.now() % 1_000_000) },
    sync: { type: 'string', default: 'commit' },
    'no-disk-full': { type: 'boolean', default: false },
  },
});
const seed = Number(values.seed);
const random = new SeededRandom(seed);
const folder = mkdtempSync(join(tmpdir(), 'posthorn-faults-'));
const failures: string[] = [];

function expectNone(what: string, found: readonly string[]): void {
  if (found.length === 0) return;
  failures.push(`${what}: ${found.length} (${found.slice(0, 5).join(', ')})`);
}

interface Counts {
  amqp: AmqpCounts;
  kafka: KafkaCounts;
  sqs: SqsCounts;
  schedule: ScheduleCounts;
  nats: NatsCounts;
}

async function killRounds(rounds: number): Promise<Counts> {
  const broker = await BrokerProcess.at(join(folder, 'data'), ['--sync', values.sync]);
  await broker.start();
  const amqp = new AmqpLoad();
  const kafka = new KafkaLoad(broker.ports.kafka, random);
  await kafka.start(PRODUCERS);
  const sqs = new SqsLoad(random);
  const schedule = new ScheduleLoad(random);
  const nats = await NatsLoad.start(broker.ports.nats);
  const { ports } = broker;
  for (let round = 1; round <= rounds; round++) {
    const over = new AbortController();
    const load = Promise.all([
      amqp.run(ports.amqp, PUBLISHERS, CONSUMERS, over.signal),
      sqs.run(ports.sqs, SENDERS, RECEIVERS, over.signal),
      schedule.run(ports.amqp, ports.sqs, over.signal),
    ]);
    await sleep(random.between(LIFE_MS_MIN, LIFE_MS_MAX));
    const killed = broker.kill();
    over.abort();
    await killed;
    await load;
    await broker.start();
    await nats.expectDelivery();
    if (round % PROGRESS_EVERY === 0) {
      console.log(`round ${round}: Kafka acknowledged ${kafka.acknowledgedCount} so far`);
    }
  }
  await kafka.stop();
  const result = {
    kafka: await kafka.verify(),
    amqp: await amqp.verify(ports.amqp),
    sqs: await sqs.verify(ports.sqs),
    schedule: await schedule.verify(ports.amqp, ports.sqs),
    nats: await nats.stop(),
  };
  await broker.stop();
  return result;
}

function report(rounds: number, counts: Counts): void {
  const { amqp, kafka } = counts;
  console.log(`kill -9, ${rounds} rounds:`);
  console.log(
    `  AMQP   published ${amqp.published}, confirmed ${amqp.confirmed}, lost ${amqp.lost.length}; ` +
      `delivered ${amqp.delivered}, settled ${amqp.settled}, ` +
      `settled that returned ${amqp.settledReturned.length}, ` +
      `unsettled delivered again ${amqp.redelivered}, without the flag ${amqp.unflagged.length}`,
  );
  console.log(
    `  Kafka  sent ${kafka.sent}, acknowledged ${kafka.acknowledged}, lost ${kafka.lost.length}; ` +
      `read ${kafka.read}, duplicates ${kafka.duplicated.length}, ` +
      `out of order ${kafka.disordered.length}, gaps ${kafka.gaps.length}`,
  );
  expectNone('AMQP confirmed and lost', amqp.lost);
  expectNone('AMQP settled and returned', amqp.settledReturned);
  expectNone('AMQP redelivered without the flag', amqp.unflagged);
  expectNone('Kafka acknowledged and lost', kafka.lost);
  expectNone('Kafka duplicates', kafka.duplicated);
  expectNone('Kafka out of order', kafka.disordered);
  expectNone('Kafka offset gaps', kafka.gaps);
  reportLeased(counts);
  if (rounds > 0 && (amqp.confirmed === 0 || amqp.settled === 0 || kafka.acknowledged === 0)) {
    failures.push('the load did nothing');
  }
}

function reportLeased({ sqs, schedule, nats }: Counts): void {
  console.log(
    `  SQS    sent ${sqs.sent}, answered 200 ${sqs.acknowledged}, lost ${sqs.lost.length}; ` +
      `received ${sqs.received}, deleted ${sqs.deleted}, ` +
      `deleted that returned ${sqs.deletedReturned.length}, received again ${sqs.again}, ` +
      `groups out of order ${sqs.disordered.length}`,
  );
  console.log(
    `  later  acknowledged ${schedule.acknowledged}, lost ${schedule.lost.length}; ` +
      `received ${schedule.received}, too early ${schedule.early.length}`,
  );
  console.log(
    `  NATS   published ${nats.published}, received ${nats.received}, ` +
      `reconnects ${nats.reconnects}, failures ${nats.failures.length}`,
  );
  expectNone('SQS answered 200 and lost', sqs.lost);
  expectNone('SQS deleted and returned', sqs.deletedReturned);
  expectNone('SQS groups out of order', sqs.disordered);
  expectNone('scheduled and lost', schedule.lost);
  expectNone('scheduled and too early', schedule.early);
  expectNone('NATS reconnects', nats.failures);
}

console.log(`seed ${seed}`);
const rounds = Number(values.rounds);
if (rounds > 0) report(rounds, await killRounds(rounds));

const damage = Number(values.damage);
if (damage > 0) {
  const counts = await damageRounds(folder, damage, random);
  console.log(
    `damaged segments: torn tails dropped ${counts.torn}, garbage tails dropped ${counts.garbage}, ` +
      `starts refused for a flipped byte in the last batch ${counts.flippedTail}, ` +
      `in the middle ${counts.flippedMiddle}, failures ${counts.failures.length}`,
  );
  expectNone('damage', counts.failures);
}

if (!values['no-disk-full']) {
  const counts = await diskFullRound(folder);
  console.log(
    `disk full: confirmed before ${counts.confirmedBefore}, consumed while full ` +
      `${counts.consumedWhileFull}, Kafka refusals while full ${counts.kafkaRefusedWhileFull}, ` +
      `confirmed after ${counts.confirmedAfter}, failures ${counts.failures.length}`,
  );
  expectNone('disk full', counts.failures);
}

rmSync(folder, { recursive: true, force: true });
for (const failure of failures) console.error(`FAILED ${failure}`);
console.log(failures.length === 0 ? 'every promise was kept' : `seed ${seed} failed`);
process.exit(failures.length === 0 ? 0 : 1);
