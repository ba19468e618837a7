/**
 * Assembly: the memory of requests that have begun to arrive, over all connections of a protocol,
 * before anybody knows who sends them. A connection may always gather a little; past that its bytes count here, and
 * while there are too many of them nobody gathers more, but one: the one that began first, so that
 * there is always somebody who can finish. It must do so in time. Whole requests that wait for their
 * turn count too, but are not in the way of others.
 */

/** What a connection may gather without being asked. */
export const SMALL_ASSEMBLY_BYTES = 64 * 1024;

/** How long the first may keep the others waiting. */
const FIRST_MS_MAX = 60_000;

export interface Assembler {
  /** It may perhaps go on, or must wait. */
  assemblyChanged(): void;
}

interface Gathered {
  bytes: number;
  whole: boolean;
}

export class Assembly {
  readonly #bytesMax: number;
  /** By who gathers, in the order in which they began. */
  readonly #gathered = new Map<Assembler, Gathered>();
  #bytes = 0;
  /** Of those whose request is not whole yet. */
  #first: Assembler | null = null;
  /** When it began to keep the others waiting, if it does. */
  #firstSinceMs = 0;

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
  }

  get bytes(): number {
    return this.#bytes;
  }

  get #isFull(): boolean {
    return this.#bytes > this.#bytesMax;
  }

  /** So much of a request lies with `who` now; nothing = it is served, or will never be. */
  note(who: Assembler, bytes: number, whole: boolean, nowMs: number): void {
    const wasFull = this.#isFull;
    const known = this.#gathered.get(who);
    this.#bytes += bytes - (known?.bytes ?? 0);
    if (bytes === 0) this.#gathered.delete(who);
    else if (known === undefined) this.#gathered.set(who, { bytes, whole });
    else Object.assign(known, { bytes, whole });
    if (!wasFull && this.#isFull) this.#firstSinceMs = nowMs;
    if (bytes === 0 || whole) {
      if (this.#first === who) this.#pass(nowMs);
    } else this.#first ??= who;
    if (wasFull === this.#isFull) return;
    // Who has just spoken knows.
    for (const each of this.#gathered.keys()) if (each !== who) each.assemblyChanged();
  }

  #pass(nowMs: number): void {
    this.#first = null;
    for (const [next, { whole }] of this.#gathered) {
      if (whole) continue;
      this.#first = next;
      break;
    }
    if (!this.#isFull) return;
    this.#firstSinceMs = nowMs;
    this.#first?.assemblyChanged();
  }

  mayGoOn(who: Assembler): boolean {
    return !this.#isFull || who === this.#first;
  }

  /** It has kept the others waiting for too long. */
  isLate(who: Assembler, nowMs: number): boolean {
    return this.#isFull && who === this.#first && nowMs - this.#firstSinceMs > FIRST_MS_MAX;
  }
}
