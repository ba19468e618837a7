/**
 * Runs real clients, unmodified, against Posthorn and against the real Kafka and RabbitMQ: the same
 * programs with the same assertions. Prints a table and ends with `N passed, N failed`.
 *
 *   npm run test:clients -- [--only <client>] [--target posthorn|peer] [--scenario <part of name>]
 *
 * What it needs is installed once into `.cache/`. A client that cannot be installed is left out with
 * a warning on a developer's machine and is a failure on CI (`CI=true`).
 */
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { kcatSuite } from './c/kcat.ts';
import { goClients, javaClients, kcat, pythonClients } from './installs.ts';
import { restartSuite } from './restart.ts';
import { type Result, table } from './results.ts';
import { segmentSuite } from './segments.ts';
import { snippetSuites } from './snippets.ts';
import { onlyOn, programSuite, type Suite } from './suite.ts';
import { peerTarget, posthornTarget, type Target } from './targets.ts';

const { values: options } = parseArgs({
  options: {
    only: { type: 'string' },
    target: { type: 'string' },
    scenario: { type: 'string' },
  },
});
if (options.scenario !== undefined) process.env.SCENARIO = options.scenario;

const here = import.meta.dirname;

/** Each way of installing clients, with the suites it makes possible and their clients' names. */
const sources: { clients: readonly string[]; suites: () => Promise<Suite[]> }[] = [
  {
    clients: ['pika', 'aiormq', 'kombu', 'kafka-python', 'confluent-kafka', 'cross', 'restart'],
    suites: async () => {
      const python = await pythonClients();
      const program = (client: string, file: string): Suite =>
        programSuite(client, python, [join(here, 'python', file)]);
      return [
        ...snippetSuites(python),
        program('pika', 'pika_exchanges.py'),
        program('pika', 'pika_queues.py'),
        program('pika', 'pika_consumers.py'),
        program('pika', 'pika_errors.py'),
        program('aiormq', 'aiormq_clients.py'),
        program('kombu', 'kombu_clients.py'),
        program('kafka-python', 'kafka_python_basics.py'),
        program('kafka-python', 'kafka_python_groups.py'),
        program('confluent-kafka', 'confluent_kafka_clients.py'),
        // No real broker speaks both.
        onlyOn('posthorn', program('cross', 'cross.py')),
        restartSuite(python),
      ];
    },
  },
  {
    clients: ['amqplib', 'kafkajs', 'platformatic-kafka'],
    suites: () => {
      const program = (client: string, file: string): Suite =>
        programSuite(client, process.execPath, [join(here, 'js', file)]);
      return Promise.resolve([
        program('amqplib', 'amqplib.js'),
        program('kafkajs', 'kafkajs.js'),
        program('platformatic-kafka', 'platformatic-kafka.js'),
      ]);
    },
  },
  {
    clients: ['kafka-java', 'rabbitmq-java', 'segments'],
    suites: async () => {
      const classPath = await javaClients();
      const program = (client: string, main: string): Suite =>
        programSuite(client, 'java', ['-XX:TieredStopAtLevel=1', '-cp', classPath, main]);
      return [
        program('kafka-java', 'KafkaTools'),
        program('kafka-java', 'KafkaClients'),
        program('rabbitmq-java', 'RabbitmqClients'),
        segmentSuite(classPath),
      ];
    },
  },
  {
    clients: ['franz-go', 'amqp091-go'],
    suites: async () => {
      const folder = await goClients();
      return [
        programSuite('franz-go', join(folder, 'franz'), []),
        programSuite('amqp091-go', join(folder, 'amqp091'), []),
      ];
    },
  },
  { clients: ['kcat'], suites: async () => [kcatSuite(await kcat())] },
];

const wanted = (client: string): boolean => options.only === undefined || options.only === client;

async function suites(): Promise<{ suites: Suite[]; missing: Result[] }> {
  const missing: Result[] = [];
  const all = await Promise.all(
    sources
      .filter((source) => source.clients.some(wanted))
      .map(async (source) => {
        try {
          return (await source.suites()).filter((suite) => wanted(suite.client));
        } catch (error) {
          const problem = `cannot be installed: ${(error as Error).message}`;
          console.error(`${source.clients.join(', ')}: ${problem}`);
          for (const client of source.clients.filter(wanted)) {
            missing.push({ client, target: 'install', scenario: '(install)', tookMs: 0, problem });
          }
          return [];
        }
      }),
  );
  return { suites: all.flat(), missing };
}

async function runAll(target: Target, all: readonly Suite[]): Promise<Result[]> {
  const results: Result[] = [];
  for (const suite of all) {
    const some = await suite.run(target);
    results.push(...some);
    for (const result of some) {
      const mark = result.problem === undefined ? 'ok  ' : 'FAIL';
      console.log(`${mark} ${target.name.padEnd(8)} ${suite.client}: ${result.scenario}`);
      if (result.problem !== undefined)
        console.log(result.problem.trimEnd().replaceAll(/^/gm, '       '));
    }
  }
  return results;
}

async function main(): Promise<number> {
  const startedAt = Date.now();
  const starts = { posthorn: posthornTarget, peer: peerTarget };
  if (options.target !== undefined && !(options.target in starts)) {
    console.error(`--target is posthorn or peer, not ${options.target}`);
    return 2;
  }
  const names = (['posthorn', 'peer'] as const).filter(
    (name) => options.target === undefined || options.target === name,
  );
  const { suites: all, missing } = await suites();
  if (all.length === 0 && missing.length === 0) {
    console.error(
      `no client ${options.only}; there are ${sources.flatMap((s) => s.clients).join(', ')}`,
    );
    return 2;
  }
  console.log(`clients installed after ${Math.round((Date.now() - startedAt) / 1000)} s`);
  // Both targets at once: most of the time every program waits.
  const results = (
    await Promise.all(
      names.map(async (name) => {
        const target = await starts[name]();
        const some = await runAll(target, all);
        try {
          await target.stop();
        } catch (error) {
          const problem = (error as Error).message;
          some.push({
            client: '(broker)',
            target: name,
            scenario: 'still runs',
            tookMs: 0,
            problem,
          });
        }
        return some;
      }),
    )
  ).flat();
  if (process.env.CI === 'true') results.push(...missing);
  console.log(`\n${table(results)}\n`);
  const failed = results.filter((result) => result.problem !== undefined).length;
  console.log(`${Math.round((Date.now() - startedAt) / 1000)} s`);
  console.log(`${results.length - failed} passed, ${failed} failed`);
  return failed === 0 && results.length > 0 ? 0 : 1;
}

process.exit(await main());
