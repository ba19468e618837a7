/**
 * NatsNode: what all NATS connections of one broker share: routes, queue groups, the message being
 * published just now, who is connected, and the figures that the monitoring pages show.
 */
import type { Broker } from '#core/broker.ts';
import type { ProtocolMetrics } from '#core/metrics.ts';
import type { Namespace } from '#core/namespace.ts';
import type { LiveSubscriber } from '#core/routing/live-subscriber.ts';
import type { NatsConnection } from './connection.ts';
import { ForeignMessages } from './foreign.ts';
import { LivePublish } from './live-publish.ts';
import { QueueGroup } from './queue-group.ts';
import { topicPattern } from './subject.ts';
import { SubjectRoutes, TOPIC_EXCHANGE } from './subject-routes.ts';
import type { Subscription } from './subscription.ts';

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
  readonly routes: SubjectRoutes;
  readonly foreign: ForeignMessages;
  readonly live = new LivePublish();
  readonly connections = new Map<number, NatsConnection>();
  readonly totals = {
    connections: 0,
    slowConsumers: 0,
    staleConnections: 0,
    inMessages: 0,
    inBytes: 0,
    outMessages: 0,
    outBytes: 0,
  };
  subscriptionCount = 0;
  readonly #groups = new Map<string, QueueGroup>();

  constructor(broker: Broker, address: { host: string; port: number }) {
    this.broker = broker;
    this.namespace = broker.defaultNamespace;
    this.metrics = broker.metrics.protocol('nats');
    this.address = address;
    this.startedMs = broker.ports.clock.now();
    const bytes = broker.ports.random.bytes(ID_CHARACTERS);
    this.serverId = `N${Array.from(bytes, (byte) => BASE32[byte & 31]).join('')}`;
    this.serverName = `posthorn-${broker.clusterId}`;
    this.routes = new SubjectRoutes(this.namespace);
    this.foreign = new ForeignMessages(broker.envelopes);
  }

  enter(connection: NatsConnection): void {
    this.connections.set(connection.id, connection);
  }

  leave(connection: NatsConnection): void {
    this.connections.delete(connection.id);
  }

  nextConnectionId(): number {
    return ++this.totals.connections;
  }

  /** Throws BrokerError when the topic exchange may not be bound to. */
  subscribe(subscription: Subscription): void {
    this.subscriptionCount++;
    const { queue, subject } = subscription;
    if (queue === null) {
      this.#bind(subject, subscription);
      return;
    }
    let group = this.#groups.get(queue);
    if (!group) this.#groups.set(queue, (group = new QueueGroup(this, queue)));
    if (group.add(subscription)) this.#bind(subject, group);
  }

  unsubscribe(subscription: Subscription): void {
    this.subscriptionCount--;
    const { queue } = subscription;
    const { binder } = this.namespace;
    if (queue === null) {
      binder.unbindLive(subscription);
      return;
    }
    const group = this.#groups.get(queue)!;
    if (!group.remove(subscription)) return;
    binder.unbindLive(group);
    for (const subject of group.subjects()) this.#bind(subject, group);
    if (group.isEmpty) this.#groups.delete(queue);
  }

  #bind(subject: string, subscriber: LiveSubscriber): void {
    this.namespace.binder.bindLive(TOPIC_EXCHANGE, topicPattern(subject), {}, subscriber);
  }
}
