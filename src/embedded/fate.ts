/**
 * Fate: whether an embedded broker still works, is closed, or has failed. A failure is told to
 * whoever waits for the broker or calls it later; it is never thrown where nobody could catch it.
 */
export class Fate {
  failure: Error | null = null;
  /** Or about to be: nothing new is begun. */
  isClosed = false;
  readonly #failing = Promise.withResolvers<never>();

  constructor() {
    // Somebody may wait for it; nobody has to.
    this.#failing.promise.catch(() => {});
  }

  /** True the first time. */
  fail(error: unknown): boolean {
    if (this.failure !== null) return false;
    this.failure = error instanceof Error ? error : new Error(String(error));
    this.#failing.reject(this.failure);
    return true;
  }

  /** Throws when the broker cannot be used any more. */
  check(): void {
    if (this.failure !== null) throw this.failure;
    if (this.isClosed) throw new Error('the broker is closed');
  }

  /** As `work`, but rejects when the broker fails meanwhile. */
  async during<T>(work: () => Promise<T>): Promise<T> {
    this.check();
    return this.unlessFailed(work());
  }

  unlessFailed<T>(work: Promise<T>): Promise<T> {
    return Promise.race([work, this.#failing.promise]);
  }
}
