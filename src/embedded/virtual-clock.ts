/**
 * VirtualClock: real time plus an offset, which only grows. While it is held it stands still, so
 * that what happens at a moment that is reached by moving the clock happens exactly then.
 */
import type { Clock } from '#core/ports.ts';

export class VirtualClock implements Clock {
  #offsetMs = 0;
  #heldMs: number | null = null;

  now(): number {
    return this.#heldMs ?? Date.now() + this.#offsetMs;
  }

  /** Stands still at `timeMs`, which is not before now. */
  hold(timeMs: number): void {
    this.#heldMs = timeMs;
  }

  /** Goes on from where it stands. */
  release(): void {
    if (this.#heldMs === null) return;
    this.#offsetMs = this.#heldMs - Date.now();
    this.#heldMs = null;
  }
}
