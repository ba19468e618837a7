/** A queue's settings while they are being changed, and what changing them needs to know. */
import type { Namespace } from '#core/namespace.ts';
import type { MutableQueueOptions, QueueOptions } from '#core/queue/queue-options.ts';
import type { Call, Site } from './action.ts';

/** Of `QueueOptions.annotations`: what only SQS knows of a queue. */
export const Annotation = {
  Created: 'sqs.created-seconds',
  Modified: 'sqs.modified-seconds',
  ReceiveWait: 'sqs.receive-wait-seconds',
  Policy: 'sqs.policy',
  RedriveAllowPolicy: 'sqs.redrive-allow-policy',
  ThroughputLimit: 'sqs.fifo-throughput-limit',
  Tags: 'sqs.tags',
  MoveTasks: 'sqs.move-tasks',
} as const;

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

export interface QueueDraft extends Mutable<Omit<MutableQueueOptions, 'annotations'>> {
  readonly grouping: QueueOptions['grouping'];
  readonly annotations: Record<string, string>;
}

export interface QueueContext {
  readonly namespace: Namespace;
  readonly site: Site;
  /** Of the queue. */
  readonly name: string;
  /** Who asks. */
  readonly call: Pick<Call, 'permit'>;
}
