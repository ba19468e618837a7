/** PurgeQueue: all messages, also those that are delayed or in flight; once in 60 seconds. A FIFO
 * queue forgets what it has seen: what is sent again is no duplicate. */
import type { Handler } from '../action.ts';
import { SqsError } from '../errors.ts';
import type { SqsNode } from '../node.ts';
import { draftOf } from '../queue-attributes.ts';
import type { SqsQueue, SqsQueues } from '../sqs-queues.ts';

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
    target.queue.promiseSettled();
    target.firstReceives.clear();
    forgetDuplicates(queues, target);
    return {};
  };
}

function forgetDuplicates(queues: SqsQueues, target: SqsQueue): void {
  const draft = draftOf(target.queue);
  if (draft.duplicates === null) return;
  draft.duplicates = { ...draft.duplicates, sinceOffset: target.queue.nextOffset };
  queues.alter(target, draft);
}
