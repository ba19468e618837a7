/**
 * UnusedTimer: ends a queue that nobody has used for a while (x-expires). A touch is cheap: it
 * notes the time, and the one timer that is set finds out when it fires.
 */
import type { Clock } from '../ports.ts';
import type { Schedule, Timer } from '../schedule.ts';

export class UnusedTimer {
  readonly #lifetimeMs: number;
  readonly #clock: Clock;
  readonly #schedule: Schedule;
  readonly #inUse: () => boolean;
  readonly #expired: () => void;
  #usedAtMs = 0;
  #timer: Timer | null = null;

  /** `inUse` is asked when the time has come; while it is true the clock stands still. */
  constructor(
    lifetimeMs: number,
    clock: Clock,
    schedule: Schedule,
    inUse: () => boolean,
    expired: () => void,
  ) {
    this.#lifetimeMs = lifetimeMs;
    this.#clock = clock;
    this.#schedule = schedule;
    this.#inUse = inUse;
    this.#expired = expired;
    this.touch();
  }

  touch(): void {
    this.#usedAtMs = this.#clock.now();
    if (this.#timer === null) this.#arm();
  }

  cancel(): void {
    if (this.#timer !== null) this.#schedule.cancel(this.#timer);
    this.#timer = null;
  }

  #arm(): void {
    this.#timer = this.#schedule.at(this.#usedAtMs + this.#lifetimeMs, () => this.#fire());
  }

  #fire(): void {
    this.#timer = null;
    // Whoever uses it now touches it when it leaves.
    if (this.#inUse()) return;
    if (this.#clock.now() - this.#usedAtMs >= this.#lifetimeMs) this.#expired();
    else this.#arm();
  }
}
