/**
 * Readdressed: a destination that is to see the message under another address, because a binding
 * on its way says so (`as`): as if it had been published to the binding's source under that key.
 */
import type { Envelopes } from '../message/envelope.ts';
import type { Destination, Message, Outcome } from '../message/message.ts';

/** What a message is called from a binding on. */
export interface Address {
  readonly exchange: string;
  readonly routingKey: string;
}

export class Readdressed implements Destination {
  readonly name: string;
  readonly target: Destination;
  readonly #address: Address;
  readonly #envelopes: Envelopes;

  constructor(target: Destination, address: Address, envelopes: Envelopes) {
    this.name = target.name;
    this.target = target;
    this.#address = address;
    this.#envelopes = envelopes;
  }

  hasAddress({ exchange, routingKey }: Address): boolean {
    return this.#address.exchange === exchange && this.#address.routingKey === routingKey;
  }

  /** Leaves the message as it was. */
  publish(message: Message): Outcome {
    const { origin, source, sourceStart, sourceEnd } = message;
    const { headerCount, headers, headersStart, headersEnd } = message;
    this.#envelopes.readdress(message, this.#address.exchange, this.#address.routingKey, false);
    const outcome = this.target.publish(message);
    message.origin = origin;
    message.source = source;
    message.sourceStart = sourceStart;
    message.sourceEnd = sourceEnd;
    message.headerCount = headerCount;
    message.headers = headers;
    message.headersStart = headersStart;
    message.headersEnd = headersEnd;
    return outcome;
  }
}

/** Keeps what it is given, or may. */
export function isStoring(target: Destination): boolean {
  return target instanceof Readdressed ? isStoring(target.target) : !('live' in target);
}
