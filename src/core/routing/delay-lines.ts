/**
 * DelayLines: the delay lines of one namespace. A line is made with its exchange, goes with it, and
 * survives a restart if the exchange does; what it holds is then as it was.
 */
import { queueFrom, queueJson } from '../definitions.ts';
import { DelayLine } from './delay-line.ts';
import type { Exchange } from './exchange.ts';
import type { Namespace } from '../namespace.ts';
import { Queue } from '../queue/queue.ts';
import { defaultQueueOptions } from '../queue/queue-options.ts';
import type { QueueOptions } from '../queue/queue-options.ts';

export class DelayLines {
  readonly #namespace: Namespace;
  readonly #lines = new Map<Exchange, DelayLine>();

  constructor(namespace: Namespace) {
    this.#namespace = namespace;
  }

  /** Messages that wait for their time. */
  get size(): number {
    let size = 0;
    for (const line of this.#lines.values()) size += line.size;
    return size;
  }

  /** Of an exchange that delays, new. */
  declare(exchange: Exchange): void {
    const { broker, name: namespace } = this.#namespace;
    const { name } = exchange;
    const id = broker.nextQueueId();
    const options = optionsOf(exchange);
    const log = broker.createQueueLog(namespace, name, id, options);
    this.#add(exchange, new Queue(this.#namespace, name, id, options, log)).begin();
    if (options.durable)
      broker.catalog.set('delay-line', namespace, [name], queueJson(id, options));
  }

  /** Broker only: found in the catalog. */
  async recover(name: string, value: unknown): Promise<void> {
    const { broker, name: namespace } = this.#namespace;
    const { id, options } = queueFrom(value);
    const log = await broker.openQueueLog(namespace, name, id, options);
    const queue = new Queue(this.#namespace, name, id, options, log);
    await queue.recover();
    this.#add(this.#namespace.exchange(name), queue);
  }

  /** Broker only: all bindings are there. */
  begin(): void {
    for (const line of this.#lines.values()) line.begin();
  }

  /** The exchange is gone, and what it held. */
  drop(exchange: Exchange): void {
    const line = this.#lines.get(exchange);
    if (!line) return;
    const { broker, name: namespace } = this.#namespace;
    this.#lines.delete(exchange);
    line.close();
    if (exchange.options.durable) broker.catalog.delete('delay-line', namespace, [exchange.name]);
    line.queue.remove();
    broker.removeLog(line.queue.log);
  }

  #add(exchange: Exchange, queue: Queue): DelayLine {
    const line = new DelayLine(this.#namespace, exchange, queue);
    this.#lines.set(exchange, line);
    exchange.delay = line;
    return line;
  }
}

function optionsOf({ options: { durable } }: Exchange): QueueOptions {
  return { ...defaultQueueOptions(), durable };
}
