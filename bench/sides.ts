/**
 * The brokers under load: Posthorn as its own process, and the real peers, each with temporary data
 * on the same disk. A side is addressed by protocol, because Posthorn serves both.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  freePorts,
  type Peer,
  repositoryRoot,
  startKafka,
  startRabbitmq,
} from '../scripts/peers/index.ts';
import { startPeer } from '../scripts/peers/peer-process.ts';
import { residentBytes } from './server-cost.ts';

export type SideName = 'rabbitmq' | 'kafka' | 'posthorn-commit' | 'posthorn-os';
type ProtocolName = 'amqp' | 'kafka';

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
  'posthorn-commit': '--sync commit: acknowledged after fdatasync',
  'posthorn-os': '--sync os: acknowledged after the write',
};

const idleMs = 3000;

export async function startSide(name: SideName, nodeFlags: readonly string[] = []): Promise<Side> {
  const dataDir = mkdtempSync(join(tmpdir(), `bench-${name}-`));
  const ports: Record<ProtocolName, number> = { amqp: 0, kafka: 0 };
  const peer = await startProcess(name, dataDir, ports, nodeFlags);
  await sleep(idleMs);
  return {
    name,
    version: peer.version,
    pid: peer.pid,
    idleBytes: residentBytes(peer.pid),
    port(protocol) {
      if (ports[protocol] === 0) throw new Error(`${name} does not speak ${protocol}`);
      return ports[protocol];
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
  ports: Record<ProtocolName, number>,
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
  const [amqp, kafka, http] = (await freePorts(3)) as [number, number, number];
  ports.amqp = amqp;
  ports.kafka = kafka;
  const main = join(repositoryRoot, 'bin', 'posthorn.js');
  const addresses = [`amqp=${amqp}`, `kafka=${kafka}`, `http=${http}`];
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
    port: amqp,
    dataDir,
    logFile: join(dataDir, 'posthorn.log'),
    readyWithinMs: 20_000,
    isReady: (log) => log.includes('posthorn ready'),
  });
}
