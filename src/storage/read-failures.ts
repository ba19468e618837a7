/**
 * ReadFailures: bytes of a log that cannot be read, because they are damaged or the system does not
 * give them, are refused to the one who reads; everybody else goes on. The operator is told once of
 * each place, however often it is asked for.
 *
 * Only what the file system says becomes a refusal: a fault of ours stays one. Writes and syncs do
 * not come here: those end the process.
 */
import { BrokerError, CorruptionError } from '#core/errors.ts';
import type { Journalist } from '#core/ports.ts';

/** Forgotten all at once when there are more, and then told again. */
const TOLD_MAX = 1000;

export class ReadFailures {
  readonly #journal: Journalist;
  readonly #told = new Set<string>();

  constructor(journal: Journalist) {
    this.#journal = journal;
  }

  /** What the reader of `file` is told instead of `error`. */
  refusal(log: string, file: string, error: unknown): unknown {
    const refusal = isSystemError(error)
      ? new BrokerError('unreadable', `${file} cannot be read: ${error.message}`, { file })
      : error;
    if (refusal instanceof BrokerError && refusal.code === 'unreadable') this.#tell(log, refusal);
    return refusal;
  }

  #tell(log: string, refusal: BrokerError): void {
    if (this.#told.has(refusal.message)) return;
    if (this.#told.size >= TOLD_MAX) this.#told.clear();
    this.#told.add(refusal.message);
    const place =
      refusal instanceof CorruptionError
        ? { file: refusal.file, position: refusal.position }
        : refusal.detail;
    this.#journal.error('stored data cannot be read: who asks for it is refused', {
      log,
      ...place,
      reason: refusal.message,
    });
  }
}

/** EIO, EMFILE, ENOENT and the like. */
function isSystemError(error: unknown): error is Error {
  return error instanceof Error && 'syscall' in error && 'code' in error;
}
