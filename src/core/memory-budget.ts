/**
 * MemoryBudget: how many bytes all queues together hold in memory, and what happens when it is
 * too much.
 *
 * Holders report what they take and give. Above SPILL_SHARE of the limit the budget asks holders,
 * one after another, to let go of what their logs can give back. When that is not enough and the
 * limit itself is passed, `short` becomes true and publishers are to be slowed in their protocol's
 * way; it becomes false again under CALM_SHARE.
 */
export interface MemoryHolder {
  /** Lets go of up to `bytes` that can be read back from a log. Returns what it let go of. */
  shed(bytes: number): number;
}

const SPILL_SHARE = 0.75;
const SPILL_TO_SHARE = 0.65;
const CALM_SHARE = 0.9;

export class MemoryBudget {
  readonly limitBytes: number;
  readonly #holders = new Set<MemoryHolder>();
  readonly #onChange: (short: boolean) => void;
  #usedBytes = 0;
  #short = false;
  #shedding = false;

  constructor(limitBytes: number, onChange: (short: boolean) => void = () => {}) {
    this.limitBytes = limitBytes;
    this.#onChange = onChange;
  }

  get usedBytes(): number {
    return this.#usedBytes;
  }

  /** Publishers are to be slowed. */
  get short(): boolean {
    return this.#short;
  }

  /** Whoever may keep something in memory for later should rather not. */
  get tight(): boolean {
    return this.#usedBytes > this.limitBytes * SPILL_SHARE;
  }

  join(holder: MemoryHolder): void {
    this.#holders.add(holder);
  }

  leave(holder: MemoryHolder): void {
    this.#holders.delete(holder);
  }

  took(bytes: number): void {
    this.#usedBytes += bytes;
    if (this.#usedBytes > this.limitBytes * SPILL_SHARE) this.relieve();
  }

  gave(bytes: number): void {
    this.#usedBytes -= bytes;
    if (this.#short && this.#usedBytes < this.limitBytes * CALM_SHARE) this.#turn(false);
  }

  /** Asks holders to shed down to SPILL_TO_SHARE; those asked go to the back of the line. */
  relieve(): void {
    if (this.#shedding) return;
    this.#shedding = true;
    const goal = this.limitBytes * SPILL_TO_SHARE;
    // A copy: those that shed are put back at the end.
    const holders = Array.from(this.#holders);
    for (const holder of holders) {
      if (this.#usedBytes <= goal) break;
      if (holder.shed(this.#usedBytes - goal) === 0) continue;
      this.#holders.delete(holder);
      this.#holders.add(holder);
    }
    this.#shedding = false;
    if (!this.#short && this.#usedBytes > this.limitBytes) this.#turn(true);
  }

  #turn(short: boolean): void {
    this.#short = short;
    this.#onChange(short);
  }
}
