/**
 * Retention: drops what has been in a queue for too long; nothing is dead-lettered. It counts from
 * when a message was published or, if that is told apart (Message.arrivedMs), when it came.
 *
 * A cursor follows the log: what is before it is gone, leased, or dying. A timer wakes it for the
 * first message that will be too old. Messages whose bytes are on disk go with the youngest of their
 * chunk, so that nothing is read only to be dropped; one that is handed out before is looked at
 * then. So is one that lies behind a younger one (messages can be moved here from elsewhere).
 */
import { State } from './chunk.ts';
import type { Chunk } from './chunk.ts';
import type { ChunkStore } from './chunk-store.ts';
import { recordTimestampMs } from '../message/record.ts';
import type { QueueServices } from './queue-services.ts';
import type { Timer } from '../schedule.ts';

const DROPS_PER_TURN = 4000;

export class Retention {
  readonly #retentionMs: number;
  readonly #services: QueueServices;
  readonly #store: ChunkStore;
  /** Settles a message; false when that is not possible, because somebody has it. */
  readonly #drop: (offset: number) => boolean;
  #cursor = 0;
  #timer: Timer | null = null;
  #isOver = false;

  constructor(
    retentionMs: number,
    services: QueueServices,
    store: ChunkStore,
    drop: (offset: number) => boolean,
  ) {
    this.#retentionMs = retentionMs;
    this.#services = services;
    this.#store = store;
    this.#drop = drop;
  }

  /** A message was added at the end. */
  added(timestampMs: number): void {
    if (this.#timer === null) this.#wakeAt(timestampMs + this.#retentionMs);
  }

  /** It can be dropped again. */
  returned(offset: number): void {
    if (offset >= this.#cursor) return;
    this.#cursor = offset;
    this.#cancel();
    this.#wakeAt(this.#services.ports.clock.now());
  }

  /** A message whose bytes are there is too old. */
  isOver(chunk: Chunk, index: number): boolean {
    const nowMs = this.#services.ports.clock.now();
    return this.#timestampMs(chunk, index) + this.#retentionMs <= nowMs;
  }

  #timestampMs(chunk: Chunk, index: number): number {
    const arrivedMs = chunk.arrivedMs(index);
    if (arrivedMs !== 0) return arrivedMs;
    return chunk.bytes === null
      ? chunk.newestMs
      : recordTimestampMs(chunk.bytes, chunk.positions[index]!, chunk.baseTimestampMs);
  }

  /** Drops from the front on what is too old now, and sets the timer for the next. */
  sweep(): void {
    if (this.#isOver) return;
    const { chunks } = this.#store;
    const beforeMs = this.#services.ports.clock.now() - this.#retentionMs;
    for (let drops = 0; ;) {
      const chunk = chunks.at(chunks.indexAtOrAfter(this.#cursor));
      if (chunk === null) return;
      this.#cursor = Math.max(this.#cursor, chunk.base);
      for (; chunk.live > 0 && this.#cursor < chunk.end; this.#cursor++) {
        const index = this.#cursor - chunk.base;
        const state = chunk.state(index);
        if (state !== State.Ready && state !== State.Hidden) continue;
        const timestampMs = this.#timestampMs(chunk, index);
        if (timestampMs > beforeMs) {
          this.#wakeAt(timestampMs + this.#retentionMs);
          return;
        }
        if (drops === DROPS_PER_TURN) {
          this.#services.ports.defer(() => this.sweep());
          return;
        }
        if (this.#drop(this.#cursor)) drops++;
      }
      this.#cursor = Math.max(this.#cursor, chunk.end);
    }
  }

  #wakeAt(timeMs: number): void {
    if (this.#isOver || this.#timer !== null) return;
    this.#timer = this.#services.schedule.at(timeMs, () => {
      this.#timer = null;
      this.sweep();
    });
  }

  #cancel(): void {
    if (this.#timer !== null) this.#services.schedule.cancel(this.#timer);
    this.#timer = null;
  }

  /** The queue is gone, or keeps its messages for another time. */
  end(): void {
    this.#isOver = true;
    this.#cancel();
  }
}
