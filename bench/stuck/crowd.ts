/** A crowd: many subscribers of one thing, and a way to one of them alone. */
import type { Socket } from 'node:net';

export interface Crowd {
  /** One message to everybody; how long each of them waited for it, in milliseconds. */
  round(withinMs: number): Promise<number[]>;
  /** Another subscriber, who gets what everybody gets and the stream. */
  single(): Promise<Socket>;
  /** Messages to the last single one only; ends when called. */
  stream(bytesPerSecond: number): () => void;
  close(): void;
}

export const STREAM_PAYLOAD_BYTES = 4_096;

/** Counts what each of many sockets was sent, in messages of one size. */
export class Arrivals {
  #startedMs = 0;
  #waits: number[] = [];
  #expected = 0;
  #all: () => void = () => {};

  /** `started` sends the message. */
  async of(expected: number, withinMs: number, started: () => void): Promise<number[]> {
    this.#expected = expected;
    this.#waits = [];
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#all = resolve;
    const timer = setTimeout(resolve, withinMs);
    this.#startedMs = performance.now();
    started();
    await promise;
    clearTimeout(timer);
    if (this.#waits.length !== expected) {
      throw new Error(`${this.#waits.length} of ${expected} got it in ${withinMs} ms`);
    }
    return this.#waits;
  }

  arrived(): void {
    this.#waits.push(performance.now() - this.#startedMs);
    if (this.#waits.length === this.#expected) this.#all();
  }
}

/** Calls `send` with so many payloads, many times a second. */
export function paced(bytesPerSecond: number, send: (count: number) => void): () => void {
  const everyMs = 20;
  let owed = 0;
  const timer = setInterval(() => {
    owed += (bytesPerSecond * everyMs) / 1000 / STREAM_PAYLOAD_BYTES;
    const count = Math.floor(owed);
    owed -= count;
    if (count > 0) send(count);
  }, everyMs);
  return () => clearInterval(timer);
}
