/**
 * Faults: what is thrown out of a callback that the event loop made, which is a broken invariant.
 *
 * A process of its own ends by it: it is thrown on, as nobody catches it. A server inside of
 * somebody else's process must not end that, so there it is told instead, and whoever is told
 * takes the server for lost.
 */
export class Faults {
  readonly #failed: ((error: unknown) => void) | null;

  constructor(failed: ((error: unknown) => void) | null) {
    this.#failed = failed;
  }

  caught(error: unknown): void {
    if (!this.#failed) throw error;
    this.#failed(error);
  }
}
