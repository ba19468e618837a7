/**
 * WaitingFetch: a Fetch that has too little to answer yet. It looks again when a commit moved one
 * of its partitions, and answers when there is enough or its time is over.
 *
 * A commit may move many partitions at once: the second look is deferred to the end of the turn, so
 * there is one per commit, before the turn's output goes out.
 */
import type { Waiting } from './connection.ts';
import type { FetchPartition } from './fetch-session.ts';
import { partitionOf } from './fetch-read.ts';
import type { KafkaNode } from './node.ts';
import type { Partition, PartitionListener } from '#core/topic/partition.ts';
import type { Timer } from '#core/schedule.ts';

export class WaitingFetch implements PartitionListener, Waiting {
  readonly #node: KafkaNode;
  readonly #watched: Partition[] = [];
  #timer: Timer;
  /** Answers if there is enough or `late`; true when it did. */
  readonly #look: (late: boolean) => boolean;
  #deferred = false;
  #over = false;

  constructor(
    node: KafkaNode,
    partitions: Iterable<FetchPartition>,
    maxWaitMs: number,
    look: (late: boolean) => boolean,
  ) {
    this.#node = node;
    this.#look = look;
    for (const request of partitions) {
      const partition = partitionOf(node, request);
      if (partition === undefined) continue;
      partition.onCommitted(this);
      this.#watched.push(partition);
    }
    const { schedule, ports } = node.broker;
    this.#timer = schedule.at(ports.clock.now() + maxWaitMs, () => this.#try(true));
  }

  advanced(): void {
    if (this.#deferred) return;
    this.#deferred = true;
    this.#node.broker.ports.defer(() => {
      this.#deferred = false;
      this.#try(false);
    });
  }

  #try(late: boolean): void {
    if (this.#over) return;
    // Answering may begin the next request at once, so this one lets go first.
    if (late) this.abandon();
    if (this.#look(late)) this.abandon();
  }

  /** The client waits by its own clock. */
  stepped(byMs: number): void {
    const { schedule } = this.#node.broker;
    schedule.cancel(this.#timer);
    this.#timer = schedule.at(this.#timer.timeMs + byMs, () => this.#try(true));
  }

  abandon(): void {
    if (this.#over) return;
    this.#over = true;
    for (const partition of this.#watched) partition.offCommitted(this);
    this.#node.broker.schedule.cancel(this.#timer);
  }
}
