/**
 * The composition root: the only place that knows every part. Reads the settings, takes the data
 * folder, opens the broker over its store, gives each protocol its port, and says so in one line.
 *
 * HTTP opens before the broker and answers "starting" while it recovers; the protocols open after
 * it, so that no client meets half a broker.
 */
import { UserTable } from '#auth/user-table.ts';
import { Broker } from '#core/broker.ts';
import { BrokerError, CorruptionError } from '#core/errors.ts';
import type { Ports } from '#core/ports.ts';
import type { MetricsSource } from '#management/metrics.ts';
import { amqp091 } from '#protocols/amqp091/index.ts';
import type { ProtocolFactory } from '#protocols/contract.ts';
import { kafka } from '#protocols/kafka/index.ts';
import { DiskStore } from '#storage/disk-store.ts';
import { createCodecs } from './compression.ts';
import { readSettings } from './config.ts';
import { figuresOf, listenerFigures } from './figures.ts';
import { hashesPort } from './hashes.ts';
import { HttpListener } from './http.ts';
import { Listener } from './listener.ts';
import { lockDataFolder } from './lock.ts';
import { createLogger, journalist, type Logger } from './log.ts';
import { Pacemaker } from './pacemaker.ts';
import { randomPort } from './random.ts';
import { readyLine } from './ready.ts';
import { ExitCode, RefusedStart, usageError } from './refused-start.ts';
import type { Flags, PortName, Settings } from './settings.ts';
import { shutDown } from './shutdown.ts';
import { onStopSignal } from './signals.ts';
import { Turn } from './turn.ts';

const PROTOCOLS: readonly [Exclude<PortName, 'http' | 'nats-http'>, ProtocolFactory][] = [
  ['kafka', kafka],
  ['amqp', amqp091],
];

/** A server that runs, for main and for tests in the same process. */
export interface RunningServer {
  readonly broker: Broker;
  readonly readyLine: string;
  /** Resolves when everything is closed; true when every connection took its leave in time. */
  stop(): Promise<boolean>;
}

/** Runs until a signal comes. Never rejects: what is wrong is printed, and the exit code says it. */
export async function serve(flags: Flags): Promise<void> {
  try {
    const settings = await readSettings(flags);
    const logger = createLogger(settings.logLevel);
    process.on('uncaughtExceptionMonitor', (error) => logger.fatal({ err: error }, 'crashed'));
    let server: RunningServer | null = null;
    onStopSignal((signal) => {
      logger.info({ signal }, 'stopping');
      // Before it is ready nobody was promised anything.
      if (!server) process.exit(ExitCode.Ok);
      void server.stop().then(() => process.exit(ExitCode.Ok));
    });
    server = await startServer(settings, logger);
    process.stdout.write(`${server.readyLine}\n`);
  } catch (error) {
    const refusal = asRefusal(error);
    process.stderr.write(`posthorn: ${refusal?.message ?? (error as Error).stack}\n`);
    process.exit(refusal?.exitCode ?? ExitCode.Failed);
  }
}

/** Throws RefusedStart, CorruptionError, or BrokerError for users that cannot be. */
export async function startServer(settings: Settings, logger: Logger): Promise<RunningServer> {
  const lock = lockDataFolder(settings.dataFolder);
  const state: { notReady: string | null; metrics: MetricsSource | null } = {
    notReady: 'starting',
    metrics: null,
  };
  const http = await HttpListener.open(
    settings.ports.http,
    settings,
    { notReady: () => state.notReady, metrics: () => state.metrics },
    logger,
  );
  const turn = new Turn();
  const broker = await openBroker(settings, turn, logger);
  const listeners: Listener[] = [];
  const limit = { open: 0, max: settings.limits.connectionsMax };
  for (const [name, create] of PROTOCOLS) {
    const port = settings.ports[name];
    const factory = (address: { host: string; port: number }) => create(broker, address);
    listeners.push(await Listener.open(name, port, settings, factory, { turn, logger, limit }));
  }
  const pacemaker = new Pacemaker(broker, listeners);
  state.metrics = {
    counters: broker.metrics,
    listeners: () => listeners.map(listenerFigures),
    figures: () => figuresOf(broker),
  };
  state.notReady = null;
  const bound = [...listeners.map((it) => it.binding), http.binding];
  return {
    broker,
    readyLine: readyLine(bound, settings, performance.now()),
    stop: () => {
      state.notReady = 'stopping';
      return shutDown({ listeners, http, broker, pacemaker, lock, logger });
    },
  };
}

async function openBroker(settings: Settings, turn: Turn, logger: Logger): Promise<Broker> {
  const ports: Ports = {
    clock: { now: () => Date.now() },
    random: randomPort,
    hashes: hashesPort,
    defer: turn.defer,
    log: journalist(logger),
  };
  const codecs = createCodecs();
  const { decompressedBytesMax } = settings.limits;
  const auth = settings.users ? new UserTable(settings.users) : new UserTable();
  const store = await DiskStore.open(settings.dataFolder, {
    ports,
    fatal: (error) => {
      logger.fatal(
        { err: error },
        'a write failed: stopping, for nothing can be promised any more',
      );
      process.exit(ExitCode.Failed);
    },
    decompress: (codec, bytes) => codecs.decompress(codec, bytes, decompressedBytesMax),
  });
  return Broker.open({
    store,
    ports,
    limits: settings.limits,
    defaults: {
      sync: settings.sync,
      partitions: settings.topics.partitions,
      autoCreateTopics: settings.topics.autoCreate,
    },
    codecs,
    auth,
    namespaces: settings.namespaces,
    processBytes: () => process.memoryUsage.rss(),
  });
}

/** What the operator can change, in words for them; null for faults of ours. */
function asRefusal(error: unknown): RefusedStart | null {
  if (error instanceof RefusedStart) return error;
  if (error instanceof CorruptionError) {
    return new RefusedStart(
      ExitCode.Failed,
      `${error.message}; Posthorn does not start on data that it cannot trust: ` +
        'restore the file, or start on another folder with --data <dir>',
    );
  }
  if (error instanceof BrokerError && error.code === 'unreadable') {
    return new RefusedStart(ExitCode.Failed, error.message);
  }
  if (error instanceof BrokerError) return usageError(error.message);
  return null;
}
