/**
 * Composition: a broker over a store, every protocol on its port, and what moves them, put together
 * for whoever starts one: the process of `posthorn serve`, or a test that has the broker inside it.
 * Nothing here belongs to a process: no signals, no exit, no standard streams, no lock.
 *
 * HTTP opens before the broker and answers "starting" while it recovers; the protocols open after
 * it, so that no client meets half a broker.
 */
import { setImmediate as nextTurn } from 'node:timers/promises';
import { UserTable } from '#auth/user-table.ts';
import { Broker } from '#core/broker.ts';
import type { Codecs } from '#core/codecs.ts';
import type { LogStore } from '#core/log.ts';
import type { Clock, Ports } from '#core/ports.ts';
import { declareBindings } from '#management/binding-settings.ts';
import type { MetricsSource } from '#management/metrics.ts';
import type { Protocol } from '#protocols/contract.ts';
import type { Binding } from './binding.ts';
import { createCodecs } from './compression.ts';
import { closeDoors, type Door } from './doors.ts';
import { Faults } from './faults.ts';
import { figuresOf, listenerFigures } from './figures.ts';
import { hashesPort } from './hashes.ts';
import { HttpListener } from './http.ts';
import { Listener, type ListenerServices } from './listener.ts';
import { journalist, type Logger } from './log.ts';
import { managementServer } from './management-server.ts';
import { Pacemaker } from './pacemaker.ts';
import { pagesServer } from './pages-server.ts';
import { allEnvelopes, type ProtocolPorts, PROTOCOLS } from './protocols.ts';
import { randomPort } from './random.ts';
import { PORT_NAMES, type Settings } from './settings.ts';
import { DRAIN_MS, shutDown } from './shutdown.ts';
import { warnOfUnguardedKafka, warnOfUnknownNamespaces } from './start-warnings.ts';
import { Turn } from './turn.ts';
import { WebSockets } from './web-sockets.ts';

/** What differs between one composition and the next. */
export interface Parts {
  readonly settings: Omit<Settings, 'dataFolder' | 'logLevel'>;
  readonly logger: Logger;
  /** Opens the store with the ports of this server. It is closed with the server. */
  openStore(ports: Ports, codecs: Codecs): LogStore | Promise<LogStore>;
  /** The system's when absent. Whoever moves a clock of their own calls `tick` after it. */
  readonly clock?: Clock;
  /** Something was thrown where nobody of this server could catch it: it is broken. Absent: it is
   * thrown on, and so ends the process. */
  failed?(error: unknown): void;
  /** At the end the store does not close in time: nothing orderly is left to do. */
  stuck?(): void;
}

/** Ports that were opened beside the first. */
interface OpenedPorts {
  readonly bound: readonly Binding[];
  close(): Promise<void>;
}

/** A server that runs. */
export interface RunningServer {
  readonly broker: Broker;
  /** Every port that is open, in the order of the ready line. */
  readonly bound: readonly Binding[];
  /** Looks at the clock and runs what is due. Happens by itself as real time passes. */
  tick(): void;
  /** Tells every connection that the clock was moved, before `tick`. */
  step(byMs: number): void;
  /** Nothing is left to do in this turn. */
  isIdle(): boolean;
  /** Resolves when nothing is left to do in this turn, and output is the kernel's. */
  settled(): Promise<void>;
  /** More ports of the same protocols, on which only that namespace is seen. */
  openPorts(namespace: string, ports: ProtocolPorts): Promise<OpenedPorts>;
  /** Resolves when everything is closed; true when every connection took its leave in time. */
  stop(graceMs?: number): Promise<boolean>;
  /** Cuts everything at once and commits nothing: for a server that has failed. */
  destroy(): void;
}

/** A client that publishes much puts many small messages beside a large one into a frame. */
const FRAME_BYTES_BESIDE_PAYLOAD = 1024 * 1024;
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
  /** Grows and shrinks with ports that are opened later. */
  readonly #doors: Door[] = [];
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
    const faults = new Faults(parts.failed ? (error) => parts.failed?.(error) : null);
    this.#services = { turn: new Turn(faults), faults, logger, limit, tls: null };
  }

  async open(): Promise<RunningServer> {
    const { settings, logger } = this.#parts;
    if (settings.tls) {
      const { Tls } = await import('./tls.ts');
      this.#services.tls = new Tls(settings.tls, logger);
    }
    await this.#openManagement();
    const broker = (this.#broker = await this.#openBroker());
    declareBindings(broker, settings.bindings);
    await broker.committed();
    await this.#openProtocols(broker);
    this.#warn(broker);
    const { faults } = this.#services;
    const pacemaker = new Pacemaker(broker, this.#doors, this.#clock, faults);
    this.#metrics = {
      counters: broker.metrics,
      listeners: () => this.#counted().map(listenerFigures),
      figures: () => figuresOf(broker),
    };
    this.#notReady = null;
    return {
      broker,
      bound: inOrder([...this.#listeners, ...this.#httpListeners]),
      tick: () => pacemaker.beat(),
      step: (byMs) => {
        for (const door of this.#doors) door.step(byMs);
      },
      isIdle: () => this.#services.turn.isIdle,
      settled: () => this.#settled(),
      openPorts: (namespace, ports) => this.#openPorts(broker, namespace, ports),
      stop: (graceMs = DRAIN_MS) => {
        this.#notReady = 'stopping';
        const opened = { doors: this.#doors, httpListeners: this.#httpListeners };
        const stuck = (): void => this.#parts.stuck?.();
        return shutDown({ ...opened, broker, pacemaker, logger, stuck }, graceMs);
      },
      destroy: () => {
        pacemaker.stop();
        this.#cut();
      },
    };
  }

  #warn(broker: Broker): void {
    const { settings, logger } = this.#parts;
    const bound = this.#listeners.map((it) => it.binding);
    warnOfUnguardedKafka(bound, settings, logger);
    warnOfUnknownNamespaces(broker.namespaces, settings.users, logger);
  }

  async abandon(): Promise<void> {
    this.#cut();
    await this.#broker?.close();
  }

  #cut(): void {
    for (const door of this.#doors) {
      door.stopAccepting();
      door.destroy();
    }
    for (const http of this.#httpListeners) http.close();
  }

  async #openManagement(): Promise<void> {
    const { settings, logger } = this.#parts;
    const port = settings.ports.http;
    if (port === null) return;
    const source = {
      notReady: () => this.#notReady,
      metrics: () => this.#metrics,
      broker: () => this.#broker,
    };
    const create = () => managementServer(source, logger);
    const services = this.#services;
    this.#httpListeners.push(await HttpListener.open('http', port, settings, create, services));
  }

  async #openProtocols(broker: Broker): Promise<void> {
    const { ports } = this.#parts.settings;
    for (const listener of await this.#listen(broker, broker.defaultNamespace.name, ports)) {
      this.#listeners.push(listener);
    }
    const pages = this.#listeners.find((it) => it.binding.name === 'nats');
    if (pages && ports['nats-http'] !== null)
      await this.#openPages(pages.protocol, ports['nats-http']);
  }

  /** Pages of a protocol, and its connections over WebSocket. */
  async #openPages(protocol: Protocol, port: number): Promise<void> {
    const { settings, logger } = this.#parts;
    const frameBytesMax = settings.limits.payloadBytesMax + FRAME_BYTES_BESIDE_PAYLOAD;
    const isOpenToAnybody = this.#broker!.auth.anonymous(true) !== null;
    const arrivingBytesMax = settings.limits.assembledBytesMax;
    const options = { frameBytesMax, arrivingBytesMax, isOpenToAnybody };
    const webSockets = new WebSockets(protocol, this.#services, options);
    const services = this.#services;
    const create = (binding: Binding) =>
      pagesServer(protocol, webSockets, { binding, tls: services.tls }, logger);
    const http = await HttpListener.open('nats-http', port, settings, create, services);
    this.#httpListeners.push(http);
    this.#doors.push(webSockets);
  }

  async #openPorts(broker: Broker, namespace: string, ports: ProtocolPorts): Promise<OpenedPorts> {
    const listeners = await this.#listen(broker, namespace, ports);
    return {
      bound: inOrder(listeners),
      close: async () => {
        await closeDoors(listeners, DRAIN_MS, this.#parts.logger);
        for (const it of listeners) this.#doors.splice(this.#doors.indexOf(it), 1);
      },
    };
  }

  async #listen(broker: Broker, namespace: string, ports: ProtocolPorts): Promise<Listener[]> {
    const { settings } = this.#parts;
    const listeners: Listener[] = [];
    for (const [name, create] of PROTOCOLS) {
      const port = ports[name] ?? null;
      if (port === null) continue;
      const factory = (address: { host: string; port: number }) =>
        create(broker, address, namespace);
      const listener = await Listener.open(name, port, settings, factory, this.#services);
      listeners.push(listener);
      this.#doors.push(listener);
    }
    return listeners;
  }

  /** Ports for a namespace of its own are among the doors, and not counted: tests open them. */
  #counted(): (Listener | HttpListener | WebSockets)[] {
    const webSockets = this.#doors.filter((it) => it instanceof WebSockets);
    return [...this.#listeners, ...this.#httpListeners, ...webSockets];
  }

  async #settled(): Promise<void> {
    do await nextTurn();
    while (!this.#services.turn.isIdle);
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
      envelopes: allEnvelopes(),
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

function inOrder(opened: readonly { binding: Binding }[]): Binding[] {
  const place = (it: Binding): number => PORT_NAMES.indexOf(it.name);
  return opened.map((it) => it.binding).toSorted((a, b) => place(a) - place(b));
}
