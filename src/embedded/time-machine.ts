/**
 * TimeMachine: moves the clock of a running server from one due moment to the next. At each what is
 * due is run, and all that follows from it is waited for, before the clock goes on: whatever happens
 * sees the time at which it would have happened. Connections hear of each step, for nobody at the
 * other end lived through it.
 */
import type { RunningServer } from '#server/compose.ts';
import type { VirtualClock } from './virtual-clock.ts';

/** Of moments without progress in time: a task that puts itself back for now would go on for ever. */
const STILL_ROUNDS_MAX = 100_000;

/** Moments without consequences, one after the other: then the event loop has its turn. */
const QUIET_MAX = 1_000;

export class TimeMachine {
  readonly #clock: VirtualClock;
  readonly #server: RunningServer;
  readonly #check: () => void;
  /** Advances wait for each other. */
  #last: Promise<unknown> = Promise.resolve();

  /** `check` throws when time is not to go on. */
  constructor(clock: VirtualClock, server: RunningServer, check: () => void) {
    this.#clock = clock;
    this.#server = server;
    this.#check = check;
  }

  /** Resolves when no advance is under way. */
  async stopped(): Promise<void> {
    await this.#last;
  }

  advance(ms: number): Promise<void> {
    const mine = this.#last.then(() => this.#advance(ms));
    this.#last = mine.catch(() => {});
    return mine;
  }

  async #advance(ms: number): Promise<void> {
    this.#check();
    const { broker } = this.#server;
    // What clients sent before this call is older than it.
    await this.#settled();
    const startMs = this.#clock.now();
    try {
      await this.#goTo(startMs, startMs + ms);
      broker.applyRetention(startMs + ms);
      await this.#settled();
    } finally {
      this.#clock.release();
      this.#server.tick();
    }
  }

  /** What is committed may cause more, and that is committed too. */
  async #settled(): Promise<void> {
    for (let round = 0; round < 2; round++) {
      await this.#server.broker.committed();
      await this.#server.settled();
    }
  }

  async #goTo(startMs: number, endMs: number): Promise<void> {
    const { broker } = this.#server;
    let atMs = startMs;
    let quiet = 0;
    for (let still = 0; still < STILL_ROUNDS_MAX; still++) {
      const nextMs = Math.min(Math.max(broker.schedule.nextMs, atMs), endMs);
      if (nextMs > atMs) still = 0;
      this.#clock.hold(nextMs);
      if (nextMs > atMs) this.#server.step(nextMs - atMs);
      atMs = nextMs;
      broker.tick(nextMs);
      // Most moments are timers that look and wait on: nothing follows from them.
      if (!this.#server.isIdle() || ++quiet % QUIET_MAX === 0) {
        await this.#settled();
        this.#check();
      }
      if (atMs === endMs && broker.schedule.nextMs > endMs) return;
    }
  }
}
