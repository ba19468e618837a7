/**
 * Reading: whether one connection is read from. It stops for reasons that come and go on their own: a
 * password is being checked; the broker is short of memory and this client publishes what is kept; a
 * subscriber of what it publishes has fallen far behind; too much of large messages has begun to
 * arrive, over all connections.
 */
import { SMALL_ASSEMBLY_BYTES, type Assembler, type Assembly } from '#core/assembly.ts';
import type { ByteSink } from '#protocols/contract.ts';

export const Pause = { Authentication: 1, Alarm: 2, Stall: 4, Assembly: 8 } as const;
export type Pause = (typeof Pause)[keyof typeof Pause];

export class Reading implements Assembler {
  readonly #sink: ByteSink;
  readonly #assembly: Assembly;
  #pauses = 0;
  /** Of a large message, as the assembly knows them. */
  #gatheredBytes = 0;
  #ended = false;

  constructor(sink: ByteSink, assembly: Assembly) {
    this.#sink = sink;
    this.#assembly = assembly;
  }

  get isPaused(): boolean {
    return this.#pauses !== 0;
  }

  has(reason: Pause): boolean {
    return (this.#pauses & reason) !== 0;
  }

  pause(reason: Pause): void {
    if (this.#pauses === 0) this.#sink.pause();
    this.#pauses |= reason;
  }

  resume(reason: Pause): void {
    if ((this.#pauses & reason) === 0) return;
    this.#pauses &= ~reason;
    if (this.#pauses === 0 && !this.#ended) this.#sink.resume();
  }

  /** So much of a message that is not whole lies here now. */
  gathered(length: number, nowMs: number): void {
    const bytes = length > SMALL_ASSEMBLY_BYTES ? length : 0;
    if (bytes === this.#gatheredBytes) return;
    this.#gatheredBytes = bytes;
    this.#assembly.note(this, bytes, false, nowMs);
    this.assemblyChanged();
  }

  assemblyChanged(): void {
    if (this.#gatheredBytes > 0 && !this.#assembly.mayGoOn(this)) this.pause(Pause.Assembly);
    else this.resume(Pause.Assembly);
  }

  /** It keeps others waiting, and does not go on. */
  isLate(nowMs: number): boolean {
    return this.#assembly.isLate(this, nowMs);
  }

  end(nowMs: number): void {
    this.#ended = true;
    this.gathered(0, nowMs);
  }
}
