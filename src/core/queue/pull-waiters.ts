/**
 * PullWaiters: who waits until something of a queue can be leased (a long poll).
 *
 * They are called in the order in which they came, each once, at the end of a turn, so that what
 * arrives together is leased together. A waiter that was called in vain waits again, behind the
 * others; nobody is called while there is nothing to lease, so none is lost and none spins.
 */
import type { BrokerError } from '../errors.ts';
import type { Defer } from '../ports.ts';

export interface PullWaiter {
  /** Something can be leased now, or the queue is gone: then lease() says so. */
  ready(): void;
  /** What comes next cannot be read ('unreadable'). */
  failed(failure: BrokerError): void;
}

export class PullWaiters {
  readonly #defer: Defer;
  readonly #isLeasable: () => boolean;
  readonly #line = new Set<PullWaiter>();
  #isDeferred = false;
  readonly #serve = (): void => this.#serveNow();

  constructor(defer: Defer, isLeasable: () => boolean) {
    this.#defer = defer;
    this.#isLeasable = isLeasable;
  }

  get size(): number {
    return this.#line.size;
  }

  add(waiter: PullWaiter): void {
    this.#line.add(waiter);
  }

  remove(waiter: PullWaiter): void {
    this.#line.delete(waiter);
  }

  /** Something may have become leasable. */
  notify(): void {
    if (this.#isDeferred || this.#line.size === 0) return;
    this.#isDeferred = true;
    this.#defer(this.#serve);
  }

  #serveNow(): void {
    this.#isDeferred = false;
    // Those that wait again during this come behind those that wait now.
    for (let left = this.#line.size; left > 0 && this.#line.size > 0; left--) {
      if (!this.#isLeasable()) return;
      for (const waiter of this.#line) {
        this.#line.delete(waiter);
        waiter.ready();
        break;
      }
    }
  }

  /** The queue is gone. */
  end(): void {
    for (const waiter of this.#take()) waiter.ready();
  }

  fail(failure: BrokerError): void {
    for (const waiter of this.#take()) waiter.failed(failure);
  }

  #take(): PullWaiter[] {
    const waiters = [...this.#line];
    this.#line.clear();
    return waiters;
  }
}
