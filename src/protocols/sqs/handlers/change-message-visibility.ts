/**
 * ChangeMessageVisibility and ChangeMessageVisibilityBatch: from now on, and 12 hours in all since
 * the message was received. On a standard queue any handle of the message will do, also an old one,
 * as in AWS; a message that is visible again stays so, and that is no error. On a FIFO queue only
 * the last handle will, while it hides the message.
 */
import type { Queue } from '#core/queue/queue.ts';
import type { Handler } from '../action.ts';
import type { FailedEntry } from '../actions.ts';
import { checkEntries, failedEntry, someOf } from '../batch-checks.ts';
import { invalidValue, missingParameter } from '../errors.ts';
import type { SqsNode } from '../node.ts';
import type { Receipt } from '../receipt-handle.ts';
import { VISIBILITY_SECONDS_MAX } from '../queue-attributes.ts';
import type { SqsQueue, SqsQueues } from '../sqs-queues.ts';
import { checkVisibility } from './receive-message.ts';

export function changeMessageVisibility(
  node: SqsNode,
  queues: SqsQueues,
): Handler<'ChangeMessageVisibility'> {
  return ({ queueName }, { ReceiptHandle, VisibilityTimeout }) => {
    const target = queues.get(queueName);
    changeOne(queues, target, ReceiptHandle, VisibilityTimeout, node.broker.ports.clock.now());
    return {};
  };
}

export function changeMessageVisibilityBatch(
  node: SqsNode,
  queues: SqsQueues,
): Handler<'ChangeMessageVisibilityBatch'> {
  return ({ queueName }, { Entries: entries }) => {
    const target = queues.get(queueName);
    checkEntries('ChangeMessageVisibility', entries);
    const nowMs = node.broker.ports.clock.now();
    const Successful: { Id: string }[] = [];
    const failed: FailedEntry[] = [];
    for (const { Id, ReceiptHandle, VisibilityTimeout: seconds } of entries) {
      try {
        if (seconds === undefined) throw missingParameter('VisibilityTimeout');
        changeOne(queues, target, ReceiptHandle, seconds, nowMs);
        Successful.push({ Id });
      } catch (error) {
        failed.push(failedEntry(Id, error));
      }
    }
    return { Successful, Failed: someOf(failed) };
  };
}

function changeOne(
  queues: SqsQueues,
  { queue, isFifo }: SqsQueue,
  handle: string,
  seconds: number,
  nowMs: number,
): void {
  checkVisibility(seconds);
  const receipt = queues.handles.read(handle, queue.id);
  const { offset, receivedAtMs } = receipt;
  if (!queue.holds(offset)) {
    const reason = 'Message does not exist or is not available for visibility timeout change.';
    throw invalidValue('ReceiptHandle', handle, reason);
  }
  if (isFifo && !isCurrent(queues, queue, receipt)) {
    throw invalidValue('ReceiptHandle', handle, 'The receipt handle has expired.');
  }
  if (!queue.isLeased(offset)) return;
  if (nowMs - receivedAtMs + seconds * 1000 > VISIBILITY_SECONDS_MAX * 1000) {
    throw invalidValue(
      'VisibilityTimeout',
      seconds,
      'Total VisibilityTimeout for the message is beyond the limit ' +
        `[${VISIBILITY_SECONDS_MAX} seconds]`,
    );
  }
  queue.extend(offset, seconds * 1000);
}

function isCurrent({ handles }: SqsQueues, queue: Queue, receipt: Receipt): boolean {
  const { offset } = receipt;
  return queue.isLeased(offset) && handles.isCurrent(receipt, queue.deliveriesOf(offset));
}
