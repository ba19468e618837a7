/**
 * MessageSender: what SendMessage and each entry of SendMessageBatch do: check, give it its ids,
 * publish. One reused Message; nothing of a request outlives the call.
 *
 * A message that a FIFO queue has seen within its window is answered with the ids of the first, and
 * not stored.
 */
import { BrokerError } from '#core/errors.ts';
import { Message, Outcome } from '#core/message/message.ts';
import type { Call } from './action.ts';
import type { OutgoingMessage, SentMessage } from './actions.ts';
import { missingDeduplicationId } from './batch-checks.ts';
import { missingParameter, SqsError } from './errors.ts';
import { writeMessage } from './mapping.ts';
import { md5OfAttributes } from './md5.ts';
import { sequenceNumber } from './message-ids.ts';
import type { SqsNode } from './node.ts';
import {
  checkAttributes,
  checkBody,
  checkDelay,
  checkId,
  checkSize,
  checkSystemAttributes,
  wrongForQueueType,
} from './outgoing-checks.ts';
import { messageBytesMax } from './queue-attributes.ts';
import type { SqsQueue } from './sqs-queues.ts';

type SendCall = Call<'SendMessage'> | Call<'SendMessageBatch'>;

export class MessageSender {
  readonly #node: SqsNode;
  readonly #message = new Message();

  constructor(node: SqsNode) {
    this.#node = node;
  }

  /** Throws SqsError or BrokerError, and then nothing was stored. */
  send(call: SendCall, target: SqsQueue, outgoing: OutgoingMessage, nowMs: number): SentMessage {
    const { isFifo, queue } = target;
    this.#check(outgoing, target, call.action === 'SendMessageBatch');
    const traceHeader = checkSystemAttributes(outgoing.MessageSystemAttributes);
    const offset = queue.nextOffset;
    const message = this.#message;
    message.reset();
    const { hashes } = this.#node.broker.ports;
    const content = {
      body: outgoing.MessageBody,
      attributes: outgoing.MessageAttributes,
      traceHeader: traceHeader ?? call.traceHeader,
      senderId: call.identity.name,
      messageId: target.ids.messageId(offset),
      groupId: outgoing.MessageGroupId ?? null,
      queueName: queue.name,
    };
    const md5OfBody = writeMessage(message, content, hashes);
    message.timestampMs = nowMs;
    message.deliverAtMs = deliverAtMs(outgoing.DelaySeconds, isFifo, nowMs);
    message.durable = true;
    const first = isFifo
      ? this.#publishOnce(target, outgoing, offset)
      : this.#publish(target, offset);
    return {
      MessageId: first === offset ? content.messageId : target.ids.messageId(first),
      MD5OfMessageBody: md5OfBody,
      MD5OfMessageAttributes: md5OfAttributes(hashes, outgoing.MessageAttributes),
      MD5OfMessageSystemAttributes: md5OfAttributes(hashes, outgoing.MessageSystemAttributes),
      SequenceNumber: isFifo ? sequenceNumber(first) : undefined,
    };
  }

  #check(outgoing: OutgoingMessage, target: SqsQueue, inBatch: boolean): void {
    const { isFifo, queue } = target;
    checkBody(outgoing.MessageBody);
    checkSize(outgoing, messageBytesMax(queue.options), inBatch);
    checkAttributes(outgoing.MessageAttributes);
    checkDelay(outgoing.DelaySeconds, isFifo);
    const { MessageGroupId: group, MessageDeduplicationId: id } = outgoing;
    if (group !== undefined) checkId('MessageGroupId', group);
    else if (isFifo) throw missingParameter('MessageGroupId');
    if (id !== undefined) {
      checkId('MessageDeduplicationId', id);
      if (!isFifo) throw wrongForQueueType('MessageDeduplicationId', id);
    } else if (isFifo && !queue.options.duplicates?.contentBased) throw missingDeduplicationId();
  }

  /** Offset of the message, or of the one that it is a duplicate of. */
  #publishOnce(target: SqsQueue, outgoing: OutgoingMessage, offset: number): number {
    this.#message.dedupId = outgoing.MessageDeduplicationId ?? null;
    const first = target.queue.duplicateOf(this.#message);
    return first >= 0 ? first : this.#publish(target, offset);
  }

  #publish({ queue }: SqsQueue, offset: number): number {
    const { namespace, metrics, broker } = this.#node;
    const message = this.#message;
    const route = namespace.resolve('', queue.name);
    const outcome = route === null ? 0 : namespace.publish(route, queue.name, message);
    if ((outcome & Outcome.Refused) !== 0) {
      metrics.refused++;
      throw new BrokerError('full', `queue ${queue.name} does not take the message`);
    }
    if ((outcome & Outcome.Routed) === 0) throw new SqsError('QueueDoesNotExist');
    metrics.published++;
    metrics.publishedBytes += message.bodyBytes;
    const { observer } = broker;
    if (observer !== null) {
      observer.published('sqs', namespace, '', queue.name, message, outcome, 1);
    }
    return offset;
  }
}

/** 0: the queue's own delay. A FIFO queue has no other. */
function deliverAtMs(delaySeconds: number | undefined, isFifo: boolean, nowMs: number): number {
  return delaySeconds === undefined || isFifo ? 0 : nowMs + delaySeconds * 1000;
}
