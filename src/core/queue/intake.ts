/**
 * Intake: what a queue asks of a message before it takes it in (its size, that it did not come
 * before), and what it adds: its own delay, the id of a message that has none. Most queues ask
 * nothing and add nothing.
 *
 * What came before is known again after a restart, from the records of the queue's log; so the log
 * is trimmed only as far as the window allows, which is what `trim` is for.
 */
import { DuplicateWindow } from './duplicate-window.ts';
import { groupHash } from '../message/group-hash.ts';
import type { Message } from '../message/message.ts';
import type { QueueOptions } from './queue-options.ts';
import type { QueueServices } from './queue-services.ts';
import type { Timer } from '../schedule.ts';

export class Intake {
  /** There is something to ask or to add. */
  isActive = false;
  readonly #options: QueueOptions;
  readonly #services: QueueServices;
  readonly #trimLog: (offset: number) => void;
  #window: DuplicateWindow | null = null;
  /** Everything before it may go as soon as the window allows. */
  #trimTo = 0;
  #trimTimer: Timer | null = null;

  constructor(options: QueueOptions, services: QueueServices, trimLog: (offset: number) => void) {
    this.#options = options;
    this.#services = services;
    this.#trimLog = trimLog;
    this.altered();
  }

  /** The queue's options have changed. */
  altered(): void {
    const { delayMs, messageBytesMax, duplicates } = this.#options;
    this.isActive = delayMs !== null || messageBytesMax !== null || duplicates !== null;
    if (duplicates === null) return;
    if (this.#window === null) this.#window = new DuplicateWindow(duplicates);
    else this.#window.rule = duplicates;
  }

  /** A restart must tell of settled messages too. */
  get remembers(): boolean {
    return this.#window !== null;
  }

  admits(message: Message): boolean {
    const { messageBytesMax } = this.#options;
    return messageBytesMax === null || message.bodyBytes <= messageBytesMax;
  }

  /** Gives `message` what the queue adds. */
  prepare(message: Message): void {
    const { delayMs } = this.#options;
    if (delayMs !== null && delayMs > 0 && message.deliverAtMs === 0) {
      message.deliverAtMs = this.#nowMs() + delayMs;
    }
  }

  #nowMs(): number {
    return this.#services.ports.clock.now();
  }

  /**
   * Offset of the message in the window that `message` repeats, or -1. Gives it an id when it has
   * none and the rule says so. A dead letter is no repetition: it is the message itself.
   */
  duplicateOf(message: Message): number {
    if (this.#window === null || message.deaths !== null) return -1;
    if (message.dedupId === null) {
      if (!this.#window.rule.contentBased) return -1;
      const body = message.body.subarray(message.bodyStart, message.bodyEnd);
      message.dedupId = this.#services.ports.hashes.sha256Hex(body);
    }
    return this.#window.find(message.dedupId, groupHash(message), this.#nowMs());
  }

  /** It was stored at `offset`. */
  taken(message: Message, offset: number): void {
    this.#remember(message, offset, this.#nowMs());
  }

  /** After a restart: it is in the log, settled or not. */
  recovered(message: Message, offset: number): void {
    this.#remember(message, offset, message.arrivedMs || message.timestampMs);
  }

  #remember(message: Message, offset: number, timeMs: number): void {
    const { dedupId, deaths } = message;
    if (this.#window === null || dedupId === null || deaths !== null) return;
    if (timeMs + this.#window.rule.windowMs <= this.#nowMs()) return;
    this.#window.add(dedupId, groupHash(message), offset, timeMs);
  }

  /** Nobody needs the log before `offset`, unless the window does. */
  trim(offset: number): void {
    this.#trimTo = Math.max(this.#trimTo, offset);
    const window = this.#window;
    const first = window === null ? Infinity : window.firstOffset(this.#nowMs());
    this.#trimLog(Math.min(this.#trimTo, first));
    if (window === null || first >= this.#trimTo || this.#trimTimer !== null) return;
    this.#trimTimer = this.#services.schedule.at(window.movesAtMs, () => {
      this.#trimTimer = null;
      this.trim(0);
    });
  }

  /** The queue is gone. */
  end(): void {
    if (this.#trimTimer !== null) this.#services.schedule.cancel(this.#trimTimer);
    this.#window = null;
  }
}
