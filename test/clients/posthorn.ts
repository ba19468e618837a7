/**
 * Posthorn as the programs meet it: started by the project's own start command with temporary data,
 * every protocol on a port of its own.
 */
import type { ChildProcess } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { freePorts, repositoryRoot, spawnOwned } from '../../scripts/peers/index.ts';

const protocols = ['kafka', 'amqp', 'nats', 'nats-http', 'sqs'] as const;
export type Ports = Record<(typeof protocols)[number], number>;

/** Free ones, on which it can be started again. */
async function anyPorts(): Promise<Ports> {
  const free = await freePorts(protocols.length);
  return Object.fromEntries(protocols.map((name, i) => [name, free[i]])) as Ports;
}

export interface Posthorn {
  ports: Ports;
  readyMs: number;
  logFile: string;
  end(signal: 'SIGTERM' | 'SIGKILL'): Promise<void>;
}

/** Starts Posthorn as `npm start -- <flags>` does, without npm's own process in between. */
export async function startPosthorn(
  data: string,
  knownPorts: Ports | null = null,
  moreFlags: readonly string[] = [],
): Promise<Posthorn> {
  const ports = knownPorts ?? (await anyPorts());
  const manifest = JSON.parse(readFileSync(join(repositoryRoot, 'package.json'), 'utf8')) as {
    scripts: { start: string };
  };
  const start = manifest.scripts.start.replace(/^exec /, '');
  const addresses = [...Object.entries(ports).map((entry) => entry.join('=')), 'http=0'];
  const flags = ['--data', join(data, 'store'), ...addresses.flatMap((each) => ['--port', each])];
  const bin = join(repositoryRoot, 'node_modules', '.bin');
  const logFile = join(data, 'posthorn.log');
  const before = logSize(logFile);
  // As npm would: a shell in the repository's root, local binaries first; `exec` keeps the pid.
  const script = `cd '${repositoryRoot}' && exec ${start} "$@"`;
  const env = { PATH: `${bin}:${process.env.PATH}` };
  const args = ['-c', script, 'sh', ...flags, ...moreFlags];
  const child = spawnOwned('/bin/sh', args, logFile, env);
  const ready = await readyLine(child, logFile, before);
  return {
    ports: Object.fromEntries(protocols.map((name) => [name, portOf(ready, name)])) as Ports,
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
  const port = new RegExp(` ${protocol}=[^ ,]*:(\\d+)`).exec(ready)?.[1];
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
