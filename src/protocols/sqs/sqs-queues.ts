/**
 * SqsQueues: the queues of the namespace as SQS sees them, each with what only SQS keeps about it
 * while the broker runs. A queue that was deleted and made again is another one.
 */
import { BrokerError } from '#core/errors.ts';
import type { Namespace } from '#core/namespace.ts';
import type { Queue } from '#core/queue/queue.ts';
import { AccessPolicy } from './access-policy.ts';
import type { SqsNode } from './node.ts';
import { SqsError } from './errors.ts';
import { MessageIds } from './message-ids.ts';
import { Annotation, type QueueDraft } from './queue-draft.ts';
import { ReceiptHandles } from './receipt-handle.ts';
import { FirstReceives, ReceiveAttempts } from './receive-memory.ts';

/** So many queues that are gone may be remembered. */
const FORGET_AFTER = 1000;

export class SqsQueue {
  readonly queue: Queue;
  readonly ids: MessageIds;
  readonly firstReceives: FirstReceives;
  readonly attempts: ReceiveAttempts;
  purgedAtMs = -Infinity;
  #policyText: string | undefined;
  #policy: AccessPolicy | null = null;

  constructor(queue: Queue, ids: MessageIds) {
    this.queue = queue;
    this.ids = ids;
    this.firstReceives = new FirstReceives(queue);
    this.attempts = new ReceiveAttempts(queue);
  }

  get isFifo(): boolean {
    return this.queue.options.grouping === 'fifo';
  }

  get policy(): AccessPolicy | null {
    const text = this.queue.options.annotations[Annotation.Policy];
    if (text !== this.#policyText) {
      this.#policyText = text;
      this.#policy = text === undefined ? null : new AccessPolicy(text);
    }
    return this.#policy;
  }
}

export class SqsQueues {
  readonly handles: ReceiptHandles;
  readonly namespace: Namespace;
  readonly #node: SqsNode;
  readonly #byName = new Map<string, SqsQueue>();

  constructor(node: SqsNode) {
    const { broker, namespace } = node;
    this.#node = node;
    this.namespace = namespace;
    this.handles = new ReceiptHandles(broker.ports.hashes, broker.clusterId, broker.epoch);
  }

  /** Null when there is none, or it belongs to one connection of another protocol. */
  find(name: string): SqsQueue | null {
    const queue = this.namespace.queues.get(name);
    const known = this.#byName.get(name);
    if (known !== undefined && known.queue === queue) return known;
    this.#byName.delete(name);
    if (queue === undefined || queue.options.exclusiveTo !== null) return null;
    const { ports, clusterId } = this.#node.broker;
    if (this.#byName.size > this.namespace.queues.size + FORGET_AFTER) this.#forgetGone();
    const added = new SqsQueue(queue, new MessageIds(ports.hashes, clusterId, queue.id));
    this.#byName.set(name, added);
    return added;
  }

  /** Queues that went by another protocol. */
  #forgetGone(): void {
    for (const [name, { queue }] of this.#byName) {
      if (this.namespace.queues.get(name) !== queue) this.#byName.delete(name);
    }
  }

  /** Throws SqsError QueueDoesNotExist. */
  get(name: string): SqsQueue {
    const found = this.find(name);
    if (found === null) throw new SqsError('QueueDoesNotExist');
    return found;
  }

  /** Names of all that `find` would find, in order. */
  names(prefix = ''): string[] {
    const names: string[] = [];
    for (const [name, { options }] of this.namespace.queues) {
      if (options.exclusiveTo === null && name.startsWith(prefix)) names.push(name);
    }
    return names.toSorted();
  }

  /** Throws BrokerError. */
  alter({ queue }: SqsQueue, draft: QueueDraft): void {
    if (this.namespace.queues.get(queue.name) !== queue) {
      throw new BrokerError('not-found', `queue ${queue.name} is gone`);
    }
    const { grouping: _fixed, ...changes } = draft;
    this.namespace.alterQueue(queue.name, changes);
  }
}
