/**
 * DeleteMessage and DeleteMessageBatch. A message that is gone already is deleted. Any handle of a
 * standard queue deletes, also an old one; of a FIFO queue only the last one, while it hides the
 * message, since otherwise the next of the group may be out already.
 *
 * A restart ends all leases. A handle from before it still deletes, until the message is received
 * again.
 */
import type { Handler } from '../action.ts';
import type { FailedEntry } from '../actions.ts';
import { checkEntries, failedEntry, someOf } from '../batch-checks.ts';
import { invalidValue } from '../errors.ts';
import type { SqsNode } from '../node.ts';
import type { Receipt } from '../receipt-handle.ts';
import type { SqsQueue, SqsQueues } from '../sqs-queues.ts';

export function deleteMessage(node: SqsNode, queues: SqsQueues): Handler<'DeleteMessage'> {
  return ({ queueName }, { ReceiptHandle }) => {
    deleteOne(node, queues, queues.get(queueName), ReceiptHandle);
    return {};
  };
}

export function deleteMessageBatch(
  node: SqsNode,
  queues: SqsQueues,
): Handler<'DeleteMessageBatch'> {
  return ({ queueName }, { Entries: entries }) => {
    const target = queues.get(queueName);
    checkEntries('DeleteMessage', entries);
    const Successful: { Id: string }[] = [];
    const failed: FailedEntry[] = [];
    for (const { Id, ReceiptHandle } of entries) {
      try {
        deleteOne(node, queues, target, ReceiptHandle);
        Successful.push({ Id });
      } catch (error) {
        failed.push(failedEntry(Id, error));
      }
    }
    return { Successful, Failed: someOf(failed) };
  };
}

function deleteOne(node: SqsNode, queues: SqsQueues, target: SqsQueue, handle: string): void {
  const { queue } = target;
  const receipt = queues.handles.read(handle, queue.id);
  if (target.isFifo && queue.holds(receipt.offset) && !isValid(queues, target, receipt)) {
    throw invalidValue('ReceiptHandle', handle, 'The receipt handle has expired.');
  }
  if (!queue.discard(receipt.offset)) return;
  queue.promiseSettled();
  target.firstReceives.deleted(receipt.offset);
  node.metrics.acknowledged++;
}

function isValid({ handles }: SqsQueues, { queue }: SqsQueue, receipt: Receipt): boolean {
  const { offset } = receipt;
  if (!queue.isLeased(offset)) return handles.isFromBefore(receipt);
  return handles.isCurrent(receipt, queue.deliveriesOf(offset));
}
