/**
 * The brokers under load: Posthorn as its own process, and the real peers, each with temporary data
 * on the same disk. A side is addressed by protocol, because Posthorn serves them all.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  freePorts,
  type Peer,
  repositoryRoot,
  startElasticmq,
  startKafka,
  startNats,
  startRabbitmq,
} from '../scripts/peers/index.ts';
import { startPeer } from '../scripts/peers/peer-process.ts';
import { residentBytes } from './server-cost.ts';

export type SideName =
  | 'rabbitmq'
  | 'kafka'
  | 'nats-server'
  | 'elasticmq'
  | 'posthorn-commit'
  | 'posthorn-os';
/** `nats-http` is where the NATS monitoring pages are. */
type ProtocolName = 'amqp' | 'kafka' | 'nats' | 'nats-http' | 'sqs';

export interface Side {
  readonly name: SideName;
  readonly version: string;
  readonly pid: number;
  /** Resident memory after start and before any load. */
  readonly idleBytes: number;
  port(protocol: ProtocolName): number;
  stop(): Promise<void>;
}

/** What each side does before it acknowledges a durable message; printed with the results. */
export const durabilityOf: Record<SideName, string> = {
  rabbitmq: 'confirm of a persistent message after fsync of its store (RabbitMQ default)',
  kafka: 'acks=all after the write, flushed when the OS likes (Kafka default)',
  'nats-server': 'live messages are not stored, by either side',
  elasticmq: 'in memory only: nothing survives a restart',
  'posthorn-commit': '--sync commit: acknowledged after fdatasync',
  'posthorn-os': '--sync os: acknowledged after the write',
};

const idleMs = 3000;

type Ports = Partial<Record<ProtocolName, number>>;

export async function startSide(name: SideName, nodeFlags: readonly string[] = []): Promise<Side> {
  const dataDir = mkdtempSync(join(tmpdir(), `bench-${name}-`));
  const ports: Ports = {};
  const peer = await startProcess(name, dataDir, ports, nodeFlags);
  await sleep(idleMs);
  return {
    name,
    version: peer.version,
    pid: peer.pid,
    idleBytes: residentBytes(peer.pid),
    port(protocol) {
      const port = ports[protocol];
      if (port === undefined) throw new Error(`${name} does not speak ${protocol}`);
      return port;
    },
    async stop() {
      await peer.stop();
      rmSync(dataDir, { recursive: true, force: true });
    },
  };
}

async function startProcess(
  name: SideName,
  dataDir: string,
  ports: Ports,
  nodeFlags: readonly string[],
): Promise<Peer> {
  if (name === 'rabbitmq') {
    const peer = await startRabbitmq({ dataDir });
    ports.amqp = peer.port;
    return peer;
  }
  if (name === 'kafka') {
    const peer = await startKafka({ dataDir });
    ports.kafka = peer.port;
    return peer;
  }
  if (name === 'nats-server') {
    const peer = await startNats({ dataDir });
    ports.nats = peer.port;
    ports['nats-http'] = peer.monitoringPort;
    return peer;
  }
  if (name === 'elasticmq') {
    const peer = await startElasticmq({ dataDir });
    ports.sqs = peer.port;
    return peer;
  }
  return startPosthorn(name, dataDir, ports, nodeFlags);
}

async function startPosthorn(
  name: SideName,
  dataDir: string,
  ports: Ports,
  nodeFlags: readonly string[],
): Promise<Peer> {
  const protocols = ['amqp', 'kafka', 'nats', 'nats-http', 'sqs'] as const;
  const [http, ...free] = (await freePorts(1 + protocols.length)) as [number, ...number[]];
  for (const [at, protocol] of protocols.entries()) ports[protocol] = free[at]!;
  const main = join(repositoryRoot, 'bin', 'posthorn.js');
  const addresses = [...Object.entries(ports).map((entry) => entry.join('=')), `http=${http}`];
  return startPeer({
    name,
    version: 'this tree',
    command: process.execPath,
    args: [
      ...nodeFlags,
      main,
      'serve',
      '--data',
      join(dataDir, 'data'),
      '--host',
      '127.0.0.1',
      '--sync',
      name === 'posthorn-os' ? 'os' : 'commit',
      ...addresses.flatMap((address) => ['--port', address]),
    ],
    port: ports.amqp!,
    dataDir,
    logFile: join(dataDir, 'posthorn.log'),
    readyWithinMs: 20_000,
    isReady: (log) => log.includes('posthorn ready'),
  });
}
