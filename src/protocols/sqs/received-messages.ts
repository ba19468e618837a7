/**
 * ReceivedMessages: messages as ReceiveMessage shows them to one caller: with the attributes that
 * the caller asked for, and digests over those.
 */
import type { Message } from '#core/message/message.ts';
import type { Lease } from '#core/queue/queue.ts';
import type { Site } from './action.ts';
import type { Input, MessageAttribute, MessageAttributes, ReceivedMessage } from './actions.ts';
import { type Incoming, readMessage } from './mapping.ts';
import { md5OfAttributes } from './md5.ts';
import { sequenceNumber } from './message-ids.ts';
import type { SqsNode } from './node.ts';
import { TRACE_HEADER } from './outgoing-checks.ts';
import { queueArn } from './queue-url.ts';
import type { SqsQueue, SqsQueues } from './sqs-queues.ts';

const ALL = 'All';
const NONE: readonly string[] = [];

export class ReceivedMessages {
  readonly #node: SqsNode;
  readonly #queues: SqsQueues;
  readonly #target: SqsQueue;
  readonly #site: Site;
  readonly #systemNames: readonly string[];
  readonly #names: readonly string[];

  constructor(
    node: SqsNode,
    queues: SqsQueues,
    target: SqsQueue,
    site: Site,
    input: Input<'ReceiveMessage'>,
  ) {
    this.#node = node;
    this.#queues = queues;
    this.#target = target;
    this.#site = site;
    // AttributeNames is the older name of the same list.
    const { AttributeNames: older = NONE, MessageSystemAttributeNames: names = NONE } = input;
    this.#systemNames = older.length === 0 ? names : [...names, ...older];
    this.#names = input.MessageAttributeNames ?? NONE;
  }

  /** `receivedAtMs`: when the lease began. */
  show(message: Message, { offset, deliveryCount }: Lease, receivedAtMs: number): ReceivedMessage {
    const { broker } = this.#node;
    const { queue, ids, firstReceives } = this.#target;
    const content = readMessage(message, broker, this.#systemNames.length > 0);
    const firstMs = firstReceives.received(offset, deliveryCount === 0, receivedAtMs);
    const attributes = content.attributes === null ? undefined : this.#filtered(content.attributes);
    const deliveries = deliveryCount + 1;
    return {
      MessageId: content.messageId ?? ids.messageId(offset),
      ReceiptHandle: this.#queues.handles.write(queue.id, offset, deliveries, receivedAtMs),
      MD5OfBody: content.md5OfBody,
      Body: content.body,
      Attributes:
        this.#systemNames.length === 0
          ? undefined
          : this.#systemAttributes(message, content, offset, deliveries, firstMs),
      MD5OfMessageAttributes: md5OfAttributes(broker.ports.hashes, attributes),
      MessageAttributes: attributes,
    };
  }

  #filtered(attributes: MessageAttributes): MessageAttributes | undefined {
    const names = this.#names;
    if (names.length === 0) return undefined;
    const found = Object.create(null) as Record<string, MessageAttribute>;
    let some = false;
    for (const name in attributes) {
      if (!names.some((wanted) => isWanted(name, wanted))) continue;
      found[name] = attributes[name]!;
      some = true;
    }
    return some ? found : undefined;
  }

  #systemAttributes(
    message: Message,
    content: Incoming,
    offset: number,
    deliveries: number,
    firstMs: number,
  ): Record<string, string> {
    const { isFifo } = this.#target;
    const { deaths, dedupId } = message;
    const found: Record<string, string> = {};
    const add = (name: string, value: string | null) => {
      if (value !== null && this.#wantsSystem(name)) found[name] = value;
    };
    add('SenderId', content.senderId);
    add('SentTimestamp', String(message.timestampMs));
    add('ApproximateReceiveCount', String(deliveries + this.#earlierReceives(message)));
    add('ApproximateFirstReceiveTimestamp', String(firstMs));
    add('MessageGroupId', content.groupId);
    add('MessageDeduplicationId', isFifo ? dedupId : null);
    add('SequenceNumber', isFifo ? sequenceNumber(offset) : null);
    add(TRACE_HEADER, content.traceHeader);
    add('DeadLetterQueueSourceArn', deaths && queueArn(this.#site, deaths[0]!.queue));
    return found;
  }

  #wantsSystem(name: string): boolean {
    return this.#systemNames.includes(ALL) || this.#systemNames.includes(name);
  }

  /** In the queues where it died before it came here. */
  #earlierReceives({ deaths }: Message): number {
    let count = 0;
    if (deaths !== null) for (const { deliveries = 0 } of deaths) count += deliveries;
    return count;
  }
}

/** `All`, `.*` and `*` want every name, `prefix.*` those that begin so. */
function isWanted(name: string, wanted: string): boolean {
  if (wanted === name || wanted === ALL || wanted === '*') return true;
  return wanted.endsWith('.*') && name.startsWith(wanted.slice(0, -2));
}
