/**
 * Pacemaker: lets time pass. The broker's schedule is looked at every few milliseconds, which is
 * how late a timer of it may fire; connections hear the time about once a second.
 */
import type { Listener } from './listener.ts';

const BROKER_TICK_MS = 10;
const CONNECTION_TICK_MS = 1_000;

export class Pacemaker {
  readonly #timers: NodeJS.Timeout[];

  constructor(broker: { tick(nowMs: number): void }, listeners: readonly Listener[]) {
    this.#timers = [
      setInterval(() => broker.tick(Date.now()), BROKER_TICK_MS),
      setInterval(() => {
        const nowMs = Date.now();
        for (const listener of listeners) listener.tick(nowMs);
      }, CONNECTION_TICK_MS),
    ];
  }

  stop(): void {
    this.#timers.forEach(clearInterval);
  }
}
