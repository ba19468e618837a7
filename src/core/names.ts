/**
 * Names as parts of log names, which are folders on disk: letters, digits, `.`, `_` and `-` only.
 */
import { BrokerError } from './errors.ts';

export const DEFAULT_NAMESPACE = '/';

const SAFE = /^[A-Za-z0-9-]$/;
const PART_LENGTH_MAX = 120;
/** A Kafka topic's name (org.apache.kafka.common.internals.Topic). */
const TOPIC_NAME = /^[A-Za-z0-9._-]{1,249}$/;

/** The default namespace is `default`; others are escaped, so that none can take that name. */
function namespaceFolder(name: string): string {
  if (name === DEFAULT_NAMESPACE) return 'default';
  return name === 'default' ? '_64efault' : escaped(name);
}

/** The queue's id makes it unique, so a long name may be cut. */
export function queueLogName(namespace: string, queue: string, id: number): string {
  return `queues/${namespaceFolder(namespace)}/${escaped(queue).slice(0, PART_LENGTH_MAX)}-${id}`;
}

/** `<topic>-<partition>`, as Kafka's own tools expect of a partition's folder. */
export function partitionLogName(namespace: string, topic: string, index: number): string {
  return `topics/${namespaceFolder(namespace)}/${topic}-${index}`;
}

/** Bytes other than letters, digits and `-` become `_xx`. */
function escaped(name: string): string {
  let result = '';
  for (const byte of Buffer.from(name)) {
    const character = String.fromCharCode(byte);
    result += SAFE.test(character) ? character : `_${byte.toString(16).padStart(2, '0')}`;
  }
  return result;
}

/** Throws BrokerError 'invalid-name' unless Kafka would take it. */
export function checkTopicName(name: string): void {
  if (TOPIC_NAME.test(name) && name !== '.' && name !== '..') return;
  const reason =
    name.length > 249
      ? 'it is longer than 249 characters'
      : "it is empty, '.', '..' or has other characters than ASCII letters, digits, '.', '_', '-'";
  throw new BrokerError('invalid-name', `topic name '${name}' is not legal: ${reason}`, {
    kind: 'topic',
    name,
  });
}
