/**
 * NatsNode: what all NATS connections of one broker share: routes, queue groups, the message being
 * published just now, who is connected, and the figures that the monitoring pages show.
 */
import { Assembly } from '#core/assembly.ts';
import type { Broker } from '#core/broker.ts';
import type { ProtocolMetrics } from '#core/metrics.ts';
import type { Namespace } from '#core/namespace.ts';
import type { AddressCache } from '#core/routing/address-cache.ts';
import type { NatsConnection } from './connection.ts';
import { ForeignMessages } from './foreign.ts';
import { LivePublish } from './live-publish.ts';
import { CLOSED_MAX, figuresOf, type ConnectionFigures } from './monitoring/connz.ts';
import { QueueGroup } from './queue-group.ts';
import { subjectCache } from './subjects.ts';
import type { Subscription } from './subscription.ts';

/** How long clients have to go elsewhere after they were told that we end. */
const LAME_DUCK_MS = 200;
/** Many do not end at once, so that they do not all come to the next server at once. */
const CONNECTIONS_ENDED_PER_MS = 4;
const LAME_DUCK_SPREAD_MS_MAX = 2_000;
const CONNECTION_SLICES = 64;
const ID_CHARACTERS = 55;
const BASE32 = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567';

export class NatsNode {
  readonly broker: Broker;
  readonly namespace: Namespace;
  readonly metrics: ProtocolMetrics;
  readonly address: { readonly host: string; readonly port: number };
  readonly startedMs: number;
  /** Of this run: shaped like nats-server's, but no key. */
  readonly serverId: string;
  readonly serverName: string;
  readonly routes: AddressCache;
  readonly foreign: ForeignMessages;
  readonly live = new LivePublish();
  readonly assembly: Assembly;
  readonly connections = new Map<number, NatsConnection>();
  /** The last ones that ended, newest last. */
  readonly closed: ConnectionFigures[] = [];
  readonly pageRequests = new Map<string, number>();
  readonly totals = {
    connections: 0,
    slowConsumers: 0,
    staleConnections: 0,
    stalls: 0,
    subscribed: 0,
    inMessages: 0,
    inBytes: 0,
    outMessages: 0,
    outBytes: 0,
    systemAnswers: 0,
  };
  subscriptionCount = 0;
  readonly #groups = new Map<string, QueueGroup>();

  constructor(broker: Broker, address: { host: string; port: number }, namespace: Namespace) {
    this.broker = broker;
    this.namespace = namespace;
    this.metrics = broker.metrics.protocol('nats');
    this.address = address;
    this.startedMs = broker.ports.clock.now();
    const bytes = broker.ports.random.bytes(ID_CHARACTERS);
    this.serverId = `N${Array.from(bytes, (byte) => BASE32[byte & 31]).join('')}`;
    this.serverName = `posthorn-${broker.clusterId}`;
    this.assembly = new Assembly(broker.limits.assembledBytesMax);
    this.routes = subjectCache(this.namespace);
    this.foreign = new ForeignMessages(broker.envelopes);
  }

  enter(connection: NatsConnection): void {
    this.connections.set(connection.id, connection);
  }

  /** `reason` in the words of /connz. */
  leave(connection: NatsConnection, reason: string): void {
    this.connections.delete(connection.id);
    this.totals.outMessages += connection.outMessages;
    this.totals.outBytes += connection.outBytes;
    this.closed.push(figuresOf(connection, this.broker.ports.clock.now(), reason));
    if (this.closed.length > CLOSED_MAX) this.closed.splice(0, CLOSED_MAX / 2);
  }

  nextConnectionId(): number {
    return ++this.totals.connections;
  }

  /** When a connection that was just told of our end is ended. */
  endsAtMs({ id }: NatsConnection): number {
    const spreadMs = Math.min(
      this.connections.size / CONNECTIONS_ENDED_PER_MS,
      LAME_DUCK_SPREAD_MS_MAX,
    );
    const share = (id % CONNECTION_SLICES) / CONNECTION_SLICES;
    return this.broker.ports.clock.now() + LAME_DUCK_MS + spreadMs * share;
  }

  /** Throws BrokerError when the topic exchange may not be subscribed to. */
  subscribe(subscription: Subscription): void {
    const { queue } = subscription;
    if (queue === null) subscription.bind(this.namespace);
    else {
      let group = this.#groups.get(queue);
      if (!group) this.#groups.set(queue, (group = new QueueGroup(this, queue)));
      group.add(subscription);
    }
    this.subscriptionCount++;
    this.totals.subscribed++;
  }

  unsubscribe(subscription: Subscription): void {
    this.subscriptionCount--;
    const { queue } = subscription;
    if (queue === null) {
      subscription.unbind(this.namespace);
      return;
    }
    const group = this.#groups.get(queue)!;
    group.remove(subscription);
    if (group.isEmpty) this.#groups.delete(queue);
  }
}
