/**
 * KafkaNode: the broker as Kafka's clients see it, one node that leads and coordinates everything,
 * and what all its connections share.
 */
import type { Broker } from '#core/broker.ts';
import type { GroupCoordinator } from '#core/group/group-coordinator.ts';
import type { ProtocolMetrics } from '#core/metrics.ts';
import type { Namespace } from '#core/namespace.ts';
import type { Topic } from '#core/topic/topic.ts';
import type { Peer } from '#protocols/contract.ts';
import { BlockPool } from '#wire/block-pool.ts';
import { Assembly } from '#core/assembly.ts';
import type { KafkaConnection } from './connection.ts';
import { FetchSessions } from './fetch-session.ts';
import type { Handler } from './handler.ts';

/** As in the configuration that Kafka 4 ships with. */
export const NODE_ID = 1;

/** Kept for the next ones: a block for each of a few consumers that catch up at once. */
const FREE_BLOCK_BYTES_MAX = 16 * 1024 * 1024;

/** Names that are remembered so that each is warned of once. */
const WARNED_NAMES_MAX = 1_000;

/** Where a client reaches this node. */
export interface Endpoint {
  readonly host: string;
  readonly port: number;
}

export class KafkaNode {
  readonly broker: Broker;
  /** What is seen here. */
  readonly namespace: Namespace;
  readonly handlers: ReadonlyMap<number, Handler>;
  readonly sessions: FetchSessions;
  readonly metrics: ProtocolMetrics;
  /** What answers to Fetch are read into. */
  readonly blocks = new BlockPool(FREE_BLOCK_BYTES_MAX);
  /** Memory of requests that are still arriving. */
  readonly assembly: Assembly;

  readonly #connections = new Set<KafkaConnection>();
  readonly #warnedOf = new Set<string>();

  constructor(broker: Broker, namespace: Namespace, handlers: readonly Handler[]) {
    this.broker = broker;
    this.namespace = namespace;
    this.handlers = new Map(handlers.map((handler) => [handler.key, handler]));
    this.assembly = new Assembly(broker.limits.assembledBytesMax);
    this.sessions = new FetchSessions(broker.ports);
    this.metrics = broker.metrics.protocol('kafka');
    broker.onAlarm({
      alarmed: () => {
        for (const connection of this.#connections) connection.alarmed();
      },
    });
  }

  /** A connection is made. */
  joined(connection: KafkaConnection): void {
    this.#connections.add(connection);
    this.metrics.connectionsOpened++;
  }

  left(connection: KafkaConnection): void {
    if (this.#connections.delete(connection)) this.metrics.connectionsClosed++;
  }

  get groups(): GroupCoordinator {
    return this.namespace.groups;
  }

  topic(name: string): Topic | undefined {
    return this.namespace.topics.get(name);
  }

  topicById(id: Uint8Array): Topic | undefined {
    return this.namespace.topicById(id) ?? undefined;
  }

  /** Most of Kafka's answers have no room to say why a topic of that name cannot be. */
  warnOfQueue(name: string): void {
    if (this.#warnedOf.has(name)) return;
    if (this.#warnedOf.size >= WARNED_NAMES_MAX) this.#warnedOf.clear();
    this.#warnedOf.add(name);
    this.broker.ports.log.warn(
      'a Kafka client asks for a topic that is a queue: a binding joins it to a topic of another name',
      { queue: name },
    );
  }

  /** The address by which this client came is one that it can reach. */
  endpoint(peer: Peer): Endpoint {
    const mapped = '::ffff:';
    const { localAddress, localPort } = peer;
    const host = localAddress.startsWith(mapped) ? localAddress.slice(mapped.length) : localAddress;
    return { host, port: localPort };
  }

  /** What producers are asked to wait while memory is short. */
  get throttleMs(): number {
    return this.broker.alarms.memory ? 1000 : 0;
  }
}
