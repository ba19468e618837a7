/** ReceiveMessage: checks what is asked and starts a Reception. */
import { LEASE_MS_DEFAULT } from '#core/queue/queue-options.ts';
import type { Handler } from '../action.ts';
import type { Input } from '../actions.ts';
import { invalidValue } from '../errors.ts';
import type { SqsNode } from '../node.ts';
import { checkId, wrongForQueueType } from '../outgoing-checks.ts';
import {
  isQueueAttribute,
  unknownAttribute,
  VISIBILITY_SECONDS_MAX,
  WAIT_SECONDS_MAX,
} from '../queue-attributes.ts';
import { Annotation } from '../queue-draft.ts';
import { ReceivedMessages } from '../received-messages.ts';
import { Reception } from '../reception.ts';
import type { ReceptionOptions } from '../reception.ts';
import type { SqsQueue, SqsQueues } from '../sqs-queues.ts';

const COUNT_MAX = 10;
/** Those of messages, and all of them. */
const SYSTEM_NAMES: ReadonlySet<string> = new Set([
  'All',
  'SenderId',
  'SentTimestamp',
  'ApproximateReceiveCount',
  'ApproximateFirstReceiveTimestamp',
  'SequenceNumber',
  'MessageDeduplicationId',
  'MessageGroupId',
  'AWSTraceHeader',
  'DeadLetterQueueSourceArn',
]);

export function receiveMessage(node: SqsNode, queues: SqsQueues): Handler<'ReceiveMessage'> {
  return (call, input) => {
    const target = queues.get(call.queueName);
    const options = receptionOptions(target, input);
    checkNames(input);
    const shown = new ReceivedMessages(node, queues, target, call.site, input);
    return new Reception(node, call, target, shown, options).start();
  };
}

function receptionOptions(target: SqsQueue, input: Input<'ReceiveMessage'>): ReceptionOptions {
  const { MaxNumberOfMessages: count = 1, WaitTimeSeconds: wait } = input;
  const { VisibilityTimeout: visibility, ReceiveRequestAttemptId: attemptId = null } = input;
  const { annotations, leaseMs } = target.queue.options;
  if (count < 1 || count > COUNT_MAX) {
    const reason = `Must be between 1 and ${COUNT_MAX}, if provided.`;
    throw invalidValue('MaxNumberOfMessages', count, reason);
  }
  if (wait !== undefined && (wait < 0 || wait > WAIT_SECONDS_MAX)) {
    const reason = `Must be >= 0 and <= ${WAIT_SECONDS_MAX}, if provided.`;
    throw invalidValue('WaitTimeSeconds', wait, reason);
  }
  if (visibility !== undefined) checkVisibility(visibility);
  if (attemptId !== null) {
    if (!target.isFifo) throw wrongForQueueType('ReceiveRequestAttemptId', attemptId);
    checkId('ReceiveRequestAttemptId', attemptId);
  }
  return {
    count,
    waitMs: (wait ?? Number(annotations[Annotation.ReceiveWait] ?? 0)) * 1000,
    visibilityMs: visibility === undefined ? (leaseMs ?? LEASE_MS_DEFAULT) : visibility * 1000,
    attemptId,
  };
}

/** The older list may name attributes of queues too, which say nothing of a message. Throws SqsError
 * InvalidAttributeName. */
function checkNames(input: Input<'ReceiveMessage'>): void {
  const { AttributeNames: older, MessageSystemAttributeNames: names } = input;
  if (names !== undefined) {
    for (const name of names) if (!SYSTEM_NAMES.has(name)) throw unknownAttribute(name);
  }
  if (older === undefined) return;
  for (const name of older) {
    if (!SYSTEM_NAMES.has(name) && !isQueueAttribute(name)) throw unknownAttribute(name);
  }
}

/** Throws SqsError. */
export function checkVisibility(seconds: number): void {
  if (seconds >= 0 && seconds <= VISIBILITY_SECONDS_MAX) return;
  const reason = `Must be between 0 and ${VISIBILITY_SECONDS_MAX}, if provided.`;
  throw invalidValue('VisibilityTimeout', seconds, reason);
}
