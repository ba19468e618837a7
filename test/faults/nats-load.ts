/**
 * A NATS subscriber and a publisher of their own client, which reconnect by themselves: after every
 * restart the subscription must work again without anybody's help. NATS promises nothing for what
 * was published meanwhile, so only messages of after the reconnect are asked for.
 */
import { connect, type NatsConnection } from '@nats-io/transport-node';
import { setTimeout as sleep } from 'node:timers/promises';

const SUBJECT = 'faults.live';
const RECONNECT_MS = 50;
const PATIENCE_MS = 10_000;
const STEP_MS = 20;

export interface NatsCounts {
  published: number;
  received: number;
  reconnects: number;
  failures: string[];
}

export class NatsLoad {
  readonly #subscriber: NatsConnection;
  readonly #publisher: NatsConnection;
  readonly #failures: string[] = [];
  #published = 0;
  #received = 0;
  #reconnects = 0;

  private constructor(subscriber: NatsConnection, publisher: NatsConnection) {
    this.#subscriber = subscriber;
    this.#publisher = publisher;
    subscriber.subscribe(SUBJECT, {
      callback: () => {
        this.#received++;
      },
    });
    void this.#countReconnects();
  }

  static async start(port: number): Promise<NatsLoad> {
    const options = {
      servers: `127.0.0.1:${port}`,
      maxReconnectAttempts: -1,
      reconnectTimeWait: RECONNECT_MS,
    };
    const load = new NatsLoad(await connect(options), await connect(options));
    await load.#subscriber.flush();
    return load;
  }

  async #countReconnects(): Promise<void> {
    for await (const status of this.#subscriber.status()) {
      if (status.type === 'reconnect') this.#reconnects++;
    }
  }

  /** Publishes until something arrives: both have found the broker again. */
  async expectDelivery(): Promise<void> {
    const before = this.#received;
    const deadline = Date.now() + PATIENCE_MS;
    while (this.#received === before && Date.now() < deadline) {
      this.#publisher.publish(SUBJECT, String(this.#published++));
      await sleep(STEP_MS);
    }
    if (this.#received === before)
      this.#failures.push(`nothing after ${this.#published} published`);
  }

  async stop(): Promise<NatsCounts> {
    await Promise.all([this.#subscriber.close(), this.#publisher.close()]);
    return {
      published: this.#published,
      received: this.#received,
      reconnects: this.#reconnects,
      failures: this.#failures,
    };
  }
}
