/**
 * Runs real clients, unmodified, against Posthorn and against the real Kafka, RabbitMQ, nats-server
 * and ElasticMQ: the same programs with the same assertions. Prints a table and ends with `N passed, N failed`.
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
import { peerTarget, posthornTarget, type Protocol, type Target } from './targets.ts';

const { values: options } = parseArgs({
  options: {
    only: { type: 'string' },
    target: { type: 'string' },
    scenario: { type: 'string' },
  },
});
if (options.scenario !== undefined) process.env.SCENARIO = options.scenario;

const here = import.meta.dirname;

interface Source {
  clients: readonly string[];
  /** Which peers have to run for them. */
  needs: readonly Protocol[];
  suites: () => Promise<Suite[]>;
}

async function python(programs: readonly [client: string, file: string][]): Promise<Suite[]> {
  const interpreter = await pythonClients();
  return programs.map(([client, file]) =>
    programSuite(client, interpreter, [join(here, 'python', file)]),
  );
}

function javascript(client: string, file: string): Promise<Suite[]> {
  return Promise.resolve([programSuite(client, process.execPath, [join(here, 'js', file)])]);
}

async function java(programs: readonly [client: string, main: string][]): Promise<Suite[]> {
  const args = ['-XX:TieredStopAtLevel=1', '-cp', await javaClients()];
  return programs.map(([client, main]) => programSuite(client, 'java', [...args, main]));
}

async function go(client: string, program: string): Promise<Suite[]> {
  return [programSuite(client, join(await goClients(), program), [])];
}

/** Each way of installing clients, with the suites it makes possible and their clients' names. */
const sources: readonly Source[] = [
  {
    clients: ['pika', 'aiormq', 'kombu', 'kafka-python', 'confluent-kafka', 'cross', 'restart'],
    needs: ['kafka', 'amqp'],
    suites: async () => [
      ...snippetSuites(await pythonClients()),
      ...(await python([
        ['pika', 'pika_exchanges.py'],
        ['pika', 'pika_queues.py'],
        ['pika', 'pika_consumers.py'],
        ['pika', 'pika_errors.py'],
        ['aiormq', 'aiormq_clients.py'],
        ['kombu', 'kombu_clients.py'],
        ['kafka-python', 'kafka_python_basics.py'],
        ['kafka-python', 'kafka_python_groups.py'],
        ['confluent-kafka', 'confluent_kafka_clients.py'],
      ])),
      // No real broker speaks both, and none of the peers has the plugin for delays.
      ...(
        await python([
          ['pika', 'pika_delayed.py'],
          ['cross', 'cross.py'],
        ])
      ).map((suite) => onlyOn('posthorn', suite)),
      restartSuite(await pythonClients()),
    ],
  },
  {
    clients: ['nats-raw', 'nats-py'],
    needs: ['nats'],
    suites: () =>
      python([
        ['nats-raw', 'nats_raw.py'],
        ['nats-py', 'nats_py_clients.py'],
        ['nats-py', 'nats_py_guarded.py'],
      ]),
  },
  {
    clients: ['boto3', 'awscli'],
    needs: ['sqs'],
    suites: () =>
      python([
        ['boto3', 'boto3_queues.py'],
        ['boto3', 'boto3_fifo.py'],
        ['boto3', 'boto3_errors.py'],
        ['awscli', 'awscli_commands.py'],
      ]),
  },
  { clients: ['amqplib'], needs: ['amqp'], suites: () => javascript('amqplib', 'amqplib.js') },
  { clients: ['kafkajs'], needs: ['kafka'], suites: () => javascript('kafkajs', 'kafkajs.js') },
  {
    clients: ['platformatic-kafka'],
    needs: ['kafka'],
    suites: () => javascript('platformatic-kafka', 'platformatic-kafka.js'),
  },
  { clients: ['nats.js'], needs: ['nats'], suites: () => javascript('nats.js', 'nats-js.js') },
  {
    clients: ['aws-sdk-js'],
    needs: ['sqs'],
    suites: () => javascript('aws-sdk-js', 'aws-sdk-sqs.js'),
  },
  {
    clients: ['kafka-java', 'rabbitmq-java', 'segments'],
    needs: ['kafka', 'amqp'],
    suites: async () => [
      ...(await java([
        ['kafka-java', 'KafkaTools'],
        ['kafka-java', 'KafkaClients'],
        ['rabbitmq-java', 'RabbitmqClients'],
      ])),
      segmentSuite(await javaClients()),
    ],
  },
  {
    clients: ['aws-sdk-java'],
    needs: ['sqs'],
    suites: () => java([['aws-sdk-java', 'SqsClients']]),
  },
  { clients: ['franz-go'], needs: ['kafka'], suites: () => go('franz-go', 'franz') },
  { clients: ['amqp091-go'], needs: ['amqp'], suites: () => go('amqp091-go', 'amqp091') },
  { clients: ['nats.go'], needs: ['nats'], suites: () => go('nats.go', 'nats') },
  { clients: ['kcat'], needs: ['kafka'], suites: async () => [kcatSuite(await kcat())] },
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
  const needs = new Set(
    sources.filter(({ clients }) => clients.some(wanted)).flatMap((source) => source.needs),
  );
  console.log(`clients installed after ${Math.round((Date.now() - startedAt) / 1000)} s`);
  // Both targets at once: most of the time every program waits.
  const results = (
    await Promise.all(
      names.map(async (name) => {
        const target = await starts[name](needs);
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
