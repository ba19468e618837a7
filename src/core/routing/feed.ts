/**
 * Feed: what enters a queue or a topic goes on to what is bound to it, a copy for each; the source
 * keeps its own. A feed routes as an exchange of kind topic does.
 *
 * A copy that comes back to the source is not taken a second time: the source asks `isFeeding`. It
 * is asked for this very message: what dies in a bound queue meanwhile is another one, and welcome.
 */
import type { Envelopes } from '../message/envelope.ts';
import { BrokerError } from '../errors.ts';
import { Exchange } from './exchange.ts';
import { Outcome } from '../message/message.ts';
import type { Message } from '../message/message.ts';
import type { Metrics } from '../metrics.ts';
import type { Router } from './router.ts';

const OPTIONS = {
  kind: 'topic',
  durable: true,
  autoDelete: false,
  internal: true,
  alternateExchange: null,
  arguments: {},
} as const;

export interface FeedHome {
  readonly router: Router;
  readonly broker: {
    readonly envelopes: Envelopes;
    readonly metrics: Pick<Metrics, 'fed' | 'feedRefused'>;
  };
}

/** A queue or a topic. */
export interface FeedSource {
  readonly name: string;
  /** Null unless something is bound to it. Binder only sets it. */
  feed: Feed | null;
}

export class Feed {
  readonly exchange: Exchange;
  readonly #home: FeedHome;
  #message: Message | null = null;

  constructor(home: FeedHome, name: string) {
    this.exchange = new Exchange(name, OPTIONS);
    this.#home = home;
  }

  isFeeding(message: Message): boolean {
    return this.#message === message;
  }

  /** By the routing key the message has; a forged one has none. */
  publishAddressed(message: Message): Outcome {
    return this.publish(this.#routingKey(message), message);
  }

  #routingKey(message: Message): string {
    try {
      return this.#home.broker.envelopes.decode(message).routingKey;
    } catch (error) {
      if (error instanceof BrokerError) return '';
      throw error;
    }
  }

  publish(routingKey: string, message: Message): Outcome {
    const { router, broker } = this.#home;
    const before = this.#message;
    this.#message = message;
    const route = router.routeFrom(this.exchange, routingKey);
    const outcome = router.publish(route, routingKey, message);
    this.#message = before;
    if ((outcome & Outcome.Routed) !== 0) broker.metrics.fed++;
    if ((outcome & Outcome.Refused) !== 0) broker.metrics.feedRefused++;
    return outcome;
  }
}
