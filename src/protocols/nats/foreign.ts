/**
 * ForeignMessages: messages on their way to NATS subscribers that no NATS connection is publishing
 * just now: those of other protocols, dead letters, records of topics.
 *
 * Everything but the body depends on address, properties and key alone, and publishers repeat
 * these; so the last translation is kept with the bytes it was made from. One message for many
 * subscribers is translated once.
 */
import type { Envelopes } from '#core/message/envelope.ts';
import { Origin, type Message } from '#core/message/message.ts';
import { encodeEnvelope } from './mapping.ts';
import { readSource } from './source.ts';
import { deliverableSubject } from './subject.ts';

export interface OutgoingMessage {
  /** At least one: the addresses it was published under. */
  readonly subjects: readonly string[];
  readonly reply: string | null;
  /** A whole header block; empty without headers. */
  readonly headers: Buffer;
}

const NO_BYTES = new Uint8Array(0);

export class ForeignMessages {
  readonly #envelopes: Envelopes;
  #origin: Origin | -1 = -1;
  #source = NO_BYTES;
  #headers = NO_BYTES;
  #key: Uint8Array | null = null;
  #outgoing: OutgoingMessage | null = null;

  constructor(envelopes: Envelopes) {
    this.#envelopes = envelopes;
  }

  /** Null when NATS has no way to say its address. Valid until the next call. */
  read(message: Message): OutgoingMessage | null {
    if (this.#isSame(message)) return this.#outgoing;
    this.#origin = -1;
    this.#outgoing =
      message.origin === Origin.Nats
        ? readStored(message)
        : encodeEnvelope(this.#envelopes.decode(message));
    this.#source = copyOf(message.source, message.sourceStart, message.sourceEnd);
    this.#headers = copyOf(message.headers, message.headersStart, message.headersEnd);
    this.#key = message.hasKey ? copyOf(message.key, message.keyStart, message.keyEnd) : null;
    this.#origin = message.origin;
    return this.#outgoing;
  }

  #isSame(message: Message): boolean {
    if (this.#origin !== message.origin || message.hasKey !== (this.#key !== null)) return false;
    return (
      isEqual(this.#source, message.source, message.sourceStart, message.sourceEnd) &&
      isEqual(this.#headers, message.headers, message.headersStart, message.headersEnd) &&
      (this.#key === null || isEqual(this.#key, message.key, message.keyStart, message.keyEnd))
    );
  }
}

/** Headers stay the bytes that they are. */
function readStored(message: Message): OutgoingMessage | null {
  const found = readSource(message);
  const subject = found === null ? null : deliverableSubject(found.subject);
  if (found === null || subject === null) return null;
  const headers = Buffer.from(message.source.subarray(found.headersStart, message.sourceEnd));
  return { subjects: [subject], reply: found.reply, headers };
}

function copyOf(bytes: Uint8Array, start: number, end: number): Uint8Array<ArrayBuffer> {
  return start === end ? NO_BYTES : new Uint8Array(bytes.subarray(start, end));
}

function isEqual(known: Uint8Array, bytes: Uint8Array, start: number, end: number): boolean {
  if (known.length !== end - start) return false;
  for (let i = 0; i < known.length; i++) if (known[i] !== bytes[start + i]) return false;
  return true;
}
