/**
 * A real ElasticMQ, the SQS server that people run in tests: one JVM on loopback that keeps
 * everything in memory, with the strict limits of Amazon, from the artifacts `elasticmq/pom.xml`
 * names.
 */
import { mkdirSync, mkdtempSync, readdirSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { copyMavenArtifacts } from './maven.ts';
import { freePorts, type Peer, startPeer } from './peer-process.ts';

export interface ElasticmqOptions {
  /** Where its configuration and log file go; a new temporary folder by default. */
  dataDir?: string;
  /** HTTP port; any free one by default. */
  port?: number;
  /** Flags for the JVM; default `-Xms512m -Xmx1g`. */
  jvm?: readonly string[];
}

export async function startElasticmq(options: ElasticmqOptions = {}): Promise<Peer> {
  const jars = await copyMavenArtifacts(
    'elasticmq',
    join(import.meta.dirname, 'elasticmq', 'pom.xml'),
  );
  const port = options.port ?? (await freePorts(1))[0]!;
  const dataDir = options.dataDir ?? mkdtempSync(join(tmpdir(), 'peer-elasticmq-'));
  mkdirSync(dataDir, { recursive: true });
  const configFile = join(dataDir, 'elasticmq.conf');
  const lines = [
    'include classpath("application.conf")',
    // Queue URLs are built from the request.
    `node-address { protocol = http, host = "*", port = ${port}, context-path = "" }`,
    `rest-sqs { enabled = true, bind-hostname = "127.0.0.1", bind-port = ${port} }`,
    'rest-sqs.sqs-limits = strict',
    'rest-stats.enabled = false',
    'generate-node-address = false',
    'aws { region = us-east-1, accountId = 000000000000 }',
  ];
  writeFileSync(configFile, `${lines.join('\n')}\n`);
  const jvm = options.jvm ?? ['-Xms512m', '-Xmx1g'];
  return startPeer({
    name: 'elasticmq',
    version: versionOf(jars),
    command: 'java',
    args: [
      ...jvm,
      `-Dconfig.file=${configFile}`,
      '-cp',
      join(jars, '*'),
      'org.elasticmq.server.Main',
    ],
    port,
    dataDir,
    logFile: join(dataDir, 'elasticmq.log'),
    readyWithinMs: 60_000,
    isReady: (log) => log.includes('started in'),
  });
}

function versionOf(jars: string): string {
  const name = 'elasticmq-server_3-';
  const jar = readdirSync(jars).find((file) => file.startsWith(name));
  return jar!.slice(name.length, -'.jar'.length);
}
