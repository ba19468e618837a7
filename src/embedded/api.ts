/**
 * The broker inside a process as its user sees it: what startBroker takes and gives. Public types,
 * with no word of the core in them: what the package's declarations are made of.
 */
/// <reference lib="esnext.disposable" preserve="true" />
/// <reference types="node" preserve="true" />
import type { HeaderValue, MessageProperties, ProtocolName, Spy } from './spied.ts';

/** A log level; everything below it is left out. */
export type LogLevel = 'silent' | 'error' | 'warn' | 'info' | 'debug';

/** Takes what the broker has to say, one line at a time. */
export interface LogSink {
  log(level: Exclude<LogLevel, 'silent'>, message: string, fields: Record<string, unknown>): void;
}

/** How much of anything the broker takes; every limit of the configuration file, by its name. */
export type Limits = Readonly<Partial<Record<LimitName, number>>>;

export type LimitName =
  | 'memoryBytesMax'
  | 'processBytesMax'
  | 'bodyBytesMax'
  | 'requestBytesMax'
  | 'payloadBytesMax'
  | 'subscriptionsMax'
  | 'pendingBytesMax'
  | 'assembledBytesMax'
  | 'connectionsMax'
  | 'channelsMax'
  | 'nameBytesMax'
  | 'queuesMax'
  | 'topicPartitionsMax'
  | 'requestPartitionsMax'
  | 'cachedRoutesMax'
  | 'decompressedBytesMax';

/** Regular expressions on names, as RabbitMQ has them. */
export interface Permissions {
  readonly configure: string;
  readonly write: string;
  readonly read: string;
}

/** NATS patterns. */
export interface SubjectRules {
  readonly allow?: readonly string[];
  readonly deny?: readonly string[];
}

export interface User {
  readonly name: string;
  /** Also the secret key of AWS signatures, with the name as access key id. */
  readonly password?: string;
  readonly tags?: readonly string[];
  /** By namespace; absent: everything, everywhere. */
  readonly permissions?: Readonly<Record<string, Permissions>>;
  /** Instead of name and password, where a protocol has tokens. */
  readonly token?: string;
  readonly subjects?: {
    readonly publish?: SubjectRules;
    readonly subscribe?: SubjectRules;
    readonly allowResponses?: boolean;
  };
}

/** One of an exchange, a topic and a queue. */
export type Place =
  | { readonly exchange: string }
  | { readonly topic: string }
  | { readonly queue: string };

/** What enters `from` and matches is also handed to `to`. What is missing is made. */
export interface Binding {
  readonly from: Place;
  readonly to: Place;
  /** Routing key or pattern; everything unless told. */
  readonly key?: string;
  /** The routing key under which it goes on; unless told, the one it has. */
  readonly as?: string;
  /** Of a headers exchange. */
  readonly arguments?: Readonly<Record<string, HeaderValue>>;
}

export interface BrokerOptions {
  /**
   * Where messages are kept. `'memory'` (the default) and `'temporary'`, a folder of its own that is
   * removed, are gone when the broker is closed; a `folder` is opened again by the next broker.
   */
  readonly store?: 'memory' | 'temporary' | { readonly folder: string };
  /** Of a store in a folder: when a message counts as kept, after fdatasync (`commit`) or after the
   * write to the operating system (`os`, the default here). */
  readonly sync?: 'commit' | 'os';
  /** What is listened for; everything unless told. `http` serves health and metrics. */
  readonly protocols?: readonly (ProtocolName | 'http')[];
  /** By protocol; any free one unless told. */
  readonly ports?: Readonly<Partial<Record<ProtocolName | 'http', number>>>;
  /** Unless told, everybody on this machine may come in without credentials, or as guest/guest. */
  readonly users?: readonly User[];
  readonly limits?: Limits;
  /** Of topics that a client makes by using them, and whether it may. */
  readonly topics?: { readonly partitions?: number; readonly autoCreate?: boolean };
  readonly namespaces?: readonly string[];
  /** In the default namespace. */
  readonly bindings?: readonly Binding[];
  /** A level (`'error'` unless told), written to stderr; or somebody who takes every line. */
  readonly log?: LogLevel | LogSink;
  /** What is seen of messages: off, or how many messages and bytes of them are listed at most
   * (10,000 and 64 MiB unless told). */
  readonly spy?: boolean | { readonly messages?: number; readonly bytes?: number };
}

/** Where a protocol is listened for. */
export interface Address {
  readonly host: string;
  readonly port: number;
}

export interface KafkaAddress extends Address {
  /** `host:port`, as most clients want it. */
  readonly bootstrap: string;
  /** The same in an array. */
  readonly brokers: string[];
}

export interface AmqpAddress extends Address {
  /** With user, password and virtual host. */
  readonly url: string;
}

export interface NatsAddress extends Address {
  /** `nats://host:port`. */
  readonly url: string;
  /** For `connect` of the NATS clients. */
  readonly options: { readonly servers: string; readonly user?: string; readonly pass?: string };
}

export interface SqsAddress extends Address {
  /** `http://host:port`. */
  readonly endpoint: string;
  readonly region: string;
  readonly credentials: { readonly accessKeyId: string; readonly secretAccessKey: string };
  /** For `new SQSClient(…)` of the AWS SDK: endpoint, region and credentials. */
  readonly options: Pick<SqsAddress, 'endpoint' | 'region' | 'credentials'>;
  /** The URL of the queue of that name. */
  queueUrl(name: string): string;
}

export interface HttpAddress extends Address {
  /** `http://host:port`. */
  readonly url: string;
}

/** What `publish` may be told besides address and body. */
export interface PublishOptions extends Partial<MessageProperties> {
  /** `''`, the default exchange, unless told: the address names a queue or topic. */
  readonly exchange?: string;
  readonly key?: string | Uint8Array;
  readonly headers?: Readonly<Record<string, HeaderValue>>;
  /** True unless told. */
  readonly durable?: boolean;
  /** Not to be delivered before so many milliseconds have passed. Queues alone can wait: rejects when
   * the address leads anywhere else. */
  readonly delayMs?: number;
}

/** Without options the queue is what AMQP declares with `durable` and no arguments, and SQS with no
 * attributes. */
export interface QueueOptions {
  /** True unless told. */
  readonly durable?: boolean;
  /** Time to live of every message. */
  readonly ttlMs?: number;
  /** Most messages, and what becomes of those beyond. */
  readonly lengthMax?: number;
  readonly overflow?: 'drop-head' | 'reject-publish';
  /** Where dead messages go; `''` and the name of a queue as routing key is that queue. */
  readonly deadLetterExchange?: string;
  readonly deadLetterRoutingKey?: string;
  readonly priorityMax?: number;
}

export interface TopicOptions {
  /** As many as the broker's option `topics` says unless told: 1. */
  readonly partitions?: number;
  /** Kafka's names, `retention.ms` and so on. */
  readonly config?: Readonly<Record<string, string>>;
}

export interface ExchangeOptions {
  readonly kind: 'direct' | 'fanout' | 'topic' | 'headers';
  /** True unless told. */
  readonly durable?: boolean;
}

/** A namespace: names that no other namespace sees. Everything here is about this one. */
export interface Namespace extends AsyncDisposable {
  readonly name: string;
  /** Each throws when the protocol is not among `protocols`. */
  readonly kafka: KafkaAddress;
  readonly amqp: AmqpAddress;
  readonly nats: NatsAddress;
  readonly sqs: SqsAddress;
  /** Sees what passes through this namespace. */
  readonly spy: Spy;
  /**
   * Publishes without a client; resolves when it is committed, with the number of queues, topics and
   * subscribers it was handed to. Rejects when the exchange is not there or a destination refused it.
   * A body that is neither text nor bytes is sent as JSON.
   */
  publish(
    address: string,
    body: string | Uint8Array | object,
    options?: PublishOptions,
  ): Promise<number>;
  /** Resolves when it is committed. It may be there already with the same options; with others it
   * rejects. */
  declareQueue(name: string, options?: QueueOptions): Promise<void>;
  /** As `declareQueue`; of a topic that is there only what is asked for is compared. */
  declareTopic(name: string, options?: TopicOptions): Promise<void>;
  declareExchange(name: string, options: ExchangeOptions): Promise<void>;
  bind(binding: Binding): Promise<void>;
  /** Messages that are ready in a queue and messages that a client has and did not settle. Throws
   * when there is no such queue. */
  depth(queue: string): { readonly ready: number; readonly unacknowledged: number };
  /** Ends its ports and the connections on them, and removes all that is in it. */
  close(): Promise<void>;
}

/** A broker that runs inside this process, and its default namespace. */
export interface Broker extends Namespace {
  readonly http: HttpAddress;
  /** Sees what passes through any namespace. */
  readonly spy: Spy;
  /** The data folder; null for a memory store. */
  readonly folder: string | null;
  /** The broker's time, moved by `advance`. */
  readonly now: Date;
  /** What broke the broker: a bug of ours, a disk that failed. From then on it serves nobody, and every
   * method rejects with it. Null as long as all is well. */
  readonly failure: Error | null;
  /**
   * The namespace of that name, made if it is not there, with free ports of its own on which clients
   * see nothing else. AMQP clients name it by the virtual host in its URL. The same object every time,
   * until it is closed.
   */
  namespace(name: string): Promise<Namespace>;
  /**
   * Moves the broker's clock by whole milliseconds, ten years at most: what becomes due until then
   * (TTL, delay, visibility, retention, sessions of consumers that are gone) happens in order, each
   * at its own time. Resolves when all that follows is committed and written to clients. Clients that
   * are connected do not time out by it.
   */
  advance(ms: number): Promise<void>;
  /** Ends all connections and ports, and with them every open handle. Idempotent. */
  close(): Promise<void>;
}
