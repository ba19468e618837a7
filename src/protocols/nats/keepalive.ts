/**
 * Keepalive: a PING every two minutes to a client that is silent, the first one soon, to know the
 * round trip. Two without an answer, and the connection is stale.
 */
import type { NatsConnection } from './connection.ts';
import { PING_INTERVAL_MS, PINGS_OUT_MAX } from './constants.ts';

const FIRST_PING_MS = 2_000;

export class Keepalive {
  /** Milliseconds; −1 while it is not known. */
  roundTripMs = -1;
  readonly #connection: NatsConnection;
  #heardAtMs: number;
  #nextAtMs: number;
  #pingedAtMs = 0;
  #unanswered = 0;

  constructor(connection: NatsConnection, nowMs: number) {
    this.#connection = connection;
    this.#heardAtMs = nowMs;
    this.#nextAtMs = nowMs + PING_INTERVAL_MS;
  }

  connected(nowMs: number): void {
    this.#nextAtMs = nowMs + FIRST_PING_MS;
  }

  /** The client did something, or we keep it from doing so. */
  heard(nowMs: number): void {
    this.#heardAtMs = nowMs;
  }

  /** The clock was moved. */
  stepped(byMs: number): void {
    this.#heardAtMs += byMs;
    this.#nextAtMs += byMs;
    this.#pingedAtMs += byMs;
  }

  answered(nowMs: number): void {
    if (this.#unanswered > 0) this.roundTripMs = Math.max(0, nowMs - this.#pingedAtMs);
    this.#unanswered = 0;
  }

  /** Sends a PING when it is time. True when enough of them have had no answer. */
  isStale(nowMs: number): boolean {
    if (nowMs < this.#nextAtMs) return false;
    this.#nextAtMs = nowMs + PING_INTERVAL_MS;
    const isActive = nowMs - this.#heardAtMs < PING_INTERVAL_MS;
    if (isActive && this.roundTripMs >= 0) return false;
    if (this.#unanswered >= PINGS_OUT_MAX) return true;
    this.#unanswered++;
    this.#pingedAtMs = nowMs;
    this.#connection.write('PING\r\n');
    return false;
  }
}
