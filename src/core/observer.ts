/**
 * Observer: somebody who watches messages pass, such as the spy of a broker inside a test.
 *
 * Usually nobody does: `broker.observer` is null, and that is all a protocol looks at, once per
 * message, where it counts it. Everything handed over is valid during the call only. A message is
 * told of when it has been handed on, so a delivery may be told before the publish that caused it.
 */
import type { Message, Outcome } from './message/message.ts';
import type { Namespace } from './namespace.ts';
import type { Topic } from './topic/topic.ts';

export interface Observer {
  /** A client published it. `address` as the client named it: routing key, subject, queue;
   * `exchange` '' when it names the destination itself. `targetCount`: how many queues, topics and
   * subscribers it was handed to. */
  published(
    protocol: string,
    namespace: Namespace,
    exchange: string,
    address: string,
    message: Message,
    outcome: Outcome,
    targetCount: number,
  ): void;

  /** A client was sent it. `source`: the queue or topic it reads, the subject it subscribed to. */
  delivered(
    protocol: string,
    namespace: Namespace,
    source: string,
    message: Message,
    deliveryCount: number,
  ): void;

  /** A client appended a whole batch, which got its offsets from `baseOffset` on. */
  produced(
    protocol: string,
    topic: Topic,
    partition: number,
    batch: Uint8Array,
    baseOffset: number,
  ): void;

  /** A client was sent whole batches; what lies below `offset` it did not ask for. */
  fetched(
    protocol: string,
    topic: Topic,
    partition: number,
    batches: readonly Uint8Array[],
    offset: number,
  ): void;
}
