/**
 * Why a topic or partition that a client names is not there. A queue of that name is not a topic:
 * the client is told so instead of being made to retry for ever.
 */
import { ErrorCode } from './errors.ts';
import type { KafkaNode } from './node.ts';
import type { Topic } from '#core/topic/topic.ts';

/** `topic` is set when only the partition is missing. */
export function topicError(
  node: KafkaNode,
  name: string,
  id: Uint8Array | null,
  topic: Topic | undefined,
): ErrorCode {
  if (topic !== undefined) return ErrorCode.UnknownTopicOrPartition;
  if (id !== null) return ErrorCode.UnknownTopicId;
  if (!isQueue(node, name)) return ErrorCode.UnknownTopicOrPartition;
  node.warnOfQueue(name);
  return ErrorCode.InvalidTopic;
}

export function isQueue(node: KafkaNode, name: string): boolean {
  return node.namespace.queues.has(name);
}

export function queueText(name: string): string {
  return `'${name}' is a queue, not a topic; a binding joins it to a topic of another name`;
}

/** Kafka's rule (org.apache.kafka.common.internals.Topic); null when the name is good. */
export function topicNameComplaint(name: string): string | null {
  if (name === '') return 'Topic name is invalid: the empty string is not allowed';
  if (name === '.' || name === '..') return `Topic name is invalid: '${name}' is not allowed`;
  if (name.length > 249) {
    return `Topic name is invalid: the length of '${name}' is longer than the max allowed length 249`;
  }
  if (/^[a-zA-Z0-9._-]+$/.test(name)) return null;
  return (
    `Topic name is invalid: '${name}' contains one or more characters other than ASCII ` +
    `alphanumerics, '.', '_' and '-'`
  );
}
