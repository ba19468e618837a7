/**
 * PongQueue: PONGs, in order. One that follows a publish into a durable queue or topic is sent when
 * that publish is committed, so a client's `flush()` is its publisher's confirm.
 */
import type { CommitWaiter } from '#core/log.ts';
import type { NatsConnection } from './connection.ts';

export class PongQueue implements CommitWaiter {
  readonly #connection: NatsConnection;
  /** Something was stored that no commit has been waited for. */
  #stored = false;
  #waiting = 0;

  constructor(connection: NatsConnection) {
    this.#connection = connection;
  }

  stored(): void {
    this.#stored = true;
  }

  ping(): void {
    const connection = this.#connection;
    if (!this.#stored && this.#waiting === 0) {
      connection.write('PONG\r\n');
      return;
    }
    this.#stored = false;
    this.#waiting++;
    connection.node.broker.commit.wait(this);
  }

  committed(): void {
    this.#waiting--;
    if (!this.#connection.hasEnded) {
      this.#connection.write('PONG\r\n');
      this.#connection.node.metrics.confirmed++;
    }
  }
}
