/** The clients: each way of installing some, and the suites it makes possible. */
import { join } from 'node:path';
import { kcatSuite } from './c/kcat.ts';
import { goClients, javaClients, kcat, pythonClients } from './installs.ts';
import { packageSuite } from './package.ts';
import { restartSuite } from './restart.ts';
import { segmentSuite } from './segments.ts';
import { snippetSuites } from './snippets.ts';
import { onlyOn, programSuite, type Suite } from './suite.ts';
import type { Protocol } from './targets.ts';

const here = import.meta.dirname;

export interface Source {
  clients: readonly string[];
  /** What has to be served for them. */
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

export const sources: readonly Source[] = [
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
  // No client: the package, which brings brokers of its own. It has its place beside those of NATS.
  {
    clients: ['package'],
    needs: ['nats'],
    suites: async () => [onlyOn('posthorn', await packageSuite())],
  },
];
