/**
 * AckJournal: what all durable queues have settled, in one log. Skeleton; being filled in.
 */
import type { Commit, Log } from './log.ts';

export class AckJournal {
  readonly log: Log;
  readonly #commit: Commit;

  private constructor(log: Log, commit: Commit) {
    this.log = log;
    this.#commit = commit;
  }

  /** Replays the log `state/acks`. */
  static open(log: Log, commit: Commit): Promise<AckJournal> {
    return Promise.resolve(new AckJournal(log, commit));
  }

  /** After all queues have recovered: forgets those that are gone; resolves when what was clipped
   * is committed. Nothing may be published before. */
  recovered(): Promise<void> {
    void this.#commit;
    return Promise.resolve();
  }
}
