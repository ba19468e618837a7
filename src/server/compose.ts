/**
 * Composition: a broker over a store, every protocol on its port, and what moves them, put together
 * for whoever starts one: the process of `posthorn serve`, or a test that has the broker inside it.
 * Nothing here belongs to a process: no signals, no exit, no standard streams, no lock.
 *
 * HTTP opens before the broker and answers "starting" while it recovers; the protocols open after
 * it, so that no client meets half a broker.
 */
import { UserTable } from '#auth/user-table.ts';
import { Broker } from '#core/broker.ts';
import type { Codecs } from '#core/codecs.ts';
import type { LogStore } from '#core/log.ts';
import type { Clock, Ports } from '#core/ports.ts';
import type { MetricsSource } from '#management/metrics.ts';
import type { Binding } from './binding.ts';
import { createCodecs } from './compression.ts';
import { figuresOf, listenerFigures } from './figures.ts';
import { hashesPort } from './hashes.ts';
import { HttpListener } from './http.ts';
import { Listener, type ListenerServices } from './listener.ts';
import { journalist, type Logger } from './log.ts';
import { managementServer } from './management-server.ts';
import { Pacemaker } from './pacemaker.ts';
import { PROTOCOLS } from './protocols.ts';
import { randomPort } from './random.ts';
import { PORT_NAMES, type Settings } from './settings.ts';
import { shutDown } from './shutdown.ts';
import { Turn } from './turn.ts';

/** What differs between one composition and the next. */
export interface Parts {
  readonly settings: Omit<Settings, 'dataFolder' | 'logLevel'>;
  readonly logger: Logger;
  /** Opens the store with the ports of this server. It is closed with the server. */
  openStore(ports: Ports, codecs: Codecs): LogStore | Promise<LogStore>;
  /** The system's when absent. Whoever moves a clock of their own calls `tick` after it. */
  readonly clock?: Clock;
  /** At the end the store does not close in time: nothing orderly is left to do. */
  stuck?(): void;
}

/** A server that runs. */
export interface RunningServer {
  readonly broker: Broker;
  /** Every port that is open, in the order of the ready line. */
  readonly bound: readonly Binding[];
  /** Looks at the clock and runs what is due. Happens by itself as real time passes. */
  tick(): void;
  /** Resolves when everything is closed; true when every connection took its leave in time. */
  stop(): Promise<boolean>;
}

const SYSTEM_CLOCK: Clock = { now: () => Date.now() };

/**
 * Throws RefusedStart, CorruptionError, or BrokerError for users that cannot be. Then nothing is
 * listened on, and a store that could not be read through is left as it was found.
 */
export async function composeServer(parts: Parts): Promise<RunningServer> {
  const composition = new Composition(parts);
  try {
    return await composition.open();
  } catch (error) {
    await composition.abandon();
    throw error;
  }
}

class Composition {
  readonly #parts: Parts;
  readonly #clock: Clock;
  readonly #services: ListenerServices;
  readonly #listeners: Listener[] = [];
  readonly #httpListeners: HttpListener[] = [];
  #notReady: string | null = 'starting';
  #metrics: MetricsSource | null = null;
  #broker: Broker | null = null;

  constructor(parts: Parts) {
    const { settings, logger } = parts;
    this.#parts = parts;
    this.#clock = parts.clock ?? SYSTEM_CLOCK;
    const limit = { open: 0, max: settings.limits.connectionsMax };
    this.#services = { turn: new Turn(), logger, limit, tls: null };
  }

  async open(): Promise<RunningServer> {
    const { settings, logger } = this.#parts;
    if (settings.tls) {
      const { Tls } = await import('./tls.ts');
      this.#services.tls = new Tls(settings.tls, logger);
    }
    await this.#openManagement();
    const broker = (this.#broker = await this.#openBroker());
    await this.#openProtocols(broker);
    const pacemaker = new Pacemaker(broker, this.#listeners, this.#clock);
    this.#metrics = {
      counters: broker.metrics,
      listeners: () => [...this.#listeners, ...this.#httpListeners].map(listenerFigures),
      figures: () => figuresOf(broker),
    };
    this.#notReady = null;
    return {
      broker,
      bound: this.#bound(),
      tick: () => pacemaker.beat(),
      stop: () => {
        this.#notReady = 'stopping';
        const opened = { listeners: this.#listeners, httpListeners: this.#httpListeners };
        const stuck = (): void => this.#parts.stuck?.();
        return shutDown({ ...opened, broker, pacemaker, logger, stuck });
      },
    };
  }

  #bound(): Binding[] {
    const bindings = [...this.#listeners, ...this.#httpListeners].map((it) => it.binding);
    const place = (it: Binding): number => PORT_NAMES.indexOf(it.name);
    return bindings.toSorted((a, b) => place(a) - place(b));
  }

  async abandon(): Promise<void> {
    for (const listener of this.#listeners) {
      listener.stopAccepting();
      listener.destroy();
    }
    for (const http of this.#httpListeners) http.close();
    await this.#broker?.close();
  }

  async #openManagement(): Promise<void> {
    const { settings, logger } = this.#parts;
    const port = settings.ports.http;
    if (port === null) return;
    const source = { notReady: () => this.#notReady, metrics: () => this.#metrics };
    const create = () => managementServer(source, logger);
    const services = this.#services;
    this.#httpListeners.push(await HttpListener.open('http', port, settings, create, services));
  }

  async #openProtocols(broker: Broker): Promise<void> {
    const { settings } = this.#parts;
    for (const [name, create] of PROTOCOLS) {
      const port = settings.ports[name];
      if (port === null) continue;
      const factory = (address: { host: string; port: number }) => create(broker, address);
      this.#listeners.push(await Listener.open(name, port, settings, factory, this.#services));
    }
  }

  async #openBroker(): Promise<Broker> {
    const { settings, logger } = this.#parts;
    const ports: Ports = {
      clock: this.#clock,
      random: randomPort,
      hashes: hashesPort,
      defer: this.#services.turn.defer,
      log: journalist(logger),
    };
    const codecs = createCodecs();
    const auth = new UserTable(settings.users);
    return Broker.open({
      store: await this.#parts.openStore(ports, codecs),
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
}
