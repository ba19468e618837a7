/** PurgeQueue: all messages, also those that are delayed or in flight; once in 60 seconds. */
import type { Handler } from '../action.ts';
import { SqsError } from '../errors.ts';
import type { SqsNode } from '../node.ts';
import type { SqsQueues } from '../sqs-queues.ts';

const INTERVAL_MS = 60_000;

export function purgeQueue(node: SqsNode, queues: SqsQueues): Handler<'PurgeQueue'> {
  return ({ queueName }) => {
    const target = queues.get(queueName);
    const nowMs = node.broker.ports.clock.now();
    if (nowMs - target.purgedAtMs < INTERVAL_MS) {
      throw new SqsError(
        'PurgeQueueInProgress',
        `Only one PurgeQueue operation on ${queueName} is allowed every 60 seconds.`,
      );
    }
    target.purgedAtMs = nowMs;
    target.queue.clear();
    target.firstReceives.clear();
    return {};
  };
}
