/**
 * EmbeddedBroker: a broker inside somebody else's process. It belongs to nobody but its caller: no
 * signals, no exit, no standard output, no handle left open when it is closed; and what breaks it
 * breaks the calls to it, not the process.
 */
import { setImmediate as nextTurn } from 'node:timers/promises';
import { composeServer, type RunningServer } from '#server/compose.ts';
import type { ProtocolPorts } from '#server/protocols.ts';
import { RefusedStart } from '#server/refused-start.ts';
import { Addresses, type Credentials, credentialsOf } from './addresses.ts';
import type { Broker, BrokerOptions, HttpAddress, Namespace } from './api.ts';
import { removeAll } from './declarations.ts';
import { EmbeddedNamespace, type NamespaceParts } from './embedded-namespace.ts';
import { Fate } from './fate.ts';
import { checkNamespace, checkOptions, checkStep } from './option-forms.ts';
import { loggerOf, type ServerSettings, settingsOf, spyBoundsOf } from './options.ts';
import { Recorder } from './recorder.ts';
import { type StorePlace, storePlace } from './stores.ts';
import { TimeMachine } from './time-machine.ts';
import { VirtualClock } from './virtual-clock.ts';

/** For clients in the same process, which answer at once or not at all. */
const GOODBYE_MS = 500;

/** What a running broker is made of. */
interface BrokerParts extends NamespaceParts {
  readonly server: RunningServer;
  readonly clock: VirtualClock;
  readonly place: StorePlace;
  readonly credentials: Credentials | null;
  readonly ports: ServerSettings['ports'];
}

export class EmbeddedBroker extends EmbeddedNamespace implements Broker {
  readonly folder: string | null;
  readonly #parts: BrokerParts;
  readonly #time: TimeMachine;
  readonly #namespaces = new Map<string, Promise<EmbeddedNamespace>>();

  private constructor(parts: BrokerParts) {
    super(parts, null);
    this.#parts = parts;
    this.folder = parts.place.folder;
    this.#time = new TimeMachine(parts.clock, parts.server, () => parts.fate.check());
  }

  /** Throws TypeError for options that cannot be, Error for ports and folders that cannot. */
  static async start(options: BrokerOptions): Promise<EmbeddedBroker> {
    checkOptions(options);
    const settings = settingsOf(options);
    const clock = new VirtualClock();
    const fate = new Fate();
    const place = await storePlace(options.store, settings.limits.decompressedBytesMax).catch(
      refused,
    );
    let server: RunningServer | null = null;
    let recorder: Recorder | null = null;
    const fail = (error: unknown): void => {
      if (!fate.fail(error)) return;
      server?.destroy();
      recorder?.close(fate.failure!);
    };
    try {
      server = await composeServer({
        settings,
        logger: loggerOf(options.log),
        clock,
        openStore: (ports, codecs) => place.open(ports, codecs, fail),
        failed: fail,
        stuck: () => fail(new Error('the store did not close in time')),
      });
    } catch (error) {
      await place.leave();
      return refused(error);
    }
    const { broker: core, bound } = server;
    const bounds = spyBoundsOf(options.spy);
    core.observer = recorder = bounds === null ? null : new Recorder(core, bounds);
    const credentials = credentialsOf(options.users);
    const broker: EmbeddedBroker = new EmbeddedBroker({
      core: core.defaultNamespace,
      addresses: new Addresses(bound, credentials),
      fate,
      recorder,
      close: () => broker.#end(),
      server,
      clock,
      place,
      credentials,
      ports: settings.ports,
    });
    return broker;
  }

  get http(): HttpAddress {
    return this.#parts.addresses.http;
  }

  get now(): Date {
    return new Date(this.#parts.clock.now());
  }

  get failure(): Error | null {
    return this.#parts.fate.failure;
  }

  async namespace(name: string): Promise<Namespace> {
    this.#parts.fate.check();
    checkNamespace(name, this.#parts.core.broker.limits.nameBytesMax);
    if (name === this.name) return this;
    let opening = this.#namespaces.get(name);
    if (!opening) {
      opening = this.#parts.fate.during(() => this.#open(name));
      this.#namespaces.set(name, opening);
      opening.catch(() => this.#namespaces.delete(name));
    }
    return opening;
  }

  async #open(name: string): Promise<EmbeddedNamespace> {
    const { server, fate, recorder, credentials, addresses } = this.#parts;
    const core = server.broker.createNamespace(name);
    await server.broker.committed();
    const ports = await server.openPorts(name, freePorts(this.#parts.ports));
    const close = async (): Promise<void> => {
      this.#namespaces.delete(name);
      if (fate.isClosed) return;
      await fate.during(async () => {
        await ports.close();
        removeAll(core);
        await server.broker.committed();
      });
    };
    const own = addresses.of(ports.bound, credentials);
    return new EmbeddedNamespace({ core, addresses: own, fate, recorder, close }, name);
  }

  /** What is under way ends first: nothing is opened or moved once the server has stopped. */
  async #end(): Promise<void> {
    const { server, place, fate, recorder } = this.#parts;
    fate.isClosed = true;
    recorder?.close(fate.failure ?? new Error('the broker was closed'));
    try {
      const underWay = Promise.allSettled([this.#time.stopped(), ...this.#namespaces.values()]);
      const stop = async (): Promise<unknown> => fate.failure ?? server.stop(GOODBYE_MS);
      await fate.unlessFailed(underWay.then(stop));
    } finally {
      await place.leave();
      // Handles are closed by the event loop, after this turn.
      await nextTurn();
      await nextTurn();
    }
  }

  async advance(ms: number): Promise<void> {
    checkStep(ms);
    await this.#parts.fate.during(() => this.#time.advance(ms));
  }
}

/** Without what it says to somebody at a command line. */
function refused(error: unknown): never {
  if (error instanceof RefusedStart) throw new Error(error.reason, { cause: error });
  throw error;
}

/** Any free one where there is one; none for AMQP, whose clients name the namespace. */
function freePorts({ kafka, nats, sqs }: ServerSettings['ports']): ProtocolPorts {
  const free = (port: number | null): number | null => (port === null ? null : 0);
  return { kafka: free(kafka), nats: free(nats), sqs: free(sqs) };
}
