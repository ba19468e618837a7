/**
 * Subscription: one SUB of one connection; a live destination that writes `MSG` or `HMSG` into the
 * connection's output.
 *
 * Hot: what a NATS client publishes is copied from its read buffer, behind a prefix
 * `HMSG <subject> <sid> ` that is kept for as long as the subject stays the same. Messages of other
 * protocols, and stored ones, are put into NATS' words by mapping.ts first.
 */
import type { LiveSubscriber } from '#core/routing/live-subscriber.ts';
import { Outcome, type Message } from '#core/message/message.ts';
import type { Namespace } from '#core/namespace.ts';
import type { CachedAddress } from '#core/routing/address-cache.ts';
import type { LiveBinding } from '#core/routing/binding.ts';
import { copyBytes } from '#core/message/record.ts';
import { COPY_BYTES_MAX } from '#wire/output-buffer.ts';
import { CR, LF } from './arguments.ts';
import type { NatsConnection } from './connection.ts';
import type { OutgoingMessage } from './foreign.ts';
import type { LivePublish } from './live-publish.ts';
import type { NatsNode } from './node.ts';
import { subjectMatches } from './subject.ts';
import { NATS_SYNTAX, TOPIC_EXCHANGE } from './subjects.ts';

const NO_BYTES = Buffer.alloc(0);

export class Subscription implements LiveSubscriber {
  readonly live = true;
  readonly name: string;
  readonly connection: NatsConnection;
  readonly subject: string;
  /** Null: no queue group. */
  readonly queue: string | null;
  readonly sid: string;
  /** Messages it has been given. */
  delivered = 0;
  /** It ends by itself after so many; 0 = never. */
  max = 0;
  ended = false;
  readonly #node: NatsNode;
  /** Something that it matches may not be delivered: looked at message by message. */
  readonly #filtered: boolean;
  /** `HMSG <subject> <sid> ` of the last message; `MSG` begins at its second byte. */
  #prefix: Buffer = NO_BYTES;
  #prefixOf: CachedAddress | null = null;
  #binding: LiveBinding | null = null;

  constructor(
    node: NatsNode,
    connection: NatsConnection,
    subject: string,
    queue: string | null,
    sid: string,
  ) {
    this.#node = node;
    this.connection = connection;
    this.subject = subject;
    this.queue = queue;
    this.sid = sid;
    this.name = `nats-${connection.id}-${sid}`;
    this.#filtered = connection.access.filtersDelivery(subject, queue);
  }

  bind(namespace: Namespace): void {
    this.#binding = namespace.subscribe(TOPIC_EXCHANGE, this.subject, this, NATS_SYNTAX);
  }

  unbind(namespace: Namespace): void {
    if (this.#binding) namespace.unsubscribe(this.#binding);
  }

  publish(message: Message): Outcome {
    const { live } = this.#node;
    if (!live.describes(message)) return this.#deliverOutgoing(message);
    const { connection } = this;
    if (this.ended || (live.publisher === connection && !connection.echo)) return Outcome.Unrouted;
    const target = live.target!;
    if (this.#filtered && connection.access.deniesDelivery(target.routingKey, this.queue)) {
      return Outcome.Unrouted;
    }
    if (this.#prefixOf !== target) {
      this.#prefix = this.#prefixFor(live.source.subarray(live.subjectStart, live.restStart - 1));
      this.#prefixOf = target;
    }
    this.#write(live, message);
    this.#tell(message);
    this.counted();
    return Outcome.Routed;
  }

  /** It was given one message more. */
  counted(): void {
    this.delivered++;
    if (this.max !== 0 && this.delivered >= this.max) this.connection.unsubscribe(this);
  }

  #write(live: LivePublish, message: Message): void {
    const { connection } = this;
    const { source, sourceEnd, body, bodyStart, bodyEnd } = message;
    const hasHeaders = live.headersStart < sourceEnd;
    if (hasHeaders && !connection.headers) {
      this.#writeBodyOnly(live, message);
    } else {
      const out = connection.output;
      const prefix = this.#prefix;
      const bodyBytes = bodyEnd - bodyStart;
      const restBytes = sourceEnd - live.restStart + bodyBytes + 2;
      const prefixStart = hasHeaders ? 0 : 1;
      if (restBytes >= COPY_BYTES_MAX && live.fanOut > 1) {
        const at = out.reserve(prefix.length);
        out.advance(copyBytes(out.bytes, at, prefix, prefixStart, prefix.length) - at);
        out.append(live.shared(message));
      } else {
        const start = out.reserve(prefix.length + restBytes);
        const { bytes } = out;
        let at = copyBytes(bytes, start, prefix, prefixStart, prefix.length);
        if (source === body && sourceEnd === bodyStart) {
          at = copyBytes(bytes, at, source, live.restStart, bodyEnd);
        } else {
          at = copyBytes(bytes, at, source, live.restStart, sourceEnd);
          at = copyBytes(bytes, at, body, bodyStart, bodyEnd);
        }
        bytes[at] = CR;
        bytes[at + 1] = LF;
        out.advance(at + 2 - start);
      }
      connection.hasDelivered(sourceEnd - live.headersStart + bodyBytes, restBytes);
    }
    if (live.replyEnd !== 0 && connection.access.tracksReplies) {
      connection.access.expectReply(live.source, live.replyStart, live.replyEnd);
    }
  }

  #tell(message: Message): void {
    const { broker, namespace } = this.#node;
    if (broker.observer === null) return;
    broker.observer.delivered('nats', namespace, this.subject, message, 0);
  }

  /** For a client that does not understand headers. */
  #writeBodyOnly(live: LivePublish, message: Message): void {
    const reply =
      live.replyEnd === 0
        ? ''
        : `${Buffer.from(live.source.subarray(live.replyStart, live.replyEnd)).toString('latin1')} `;
    const bodyBytes = message.bodyEnd - message.bodyStart;
    const line = Buffer.from(`${reply}${bodyBytes}\r\n`, 'latin1');
    this.#writeParts(this.#prefix, 1, line, NO_BYTES, message);
    this.connection.hasDelivered(bodyBytes, line.length + bodyBytes);
  }

  #writeParts(
    prefix: Buffer,
    prefixStart: number,
    line: Buffer,
    headers: Buffer,
    { body, bodyStart, bodyEnd }: Message,
  ): void {
    const out = this.connection.output;
    const size = prefix.length + line.length + headers.length + bodyEnd - bodyStart + 2;
    const start = out.reserve(size);
    const { bytes } = out;
    let at = copyBytes(bytes, start, prefix, prefixStart, prefix.length);
    at = copyBytes(bytes, at, line, 0, line.length);
    at = copyBytes(bytes, at, headers, 0, headers.length);
    at = copyBytes(bytes, at, body, bodyStart, bodyEnd);
    bytes[at] = CR;
    bytes[at + 1] = LF;
    out.advance(at + 2 - start);
  }

  /** One that did not come from a NATS connection in this call. */
  #deliverOutgoing(message: Message): Outcome {
    const { connection } = this;
    const outgoing = this.#node.foreign.read(message);
    if (this.ended || outgoing === null) return Outcome.Unrouted;
    const subject = this.#subjectOf(outgoing);
    if (this.#filtered && connection.access.deniesDelivery(subject, this.queue)) {
      return Outcome.Unrouted;
    }
    const bodyBytes = message.bodyEnd - message.bodyStart;
    const headers = connection.headers ? outgoing.headers : NO_BYTES;
    const reply = outgoing.reply === null ? '' : `${outgoing.reply} `;
    const sizes = headers.length > 0 ? `${headers.length} ` : '';
    const line = Buffer.from(`${reply}${sizes}${headers.length + bodyBytes}\r\n`);
    const prefix = this.#prefixFor(Buffer.from(subject));
    this.#writeParts(prefix, headers.length > 0 ? 0 : 1, line, headers, message);
    const written = line.length + headers.length + bodyBytes;
    connection.hasDelivered(headers.length + bodyBytes, written);
    this.#tell(message);
    if (outgoing.reply !== null && connection.access.tracksReplies) {
      const bytes = Buffer.from(outgoing.reply);
      connection.access.expectReply(bytes, 0, bytes.length);
    }
    this.counted();
    return Outcome.Routed;
  }

  /** Of several addresses the one that was subscribed to. */
  #subjectOf({ subjects }: OutgoingMessage): string {
    return subjects.find((subject) => subjectMatches(this.subject, subject)) ?? subjects[0]!;
  }

  #prefixFor(subject: Uint8Array): Buffer {
    return Buffer.concat([Buffer.from('HMSG '), subject, Buffer.from(` ${this.sid} `)]);
  }
}
