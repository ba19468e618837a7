/** NATS as nats-server speaks it to clients. */
import type { Broker } from '#core/broker.ts';
import type { Namespace } from '#core/namespace.ts';
import type { Envelopes } from '#core/message/envelope.ts';
import { Origin } from '#core/message/message.ts';
import {
  Refusal,
  type ByteSink,
  type Connection,
  type Page,
  type PageHost,
  type Peer,
  type Protocol,
  type ProtocolFactory,
} from '#protocols/contract.ts';
import { NatsConnection } from './connection.ts';
import { WRITE_MS_MAX } from './constants.ts';
import { Text } from './errors.ts';
import { decodeMessage, ORIGIN_EXTRAS } from './mapping.ts';
import { pageOf } from './monitoring/pages.ts';
import { NatsNode } from './node.ts';

class Nats implements Protocol {
  readonly name = 'nats';
  readonly stuckMsMax = WRITE_MS_MAX;
  readonly #node: NatsNode;

  constructor(broker: Broker, address: { host: string; port: number }, namespace: Namespace) {
    this.#node = new NatsNode(broker, address, namespace);
  }

  accept(sink: ByteSink, peer: Peer): Connection {
    return new NatsConnection(this.#node, sink, peer);
  }

  page(path: string, query: ReadonlyMap<string, string>, host: PageHost): Page | null {
    return pageOf(this.#node, path, query, host);
  }

  refuse(reason: Refusal): Uint8Array {
    const text = reason === Refusal.Connections ? Text.TooManyConnections : Text.TlsRequired;
    return Buffer.from(`-ERR '${text}'\r\n`);
  }
}

export const nats: ProtocolFactory = (broker, address, namespace) =>
  new Nats(
    broker,
    address,
    namespace === undefined ? broker.defaultNamespace : broker.namespace(namespace),
  );

/** Messages that came by it can be read, whether it is served or not. */
export function readNats(envelopes: Envelopes): void {
  envelopes.register(Origin.Nats, decodeMessage, ORIGIN_EXTRAS);
}
