/**
 * What a queue needs from around it: of the broker (QueueServices) and of its namespace
 * (QueueHome). A queue reaches nothing else, so a test makes both in a few lines.
 */
import type { AckJournal } from './ack-journal.ts';
import type { Codecs } from '../codecs.ts';
import type { Envelopes } from '../message/envelope.ts';
import type { Limits } from '../limits.ts';
import type { Commit, Log } from '../log.ts';
import type { MemoryBudget } from '../memory-budget.ts';
import type { Metrics } from '../metrics.ts';
import type { Message, Outcome } from '../message/message.ts';
import type { Ports } from '../ports.ts';
import type { Queue } from './queue.ts';
import type { Schedule } from '../schedule.ts';

/** Per broker; a Broker is one. */
export interface QueueServices {
  readonly ports: Ports;
  readonly commit: Commit;
  readonly schedule: Schedule;
  readonly envelopes: Envelopes;
  readonly acks: AckJournal;
  readonly memory: MemoryBudget;
  readonly codecs: Codecs;
  readonly metrics: Pick<Metrics, 'expired' | 'overflowed' | 'deadLettered'>;
  readonly limits: Pick<Limits, 'decompressedBytesMax'>;
}

/** Per namespace; a Namespace is one. */
export interface QueueHome {
  readonly name: string;
  readonly broker: QueueServices;
  /**
   * Publishes a message that died in `queue`: resolves `exchange` with each of `routingKeys`
   * (union, each destination once) and publishes to all. `message` already carries the new death,
   * the new address and no expiry. An exchange that does not exist drops it. A queue itself
   * refuses what would go round in a cycle, with Outcome.Unrouted.
   */
  deadLetter(
    queue: Queue,
    message: Message,
    exchange: string,
    routingKeys: readonly string[],
  ): Outcome;
  /** The queue's life is over (auto-delete, unused for expiresMs): delete it as deleteQueue does. */
  queueUnused(queue: Queue): void;
}

/** The partition whose log a queue shares; a Partition is one. */
export interface SharedSource {
  readonly log: Log;
  onCommitted(listener: SourceListener): void;
  offCommitted(listener: SourceListener): void;
}

export interface SourceListener {
  advanced(): void;
}
