/**
 * The broker as its own process, to be killed without warning and started again on the same data.
 * Ports are chosen once per instance, so that clients find it again after a restart.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { PORT_NAMES, type PortName } from '#server/settings.ts';
import { freePorts } from '../../scripts/peers/index.ts';

const MAIN = fileURLToPath(new URL('../../bin/posthorn.js', import.meta.url));
const READY_WITHIN_MS = 20_000;

export interface Exit {
  code: number | null;
  signal: NodeJS.Signals | null;
  errorText: string;
}

/** Thrown by `start` when the process ended before it was ready. */
export class StartRefused extends Error {
  readonly exit: Exit;

  constructor(exit: Exit) {
    super(`the broker ended at start (${exit.code ?? exit.signal}): ${exit.errorText}`);
    this.name = 'StartRefused';
    this.exit = exit;
  }
}

export class BrokerProcess {
  readonly dataDir: string;
  readonly ports: Readonly<Record<PortName, number>>;
  readonly #flags: readonly string[];
  #child: ChildProcess | null = null;
  #gone: Promise<Exit> | null = null;

  private constructor(
    dataDir: string,
    ports: Readonly<Record<PortName, number>>,
    flags: readonly string[],
  ) {
    this.dataDir = dataDir;
    this.ports = ports;
    this.#flags = flags;
  }

  static async at(dataDir: string, flags: readonly string[] = []): Promise<BrokerProcess> {
    const ports = new Map<PortName, number>();
    const free = await freePorts(PORT_NAMES.length);
    for (const [i, name] of PORT_NAMES.entries()) ports.set(name, free[i]!);
    const byName = Object.fromEntries(ports) as Record<PortName, number>;
    return new BrokerProcess(dataDir, byName, flags);
  }

  get pid(): number {
    return this.#child?.pid ?? 0;
  }

  async start(): Promise<void> {
    const child = spawn(
      process.execPath,
      [
        MAIN,
        'serve',
        '--data',
        this.dataDir,
        '--host',
        '127.0.0.1',
        ...Object.entries(this.ports).flatMap(([name, port]) => ['--port', `${name}=${port}`]),
        ...this.#flags,
      ],
      { stdio: ['ignore', 'pipe', 'pipe'] },
    );
    this.#child = child;
    let output = '';
    let errorText = '';
    child.stderr.on('data', (chunk: Buffer) => {
      errorText = (errorText + chunk.toString()).slice(-64 * 1024);
    });
    this.#gone = once(child, 'close').then(([code, signal]) => ({
      code: code as number | null,
      signal: signal as NodeJS.Signals | null,
      errorText,
    }));
    const ready = new Promise<'ready'>((resolve) => {
      child.stdout.on('data', (chunk: Buffer) => {
        output += chunk.toString();
        if (output.includes('posthorn ready')) resolve('ready');
      });
    });
    const timeout = AbortSignal.timeout(READY_WITHIN_MS);
    const late = new Promise<'late'>((resolve) => {
      timeout.addEventListener('abort', () => resolve('late'));
    });
    const first = await Promise.race([ready, late, this.#gone]);
    if (first === 'ready') return;
    if (first === 'late') throw new Error(`not ready in ${READY_WITHIN_MS} ms: ${errorText}`);
    throw new StartRefused(first);
  }

  /** `kill -9`. */
  async kill(): Promise<void> {
    await this.#end('SIGKILL');
  }

  /** SIGTERM; the broker must drain and end with 0. */
  async stop(): Promise<void> {
    const exit = await this.#end('SIGTERM');
    if (exit !== null && exit.code !== 0) {
      throw new Error(`SIGTERM ended with ${exit.code ?? exit.signal}: ${exit.errorText}`);
    }
  }

  /** What the process wrote to stderr, once it has ended; null while it runs. */
  async #end(signal: NodeJS.Signals): Promise<Exit | null> {
    const gone = this.#gone;
    if (gone === null) return null;
    this.#child?.kill(signal);
    this.#child = null;
    this.#gone = null;
    return gone;
  }
}
