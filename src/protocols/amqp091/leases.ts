/**
 * Who holds what a channel has not settled: a consumer of a queue, basic.get, a consumer of a
 * stream. The channel keeps (holder, offset) by delivery tag and settles through these.
 */
import { DeathReason } from '#core/message/message.ts';
import type { Queue } from '#core/queue/queue.ts';
import type { AmqpConnection, Pumpable } from './connection.ts';

export interface LeaseHolder {
  accept(offset: number): void;
  /** Requeues to where they were; `offsets` in the order of their delivery tags. */
  release(offsets: number[]): void;
  /** Dead-letters or drops. */
  reject(offset: number): void;
}

/** A consumer as its channel sees it. */
export interface ChannelConsumer extends Pumpable {
  readonly tag: string;
  cancel(): void;
  /** The output is writable again. */
  drained(): void;
}

/** Leases of one queue that belong to no consumer: basic.get's. */
export class QueueLeases implements LeaseHolder {
  readonly queue: Queue;
  protected readonly connection: AmqpConnection;

  constructor(connection: AmqpConnection, queue: Queue) {
    this.connection = connection;
    this.queue = queue;
  }

  accept(offset: number): void {
    this.queue.accept(offset);
  }

  release(offsets: number[]): void {
    offsets.sort(ascending);
    this.queue.release(offsets, true);
    this.connection.pumpSoon(this.queue);
  }

  reject(offset: number): void {
    this.queue.reject(offset, DeathReason.Rejected);
  }
}

function ascending(a: number, b: number): number {
  return a - b;
}
