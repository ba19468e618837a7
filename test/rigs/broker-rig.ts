/**
 * A whole core over memory, for tests: real broker, queues, topics, commit; a clock that stands
 * still until told otherwise, seeded randomness, and a restart that keeps what a disk would keep.
 */
import { hashesPort } from '#server/hashes.ts';
import type { Authenticator } from '#core/authenticator.ts';
import { Broker } from '#core/broker.ts';
import type { BrokerDefaults, BrokerOptions } from '#core/broker.ts';
import { defaultLimits } from '#core/limits.ts';
import type { Limits } from '#core/limits.ts';
import type { LogStore } from '#core/log.ts';
import { Message } from '#core/message/message.ts';
import type { Ports } from '#core/ports.ts';
import { defaultQueueOptions } from '#core/queue/queue-options.ts';
import type { QueueOptions } from '#core/queue/queue-options.ts';
import type { ExchangeOptions } from '#core/routing/exchange.ts';
import { createCodecs } from '#server/compression.ts';
import { MemoryStore } from '#storage/memory-store.ts';
import { UserTable } from '../../src/auth/user-table.ts';

export class RigPorts implements Ports {
  nowMs = 1_750_000_000_000;
  readonly warnings: string[] = [];
  #seed = 12_345;
  readonly clock = { now: (): number => this.nowMs };
  readonly random = {
    next: (): number => {
      this.#seed = (Math.imul(this.#seed, 1664525) + 1013904223) >>> 0;
      return this.#seed / 2 ** 32;
    },
    bytes: (length: number): Uint8Array =>
      Uint8Array.from({ length }, () => Math.floor(this.random.next() * 256)),
  };
  readonly hashes = hashesPort;
  readonly defer = (task: () => void): void => void setImmediate(task);
  readonly log = {
    error: (message: string): void => void this.warnings.push(message),
    warn: (message: string): void => void this.warnings.push(message),
    info: (): void => {},
  };
}

export interface RigOptions {
  store?: LogStore;
  ports?: RigPorts;
  defaults?: Partial<BrokerDefaults>;
  limits?: Partial<Limits>;
  processBytes?: () => number;
  auth?: Authenticator;
}

export class BrokerRig {
  readonly ports: RigPorts;
  readonly store: LogStore;
  broker: Broker;
  readonly #options: BrokerOptions;

  private constructor(ports: RigPorts, options: BrokerOptions, broker: Broker) {
    this.ports = ports;
    this.store = options.store;
    this.broker = broker;
    this.#options = options;
  }

  static async open(asked: RigOptions = {}): Promise<BrokerRig> {
    const ports = asked.ports ?? new RigPorts();
    const codecs = createCodecs();
    const decompress = (codec: number, bytes: Uint8Array): Uint8Array =>
      codecs.decompress(codec, bytes, 1 << 28);
    const options: BrokerOptions = {
      store: asked.store ?? new MemoryStore(ports, { decompress }),
      ports,
      limits: { ...defaultLimits(1 << 30), ...asked.limits },
      defaults: asked.defaults ?? {},
      codecs,
      auth: asked.auth ?? new UserTable(),
      processBytes: asked.processBytes ?? (() => 0),
    };
    return new BrokerRig(ports, options, await Broker.open(options));
  }

  /** As after the end of the process: a new broker over the same store. */
  async restart(): Promise<void> {
    await this.broker.committed();
    this.broker = await Broker.open(this.#options);
  }

  get namespace() {
    return this.broker.defaultNamespace;
  }

  queue(name: string, options: Partial<QueueOptions> = {}) {
    return this.namespace.declareQueue(name, { ...defaultQueueOptions(), ...options });
  }

  exchange(name: string, options: Partial<ExchangeOptions> = {}) {
    return this.namespace.declareExchange(name, { ...exchangeOptions(), ...options });
  }

  /** Publishes and tells what came of it; null when there is no such exchange. */
  publish(exchange: string, routingKey: string, message: Message): number | null {
    const route = this.namespace.resolve(exchange, routingKey);
    return route ? this.namespace.publish(route, routingKey, message) : null;
  }
}

export function exchangeOptions(): ExchangeOptions {
  return {
    kind: 'direct',
    durable: false,
    autoDelete: false,
    internal: false,
    alternateExchange: null,
    arguments: {},
  };
}

export function textMessage(body: string, timestampMs = 0): Message {
  const message = new Message();
  message.body = Buffer.from(body);
  message.bodyEnd = message.body.length;
  message.timestampMs = timestampMs;
  return message;
}

export function bodyText(message: Message): string {
  return Buffer.from(message.body.subarray(message.bodyStart, message.bodyEnd)).toString();
}
