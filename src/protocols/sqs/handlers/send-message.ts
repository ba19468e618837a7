/** SendMessage and SendMessageBatch. The entries of a batch are stored in their order, as far as they
 * are valid. */
import type { Handler } from '../action.ts';
import type { FailedEntry, Output } from '../actions.ts';
import {
  checkBatchSize,
  checkEntries,
  checkFifoEntries,
  failedEntry,
  someOf,
} from '../batch-checks.ts';
import type { MessageSender } from '../message-sender.ts';
import type { SqsNode } from '../node.ts';
import type { SqsQueues } from '../sqs-queues.ts';

export function sendMessage(
  node: SqsNode,
  queues: SqsQueues,
  sender: MessageSender,
): Handler<'SendMessage'> {
  return (call, input) =>
    sender.send(call, queues.get(call.queueName), input, node.broker.ports.clock.now());
}

export function sendMessageBatch(
  node: SqsNode,
  queues: SqsQueues,
  sender: MessageSender,
): Handler<'SendMessageBatch'> {
  return (call, { Entries: entries }) => {
    const target = queues.get(call.queueName);
    checkEntries('SendMessage', entries);
    checkBatchSize(entries);
    if (target.isFifo) {
      checkFifoEntries(entries, target.queue.options.duplicates?.contentBased ?? false);
    }
    const nowMs = node.broker.ports.clock.now();
    const Successful: Output<'SendMessageBatch'>['Successful'][number][] = [];
    const failed: FailedEntry[] = [];
    for (const entry of entries) {
      try {
        const sent = sender.send(call, target, entry, nowMs);
        Successful.push({ Id: entry.Id, ...sent });
      } catch (error) {
        failed.push(failedEntry(entry.Id, error));
      }
    }
    return { Successful, Failed: someOf(failed) };
  };
}
