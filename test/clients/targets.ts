/**
 * The brokers the programs run against: Posthorn, started by the project's own start command on
 * free ports with temporary data, and beside it the real Kafka and the real RabbitMQ.
 */
import type { ChildProcess } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  type Peer,
  repositoryRoot,
  spawnOwned,
  startKafka,
  startRabbitmq,
} from '../../scripts/peers/index.ts';
import { expectations } from './differences.ts';

export interface Target {
  name: 'posthorn' | 'peer';
  env: Record<string, string>;
  /** Folder whose partitions are Kafka log segments. */
  kafkaData: string;
  /** Ends the brokers, in order or by `kill -9`. */
  halt(signal: 'SIGTERM' | 'SIGKILL'): Promise<void>;
  /** Starts them again on the same data and the same ports. */
  resume(): Promise<void>;
  /** Ends everything and removes the data. */
  stop(): Promise<void>;
}

function environment(
  name: Target['name'],
  kafkaPort: number,
  amqpPort: number,
): Record<string, string> {
  return {
    TARGET: name,
    KAFKA_PORT: String(kafkaPort),
    AMQP_PORT: String(amqpPort),
    ...expectations(name),
  };
}

export interface Posthorn {
  kafkaPort: number;
  amqpPort: number;
  readyMs: number;
  logFile: string;
  end(signal: 'SIGTERM' | 'SIGKILL'): Promise<void>;
}

/** Starts Posthorn as `npm start -- <flags>` does, without npm's own process in between. */
export async function startPosthorn(data: string, kafkaPort = 0, amqpPort = 0): Promise<Posthorn> {
  const manifest = JSON.parse(readFileSync(join(repositoryRoot, 'package.json'), 'utf8')) as {
    scripts: { start: string };
  };
  const start = manifest.scripts.start.replace(/^exec /, '');
  const ports = [`kafka=${kafkaPort}`, `amqp=${amqpPort}`, 'http=0'];
  const flags = ['--data', join(data, 'store'), ...ports.flatMap((port) => ['--port', port])];
  const bin = join(repositoryRoot, 'node_modules', '.bin');
  const logFile = join(data, 'posthorn.log');
  const before = logSize(logFile);
  // As npm would: a shell in the repository's root, local binaries first; `exec` keeps the pid.
  const script = `cd '${repositoryRoot}' && exec ${start} "$@"`;
  const env = { PATH: `${bin}:${process.env.PATH}` };
  const child = spawnOwned('/bin/sh', ['-c', script, 'sh', ...flags], logFile, env);
  const ready = await readyLine(child, logFile, before);
  return {
    kafkaPort: portOf(ready, 'kafka'),
    amqpPort: portOf(ready, 'amqp'),
    readyMs: Number(/ready in (\d+) ms/.exec(ready)?.[1] ?? Number.NaN),
    logFile,
    end: (signal) => {
      const gone = new Promise<void>((resolve) => child.on('exit', () => resolve()));
      if (child.exitCode !== null || child.signalCode !== null) {
        throw new Error(`posthorn had ended by itself; see ${logFile}\n${logTail(logFile)}`);
      }
      child.kill(signal);
      return gone;
    },
  };
}

async function readyLine(child: ChildProcess, logFile: string, from: number): Promise<string> {
  const deadline = Date.now() + 15_000;
  for (;;) {
    const line = /^posthorn ready in .*$/m.exec(readFileSync(logFile, 'utf8').slice(from));
    if (line !== null) return line[0];
    if (child.exitCode !== null || child.signalCode !== null || Date.now() > deadline) {
      throw new Error(`posthorn did not start:\n${logTail(logFile)}`);
    }
    await sleep(20);
  }
}

function portOf(ready: string, protocol: string): number {
  const port = new RegExp(`\\b${protocol}=[^ ,]*:(\\d+)`).exec(ready)?.[1];
  if (port === undefined) throw new Error(`no ${protocol} address in: ${ready}`);
  return Number(port);
}

function logSize(logFile: string): number {
  try {
    return readFileSync(logFile, 'utf8').length;
  } catch {
    return 0;
  }
}

function logTail(logFile: string): string {
  return readFileSync(logFile, 'utf8').trim().split('\n').slice(-15).join('\n');
}

export async function posthornTarget(): Promise<Target> {
  const data = mkdtempSync(join(tmpdir(), 'clients-posthorn-'));
  let posthorn = await startPosthorn(data);
  const { kafkaPort, amqpPort } = posthorn;
  console.log(`posthorn ready in ${posthorn.readyMs} ms, log ${posthorn.logFile}`);
  return {
    name: 'posthorn',
    env: environment('posthorn', kafkaPort, amqpPort),
    kafkaData: join(data, 'store'),
    halt: (signal) => posthorn.end(signal),
    resume: async () => {
      posthorn = await startPosthorn(data, kafkaPort, amqpPort);
    },
    stop: async () => {
      await posthorn.end('SIGTERM');
      rmSync(data, { recursive: true, force: true });
    },
  };
}

export async function peerTarget(): Promise<Target> {
  const [kafka, rabbitmq] = await Promise.all([startKafka(), startRabbitmq()]);
  let peers: Peer[] = [kafka, rabbitmq];
  for (const peer of peers) console.log(`${peer.name} ${peer.version} ready, log ${peer.logFile}`);
  return {
    name: 'peer',
    env: environment('peer', kafka.port, rabbitmq.port),
    kafkaData: join(kafka.dataDir, 'data'),
    halt: async (signal) => {
      await Promise.all(peers.map((peer) => (signal === 'SIGKILL' ? peer.kill() : peer.stop())));
    },
    resume: async () => {
      peers = await Promise.all([
        startKafka({ dataDir: kafka.dataDir, port: kafka.port }),
        startRabbitmq({ dataDir: rabbitmq.dataDir, port: rabbitmq.port }),
      ]);
    },
    stop: async () => {
      await Promise.all(peers.map((peer) => peer.stop()));
      for (const peer of peers) rmSync(peer.dataDir, { recursive: true, force: true });
    },
  };
}
