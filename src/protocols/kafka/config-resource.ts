/**
 * What settings belong to: org.apache.kafka.common.config.ConfigResource.Type.
 */
import { ErrorCode } from './errors.ts';
import { type KafkaNode, NODE_ID } from './node.ts';
import { GRANTED, type Refusal, refusalOf, refuse } from './refusal.ts';
import { isQueue } from './topic-error.ts';
import { BrokerError } from '#core/errors.ts';

export const ResourceType = { Topic: 2, Broker: 4 } as const;

export interface ResourceName {
  readonly type: number;
  readonly name: string;
}

export function noTopic(node: KafkaNode, name: string): Refusal {
  return isQueue(node, name)
    ? refuse(ErrorCode.InvalidTopic, `'${name}' is a queue, not a topic.`)
    : refuse(ErrorCode.UnknownTopicOrPartition, `The topic '${name}' does not exist.`);
}

export function noSuchResource({ type }: ResourceName): Refusal {
  return refuse(ErrorCode.InvalidRequest, `Resources of type ${type} have no settings here.`);
}

export function brokerNameComplaint({ name }: ResourceName): Refusal | null {
  if (name === '' || name === String(NODE_ID)) return null;
  return refuse(
    ErrorCode.InvalidRequest,
    `Unexpected broker id, expected ${NODE_ID} or empty string, but received ${name}`,
  );
}

/** Changes a resource; `changes` says how, from what was set before. */
export function alterResource(
  node: KafkaNode,
  resource: ResourceName,
  validateOnly: boolean,
  changes: (set: ReadonlyMap<string, string>) => [string, string | null][],
): Refusal {
  const { type, name } = resource;
  if (type === ResourceType.Broker) {
    return refuse(
      ErrorCode.InvalidRequest,
      "The broker's settings are set in its configuration file, not while it runs.",
    );
  }
  if (type !== ResourceType.Topic) return noSuchResource(resource);
  const topic = node.topic(name);
  if (topic === undefined) return noTopic(node, name);
  try {
    const list = changes(topic.config.overrides);
    // Checked first, so that a resource changes wholly or not at all.
    topic.config.with(list);
    if (!validateOnly) node.namespace.alterTopic(name, list);
    return GRANTED;
  } catch (error) {
    if (!(error instanceof BrokerError)) throw error;
    return refusalOf(error);
  }
}
