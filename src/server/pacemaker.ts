/**
 * Pacemaker: lets time pass. While anybody is connected the broker's schedule is looked at every
 * BUSY_TICK_MS, which is how late a timer of it may fire; else seldom, for an idle broker should
 * cost nothing, and nobody waits for its timers. Connections hear the time four times a second: the shortest
 * heartbeat that a client may ask for is one second, and half of it may pass in silence.
 */
import type { Clock } from '#core/ports.ts';
import type { Listener } from './listener.ts';

const BUSY_TICK_MS = 10;
const IDLE_TICK_MS = 100;
const CONNECTION_TICK_MS = 250;

export class Pacemaker {
  readonly #broker: { tick(nowMs: number): void };
  readonly #listeners: readonly Pick<Listener, 'connectionCount' | 'tick'>[];
  readonly #clock: Clock;
  readonly #connectionTimer: NodeJS.Timeout;
  #brokerTimer: NodeJS.Timeout;

  constructor(
    broker: { tick(nowMs: number): void },
    listeners: readonly Pick<Listener, 'connectionCount' | 'tick'>[],
    clock: Clock,
  ) {
    this.#broker = broker;
    this.#clock = clock;
    this.#listeners = listeners;
    this.#brokerTimer = setTimeout(this.#tickBroker, BUSY_TICK_MS);
    this.#connectionTimer = setInterval(() => {
      const nowMs = clock.now();
      for (const listener of listeners) listener.tick(nowMs);
    }, CONNECTION_TICK_MS);
  }

  stop(): void {
    clearTimeout(this.#brokerTimer);
    clearInterval(this.#connectionTimer);
  }

  /** The clock may have moved: runs what is due. */
  beat(): void {
    const nowMs = this.#clock.now();
    this.#broker.tick(nowMs);
    for (const listener of this.#listeners) listener.tick(nowMs);
  }

  readonly #tickBroker = (): void => {
    this.#broker.tick(this.#clock.now());
    const isIdle = this.#listeners.every((it) => it.connectionCount === 0);
    this.#brokerTimer = setTimeout(this.#tickBroker, isIdle ? IDLE_TICK_MS : BUSY_TICK_MS);
  };
}
