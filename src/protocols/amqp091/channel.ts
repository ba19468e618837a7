/**
 * Channel: one conversation on a connection, with its own consumers, unsettled deliveries, publish
 * state and errors.
 *
 * A content-bearing method arrives as three kinds of frames; `#content` is what has come so far when
 * they did not lie complete in one read. After an error the channel ignores everything but
 * channel.close and close-ok, and its number stays taken until the client has answered.
 */
import { Credit } from '#core/queue/credit.ts';
import type { AmqpConnection } from './connection.ts';
import {
  CLASS_BASIC,
  copyOf,
  FrameType,
  Method,
  readUint16,
  readUint64,
  ReplyCode,
} from './codec.ts';
import { Confirms, type ConfirmSender } from './confirms.ts';
import { deliverPrefix } from './delivery.ts';
import { AmqpError, preconditionFailed } from './errors.ts';
import type { ChannelConsumer, LeaseHolder, QueueLeases } from './leases.ts';
import { handlerOf } from './handlers/index.ts';
import { Publisher } from './publisher.ts';
import type { ReplyConsumer } from './reply-to.ts';
import { Unacked } from './unacked.ts';

const State = { Starting: 0, Open: 1, Closing: 2, Closed: 3 } as const;
type State = (typeof State)[keyof typeof State];

interface Content {
  /** exchange and routing key short strings. */
  address: Uint8Array;
  bits: number;
  properties: Uint8Array | null;
  bodyBytes: number;
  received: number;
  parts: Uint8Array[];
}

export class Channel implements ConfirmSender {
  readonly connection: AmqpConnection;
  readonly number: number;
  readonly publisher: Publisher;
  readonly unacked = new Unacked<LeaseHolder>();
  readonly consumers = new Map<string, ChannelConsumer>();
  /** basic.get's leases, by queue. */
  readonly getLeases = new Map<object, QueueLeases>();
  /** Prefetch of the channel as a whole (basic.qos global=true); shared by all its consumers. */
  readonly credit = new Credit(0);
  /** Prefetch of every consumer from now on (global=false). */
  prefetch = 0;
  confirms: Confirms | null = null;
  /** What an empty queue name means: the queue declared last. */
  lastQueue = '';
  replyConsumer: ReplyConsumer | null = null;
  readonly getPrefix: Uint8Array;
  #state: State = State.Starting;
  #content: Content | null = null;

  constructor(connection: AmqpConnection, number: number) {
    this.connection = connection;
    this.number = number;
    this.publisher = new Publisher(this);
    this.getPrefix = deliverPrefix(number, Method.BasicGetOk, null);
  }

  /** Whether a publish may come now, all its frames at once. */
  get takesPublish(): boolean {
    return this.#state === State.Open && this.#content === null;
  }

  get isOpen(): boolean {
    return this.#state === State.Open;
  }

  frame(type: number, method: number, bytes: Uint8Array, start: number, end: number): void {
    if (this.#state === State.Closing) {
      this.#whileClosing(type, method);
      return;
    }
    if (this.#content !== null) {
      this.#contentFrame(type, bytes, start, end);
      return;
    }
    if (type !== FrameType.Method) {
      throw unexpected('expected method frame, got non method frame instead');
    }
    if (this.#state === State.Starting) {
      if (method !== Method.ChannelOpen) {
        throw new AmqpError(ReplyCode.ChannelError, "expected 'channel.open'");
      }
      this.#state = State.Open;
      this.connection.writer.begin(this.number, Method.ChannelOpenOk).long(0).end();
      this.connection.sendSoon();
      return;
    }
    this.#method(method, bytes, start, end);
  }

  #method(method: number, bytes: Uint8Array, start: number, end: number): void {
    const { reader } = this.connection;
    switch (method) {
      case Method.BasicPublish:
        this.#beginContent(end);
        return;
      case Method.BasicAck: {
        if (end - start < 13) reader.take(9);
        this.acknowledge(readUint64(bytes, start + 4), (bytes[start + 12]! & 1) !== 0);
        return;
      }
      case Method.ChannelOpen:
        throw new AmqpError(ReplyCode.ChannelError, "second 'channel.open' seen");
      case Method.ChannelClose:
        this.#closedByClient();
        return;
      default: {
        const handler = handlerOf(method);
        if (!handler) throw new AmqpError(ReplyCode.CommandInvalid, 'unimplemented method');
        handler(this, reader);
      }
    }
  }

  // -- content that did not come in one piece -----------------------------------------------------

  #beginContent(end: number): void {
    const { reader } = this.connection;
    reader.short();
    const from = reader.at;
    reader.take(reader.octet());
    reader.take(reader.octet());
    const address = copyOf(reader.bytes, from, reader.at);
    const bits = reader.octet();
    if (reader.at !== end) {
      throw new AmqpError(
        ReplyCode.FrameError,
        'cannot decode: trailing bytes after basic.publish',
      );
    }
    this.#content = { address, bits, properties: null, bodyBytes: 0, received: 0, parts: [] };
    // An alarm concerns it from here on: the bodies of many channels need not ever be complete.
    this.connection.hasPublished();
  }

  #contentFrame(type: number, bytes: Uint8Array, start: number, end: number): void {
    const content = this.#content!;
    if (content.properties === null) {
      if (type !== FrameType.Header || end - start < 14) {
        throw unexpected(
          `expected content header for class ${CLASS_BASIC}, got non content header frame instead`,
        );
      }
      const classId = readUint16(bytes, start);
      if (classId !== CLASS_BASIC) {
        throw unexpected(
          `expected content header for class ${CLASS_BASIC}, got one for class ${classId} instead`,
        );
      }
      content.bodyBytes = readUint64(bytes, start + 4);
      content.properties = copyOf(bytes, start + 12, end);
      const max = this.connection.bodyBytesMax;
      if (content.bodyBytes > max) {
        this.#content = null;
        throw preconditionFailed(
          `message size ${content.bodyBytes} is larger than configured max size ${max}`,
        );
      }
    } else {
      if (type !== FrameType.Body) {
        throw unexpected('expected content body, got non content body frame instead');
      }
      content.received += end - start;
      if (content.received > content.bodyBytes) {
        throw new AmqpError(
          ReplyCode.FrameError,
          'content body frame exceeds remaining content size',
        );
      }
      content.parts.push(copyOf(bytes, start, end));
    }
    if (content.received === content.bodyBytes) this.#endContent(content);
  }

  #endContent(content: Content): void {
    this.#content = null;
    const body = content.parts.length === 1 ? content.parts[0]! : Buffer.concat(content.parts);
    const properties = content.properties!;
    this.publisher.publish(
      content.address,
      0,
      content.address.length,
      content.bits,
      properties,
      0,
      properties.length,
      body,
      0,
      body.length,
    );
  }

  // -- settling -----------------------------------------------------------------------------------

  readonly #accept = (holder: LeaseHolder, offset: number): void => holder.accept(offset);

  acknowledge(tag: number, multiple: boolean): void {
    const before = this.unacked.count;
    this.settle(tag, multiple, this.#accept);
    this.connection.metrics.acknowledged += before - this.unacked.count;
  }

  /** Hands every delivery that (tag, multiple) names to `action`, oldest first. Tag 0 with
   * multiple is all of them (1.8.3.13). */
  settle(
    tag: number,
    multiple: boolean,
    action: (holder: LeaseHolder, offset: number) => void,
  ): void {
    if (multiple) {
      if (tag === 0) this.unacked.takeUpTo(Infinity, action);
      else if (this.unacked.has(tag)) this.unacked.takeUpTo(tag, action);
      else throw preconditionFailed(`unknown delivery tag ${tag}`);
    } else if (!this.unacked.takeOne(tag, action)) {
      throw preconditionFailed(`unknown delivery tag ${tag}`);
    }
    if (this.credit.limit > 0) this.pumpAll();
  }

  /** Settles by requeueing, in order, what (tag, multiple) names. */
  requeue(tag: number, multiple: boolean): void {
    const returned = new Map<LeaseHolder, number[]>();
    this.settle(tag, multiple, (holder, offset) => {
      const offsets = returned.get(holder);
      if (offsets) offsets.push(offset);
      else returned.set(holder, [offset]);
    });
    for (const [holder, offsets] of returned) holder.release(offsets);
  }

  /** Credit of the channel changed: any of its consumers may be served now. They take turns at
   * being first, or one queue could have all of a limit that they share. */
  pumpAll(): void {
    const { consumers } = this;
    if (consumers.size > 1) {
      const [tag, first] = consumers.entries().next().value!;
      consumers.delete(tag);
      consumers.set(tag, first);
    }
    for (const consumer of this.consumers.values()) this.connection.pumpSoon(consumer);
  }

  drained(): void {
    for (const consumer of this.consumers.values()) consumer.drained();
  }

  // -- confirms -----------------------------------------------------------------------------------

  confirm(sequence: number, count: number): void {
    const { connection } = this;
    if (this.#state !== State.Open) return;
    connection.metrics.confirmed += count;
    const { writer } = connection;
    writer
      .begin(this.number, Method.BasicAck)
      .longlong(sequence)
      .bit(count > 1)
      .end();
    connection.sendSoon();
  }

  nack(sequence: number): void {
    this.connection.writer
      .begin(this.number, Method.BasicNack)
      .longlong(sequence)
      .bit(false)
      .bit(false)
      .end();
    this.connection.sendSoon();
  }

  selectConfirms(): void {
    this.confirms ??= new Confirms(this.connection.broker.commit, this);
  }

  // -- the end ------------------------------------------------------------------------------------

  /** An error of this channel: everything is released, channel.close is sent. */
  closeWith(error: AmqpError, method: number): void {
    if (this.#state >= State.Closing) return;
    this.cancelConsumers();
    this.release();
    this.#state = State.Closing;
    this.connection.writer
      .begin(this.number, Method.ChannelClose)
      .short(error.replyCode)
      .shortstr(error.message)
      .long(method)
      .end();
    this.connection.sendSoon();
  }

  #closedByClient(): void {
    this.cancelConsumers();
    this.release();
    this.connection.forgetChannel(this);
    this.connection.writer.begin(this.number, Method.ChannelCloseOk).end();
    this.connection.sendSoon();
  }

  #whileClosing(type: number, method: number): void {
    if (type !== FrameType.Method) return;
    if (method === Method.ChannelCloseOk) this.connection.forgetChannel(this);
    else if (method === Method.ChannelClose) {
      this.connection.writer.begin(this.number, Method.ChannelCloseOk).end();
      this.connection.sendSoon();
    }
  }

  cancelConsumers(): void {
    for (const consumer of this.consumers.values()) consumer.cancel();
    this.consumers.clear();
    this.replyConsumer = null;
  }

  /** Gives back what is unsettled. Idempotent. */
  release(): void {
    if (this.#state === State.Closed) return;
    this.#content = null;
    if (this.unacked.count > 0) this.requeue(0, true);
    this.#state = State.Closed;
  }
}

function unexpected(text: string): AmqpError {
  return new AmqpError(ReplyCode.UnexpectedFrame, text);
}
