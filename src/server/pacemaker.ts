/**
 * Pacemaker: lets time pass. It sleeps until the next timer of the broker's schedule is due, and is
 * woken when an earlier one is set, so that timers fire on time whether somebody is connected or not
 * and a broker with nothing to do sleeps. Timers set for the same few milliseconds fire together.
 *
 * It wakes at times without a timer too: the broker looks at its memory and its disk then, more
 * often while somebody is connected, and the clock may have been set meanwhile. Connections hear the
 * time four times a second: the shortest heartbeat that a client may ask for is one second, and half
 * of it may pass in silence.
 */
import type { Clock } from '#core/ports.ts';
import type { Schedule } from '#core/schedule.ts';
import type { Faults } from './faults.ts';

/** How close two wake-ups may be, and so how late a timer may fire. */
const GAP_MS = 5;
const BUSY_SLEEP_MS_MAX = 50;
const IDLE_SLEEP_MS_MAX = 1_000;
const CONNECTION_TICK_MS = 250;

interface TimedBroker {
  readonly schedule: Schedule;
  tick(nowMs: number): void;
}

/** Connections that hear the time. */
interface TimedConnections {
  readonly connectionCount: number;
  tick(nowMs: number): void;
}

export class Pacemaker {
  readonly #broker: TimedBroker;
  readonly #connections: readonly TimedConnections[];
  readonly #clock: Clock;
  readonly #faults: Faults;
  readonly #connectionTimer: NodeJS.Timeout;
  #timer: NodeJS.Timeout | undefined;
  #isStopped = false;
  /** When `#timer` fires. */
  #wakeAtMs = 0;

  /** `connections` may grow and shrink later. */
  constructor(
    broker: TimedBroker,
    connections: readonly TimedConnections[],
    clock: Clock,
    faults: Faults,
  ) {
    this.#broker = broker;
    this.#connections = connections;
    this.#clock = clock;
    this.#faults = faults;
    this.#sleep();
    broker.schedule.whenEarlier = this.#wakeEarlier;
    this.#connectionTimer = setInterval(this.#tickConnections, CONNECTION_TICK_MS);
  }

  /** The clock was moved by somebody: runs what is due. */
  beat(): void {
    if (this.#isStopped) return;
    const nowMs = this.#clock.now();
    this.#broker.tick(nowMs);
    for (const it of this.#connections) it.tick(nowMs);
    this.#sleep();
  }

  stop(): void {
    this.#isStopped = true;
    this.#broker.schedule.whenEarlier = () => {};
    clearTimeout(this.#timer);
    clearInterval(this.#connectionTimer);
  }

  readonly #tickBroker = (): void => {
    // Until it sleeps again: whatever the broker sets for earlier is seen by `#sleep`.
    this.#wakeAtMs = 0;
    try {
      this.#broker.tick(this.#clock.now());
    } catch (error) {
      this.#faults.caught(error);
    }
    this.#sleep();
  };

  readonly #tickConnections = (): void => {
    try {
      const nowMs = this.#clock.now();
      for (const it of this.#connections) if (it.connectionCount > 0) it.tick(nowMs);
    } catch (error) {
      this.#faults.caught(error);
    }
  };

  readonly #wakeEarlier = (): void => {
    if (this.#broker.schedule.nextMs + GAP_MS >= this.#wakeAtMs) return;
    this.#sleep();
  };

  /** Not after the end, which what has just run may have been. */
  #sleep(): void {
    clearTimeout(this.#timer);
    if (this.#isStopped) return;
    const nowMs = this.#clock.now();
    const isIdle = this.#connections.every((it) => it.connectionCount === 0);
    const longestMs = isIdle ? IDLE_SLEEP_MS_MAX : BUSY_SLEEP_MS_MAX;
    const untilNextMs = this.#broker.schedule.nextMs - nowMs;
    const sleepMs = Math.max(GAP_MS, Math.min(untilNextMs, longestMs));
    this.#wakeAtMs = nowMs + sleepMs;
    this.#timer = setTimeout(this.#tickBroker, sleepMs);
  }
}
