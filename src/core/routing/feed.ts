/**
 * Feed: what enters a queue or a topic goes on to what is bound to it, a copy for each; the source
 * keeps its own. A feed routes as an exchange of kind topic does.
 *
 * A source takes a message once, however many ways lead there from where it entered first: it asks
 * `hasFed`, so neither a ring nor a mesh of bindings multiplies anything. It asks for this very
 * message: what dies in a bound queue meanwhile is another one, and welcome.
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

/** One message on its way through the sources that it came to. */
interface Round {
  readonly message: Message;
  readonly fed: Set<Feed>;
  /** What was under way when this one began: it is a dead letter of that. */
  readonly outer: Round | null;
}

export class FeedRounds {
  current: Round | null = null;
}

export interface FeedHome {
  readonly router: Router;
  readonly feedRounds: FeedRounds;
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

  constructor(home: FeedHome, name: string) {
    this.exchange = new Exchange(name, OPTIONS);
    this.#home = home;
  }

  hasFed(message: Message): boolean {
    for (let round = this.#home.feedRounds.current; round !== null; round = round.outer) {
      if (round.message === message && round.fed.has(this)) return true;
    }
    return false;
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
    const { router, broker, feedRounds } = this.#home;
    const outer = feedRounds.current;
    const isFirst = outer === null || outer.message !== message;
    const round = isFirst ? { message, fed: new Set<Feed>(), outer } : outer;
    round.fed.add(this);
    feedRounds.current = round;
    let outcome: Outcome;
    try {
      const route = router.routeFrom(this.exchange, routingKey);
      outcome = router.publish(route, routingKey, message);
    } finally {
      feedRounds.current = outer;
    }
    if ((outcome & Outcome.Routed) !== 0) broker.metrics.fed++;
    if ((outcome & Outcome.Refused) !== 0) broker.metrics.feedRefused++;
    return outcome;
  }
}
