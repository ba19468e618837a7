/**
 * Refusals: how a connection that is not taken is told so.
 *
 * Closing a socket that has unread bytes in it resets it, and a reset may overtake what was written
 * just before. So the bytes are read and dropped until the peer closes, for a moment and for a
 * bounded number of peers; in a flood the rest is closed without a word.
 */
import type { Socket } from 'node:net';

const GRACE_MS = 1_000;
const TOLD_AT_ONCE_MAX = 1_000;

export class Refusals {
  #told = 0;

  /** `socket` has no listeners yet. Without bytes there is nothing to say. */
  tell(socket: Socket, bytes: Uint8Array | undefined): void {
    socket.on('error', () => {});
    if (!bytes || this.#told >= TOLD_AT_ONCE_MAX) {
      socket.destroy();
      return;
    }
    this.#told++;
    const timer = setTimeout(() => socket.destroy(), GRACE_MS);
    socket.on('close', () => {
      this.#told--;
      clearTimeout(timer);
    });
    socket.on('end', () => socket.destroy());
    socket.resume();
    socket.end(bytes);
  }
}
