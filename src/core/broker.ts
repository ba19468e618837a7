/**
 * Broker: the whole core in one object, opened over a store. Protocols get it; the server ticks it.
 *
 * Opening replays the catalog and the acknowledgement journal, opens and recovers every log the
 * catalog knows, and removes the logs that it does not know: those of what was deleted, or never
 * committed, before a crash.
 */
import { AckJournal } from './queue/ack-journal.ts';
import type { Authenticator } from './authenticator.ts';
import { Catalog } from './catalog.ts';
import type { CatalogEntry } from './catalog.ts';
import type { Codecs } from './codecs.ts';
import { queueFrom } from './definitions.ts';
import type { TopicDefinition } from './definitions.ts';
import { Envelopes } from './message/envelope.ts';
import { BrokerError, invariant } from './errors.ts';
import { GroupCoordinator } from './group/group-coordinator.ts';
import { KeyedJournal } from './keyed-journal.ts';
import type { Limits } from './limits.ts';
import { Sync } from './log.ts';
import type { Commit, Log, LogConfig, LogStore } from './log.ts';
import { MemoryBudget } from './memory-budget.ts';
import { Metrics } from './metrics.ts';
import { DEFAULT_NAMESPACE, partitionLogName, queueLogName } from './names.ts';
import { Namespace } from './namespace.ts';
import type { Observer } from './observer.ts';
import type { Ports } from './ports.ts';
import type { QueueOptions } from './queue/queue-options.ts';
import type { QueueServices } from './queue/queue-services.ts';
import { Schedule } from './schedule.ts';
import type { Topic } from './topic/topic.ts';

export interface BrokerDefaults {
  readonly sync: Sync;
  /** Of topics that a client makes by using them (num.partitions). */
  readonly partitions: number;
  /** Metadata requests and subscriptions may make topics (auto.create.topics.enable). */
  readonly autoCreateTopics: boolean;
  /** How often retention is applied. */
  readonly retentionCheckMs: number;
  readonly queueSegmentBytesMax: number;
}

export const BROKER_DEFAULTS: BrokerDefaults = {
  sync: Sync.Commit,
  partitions: 1,
  autoCreateTopics: true,
  retentionCheckMs: 30_000,
  queueSegmentBytesMax: 16 * 1024 * 1024,
};

export interface BrokerOptions {
  readonly store: LogStore;
  readonly ports: Ports;
  readonly limits: Limits;
  readonly defaults?: Partial<BrokerDefaults>;
  readonly codecs: Codecs;
  readonly auth: Authenticator;
  /** Made at start when they are not there; '/' always is. */
  readonly namespaces?: readonly string[];
  /** Memory of the process, for limits.processBytesMax. */
  readonly processBytes?: () => number;
  /** Reads messages of every origin that may be stored, from the start. */
  readonly envelopes?: Envelopes;
}

export interface AlarmListener {
  /** broker.alarms changed. */
  alarmed(): void;
}

const STATE_LOG: LogConfig = {
  sync: Sync.Commit,
  segmentBytesMax: 64 * 1024 * 1024,
  segmentAgeMsMax: Number.MAX_SAFE_INTEGER,
  indexIntervalBytes: 4096,
  retentionMs: -1,
  retentionBytes: -1,
  ephemeral: false,
};
const OPEN_AT_ONCE = 64;
const ID_BLOCK = 1024;
const PRODUCER_ID_BLOCK = 1000;
/** producer.id.expiration.ms */
const PRODUCER_IDLE_MS = 24 * 3_600_000;
const MEMORY_CHECK_MS = 250;
const CALM_SHARE = 0.95;

interface StateLogs {
  readonly catalog: Catalog;
  readonly acks: AckJournal;
  readonly groups: GroupCoordinator;
}

export class Broker implements QueueServices {
  readonly ports: Ports;
  readonly limits: Limits;
  readonly defaults: BrokerDefaults;
  readonly store: LogStore;
  readonly commit: Commit;
  readonly schedule: Schedule;
  readonly envelopes: Envelopes;
  readonly metrics = new Metrics();
  readonly codecs: Codecs;
  readonly auth: Authenticator;
  readonly memory: MemoryBudget;
  readonly catalog: Catalog;
  readonly acks: AckJournal;
  /** Of the default namespace; `namespace.groups` of any. */
  readonly groups: GroupCoordinator;
  /** Random, made at the first start and kept. 22 characters of base64url, as Kafka's are. */
  readonly clusterId: string;
  /** How often this store was opened; the leader epoch of what is appended now. */
  readonly epoch: number;
  readonly alarms = { memory: false, disk: false };
  /** Null: nobody watches. */
  observer: Observer | null = null;

  readonly #namespaces = new Map<string, Namespace>();
  readonly #alarmListeners = new Set<AlarmListener>();
  /** Memory of the process; 0 when nobody measures it. */
  readonly processBytes: () => number;
  #nextQueueId: number;
  #queueIdsEnd: number;
  #nextProducerId: number;
  #producerIdsEnd: number;
  #retentionAtMs: number;
  #memoryAtMs = 0;

  private constructor(options: BrokerOptions, schedule: Schedule, state: StateLogs) {
    this.ports = options.ports;
    this.limits = options.limits;
    this.defaults = { ...BROKER_DEFAULTS, ...options.defaults };
    this.store = options.store;
    this.commit = options.store.commit;
    this.schedule = schedule;
    this.codecs = options.codecs;
    this.auth = options.auth;
    this.envelopes = options.envelopes ?? new Envelopes();
    this.memory = new MemoryBudget(options.limits.memoryBytesMax, () => this.#checkAlarms());
    this.catalog = state.catalog;
    this.acks = state.acks;
    this.groups = state.groups;
    this.epoch = options.store.epoch;
    this.processBytes = options.processBytes ?? (() => 0);
    this.clusterId = this.#clusterId();
    this.#nextQueueId = this.catalog.takeBlock('queue-ids', ID_BLOCK);
    this.#queueIdsEnd = this.#nextQueueId + ID_BLOCK;
    this.#nextProducerId = this.catalog.takeBlock('producer-ids', PRODUCER_ID_BLOCK);
    this.#producerIdsEnd = this.#nextProducerId + PRODUCER_ID_BLOCK;
    this.#retentionAtMs = options.ports.clock.now() + this.defaults.retentionCheckMs;
  }

  /** Throws CorruptionError when stored data cannot be trusted. */
  static async open(options: BrokerOptions): Promise<Broker> {
    const { store, ports } = options;
    const schedule = new Schedule();
    const services = { commit: store.commit, schedule, ports };
    const [catalogLog, acksLog, offsetsLog] = await Promise.all([
      store.open('state/catalog', STATE_LOG),
      store.open('state/acks', STATE_LOG),
      store.open('state/offsets', STATE_LOG),
    ]);
    const [journal, acks, groups] = await Promise.all([
      KeyedJournal.open(catalogLog, store.commit, ports.clock),
      AckJournal.open(acksLog, store.commit),
      GroupCoordinator.open(offsetsLog, services),
    ]);
    const broker = new Broker(options, schedule, { catalog: new Catalog(journal), acks, groups });
    await broker.#recover(options.namespaces ?? []);
    await broker.committed();
    return broker;
  }

  // ---- Namespaces

  get namespaces(): ReadonlyMap<string, Namespace> {
    return this.#namespaces;
  }

  /** Throws BrokerError 'not-found'. */
  namespace(name: string): Namespace {
    const namespace = this.#namespaces.get(name);
    if (namespace) return namespace;
    throw new BrokerError('not-found', `no namespace '${name}'`, { kind: 'namespace', name });
  }

  /** '/', where the protocols live that have no namespaces of their own. */
  get defaultNamespace(): Namespace {
    return this.namespace(DEFAULT_NAMESPACE);
  }

  /** The namespace of that name, new or there. */
  createNamespace(name: string): Namespace {
    const existing = this.#namespaces.get(name);
    if (existing) return existing;
    this.catalog.set('namespace', name, [], {});
    return this.#addNamespace(name);
  }

  #addNamespace(name: string): Namespace {
    const namespace = new Namespace(this, name);
    this.#namespaces.set(name, namespace);
    return namespace;
  }

  get queueCount(): number {
    let count = 0;
    for (const { queues } of this.#namespaces.values()) count += queues.size;
    return count;
  }

  get partitionCount(): number {
    let count = 0;
    for (const { topics } of this.#namespaces.values()) {
      for (const { partitions } of topics.values()) count += partitions.length;
    }
    return count;
  }

  /** A connection is gone: its exclusive queues go. */
  ownerGone(owner: object): void {
    for (const namespace of this.#namespaces.values()) namespace.ownerGone(owner);
  }

  // ---- Identifiers

  /** Never handed out before. Answer with it after the commit. */
  nextProducerId(): number {
    if (this.#nextProducerId === this.#producerIdsEnd) {
      this.#nextProducerId = this.catalog.takeBlock('producer-ids', PRODUCER_ID_BLOCK);
      this.#producerIdsEnd = this.#nextProducerId + PRODUCER_ID_BLOCK;
    }
    return this.#nextProducerId++;
  }

  /** Namespace only. */
  nextQueueId(): number {
    if (this.#nextQueueId === this.#queueIdsEnd) {
      this.#nextQueueId = this.catalog.takeBlock('queue-ids', ID_BLOCK);
      this.#queueIdsEnd = this.#nextQueueId + ID_BLOCK;
    }
    return this.#nextQueueId++;
  }

  #clusterId(): string {
    const known = this.catalog.get('broker', '', ['cluster-id']);
    if (typeof known === 'string') return known;
    const id = Buffer.from(this.ports.random.bytes(16)).toString('base64url');
    this.catalog.set('broker', '', ['cluster-id'], id);
    return id;
  }

  // ---- Time and alarms

  /** Runs what is due. Called about every 10 ms, or at schedule.nextMs. */
  tick(nowMs: number): void {
    this.schedule.due(nowMs);
    this.#checkAlarms(nowMs);
    if (nowMs < this.#retentionAtMs) return;
    this.#retentionAtMs = nowMs + this.defaults.retentionCheckMs;
    this.applyRetention(nowMs);
  }

  /** Deletes segments that topics need not keep any more, and forgets idle producers. */
  applyRetention(nowMs: number): void {
    for (const { topics } of this.#namespaces.values()) {
      for (const { partitions } of topics.values()) {
        for (const { log } of partitions) {
          log.configure({}, nowMs);
          log.producers.expire(nowMs, PRODUCER_IDLE_MS);
        }
      }
    }
  }

  /** False while the disk is full: publishers are refused. */
  get hasSpace(): boolean {
    return this.store.hasSpace;
  }

  onAlarm(listener: AlarmListener): void {
    this.#alarmListeners.add(listener);
  }

  offAlarm(listener: AlarmListener): void {
    this.#alarmListeners.delete(listener);
  }

  #checkAlarms(nowMs = 0): void {
    const disk = !this.store.hasSpace;
    let memory = this.alarms.memory;
    if (nowMs === 0 || nowMs >= this.#memoryAtMs) {
      this.#memoryAtMs = nowMs + MEMORY_CHECK_MS;
      const { processBytesMax } = this.limits;
      // Somewhat lower to end it, so that it does not come and go with every garbage collection.
      const limit = memory ? processBytesMax * CALM_SHARE : processBytesMax;
      memory = this.memory.short || this.processBytes() > limit;
    }
    if (disk === this.alarms.disk && memory === this.alarms.memory) return;
    this.alarms.disk = disk;
    this.alarms.memory = memory;
    for (const listener of this.#alarmListeners) listener.alarmed();
  }

  // ---- Logs

  /** Namespace only. */
  createQueueLog(namespace: string, name: string, id: number, options: QueueOptions): Log {
    return this.store.create(queueLogName(namespace, name, id), this.#queueLogConfig(options));
  }

  /** Namespace only. */
  openQueueLog(namespace: string, name: string, id: number, options: QueueOptions): Promise<Log> {
    return this.store.open(queueLogName(namespace, name, id), this.#queueLogConfig(options));
  }

  #queueLogConfig(options: QueueOptions): LogConfig {
    return {
      ...STATE_LOG,
      sync: options.sync ?? this.defaults.sync,
      segmentBytesMax: this.defaults.queueSegmentBytesMax,
      ephemeral: !options.durable,
    };
  }

  /** Namespace only. */
  openPartitionLog(name: string, config: LogConfig): Promise<Log> {
    return this.store.open(name, config);
  }

  /** Namespace only. A log that cannot be removed is a failed write: it ends the process. */
  removeLog(log: Log): void {
    void this.store.remove(log);
  }

  /** Namespace only. */
  topicDeleted(namespace: Namespace, topic: Topic): void {
    namespace.groups.topicDeleted(topic.name);
  }

  // ---- Opening and closing

  async #recover(namespaces: readonly string[]): Promise<void> {
    const found = this.catalog.entries();
    this.#addNamespace(DEFAULT_NAMESPACE);
    for (const { namespace } of found.get('namespace') ?? []) this.#addNamespace(namespace);
    for (const name of namespaces) this.createNamespace(name);
    for (const entry of found.get('exchange') ?? []) {
      this.namespace(entry.namespace).recoverExchange(entry.name[0]!, entry.value);
    }
    const topics = found.get('topic') ?? [];
    const queues = found.get('queue') ?? [];
    await inParallel(topics, ({ namespace, name, value }) =>
      this.namespace(namespace).recoverTopic(name[0]!, value as TopicDefinition),
    );
    await inParallel(queues, ({ namespace, name, value }) =>
      this.namespace(namespace).recoverQueue(name[0]!, queueFrom(value)),
    );
    const delays = found.get('delay-line') ?? [];
    await inParallel(delays, ({ namespace, name, value }) =>
      this.namespace(namespace).delays.recover(name[0]!, value),
    );
    for (const { namespace, name } of found.get('binding') ?? []) {
      this.namespace(namespace).binder.recover(name);
    }
    await this.acks.recovered();
    await this.#removeOrphans(topics, [...queues, ...delays]);
    for (const { delays: lines } of this.#namespaces.values()) lines.begin();
  }

  /** Logs that no definition names. */
  async #removeOrphans(topics: CatalogEntry[], queues: CatalogEntry[]): Promise<void> {
    const known = new Set<string>();
    for (const { namespace, name, value } of topics) {
      const { partitions } = value as TopicDefinition;
      for (let i = 0; i < partitions; i++) known.add(partitionLogName(namespace, name[0]!, i));
    }
    for (const { namespace, name, value } of queues) {
      known.add(queueLogName(namespace, name[0]!, queueFrom(value).id));
    }
    const stored = [...(await this.store.list('topics/')), ...(await this.store.list('queues/'))];
    for (const name of stored) {
      if (known.has(name)) continue;
      this.ports.log.info('removing a log that nothing refers to', { log: name });
      await this.store.remove(await this.store.open(name, STATE_LOG));
    }
  }

  /** Resolves when all that was done until now is committed. */
  committed(): Promise<void> {
    return new Promise((resolve) => this.commit.wait({ committed: () => resolve() }));
  }

  /** Commits what is gathered and closes the store. Connections must be closed before. */
  async close(): Promise<void> {
    await this.committed();
    await this.store.close();
  }
}

/** Runs `task` for all of them, OPEN_AT_ONCE at a time. */
async function inParallel<T>(items: readonly T[], task: (item: T) => Promise<void>): Promise<void> {
  let next = 0;
  const worker = async (): Promise<void> => {
    while (next < items.length) await task(items[next++]!);
  };
  const workers = Array.from({ length: Math.min(OPEN_AT_ONCE, items.length) }, worker);
  await Promise.all(workers);
  invariant(next >= items.length, 'not everything was opened');
}
