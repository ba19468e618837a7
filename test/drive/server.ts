/** The whole server in this process, on free ports and a temporary folder: for tests with clients. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Broker } from '#core/broker.ts';
import { defaultLimits } from '#core/limits.ts';
import { createLogger } from '#server/log.ts';
import { startServer } from '#server/main.ts';
import type { PortName, Settings } from '#server/settings.ts';

/** Of the machine: the process has the clients in it too, and must not seem short of memory. */
const MEMORY_BYTES = 8 * 1024 ** 3;

export interface TestServer {
  readonly broker: Broker;
  readonly amqpUrl: string;
  /** host:port */
  readonly kafka: string;
  readonly nats: string;
  /** http://host:port */
  readonly sqs: string;
  portOf(name: PortName): number;
  stop(): Promise<void>;
}

export async function startTestServer(overrides: Partial<Settings> = {}): Promise<TestServer> {
  const dataFolder = mkdtempSync(join(tmpdir(), 'posthorn-test-'));
  const settings: Settings = {
    dataFolder,
    hosts: ['127.0.0.1'],
    hostsAreDefault: false,
    ports: { kafka: 0, amqp: 0, nats: 0, sqs: 0, 'nats-http': 0, http: 0 },
    tls: null,
    sync: 'os',
    logLevel: 'error',
    limits: defaultLimits(MEMORY_BYTES),
    topics: { partitions: 1, autoCreate: true },
    namespaces: [],
    bindings: [],
    users: null,
    ...overrides,
  };
  const server = await startServer(settings, createLogger(settings.logLevel));
  const portOf = (name: PortName): number => server.bound.find((it) => it.name === name)!.port;
  return {
    broker: server.broker,
    amqpUrl: `amqp://guest:guest@127.0.0.1:${portOf('amqp')}`,
    kafka: `127.0.0.1:${portOf('kafka')}`,
    get nats() {
      return `127.0.0.1:${portOf('nats')}`;
    },
    get sqs() {
      return `http://127.0.0.1:${portOf('sqs')}`;
    },
    portOf,
    stop: async () => {
      await server.stop();
      rmSync(dataFolder, { recursive: true, force: true });
    },
  };
}

/** Calls `check` until it gives something; fails after `withinMs`. */
export async function eventually<T>(
  check: () => T | undefined | false | null | Promise<T | undefined | false | null>,
  withinMs = 10_000,
): Promise<T> {
  const deadline = Date.now() + withinMs;
  for (;;) {
    const result = await check();
    if (result) return result;
    if (Date.now() > deadline) throw new Error(`nothing after ${withinMs} ms`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}
