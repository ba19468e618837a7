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
import { SeededRandom } from '#test/rigs/seeded-random.ts';
import { damageRounds } from './tail-damage.ts';

const PUBLISHERS = 2;
const CONSUMERS = 2;
const PRODUCERS = 2;
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

async function killRounds(rounds: number): Promise<{ amqp: AmqpCounts; kafka: KafkaCounts }> {
  const broker = await BrokerProcess.at(join(folder, 'data'), ['--sync', values.sync]);
  await broker.start();
  const amqp = new AmqpLoad();
  const kafka = new KafkaLoad(broker.kafkaPort, random);
  await kafka.start(PRODUCERS);
  for (let round = 1; round <= rounds; round++) {
    const over = new AbortController();
    const load = amqp.run(broker.amqpPort, PUBLISHERS, CONSUMERS, over.signal);
    await sleep(random.between(LIFE_MS_MIN, LIFE_MS_MAX));
    const killed = broker.kill();
    over.abort();
    await killed;
    await load;
    await broker.start();
    if (round % PROGRESS_EVERY === 0) {
      console.log(`round ${round}: Kafka acknowledged ${kafka.acknowledgedCount} so far`);
    }
  }
  await kafka.stop();
  const result = { kafka: await kafka.verify(), amqp: await amqp.verify(broker.amqpPort) };
  await broker.stop();
  return result;
}

function report(rounds: number, { amqp, kafka }: Awaited<ReturnType<typeof killRounds>>): void {
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
  if (rounds > 0 && (amqp.confirmed === 0 || amqp.settled === 0 || kafka.acknowledged === 0)) {
    failures.push('the load did nothing');
  }
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
