/**
 * Bindings as operators write them, in the configuration and over HTTP:
 *
 *   { "from": { "topic": "orders" }, "to": { "exchange": "amq.topic" }, "key": "#", "as": "orders.all" }
 *
 * What is named and not there is made: a durable queue, a topic with default settings, a durable
 * exchange of kind topic. Declaring what is there is no error and changes nothing.
 */
import type { Broker } from '#core/broker.ts';
import { BrokerError } from '#core/errors.ts';
import type { HeaderValue } from '#core/message/envelope.ts';
import type { Namespace } from '#core/namespace.ts';
import { defaultQueueOptions } from '#core/queue/queue-options.ts';
import type { Binding, BindingName, SourceKind, SourceName } from '#core/routing/binding.ts';

/** Exactly one of the three. */
interface ThingSettings {
  readonly exchange?: string | undefined;
  readonly topic?: string | undefined;
  readonly queue?: string | undefined;
}

export interface BindingSettings {
  readonly from: ThingSettings;
  readonly to: ThingSettings;
  /** A pattern of AMQP where the source knows patterns; absent = all that it can match. */
  readonly key?: string | undefined;
  /** The routing key under which the copy goes on; absent = the one the message has. */
  readonly as?: string | undefined;
  /** Of a headers exchange. */
  readonly arguments?: Readonly<Record<string, HeaderValue>> | undefined;
  /** Absent: '/'. */
  readonly namespace?: string | undefined;
}

const KINDS = ['exchange', 'topic', 'queue'] as const satisfies SourceKind[];

/** Throws BrokerError; what is wrong is told with its place, `bindings.3`. */
export function declareBindings(broker: Broker, bindings: readonly BindingSettings[]): void {
  for (const [i, binding] of bindings.entries()) {
    try {
      declareBinding(broker, binding);
    } catch (error) {
      if (!(error instanceof BrokerError)) throw error;
      throw new BrokerError(error.code, `bindings.${i}: ${error.message}`, error.detail);
    }
  }
}

/** False when it was there. Throws BrokerError. */
export function declareBinding(broker: Broker, settings: BindingSettings): boolean {
  const namespace = namespaceOf(broker, settings);
  const name = bindingName(namespace, settings);
  ensure(namespace, name.source);
  ensure(namespace, name.destination as SourceName);
  return namespace.connect(name);
}

/** False when there is no such binding. Throws BrokerError. */
export function deleteBinding(broker: Broker, settings: BindingSettings): boolean {
  const namespace = namespaceOf(broker, settings);
  return namespace.disconnect(bindingName(namespace, settings));
}

/** Live subscribers' are none of them. */
export function listBindings(broker: Broker): (BindingSettings & { durable: boolean })[] {
  return [...broker.namespaces.values()].flatMap((namespace) =>
    [...namespace.binder.table.values()].map((binding) => settingsOf(namespace, binding)),
  );
}

function settingsOf(namespace: Namespace, binding: Binding) {
  const { destination, as, durable } = binding;
  return {
    namespace: namespace.name,
    from: { [binding.sourceKind]: binding.source },
    to: { [destination.kind]: destination.name },
    key: binding.routingKey,
    ...(as === null ? {} : { as }),
    ...(Object.keys(binding.arguments).length === 0 ? {} : { arguments: binding.arguments }),
    durable,
  };
}

function namespaceOf(broker: Broker, { namespace }: BindingSettings): Namespace {
  return namespace === undefined ? broker.defaultNamespace : broker.namespace(namespace);
}

function bindingName(namespace: Namespace, settings: BindingSettings): BindingName {
  const source = thing(settings.from);
  const { key, as = null } = settings;
  for (const name of [key ?? '', as ?? '']) checkLength(namespace, name);
  if (key !== undefined && knowsPatterns(namespace, source) && key.split('.').includes('>')) {
    throw new BrokerError(
      'invalid-argument',
      `key '${key}': one word or more is '*.#' here, not '>'`,
    );
  }
  return {
    source,
    destination: thing(settings.to),
    routingKey: key ?? (knowsPatterns(namespace, source) ? '#' : ''),
    arguments: { ...settings.arguments },
    as,
  };
}

function checkLength(namespace: Namespace, key: string): void {
  const { nameBytesMax } = namespace.broker.limits;
  if (Buffer.byteLength(key) <= nameBytesMax) return;
  throw new BrokerError('invalid-name', `a key has at most ${nameBytesMax} bytes: '${key}'`);
}

function thing(settings: ThingSettings): SourceName {
  const kind = KINDS.find((it) => settings[it] !== undefined)!;
  return { kind, name: settings[kind]! };
}

function knowsPatterns(namespace: Namespace, { kind, name }: SourceName): boolean {
  const exchange = kind === 'exchange' ? namespace.exchanges.get(name) : undefined;
  return exchange === undefined || exchange.options.kind === 'topic';
}

function ensure(namespace: Namespace, { kind, name }: SourceName): void {
  const { broker, exchanges, queues, topics } = namespace;
  if (kind === 'queue') {
    if (queues.has(name)) return;
    if (topics.has(name)) throw isAnother(name, 'topic', 'queue');
    namespace.declareQueue(name, { ...defaultQueueOptions(), durable: true });
  } else if (kind === 'topic') {
    if (topics.has(name)) return;
    if (queues.has(name)) throw isAnother(name, 'queue', 'topic');
    const { partitions } = broker.defaults;
    namespace.createTopic(name, { partitions, replicationFactor: 1, config: {} });
  } else if (!exchanges.has(name)) {
    if (name.startsWith('amq.')) {
      throw new BrokerError('access-refused', `exchange '${name}': names in amq. are the broker's`);
    }
    namespace.declareExchange(name, {
      kind: 'topic',
      durable: true,
      autoDelete: false,
      internal: false,
      alternateExchange: null,
      arguments: {},
    });
  }
}

function isAnother(name: string, is: string, asked: string): BrokerError {
  return new BrokerError('already-exists', `'${name}' is a ${is}, not a ${asked}`, { name });
}
