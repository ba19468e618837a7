/** AMQP 0-9-1 as RabbitMQ speaks it. */
import type { Broker } from '#core/broker.ts';
import type { Envelopes } from '#core/message/envelope.ts';
import { Origin } from '#core/message/message.ts';
import type { ByteSink, Connection, Peer, Protocol } from '#protocols/contract.ts';
import { AmqpConnection } from './connection.ts';
import { decodeMessage, ORIGIN_EXTRAS } from './mapping.ts';

class Amqp091 implements Protocol {
  readonly name = 'amqp';
  readonly #broker: Broker;

  constructor(broker: Broker) {
    this.#broker = broker;
  }

  accept(sink: ByteSink, peer: Peer): Connection {
    return new AmqpConnection(this.#broker, sink, peer);
  }

  turnAway(sink: ByteSink, peer: Peer): Connection {
    const connection = new AmqpConnection(this.#broker, sink, peer);
    const { connectionsMax } = this.#broker.limits;
    connection.refusal = `connection refused: node connection limit (${connectionsMax}) is reached`;
    return connection;
  }
}

export function amqp091(broker: Broker): Protocol {
  return new Amqp091(broker);
}

/** Messages that came by it can be read, whether it is served or not. */
export function readAmqp091(envelopes: Envelopes): void {
  envelopes.register(Origin.Amqp091, decodeMessage, ORIGIN_EXTRAS);
}
