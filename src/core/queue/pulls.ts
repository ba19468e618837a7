/**
 * Pulls: whoever takes messages out of a queue by asking for them, one by one (get) or for a time
 * (lease), and who waits until there is something to ask for.
 */
import type { Backlog } from './backlog.ts';
import { DueOffsets } from './due-offsets.ts';
import type { BrokerError } from '../errors.ts';
import { Message } from '../message/message.ts';
import { PullWaiters } from './pull-waiters.ts';
import type { PullWaiter } from './pull-waiters.ts';
import type { QueueServices } from './queue-services.ts';

/** A message handed out, to be settled by its offset. */
export interface Lease {
  offset: number;
  /** How often it was handed out before; 0 = not redelivered. */
  deliveryCount: number;
}

interface WaitingGet {
  retry(): void;
  reject(failure: BrokerError): void;
}

export class Pulls {
  readonly #backlog: Backlog;
  readonly #services: QueueServices;
  readonly #leasesEnded: (offsets: readonly number[]) => void;
  readonly #view = new Message();
  /** Leases that end by themselves. */
  #ends: DueOffsets | null = null;
  /** get() calls that wait for bytes. */
  #gets: WaitingGet[] = [];
  #waiters: PullWaiters | null = null;
  #isOver = false;

  /** `leasesEnded`: the time of some leases is over and nobody has settled them. */
  constructor(
    backlog: Backlog,
    services: QueueServices,
    leasesEnded: (offsets: readonly number[]) => void,
  ) {
    this.#backlog = backlog;
    this.#services = services;
    this.#leasesEnded = leasesEnded;
  }

  get waiterCount(): number {
    return this.#waiters === null ? 0 : this.#waiters.size;
  }

  get(into: Message): Lease | null | Promise<Lease | null> {
    if (this.#isOver) return null;
    const lease = this.#tryLease(into);
    if (lease !== null || this.#backlog.readyCount === 0) return lease;
    return new Promise((resolve, reject) => {
      this.#gets.push({ retry: () => resolve(this.get(into)), reject });
    });
  }

  /** null when there is none, or its bytes are on their way. */
  #tryLease(into: Message): Lease | null {
    const backlog = this.#backlog;
    const { store } = backlog;
    const offset = backlog.next(true);
    if (offset < 0) return null;
    const chunk = store.chunks.find(offset)!;
    if (!store.ready(chunk)) return null;
    const index = offset - chunk.base;
    backlog.take(offset);
    store.view(chunk, index, into);
    store.lease(chunk, index);
    backlog.armTimers();
    return { offset, deliveryCount: backlog.deliveriesBefore(chunk, index) };
  }

  lease(count: number, durationMs: number, each: (message: Message, lease: Lease) => void): number {
    const { ports, schedule } = this.#services;
    const ends = (this.#ends ??= new DueOffsets(schedule, ports, this.#leasesEnded));
    const endsMs = ports.clock.now() + durationMs;
    const { store } = this.#backlog;
    this.#backlog.beginCall();
    try {
      for (let leased = 0; leased < count; leased++) {
        const lease = this.#tryLease(this.#view);
        if (lease === null) return leased;
        const { offset } = lease;
        ends.set(offset, endsMs);
        const chunk = store.chunks.find(offset)!;
        lease.deliveryCount = this.#backlog.count(chunk, offset - chunk.base) - 1;
        each(this.#view, lease);
      }
      return count;
    } finally {
      this.#backlog.endCall();
    }
  }

  /** False when there is no such lease. */
  extend(offset: number, durationMs: number): boolean {
    if (this.#ends === null || !this.#ends.has(offset)) return false;
    this.#ends.set(offset, this.#services.ports.clock.now() + durationMs);
    return true;
  }

  endsMs(offset: number): number {
    return this.#ends === null ? 0 : this.#ends.timeOf(offset);
  }

  /** The lease is over. False when it had no time. */
  forget(offset: number): boolean {
    return this.#ends !== null && this.#ends.delete(offset);
  }

  forgetAll(): void {
    this.#ends?.clear();
  }

  wait(waiter: PullWaiter): void {
    const { defer } = this.#services.ports;
    if (this.#isOver) {
      defer(() => waiter.ready());
      return;
    }
    this.#waiters ??= new PullWaiters(defer, () => this.#isLeasable());
    this.#waiters.add(waiter);
    this.#waiters.notify();
  }

  unwait(waiter: PullWaiter): void {
    this.#waiters?.remove(waiter);
  }

  #isLeasable(): boolean {
    const offset = this.#backlog.next(true);
    if (offset < 0) return false;
    const { store } = this.#backlog;
    return store.ready(store.chunks.find(offset)!);
  }

  /** Something may have become leasable. */
  notify(): void {
    if (this.#waiters !== null) this.#waiters.notify();
  }

  /** Bytes have arrived. */
  loaded(): void {
    const gets = this.#gets;
    this.#gets = [];
    for (const get of gets) get.retry();
  }

  /** The next message cannot be read. */
  failed(failure: BrokerError): void {
    for (const get of this.#gets.splice(0)) get.reject(failure);
    this.#waiters?.fail(failure);
  }

  /** The queue is gone. */
  end(): void {
    this.#isOver = true;
    this.#ends?.clear();
    this.loaded();
    this.#waiters?.end();
  }
}
