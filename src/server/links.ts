/**
 * Links: the open connections of one port, and what is said to all of them. Connections take their
 * leave in their own time; whoever drains waits for the last.
 */
import { CloseReason } from '#protocols/contract.ts';
import type { SocketLink } from './socket-link.ts';

export class Links {
  readonly #links = new Set<SocketLink>();
  readonly #whenEmpty: (() => void)[] = [];

  get size(): number {
    return this.#links.size;
  }

  add(link: SocketLink): void {
    this.#links.add(link);
  }

  /** It is closed: its connection hears that the peer is gone. */
  remove(link: SocketLink): void {
    this.#links.delete(link);
    link.close(CloseReason.Gone);
    if (this.#links.size > 0) return;
    for (const resolve of this.#whenEmpty.splice(0)) resolve();
  }

  tick(nowMs: number): void {
    for (const link of this.#links) link.tick(nowMs);
  }

  step(byMs: number): void {
    for (const link of this.#links) link.stepped(byMs);
  }

  /** Asks every connection to take its leave; resolves when all are gone. */
  drain(): Promise<void> {
    for (const link of this.#links) link.close(CloseReason.Shutdown);
    if (this.#links.size === 0) return Promise.resolve();
    return new Promise((resolve) => this.#whenEmpty.push(resolve));
  }

  destroy(): void {
    for (const link of this.#links) link.destroy();
  }
}
