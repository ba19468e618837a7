/**
 * A broker in memory and connections driven by bytes: what tests, contract suites and fuzzers of
 * protocols run on. Nothing here opens a socket or a file.
 */
import { hashesPort } from '#server/hashes.ts';
import { allEnvelopes } from '#server/protocols.ts';
import { UserTable } from '#auth/user-table.ts';
import { Broker, type BrokerDefaults } from '#core/broker.ts';
import { defaultLimits, type Limits } from '#core/limits.ts';
import type { Ports } from '#core/ports.ts';
import type { ByteSink, Connection, Peer, Protocol } from '#protocols/contract.ts';
import { SeededRandom } from '#test/rigs/seeded-random.ts';
import { createCodecs } from '#server/compression.ts';
import { MemoryStore } from '#storage/memory-store.ts';
import { OutputBuffer } from '#wire/output-buffer.ts';

const MEMORY_BYTES = 256 * 1024 * 1024;

export interface MemoryBrokerOptions {
  seed?: number;
  limits?: Partial<Limits>;
  defaults?: Partial<BrokerDefaults>;
  namespaces?: readonly string[];
}

export class MemoryBroker {
  readonly broker: Broker;
  readonly warnings: { message: string; fields: Record<string, unknown> }[];
  nowMs: number;
  readonly #tasks: (() => void)[];

  private constructor(broker: Broker, parts: Parts) {
    this.broker = broker;
    this.warnings = parts.warnings;
    this.#tasks = parts.tasks;
    this.nowMs = parts.clock.nowMs;
    parts.clock.of = this;
  }

  static async open(options: MemoryBrokerOptions = {}): Promise<MemoryBroker> {
    const parts: Parts = { tasks: [], warnings: [], clock: { nowMs: 1_700_000_000_000, of: null } };
    const random = new SeededRandom(options.seed ?? 1);
    const ports: Ports = {
      clock: { now: () => parts.clock.of?.nowMs ?? parts.clock.nowMs },
      random: { next: () => random.next(), bytes: (length) => random.bytes(length) },
      hashes: hashesPort,
      defer: (task) => void parts.tasks.push(task),
      log: {
        error: (message, fields = {}) => void parts.warnings.push({ message, fields }),
        warn: (message, fields = {}) => void parts.warnings.push({ message, fields }),
        info: () => {},
      },
    };
    const codecs = createCodecs();
    const opening = Broker.open({
      store: new MemoryStore(ports),
      ports,
      limits: { ...defaultLimits(MEMORY_BYTES), ...options.limits },
      ...(options.defaults ? { defaults: options.defaults } : {}),
      codecs,
      auth: new UserTable(),
      envelopes: allEnvelopes(),
      namespaces: options.namespaces ?? [],
    });
    const progress = { done: false };
    const broker = opening.finally(() => {
      progress.done = true;
    });
    while (!progress.done) await runTasks(parts.tasks);
    return new MemoryBroker(await broker, parts);
  }

  /** Runs deferred work, commits included, until nothing is left to do. */
  async settle(): Promise<void> {
    do await runTasks(this.#tasks);
    while (this.#tasks.length > 0);
  }

  /** Runs deferred tasks now, without letting promises go on: one turn of the loop. */
  turn(): void {
    for (const task of this.#tasks.splice(0)) task();
  }

  async advance(ms: number): Promise<void> {
    this.nowMs += ms;
    this.broker.tick(this.nowMs);
    await this.settle();
  }
}

interface Parts {
  tasks: (() => void)[];
  warnings: { message: string; fields: Record<string, unknown> }[];
  clock: { nowMs: number; of: MemoryBroker | null };
}

async function runTasks(tasks: (() => void)[]): Promise<void> {
  for (const task of tasks.splice(0)) task();
  await new Promise((resolve) => setImmediate(resolve));
}

export const LOOPBACK: Peer = {
  remoteAddress: '127.0.0.1',
  remotePort: 50_000,
  localAddress: '127.0.0.1',
  localPort: 5000,
  loopback: true,
  tls: 'none',
};

/** The far end of a connection without a socket. */
export class MemorySink implements ByteSink {
  readonly output = new OutputBuffer();
  secured = false;
  /** Set to make the sink unwritable. */
  blocked = false;
  paused = false;
  ended = false;

  get pendingBytes(): number {
    return this.output.length;
  }

  get writable(): boolean {
    return !this.blocked;
  }

  schedule(): void {
    // Whoever drives the connection takes what is there.
  }

  pause(): void {
    this.paused = true;
  }

  resume(): void {
    this.paused = false;
  }

  end(): void {
    this.ended = true;
  }

  take(): Buffer {
    const bytes = Buffer.concat(this.output.take());
    for (const owner of this.output.takeOwners()) owner.release();
    this.output.gone();
    return bytes;
  }
}

export interface DrivenConnection {
  readonly sink: MemorySink;
  readonly connection: Connection;
}

export function connect(protocol: Protocol, peer: Peer = LOOPBACK): DrivenConnection {
  const sink = new MemorySink();
  return { sink, connection: protocol.accept(sink, peer) };
}
