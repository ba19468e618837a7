/**
 * Credit: how many unsettled messages somebody may hold.
 *
 * One Credit may be shared by several subscriptions (AMQP's channel-wide prefetch) and one
 * subscription may depend on several (its own and the channel's); it can be served while all of
 * them are available. The queue takes at delivery; whoever settles the lease gives back, because
 * only the protocol knows which subscription a delivery tag belonged to, and then pumps the queue.
 */
export class Credit {
  /** Most that may be unsettled at once; 0 = unlimited. May be lowered under `used`. */
  limit: number;
  #used = 0;

  constructor(limit: number) {
    this.limit = limit;
  }

  get used(): number {
    return this.#used;
  }

  get available(): boolean {
    return this.limit === 0 || this.#used < this.limit;
  }

  take(): void {
    this.#used++;
  }

  give(count: number): void {
    this.#used -= count;
  }
}
