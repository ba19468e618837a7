/**
 * QueueRig: queues on a store in memory, with a clock and turns of the event loop that the test
 * moves by hand. A crash keeps what was committed and forgets the rest.
 */
import { hashesPort } from '#server/hashes.ts';
import { AckJournal } from '#core/queue/ack-journal.ts';
import { Credit } from '#core/queue/credit.ts';
import { BrokerError } from '#core/errors.ts';
import { Envelopes, emptyEnvelope } from '#core/message/envelope.ts';
import type { LogConfig, LogStore } from '#core/log.ts';
import { MemoryBudget } from '#core/memory-budget.ts';
import type { Death } from '#core/message/message.ts';
import { Message, Origin, Outcome } from '#core/message/message.ts';
import type { Ports } from '#core/ports.ts';
import { Queue } from '#core/queue/queue.ts';
import { defaultQueueOptions } from '#core/queue/queue-options.ts';
import type { QueueOptions } from '#core/queue/queue-options.ts';
import type { QueueHome, QueueServices } from '#core/queue/queue-services.ts';
import { Schedule } from '#core/schedule.ts';
import type { Subscriber, Subscription } from '#core/queue/subscription.ts';
import { MemoryStore } from '#storage/memory-store.ts';

export interface Delivery {
  text: string;
  offset: number;
  deliveryCount: number;
  tag: string;
  deaths: Death[] | null;
  address: string;
}

export function logConfig(): LogConfig {
  return {
    sync: 'commit',
    segmentBytesMax: 1 << 20,
    segmentAgeMsMax: Infinity,
    indexIntervalBytes: 4096,
    retentionMs: -1,
    retentionBytes: -1,
    ephemeral: false,
  };
}

const START_MS = 1_700_000_000_000;
const TURNS_WITHOUT_PAUSE = 1000;
const TURNS_MAX = 21_000;

/** The test's protocol writes `exchange|routing key|expiration` as the source of a message. */
function registerTestOrigin(envelopes: Envelopes): void {
  envelopes.register(
    Origin.Amqp091,
    (message) => {
      const source = Buffer.from(message.source.subarray(message.sourceStart, message.sourceEnd));
      const [exchange, routingKey, expiration] = source.toString().split('|');
      const expirationMs = expiration ? Number(expiration) : null;
      return { ...emptyEnvelope(), exchange: exchange!, routingKey: routingKey!, expirationMs };
    },
    {
      readdress: (message, exchange, routingKey) => {
        message.source = Buffer.from(`${exchange}|${routingKey}|`);
        message.sourceStart = 0;
        message.sourceEnd = message.source.length;
      },
    },
  );
}

export interface PublishOptions {
  durable?: boolean;
  priority?: number;
  ttlMs?: number;
  deliverAtMs?: number;
  exchange?: string;
  routingKey?: string;
  group?: string;
  dedupId?: string;
}

export class QueueRig {
  nowMs = START_MS;
  store!: LogStore;
  schedule = new Schedule();
  readonly envelopes = new Envelopes();
  readonly memory: MemoryBudget;
  readonly warnings: string[] = [];
  readonly unused: string[] = [];
  readonly queues = new Map<string, Queue>();
  acks!: AckJournal;
  home!: QueueHome;
  #tasks: (() => void)[] = [];
  #nextId = 1;
  readonly #ids = new Map<string, number>();

  private constructor(memoryBytesMax: number) {
    this.memory = new MemoryBudget(memoryBytesMax);
    registerTestOrigin(this.envelopes);
  }

  static async open(
    memoryBytesMax = 64 << 20,
    open: (ports: Ports) => LogStore | Promise<LogStore> = (ports) => new MemoryStore(ports),
  ): Promise<QueueRig> {
    const rig = new QueueRig(memoryBytesMax);
    rig.store = await open(rig.ports);
    await rig.#start();
    return rig;
  }

  async #start(): Promise<void> {
    this.acks = await AckJournal.open(
      await this.store.open('state/acks', logConfig()),
      this.store.commit,
    );
    const services: QueueServices = {
      ports: this.ports,
      commit: this.store.commit,
      schedule: this.schedule,
      envelopes: this.envelopes,
      acks: this.acks,
      memory: this.memory,
      codecs: { compress: refuse, decompress: refuse },
      metrics: { expired: 0, overflowed: 0, deadLettered: 0 },
      limits: { decompressedBytesMax: 1 << 20 },
    };
    this.home = {
      name: '/',
      broker: services,
      // Every routing key is the name of a queue, whatever the exchange.
      deadLetter: (_queue, message, _exchange, routingKeys) => {
        let outcome: Outcome = Outcome.Unrouted;
        for (const key of routingKeys) outcome |= this.queues.get(key)?.publish(message) ?? 0;
        return outcome;
      },
      queueUnused: (queue) => {
        this.unused.push(queue.name);
        this.queues.delete(queue.name);
        queue.remove();
      },
    };
  }

  get ports(): Ports {
    return {
      clock: { now: () => this.nowMs },
      random: { next: () => 0.5, bytes: (length) => new Uint8Array(length) },
      hashes: hashesPort,
      defer: (task) => void this.#tasks.push(task),
      log: {
        error: (text) => void this.warnings.push(text),
        warn: (text) => void this.warnings.push(text),
        info: () => {},
      },
    };
  }

  declare(name: string, options: Partial<QueueOptions> = {}): Queue {
    const all = { ...defaultQueueOptions(), ...options };
    const id = this.#nextId++;
    this.#ids.set(name, id);
    const log = this.store.create(`queues/${name}-${id}`, {
      ...logConfig(),
      ephemeral: !all.durable,
    });
    return this.#keep(new Queue(this.home, name, id, all, log));
  }

  #keep(queue: Queue): Queue {
    this.queues.set(queue.name, queue);
    return queue;
  }

  /** One turn: what was deferred, and what that defers. */
  turn(): void {
    while (this.#tasks.length > 0) for (const task of this.#tasks.splice(0)) task();
  }

  /** What is deferred meanwhile waits. */
  oneTurn(): void {
    for (const task of this.#tasks.splice(0)) task();
  }

  /** Turns with pauses for promises in between. */
  async settle(): Promise<void> {
    for (let i = 0; i < 5; i++) {
      this.turn();
      await new Promise((resolve) => setImmediate(resolve));
    }
  }

  /** Turns until it is so. */
  async until(condition: () => boolean): Promise<void> {
    for (let i = 0; !condition(); i++) {
      if (i === TURNS_MAX) throw new Error('it never came about');
      this.turn();
      // What takes long is the disk.
      await new Promise((resolve) => {
        if (i < TURNS_WITHOUT_PAUSE) setImmediate(resolve);
        else setTimeout(resolve, 1);
      });
    }
  }

  /** Moves the clock step by step and runs what becomes due. */
  pass(ms: number): void {
    const untilMs = this.nowMs + ms;
    this.turn();
    while (this.schedule.nextMs <= untilMs) {
      this.nowMs = Math.max(this.nowMs, this.schedule.nextMs);
      this.schedule.due(this.nowMs);
      this.turn();
    }
    this.nowMs = untilMs;
  }

  /** Opens everything again from `store`; queues recover, and what `others` opens. */
  async restart(
    queues: Record<string, Partial<QueueOptions>>,
    store: LogStore,
    others: () => Promise<void> = async () => {},
  ): Promise<void> {
    this.store = store;
    this.queues.clear();
    this.#tasks = [];
    this.schedule = new Schedule();
    await this.#start();
    for (const [name, options] of Object.entries(queues)) {
      const id = this.#ids.get(name)!;
      const log = await store.open(`queues/${name}-${id}`, logConfig());
      const all = { ...defaultQueueOptions(), durable: true, ...options };
      const queue = new Queue(this.home, name, id, all, log);
      await queue.recover();
      this.#keep(queue);
    }
    await others();
    const recovered = this.acks.recovered();
    await this.settle();
    await recovered;
  }

  publish(queue: Queue, text: string, options: PublishOptions = {}): Outcome {
    return queue.publish(this.message(text, options));
  }

  message(text: string, options: PublishOptions = {}): Message {
    const message = new Message();
    const bytes = Buffer.from(text);
    const expiration = options.ttlMs === undefined ? '' : String(options.ttlMs);
    const address = `${options.exchange ?? ''}|${options.routingKey ?? 'key'}|${expiration}`;
    message.origin = Origin.Amqp091;
    message.source = Buffer.from(address);
    message.sourceEnd = message.source.length;
    message.body = bytes;
    message.bodyEnd = bytes.length;
    message.timestampMs = this.nowMs;
    message.durable = options.durable ?? false;
    message.priority = options.priority ?? 0;
    message.deliverAtMs = options.deliverAtMs ?? 0;
    message.dedupId = options.dedupId ?? null;
    if (options.group !== undefined) {
      message.hasKey = true;
      message.key = Buffer.from(options.group);
      message.keyEnd = message.key.length;
    }
    if (options.ttlMs !== undefined) message.expiresAtMs = this.nowMs + options.ttlMs;
    return message;
  }

  /** Gets and settles the next one; null when there is none. */
  take(queue: Queue): string | null {
    const message = new Message();
    const lease = queue.get(message, this);
    if (lease instanceof Promise) throw new Error('the bytes are not in memory');
    if (lease === null) return null;
    queue.accept(lease.offset);
    return bodyText(message);
  }

  takeAll(queue: Queue): string[] {
    const all: string[] = [];
    for (let text = this.take(queue); text !== null; text = this.take(queue)) all.push(text);
    return all;
  }
}

function refuse(): never {
  throw new BrokerError('unsupported', 'no codecs here');
}

export function bodyText(message: Message): string {
  return Buffer.from(message.body.subarray(message.bodyStart, message.bodyEnd)).toString();
}

/** A consumer that keeps what it got. */
export class Collector implements Subscriber {
  readonly deliveries: Delivery[] = [];
  readonly cancelledTags: string[] = [];
  readonly credit: Credit;
  readonly queue: Queue;
  readonly subscription: Subscription;

  constructor(
    queue: Queue,
    options: {
      limit?: number;
      noAck?: boolean;
      exclusive?: boolean;
      priority?: number;
      owner?: object;
      tag?: string;
      credits?: Credit[];
    } = {},
  ) {
    this.queue = queue;
    this.credit = new Credit(options.limit ?? 0);
    this.subscription = queue.subscribe({
      subscriber: this,
      credits: [this.credit, ...(options.credits ?? [])],
      noAck: options.noAck ?? false,
      exclusive: options.exclusive ?? false,
      priority: options.priority ?? 0,
      owner: options.owner ?? this,
      tag: options.tag ?? 'tag',
    });
    queue.pump();
  }

  get texts(): string[] {
    return this.deliveries.map((delivery) => delivery.text);
  }

  deliver(
    message: Message,
    offset: number,
    deliveryCount: number,
    subscription: Subscription,
  ): void {
    const source = message.source.subarray(message.sourceStart, message.sourceEnd);
    this.deliveries.push({
      text: bodyText(message),
      offset,
      deliveryCount,
      tag: subscription.tag,
      deaths: message.deaths,
      address: Buffer.from(source).toString(),
    });
  }

  cancelled(subscription: Subscription): void {
    this.cancelledTags.push(subscription.tag);
  }

  accept(offset: number): void {
    if (!this.queue.accept(offset)) throw new Error(`${offset} is not leased`);
    this.subscription.give(1);
    this.queue.pump();
  }

  release(offset: number, counted = false): void {
    this.subscription.give(1);
    this.queue.release([offset], counted);
  }

  reject(offset: number): void {
    this.subscription.give(1);
    this.queue.reject(offset, 'rejected');
    this.queue.pump();
  }
}
