/**
 * EmbeddedNamespace: one namespace of an embedded broker, with the ports on which it is seen.
 */
import { type Destination, Outcome } from '#core/message/message.ts';
import type { Namespace as CoreNamespace } from '#core/namespace.ts';
import { Queue } from '#core/queue/queue.ts';
import { Readdressed } from '#core/routing/readdressed.ts';
import type { Addresses } from './addresses.ts';
import type {
  AmqpAddress,
  Binding,
  ExchangeOptions,
  KafkaAddress,
  Namespace,
  NatsAddress,
  PublishOptions,
  QueueOptions,
  SqsAddress,
  TopicOptions,
} from './api.ts';
import { bind, declareExchange, declareQueue, declareTopic } from './declarations.ts';
import type { Fate } from './fate.ts';
import { checkPublish } from './option-forms.ts';
import { outgoing } from './outgoing.ts';
import type { Recorder } from './recorder.ts';
import { SpyView } from './spy.ts';
import type { Spy } from './spied.ts';

export interface NamespaceParts {
  readonly core: CoreNamespace;
  readonly addresses: Addresses;
  readonly fate: Fate;
  /** Null: nobody looks. */
  readonly recorder: Recorder | null;
  readonly close: () => Promise<void>;
}

export class EmbeddedNamespace implements Namespace {
  readonly name: string;
  readonly #parts: NamespaceParts;
  readonly #spy: Spy | null;
  #closing: Promise<void> | null = null;

  /** `spied`: the namespace that the spy sees, null for all. */
  constructor(parts: NamespaceParts, spied: string | null) {
    this.name = parts.core.name;
    this.#parts = parts;
    this.#spy = parts.recorder === null ? null : new SpyView(parts.recorder, spied);
  }

  get kafka(): KafkaAddress {
    return this.#parts.addresses.kafka;
  }

  get amqp(): AmqpAddress {
    return this.#parts.addresses.amqp(this.name);
  }

  get nats(): NatsAddress {
    return this.#parts.addresses.nats;
  }

  get sqs(): SqsAddress {
    return this.#parts.addresses.sqs;
  }

  get spy(): Spy {
    if (this.#spy !== null) return this.#spy;
    throw new Error('this broker was started with spy: false');
  }

  publish(
    address: string,
    body: string | Uint8Array | object,
    options: PublishOptions = {},
  ): Promise<number> {
    return this.#parts.fate.during(async () => {
      const { core, recorder } = this.#parts;
      this.#check();
      checkPublish(address, body, options);
      const { exchange = '', delayMs = 0 } = options;
      const route = core.resolve(exchange, address);
      if (route === null) throw new Error(`there is no exchange '${exchange}'`);
      const message = outgoing(address, body, options, core.broker.ports.clock.now());
      const targets = core.router.targets(route, address, message);
      if (delayMs > 0) checkDelayed(targets);
      const count = targets.length;
      const outcome = core.publish(route, address, message);
      recorder?.published('direct', core, exchange, address, message, outcome, count);
      if ((outcome & Outcome.Refused) !== 0) {
        throw new Error(
          `a destination of '${address}' refused the message: it is full, or too small`,
        );
      }
      await core.broker.committed();
      return count;
    });
  }

  declareQueue(name: string, options: QueueOptions = {}): Promise<void> {
    return this.#declare((core) => declareQueue(core, name, options));
  }

  declareTopic(name: string, options: TopicOptions = {}): Promise<void> {
    return this.#declare((core) => declareTopic(core, name, options));
  }

  declareExchange(name: string, options: ExchangeOptions): Promise<void> {
    return this.#declare((core) => declareExchange(core, name, options));
  }

  bind(binding: Binding): Promise<void> {
    return this.#declare((core) => bind(core, binding));
  }

  depth(queue: string): { readonly ready: number; readonly unacknowledged: number } {
    this.#check();
    const { readyCount, unackedCount } = this.#parts.core.queue(queue, null);
    return { ready: readyCount, unacknowledged: unackedCount };
  }

  close(): Promise<void> {
    return (this.#closing ??= this.#parts.close());
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #check(): void {
    this.#parts.fate.check();
    if (this.#closing !== null) throw new Error(`the namespace '${this.name}' is closed`);
  }

  #declare(declare: (core: CoreNamespace) => void): Promise<void> {
    return this.#parts.fate.during(async () => {
      this.#check();
      declare(this.#parts.core);
      await this.#parts.core.broker.committed();
    });
  }
}

/** Queues alone keep a message back. */
function checkDelayed(targets: readonly Destination[]): void {
  for (const target of targets) {
    const end = target instanceof Readdressed ? target.target : target;
    if (end instanceof Queue) continue;
    throw new Error(`delayMs: '${end.name}' is no queue, and would have the message at once`);
  }
}
