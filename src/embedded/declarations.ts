/**
 * Declaring without a client: queues as AMQP would have declared them, so that its clients may
 * declare them again; topics with Kafka's settings; bindings between whatever there is, made when it
 * is missing.
 */
import type { Namespace } from '#core/namespace.ts';
import { defaultQueueOptions } from '#core/queue/queue-options.ts';
import { TopicConfig } from '#core/topic/topic-config.ts';
import type { Topic } from '#core/topic/topic.ts';
import { declareBinding } from '#management/binding-settings.ts';
import type { Binding, ExchangeOptions, QueueOptions, TopicOptions } from './api.ts';
import { bindingForm, checkExchange, checkQueue, checkTopic } from './option-forms.ts';

const ARGUMENTS = {
  ttlMs: 'x-message-ttl',
  lengthMax: 'x-max-length',
  overflow: 'x-overflow',
  deadLetterExchange: 'x-dead-letter-exchange',
  deadLetterRoutingKey: 'x-dead-letter-routing-key',
  priorityMax: 'x-max-priority',
} as const satisfies Record<Exclude<keyof QueueOptions, 'durable'>, string>;

export function declareQueue(namespace: Namespace, name: string, options: QueueOptions): void {
  checkQueue(name, options);
  const { durable = true, ...given } = options;
  const set = Object.entries(given).filter(([, value]) => value !== undefined);
  const args = set.map(([option, value]) => [ARGUMENTS[option as keyof typeof ARGUMENTS], value]);
  namespace.declareQueue(name, {
    ...defaultQueueOptions(),
    ...Object.fromEntries(set),
    durable,
    arguments: Object.fromEntries(args),
  });
}

export function declareTopic(namespace: Namespace, name: string, options: TopicOptions): void {
  checkTopic(name, options);
  const existing = namespace.topics.get(name);
  if (existing) return checkSame(existing, options);
  const { partitions = namespace.broker.defaults.partitions, config = {} } = options;
  namespace.createTopic(name, { partitions, replicationFactor: 1, config });
}

/** What is asked for is what there is; what is not asked for may be anything. */
function checkSame(topic: Topic, { partitions, config = {} }: TopicOptions): void {
  const { name } = topic;
  const count = topic.partitions.length;
  if (partitions !== undefined && partitions !== count) {
    throw new Error(`topic '${name}' is there with ${count} partitions, not ${partitions}`);
  }
  const asked = new TopicConfig(Object.entries(config), topic.config.sync);
  for (const setting of asked.overrides.keys()) {
    const [is, wanted] = [topic.config.value(setting), asked.value(setting)];
    if (is === wanted) continue;
    throw new Error(`topic '${name}' is there with ${setting} ${is}, not ${wanted}`);
  }
}

export function declareExchange(
  namespace: Namespace,
  name: string,
  options: ExchangeOptions,
): void {
  checkExchange(name, options);
  const { kind, durable = true } = options;
  namespace.declareExchange(name, {
    kind,
    durable,
    autoDelete: false,
    internal: false,
    alternateExchange: null,
    arguments: {},
  });
}

export function bind(namespace: Namespace, binding: Binding): void {
  bindingForm('binding', binding);
  declareBinding(namespace.broker, { ...binding, namespace: namespace.name });
}

/** Removes all that a client could have made. */
export function removeAll(namespace: Namespace): void {
  for (const name of namespace.queues.keys()) {
    namespace.deleteQueue(name, { ifUnused: false, ifEmpty: false, owner: null });
  }
  for (const name of namespace.topics.keys()) namespace.deleteTopic(name);
  for (const [name, { predeclared }] of namespace.exchanges) {
    if (!predeclared) namespace.deleteExchange(name, { ifUnused: false });
  }
  const { groups } = namespace;
  for (const group of groups.groups.values()) {
    for (const { id, instanceId } of group.members.values()) {
      groups.leave(group.id, id, instanceId);
    }
    groups.deleteGroup(group.id);
  }
}
