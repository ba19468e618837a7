/**
 * SharedRun: an action that covers everything done before it began, such as a sync. Who asks while
 * it runs cannot rely on that run and shares the next one with all others who ask meanwhile.
 */
export class SharedRun {
  readonly #action: () => Promise<void>;
  #current: Promise<void> | null = null;
  #next: Promise<void> | null = null;

  constructor(action: () => Promise<void>) {
    this.#action = action;
  }

  get isIdle(): boolean {
    return this.#current === null;
  }

  /** Resolves after a whole run that began after this call. */
  run(): Promise<void> {
    if (this.#current === null) return this.#start();
    // The next one runs whatever becomes of this one.
    this.#next ??= this.#current.then(
      () => this.#start(),
      () => this.#start(),
    );
    return this.#next;
  }

  #start(): Promise<void> {
    this.#next = null;
    const current = this.#action().finally(() => {
      if (this.#current === current) this.#current = null;
    });
    this.#current = current;
    return current;
  }
}
