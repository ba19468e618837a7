/**
 * ConsumerLine: who gets the next message of a queue.
 *
 * Sorted by priority, highest first; among equals they take turns, and one that cannot take a
 * message now is passed over. With a single active consumer only the first that came is active and
 * the next in line takes over when it leaves.
 */
import { BrokerError } from '../errors.ts';
import type { Subscription } from './subscription.ts';

export class ConsumerLine {
  readonly #singleActive: boolean;
  /** By priority, highest first; in order of arrival among equals. */
  #line: Subscription[] = [];
  /** Where the turn is, per priority: the one to be asked first. */
  readonly #turns = new Map<number, number>();

  constructor(singleActive: boolean) {
    this.#singleActive = singleActive;
  }

  get size(): number {
    return this.#line.length;
  }

  /** Throws BrokerError 'in-use'. */
  admit(exclusive: boolean): void {
    const taken = this.#line.some((subscription) => subscription.exclusive);
    const refused = taken || (exclusive && (this.#line.length > 0 || this.#singleActive));
    if (refused) throw new BrokerError('in-use', 'the queue has an exclusive consumer');
  }

  add(subscription: Subscription): void {
    if (this.#singleActive) {
      subscription.active = this.#line.length === 0;
      this.#line.push(subscription);
      return;
    }
    let at = this.#line.length;
    while (at > 0 && this.#line[at - 1]!.priority < subscription.priority) at--;
    this.#line.splice(at, 0, subscription);
  }

  /** False when it was not there. */
  remove(subscription: Subscription): boolean {
    const at = this.#line.indexOf(subscription);
    if (at < 0) return false;
    this.#line.splice(at, 1);
    if (this.#singleActive && this.#line.length > 0) this.#line[0]!.active = true;
    if (this.#line.length === 0) this.#turns.clear();
    return true;
  }

  /** Takes out all of them. */
  clear(): Subscription[] {
    const all = this.#line;
    this.#line = [];
    this.#turns.clear();
    return all;
  }

  /** Who takes the next message; the turn moves on. null = nobody can. */
  next(): Subscription | null {
    const line = this.#line;
    if (line.length === 1) return line[0]!.available ? line[0]! : null;
    for (let from = 0; from < line.length;) {
      const priority = line[from]!.priority;
      let to = from + 1;
      while (to < line.length && line[to]!.priority === priority) to++;
      const found = this.#nextAmong(from, to, priority);
      if (found !== null) return found;
      from = to;
    }
    return null;
  }

  #nextAmong(from: number, to: number, priority: number): Subscription | null {
    const count = to - from;
    const turn = this.#turns.get(priority) ?? 0;
    for (let i = 0; i < count; i++) {
      const position = (turn + i) % count;
      const subscription = this.#line[from + position]!;
      if (!subscription.available) continue;
      this.#turns.set(priority, position + 1);
      return subscription;
    }
    return null;
  }
}
