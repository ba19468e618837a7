/**
 * A real Apache Kafka as one process: broker and controller in KRaft mode, on loopback, with
 * temporary data, from the artifacts `kafka/pom.xml` names.
 *
 * Only what a single node needs differs from Kafka's defaults (replication factor 1 for its own
 * topics, no wait before the first rebalance); flush settings stay Kafka's unless given.
 */
import { mkdirSync, mkdtempSync, readdirSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { run } from './command.ts';
import { copyMavenArtifacts } from './maven.ts';
import { freePorts, type Peer, startPeer } from './peer-process.ts';

export interface KafkaOptions {
  /** Where its data and log file go; a new temporary folder by default. */
  dataDir?: string;
  /** Client port; any free one by default. */
  port?: number;
  /** Additional server.properties, for example `{ 'log.flush.interval.messages': '1' }`. */
  properties?: Record<string, string>;
  /** Flags for the JVM; default `-Xms512m -Xmx1g` with Kafka's own collector settings. */
  jvm?: readonly string[];
}

const clusterId = 'posthornpeer0000000000';

/** The class path of a complete Kafka: broker, tools, clients. */
export async function kafkaClassPath(): Promise<string> {
  const folder = await copyMavenArtifacts('kafka', join(import.meta.dirname, 'kafka', 'pom.xml'));
  return join(folder, '*');
}

async function kafkaVersion(): Promise<string> {
  const folder = await copyMavenArtifacts('kafka', join(import.meta.dirname, 'kafka', 'pom.xml'));
  const jar = readdirSync(folder).find((file) => file.startsWith('kafka_2.13-'));
  return jar!.slice('kafka_2.13-'.length, -'.jar'.length);
}

export async function startKafka(options: KafkaOptions = {}): Promise<Peer> {
  const classPath = await kafkaClassPath();
  const [freePort, controllerPort] = (await freePorts(2)) as [number, number];
  const port = options.port ?? freePort;
  const dataDir = options.dataDir ?? mkdtempSync(join(tmpdir(), 'peer-kafka-'));
  const logDir = join(dataDir, 'data');
  mkdirSync(logDir, { recursive: true });
  const propertiesFile = join(dataDir, 'server.properties');
  const properties: Record<string, string> = {
    'node.id': '1',
    'process.roles': 'broker,controller',
    'controller.quorum.voters': `1@127.0.0.1:${controllerPort}`,
    'controller.listener.names': 'CONTROLLER',
    listeners: `PLAINTEXT://127.0.0.1:${port},CONTROLLER://127.0.0.1:${controllerPort}`,
    'advertised.listeners': `PLAINTEXT://localhost:${port}`,
    'listener.security.protocol.map': 'PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT',
    'log.dirs': logDir,
    'offsets.topic.replication.factor': '1',
    'offsets.topic.num.partitions': '1',
    'transaction.state.log.replication.factor': '1',
    'transaction.state.log.min.isr': '1',
    'transaction.state.log.num.partitions': '1',
    'share.coordinator.state.topic.replication.factor': '1',
    'share.coordinator.state.topic.min.isr': '1',
    'share.coordinator.state.topic.num.partitions': '1',
    'group.initial.rebalance.delay.ms': '0',
    ...options.properties,
  };
  const lines = Object.entries(properties).map(([name, value]) => `${name}=${value}`);
  writeFileSync(propertiesFile, `${lines.join('\n')}\n`);
  const quiet = ['-Dorg.slf4j.simpleLogger.defaultLogLevel=warn', '-cp', classPath];
  const format = ['format', '-t', clusterId, '-c', propertiesFile, '--ignore-formatted'];
  await run('java', ['-XX:TieredStopAtLevel=1', ...quiet, 'kafka.tools.StorageTool', ...format]);
  const jvm = options.jvm ?? [
    '-Xms512m',
    '-Xmx1g',
    '-server',
    '-XX:+UseG1GC',
    '-XX:MaxGCPauseMillis=20',
    '-XX:InitiatingHeapOccupancyPercent=35',
    '-Djava.awt.headless=true',
  ];
  return startPeer({
    name: 'kafka',
    version: await kafkaVersion(),
    command: 'java',
    args: [...jvm, ...quiet, 'kafka.Kafka', propertiesFile],
    port,
    dataDir,
    logFile: join(dataDir, 'kafka.log'),
    readyWithinMs: 60_000,
  });
}
