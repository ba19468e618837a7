/**
 * One real broker as a child process: started with its output in a log file, ready when its port
 * accepts a connection and a probe of the caller is content, stopped by its own pid.
 *
 * The child never outlives us: it is stopped when our process ends, and where `setpriv` exists the
 * kernel ends it even when we are killed without a chance to clean up.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { randomInt } from 'node:crypto';
import { closeSync, existsSync, openSync, readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';

export interface Peer {
  readonly name: string;
  readonly version: string;
  readonly port: number;
  readonly pid: number;
  readonly dataDir: string;
  readonly logFile: string;
  /** Ends the peer in order (SIGTERM), by force after 30 s; resolves when it is gone. */
  stop(): Promise<void>;
  /** `kill -9`; resolves when it is gone. */
  kill(): Promise<void>;
}

export interface PeerStart {
  name: string;
  version: string;
  command: string;
  args: readonly string[];
  env?: Record<string, string>;
  port: number;
  dataDir: string;
  logFile: string;
  readyWithinMs: number;
  /** Asked again and again once the port accepts; true means ready. */
  isReady?: (log: string) => boolean;
  /** Runs after the process has gone, to end what belongs to it. */
  afterExit?: () => Promise<void>;
}

const PORT_MIN = 12_000;
const PORT_END = 32_000;

const running = new Set<ChildProcess>();
process.on('exit', () => {
  for (const child of running) child.kill('SIGKILL');
});

export async function startPeer(start: PeerStart): Promise<Peer> {
  // Whoever has the port already would be taken for the peer.
  if (await accepts(start.port)) {
    throw new Error(`${start.name}: something else listens on port ${start.port} already`);
  }
  const child = spawnOwned(start.command, start.args, start.logFile, start.env);
  const gone = new Promise<void>((resolve) => child.on('exit', () => resolve()));
  const end = async (signal: 'SIGTERM' | 'SIGKILL'): Promise<void> => {
    child.kill(signal);
    const ended = await Promise.race([gone.then(() => true), sleep(30_000, false, { ref: false })]);
    if (!ended) child.kill('SIGKILL');
    await gone;
    await start.afterExit?.();
  };
  const deadline = Date.now() + start.readyWithinMs;
  for (;;) {
    if (child.exitCode !== null || child.signalCode !== null || Date.now() > deadline) {
      const why =
        Date.now() > deadline ? `not ready in ${start.readyWithinMs} ms` : 'ended at start';
      await end('SIGKILL');
      const log = readFileSync(start.logFile, 'utf8').trim().split('\n').slice(-20).join('\n  ');
      throw new Error(`${start.name}: ${why}; ${start.logFile} ends with\n  ${log}`);
    }
    if ((await accepts(start.port)) && listens(child.pid!, start.port)) {
      if (start.isReady === undefined || start.isReady(readFileSync(start.logFile, 'utf8'))) break;
    }
    await sleep(50);
  }
  return {
    name: start.name,
    version: start.version,
    port: start.port,
    pid: child.pid!,
    dataDir: start.dataDir,
    logFile: start.logFile,
    stop: () => end('SIGTERM'),
    kill: () => end('SIGKILL'),
  };
}

/** Spawns a child that dies with us and appends what it prints to `logFile`. */
export function spawnOwned(
  command: string,
  args: readonly string[],
  logFile: string,
  env: Record<string, string> = {},
): ChildProcess {
  const log = openSync(logFile, 'a');
  const bound = existsSync('/usr/bin/setpriv');
  const child = spawn(
    bound ? '/usr/bin/setpriv' : command,
    // setpriv replaces itself by the command, so the pid stays the peer's.
    bound ? ['--pdeathsig', 'KILL', command, ...args] : args,
    { stdio: ['ignore', log, log], env: { ...process.env, ...env } },
  );
  closeSync(log);
  running.add(child);
  child.on('exit', () => running.delete(child));
  child.on('error', () => running.delete(child));
  return child;
}

export function accepts(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ port, host: '127.0.0.1' });
    socket.on('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.on('error', () => resolve(false));
  });
}

/**
 * Whether the process or one of its children listens on the port. Another process may have taken it
 * after we looked; where there is no /proc the peer's own end tells, a moment later.
 */
function listens(root: number, port: number): boolean {
  const tables = ['/proc/net/tcp', '/proc/net/tcp6'].filter((path) => existsSync(path));
  if (tables.length === 0) return true;
  const ending = `:${port.toString(16).toUpperCase().padStart(4, '0')}`;
  const sockets = new Set<string>();
  for (const line of tables.flatMap((path) => readFileSync(path, 'utf8').split('\n'))) {
    // Fields: slot, local address, remote address, state (0A = listening), …, inode.
    const fields = line.trim().split(/\s+/);
    if (fields[3] === '0A' && fields[1]!.endsWith(ending)) sockets.add(`socket:[${fields[9]}]`);
  }
  return descendants(root).some((pid) => openFiles(pid).some((file) => sockets.has(file)));
}

/** The process itself first. */
function descendants(pid: number): number[] {
  const children = textOf(`/proc/${pid}/task/${pid}/children`).split(' ').filter(Boolean);
  return [pid, ...children.flatMap((child) => descendants(Number(child)))];
}

function openFiles(pid: number): string[] {
  try {
    return readdirSync(`/proc/${pid}/fd`).map((fd) => linkOf(`/proc/${pid}/fd/${fd}`));
  } catch {
    return []; // ended just now
  }
}

function linkOf(path: string): string {
  try {
    return readlinkSync(path);
  } catch {
    return ''; // closed just now
  }
}

function textOf(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}

/**
 * Ports that were free a moment ago, all different. From below those that a system hands out by
 * itself: a server that is stopped and started again on its port must not find it taken meanwhile.
 */
export async function freePorts(count: number): Promise<number[]> {
  const ports = new Set<number>();
  while (ports.size < count) {
    const port = randomInt(PORT_MIN, PORT_END);
    if (await isFree(port)) ports.add(port);
  }
  return [...ports];
}

function isFree(port: number): Promise<boolean> {
  const server = createServer();
  return new Promise((resolve) => {
    server.once('error', () => resolve(false));
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)));
  });
}
