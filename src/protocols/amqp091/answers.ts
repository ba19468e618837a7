/**
 * Answers to what changes definitions: a durable change is answered when it is committed, and the
 * connection reads no further until then, so that answers keep the order of their requests.
 */
import type { CommitWaiter } from '#core/log.ts';
import type { Channel } from './channel.ts';

class Answer implements CommitWaiter {
  readonly #channel: Channel;
  readonly #write: () => void;

  constructor(channel: Channel, write: () => void) {
    this.#channel = channel;
    this.#write = write;
  }

  committed(): void {
    const { connection } = this.#channel;
    if (this.#channel.isOpen) {
      this.#write();
      connection.sendSoon();
    }
    connection.resume();
  }
}

/** Calls `write` now, or when what has been done so far is durable. */
export function answer(channel: Channel, durable: boolean, write: () => void): void {
  const { connection } = channel;
  if (durable) {
    connection.hold();
    connection.namespace.afterCommit(new Answer(channel, write));
    return;
  }
  write();
  connection.sendSoon();
}
