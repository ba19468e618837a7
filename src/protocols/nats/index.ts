/** NATS as nats-server speaks it to clients. */
import type { Broker } from '#core/broker.ts';
import { Origin } from '#core/message/message.ts';
import {
  Refusal,
  type ByteSink,
  type Connection,
  type Peer,
  type Protocol,
} from '#protocols/contract.ts';
import { NatsConnection } from './connection.ts';
import { Text } from './errors.ts';
import { decodeMessage, ORIGIN_EXTRAS } from './mapping.ts';
import { NatsNode } from './node.ts';

class Nats implements Protocol {
  readonly name = 'nats';
  readonly #node: NatsNode;

  constructor(broker: Broker, address: { host: string; port: number }) {
    this.#node = new NatsNode(broker, address);
    broker.envelopes.register(Origin.Nats, decodeMessage, ORIGIN_EXTRAS);
  }

  accept(sink: ByteSink, peer: Peer): Connection {
    return new NatsConnection(this.#node, sink, peer);
  }

  refuse(reason: Refusal): Uint8Array {
    const text = reason === Refusal.Connections ? Text.TooManyConnections : Text.TlsRequired;
    return Buffer.from(`-ERR '${text}'\r\n`);
  }
}

export function nats(broker: Broker, address: { host: string; port: number }): Protocol {
  return new Nats(broker, address);
}
