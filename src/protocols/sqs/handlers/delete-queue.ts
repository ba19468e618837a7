/** DeleteQueue: gone at once, so the name may be used again at once. Who waits for messages of the
 * queue is told that it does not exist. */
import type { Handler } from '../action.ts';
import type { SqsNode } from '../node.ts';
import type { SqsQueues } from '../sqs-queues.ts';

export function deleteQueue(node: SqsNode, queues: SqsQueues): Handler<'DeleteQueue'> {
  return ({ queueName, owner }) => {
    queues.get(queueName);
    node.namespace.deleteQueue(queueName, { ifUnused: false, ifEmpty: false, owner });
    return {};
  };
}
