/**
 * Mutated frames against a protocol in this process: no crash, no leak, and another connection that
 * goes on undisturbed.
 *
 *   npm run fuzz -- [amqp] [kafka] [nats] [sqs] [--count <frames each>] [--seed <number>]
 *
 * Every failure names the seed of its session, and the same seed does the same again.
 */
import { parseArgs } from 'node:util';
import { fuzz as fuzzAmqp } from '#protocols/amqp091/amqp091.fuzz.ts';
import { fuzz as fuzzKafka } from '#protocols/kafka/kafka.fuzz.ts';
import { fuzz as fuzzNats } from '#protocols/nats/nats.fuzz.ts';
import { fuzz as fuzzSqs } from '#protocols/sqs/sqs.fuzz.ts';
import type { Fuzzer } from './fuzzer.ts';

const FUZZERS: Readonly<Record<string, Fuzzer>> = {
  amqp: fuzzAmqp,
  kafka: fuzzKafka,
  nats: fuzzNats,
  sqs: fuzzSqs,
};
const COUNT = '1000000';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { count: { type: 'string', default: COUNT }, seed: { type: 'string', default: '1' } },
});
const count = Number(values.count);
const seed = Number(values.seed);
const names = positionals.length > 0 ? positionals : Object.keys(FUZZERS);

for (const name of names) {
  const fuzzer = FUZZERS[name];
  if (!fuzzer || !Number.isSafeInteger(count) || !Number.isSafeInteger(seed)) {
    process.stderr.write(`unknown protocol ${name}, or --count or --seed is no number\n`);
    process.exit(2);
  }
  const startedMs = performance.now();
  const result = await fuzzer({ count, seed });
  const seconds = ((performance.now() - startedMs) / 1000).toFixed(1);
  process.stdout.write(
    `${name}: ${result.frames} frames in ${result.sessions} sessions, ${result.refused} ended by ` +
      `the broker, 0 crashes, witness undisturbed, heap ${result.heapBeforeMiB} → ` +
      `${result.heapAfterMiB} MiB, ${seconds} s\n`,
  );
}
