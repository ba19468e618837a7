/**
 * LivePublish: what a NATS connection is publishing just now, for the subscribers that it is handed
 * to in the same call. They get the publisher's own bytes:
 *
 *   PUB <subject> [reply] <size> CR LF <payload> CR LF
 *       |-------- source ------------| |- body |
 *                 |-- rest ----------|
 *   MSG <subject> <sid> [reply] <size> CR LF <payload> CR LF
 *
 * so a delivery is a prefix of the subscription's own and one copy of what follows the subject, which
 * with HPUB and HMSG takes the header block along.
 */
import type { Message } from '#core/message/message.ts';
import type { CachedAddress } from '#core/routing/address-cache.ts';
import type { NatsConnection } from './connection.ts';

const NO_BYTES = Buffer.alloc(0);

export class LivePublish {
  /** Null while nobody publishes. */
  message: Message | null = null;
  /** `message.source`, of which the positions below are. */
  source: Uint8Array = NO_BYTES;
  publisher: NatsConnection | null = null;
  target: CachedAddress | null = null;
  subjectStart = 0;
  /** What follows the subject and its space. */
  restStart = 0;
  /** 0, 0 without a reply subject. */
  replyStart = 0;
  replyEnd = 0;
  /** Where the header block begins; `message.sourceEnd` when there is none. */
  headersStart = 0;
  /** How many destinations get it. */
  fanOut = 0;
  /** From restStart on with the CR LF after the body, in bytes that never change: large messages
   * are copied once and then referred to. */
  #shared: Uint8Array | null = null;

  /** True when `message` is what this is about, and nobody gave it another source meanwhile. */
  describes(message: Message): boolean {
    return this.message === message && this.source === message.source;
  }

  end(): void {
    this.message = null;
    this.publisher = null;
    this.#shared = null;
  }

  shared(message: Message): Uint8Array {
    if (this.#shared !== null) return this.#shared;
    const sourceBytes = message.sourceEnd - this.restStart;
    const bodyBytes = message.bodyEnd - message.bodyStart;
    const copy = Buffer.allocUnsafeSlow(sourceBytes + bodyBytes + 2);
    copy.set(message.source.subarray(this.restStart, message.sourceEnd));
    copy.set(message.body.subarray(message.bodyStart, message.bodyEnd), sourceBytes);
    copy.write('\r\n', sourceBytes + bodyBytes, 'latin1');
    this.#shared = copy;
    return copy;
  }
}
