/**
 * basic.publish for one channel: from the windows of its three frames to the destinations.
 *
 * `source`, the form in which a message's address and properties are kept (and later delivered), is
 *
 *   exchange shortstr | routing key shortstr | property flags u16 | property values
 *
 * put together in a scratch that still holds the one of the publish before: most publishers send
 * the same address and properties again and again, so they are compared while they would be copied,
 * and when nothing differs route and property scan are those of before.
 *
 * Order of refusals as in RabbitMQ: immediate, size, exchange, internal, reply-to, expiration, CC
 * and BCC, user-id; then routing, basic.return, and last the confirm.
 */
import { DELAY_HEADER } from '#core/message/delay.ts';
import { AddressCache, type CachedAddress } from '#core/routing/address-cache.ts';
import type { Exchange } from '#core/routing/exchange.ts';
import { Outcome, Message, Origin } from '#core/message/message.ts';
import { copyBytes } from '#core/message/record.ts';
import { Permission } from '#core/authenticator.ts';
import type { Observer } from '#core/observer.ts';
import type { Channel } from './channel.ts';
import { Method, ReplyCode, textOf } from './codec.ts';
import { AddressedContent, deliverPrefix, writeReturn } from './delivery.ts';
import { accessRefused, notFound, notImplemented, preconditionFailed, thing } from './errors.ts';
import { fieldText, RoutingHeader, scanTable } from './field-table.ts';
import {
  decodeProperties,
  DELIVERY_MODE_PERSISTENT,
  encodeProperties,
  PropertyScan,
} from './properties.ts';
import { carbonCopies } from './carbon-copies.ts';
import { EXPIRY_MS_MAX } from './queue-arguments.ts';
import { REPLY_TO } from './reply-to.ts';

const SCRATCH_BYTES = 1024;
/** Remembered per channel. */
const ADDRESSES_MAX = 1024;
const MANDATORY_BIT = 1;
const IMMEDIATE_BIT = 2;

/** Two short strings: exchange and routing key. */
const ADDRESS = {
  exchange: (bytes: Uint8Array, start: number): string =>
    textOf(bytes, start + 1, start + 1 + bytes[start]!),
  routingKey: (bytes: Uint8Array, start: number, end: number): string =>
    textOf(bytes, start + 2 + bytes[start]!, end),
};

export class Publisher {
  readonly #channel: Channel;
  readonly #addresses: AddressCache;
  readonly #message = new Message();
  readonly #scan = new PropertyScan();
  readonly #returned = new AddressedContent();
  #scratch = new Uint8Array(SCRATCH_BYTES);
  #addressEnd = 0;
  #sourceEnd = 0;
  #target: CachedAddress | null = null;
  /** Of the properties in the scratch: RoutingHeader bits, and time to live, −1 for none. */
  #routingHeaders = 0;
  #expirationMs = -1;
  /** The properties in the scratch need more than a scan, or were rewritten. */
  #special = false;
  /** Destinations of the last message with CC or BCC. */
  #copyCount = 0;

  constructor(channel: Channel) {
    this.#channel = channel;
    this.#addresses = new AddressCache(channel.connection.namespace, ADDRESS, ADDRESSES_MAX);
    this.#message.origin = Origin.Amqp091;
  }

  /** One complete publish. `bits` is its octet of flags; [addressStart, addressEnd) its exchange
   * and routing key; the properties begin with their flags. */
  publish(
    addressBytes: Uint8Array,
    addressStart: number,
    addressEnd: number,
    bits: number,
    contentBytes: Uint8Array,
    propertiesStart: number,
    propertiesEnd: number,
    body: Uint8Array,
    bodyStart: number,
    bodyEnd: number,
  ): void {
    if ((bits & IMMEDIATE_BIT) !== 0) throw notImplemented('immediate=true');
    const channel = this.#channel;
    const connection = channel.connection;
    if (bodyEnd - bodyStart > connection.bodyBytesMax) this.#refuseSize(bodyEnd - bodyStart);
    this.#setAddress(addressBytes, addressStart, addressEnd);
    const target = this.#target!;
    if (target.route === null) {
      throw notFound(`no ${thing('exchange', target.exchange, connection.vhost)}`);
    }
    this.#setProperties(contentBytes, propertiesStart, propertiesEnd);
    if (!target.route.cacheable) this.#checkDelay(target.route.exchange);

    const message = this.#message;
    message.source = this.#scratch;
    message.sourceEnd = this.#sourceEnd;
    message.body = body;
    message.bodyStart = bodyStart;
    message.bodyEnd = bodyEnd;
    message.timestampMs = connection.nowMs;
    message.expiresAtMs = this.#expirationMs < 0 ? 0 : connection.nowMs + this.#expirationMs;
    message.priority = this.#scan.priority;
    message.durable = this.#scan.deliveryMode === DELIVERY_MODE_PERSISTENT;
    const outcome = this.#special
      ? this.#publishSpecial(target, message)
      : connection.namespace.publish(target.route, target.routingKey, message);
    this.#settle(outcome, bits);
  }

  #settle(outcome: Outcome, bits: number): void {
    const channel = this.#channel;
    const metrics = channel.connection.metrics;
    metrics.published++;
    metrics.publishedBytes += this.#message.bodyEnd - this.#message.bodyStart;
    const { observer } = channel.connection.broker;
    if (observer !== null) this.#tell(observer, outcome);
    channel.connection.hasPublished();
    if (outcome === Outcome.Unrouted) {
      metrics.unroutable++;
      if ((bits & MANDATORY_BIT) !== 0) this.#return();
    }
    const confirms = channel.confirms;
    if (confirms === null) return;
    if ((outcome & Outcome.Refused) !== 0) {
      metrics.refused++;
      confirms.refused();
    } else confirms.published((outcome & Outcome.AwaitCommit) !== 0);
    channel.connection.confirmSoon(confirms);
  }

  #tell(observer: Observer, outcome: Outcome): void {
    const { namespace } = this.#channel.connection;
    const { route, exchange, routingKey } = this.#target!;
    const message = this.#message;
    const targetCount =
      this.#routingHeaders === 0
        ? namespace.router.targets(route!, routingKey, message).length
        : this.#copyCount;
    observer.published('amqp', namespace, exchange, routingKey, message, outcome, targetCount);
  }

  #refuseSize(size: number): never {
    const max = this.#channel.connection.bodyBytesMax;
    throw preconditionFailed(`message size ${size} is larger than configured max size ${max}`);
  }

  #setAddress(bytes: Uint8Array, start: number, end: number): void {
    const length = end - start;
    const scratch = this.#scratch;
    const target = this.#target;
    if (length === this.#addressEnd && target !== null && target.isCurrent) {
      let i = 0;
      while (i < length && scratch[i] === bytes[start + i]) i++;
      if (i === length) return;
    }
    this.#sourceEnd = -1;
    this.#addressEnd = -1;
    this.#target = null;
    const found = this.#addresses.lookup(bytes, start, end);
    this.#checkPermitted(found);
    copyBytes(scratch, 0, bytes, start, end);
    this.#addressEnd = length;
    this.#target = found;
  }

  #checkPermitted(target: CachedAddress): void {
    const { identity, vhost } = this.#channel.connection;
    if (!identity.may(Permission.Write, vhost, target.exchange)) {
      const what = thing('exchange', target.exchange || 'amq.default', vhost);
      throw accessRefused(`write access to ${what} refused for user '${identity.name}'`);
    }
    if (target.route?.exchange?.options.internal) {
      throw accessRefused(
        `cannot publish to internal ${thing('exchange', target.exchange, vhost)}`,
      );
    }
  }

  #setProperties(bytes: Uint8Array, start: number, end: number): void {
    const length = end - start;
    const from = this.#addressEnd;
    if (this.#sourceEnd === from + length && !this.#special) {
      const scratch = this.#scratch;
      let i = 0;
      while (i < length && scratch[from + i] === bytes[start + i]) i++;
      if (i === length) return;
    }
    this.#sourceEnd = -1;
    this.#special = false;
    this.#makeRoom(from + length);
    this.#sourceEnd = copyBytes(this.#scratch, from, bytes, start, end);
    this.#inspect();
  }

  /** A delay that is no number would be none. */
  #checkDelay(exchange: Exchange): void {
    if (!exchange.options.delayed) return;
    const { headers } = decodeProperties(this.#scratch, this.#addressEnd, this.#sourceEnd);
    const field = headers?.get(DELAY_HEADER);
    const text = field ? fieldText(field) : null;
    if (text === null || /^[+-]?\d+$/.test(text)) return;
    throw preconditionFailed(`invalid ${DELAY_HEADER} '${text}': no integer`);
  }

  #makeRoom(bytes: number): void {
    if (bytes <= this.#scratch.length) return;
    const larger = new Uint8Array(bytes * 2);
    larger.set(this.#scratch.subarray(0, this.#addressEnd));
    this.#scratch = larger;
  }

  /** Looks at the properties now in the scratch. */
  #inspect(): void {
    const scratch = this.#scratch;
    const scan = this.#scan;
    scan.scan(scratch, this.#addressEnd, this.#sourceEnd);
    this.#routingHeaders =
      scan.headersStart === 0 ? 0 : scanTable(scratch, scan.headersStart, scan.headersEnd);
    if (scan.replyToStart !== 0 && isReplyTo(scratch, scan)) this.#rewriteReplyTo();
    this.#expirationMs =
      scan.expirationStart === 0
        ? -1
        : parseExpiration(textOf(scratch, scan.expirationStart, scan.expirationEnd));
    if (this.#routingHeaders !== 0) this.#special = true;
    if (scan.userIdStart !== 0) this.#checkUser(textOf(scratch, scan.userIdStart, scan.userIdEnd));
  }

  #checkUser(claimed: string): void {
    const { identity } = this.#channel.connection;
    if (claimed === identity.name || identity.tags.includes('impersonator')) return;
    // Not remembered as checked: the next publish must be refused again.
    this.#sourceEnd = -1;
    throw preconditionFailed(
      `user_id property set to '${claimed}' but authenticated user was '${identity.name}'`,
    );
  }

  #rewriteReplyTo(): void {
    const reply = this.#channel.replyConsumer;
    if (reply === null) throw preconditionFailed('fast reply consumer does not exist');
    const properties = decodeProperties(this.#scratch, this.#addressEnd, this.#sourceEnd);
    properties.replyTo = reply.name;
    this.#replaceProperties(encodeProperties(properties));
    // The scratch no longer holds what the client sent; do not compare with it.
    this.#special = true;
  }

  #replaceProperties(encoded: Uint8Array): void {
    this.#makeRoom(this.#addressEnd + encoded.length);
    this.#sourceEnd = copyBytes(this.#scratch, this.#addressEnd, encoded, 0, encoded.length);
    this.#scan.scan(this.#scratch, this.#addressEnd, this.#sourceEnd);
  }

  /** CC and BCC: each key is routed too, every destination gets the message once; BCC is removed
   * before it is stored. */
  #publishSpecial(target: CachedAddress, message: Message): Outcome {
    const { namespace } = this.#channel.connection;
    if (this.#routingHeaders === 0) {
      return namespace.publish(target.route!, target.routingKey, message);
    }
    const properties = decodeProperties(this.#scratch, this.#addressEnd, this.#sourceEnd);
    const copies = carbonCopies(properties);
    if ((this.#routingHeaders & RoutingHeader.Bcc) !== 0) {
      properties.headers!.delete('BCC');
      this.#replaceProperties(encodeProperties(properties));
      message.source = this.#scratch;
      message.sourceEnd = this.#sourceEnd;
    }
    const targets = namespace.resolveMany(target.exchange, [target.routingKey, ...copies], message);
    this.#copyCount = targets.length;
    let outcome: Outcome = Outcome.Unrouted;
    for (const destination of targets) outcome |= destination.publish(message);
    return outcome;
  }

  #return(): void {
    const { connection, number } = this.#channel;
    const content = this.#returned;
    const message = this.#message;
    content.setSource(message.source, message.sourceStart, message.sourceEnd);
    content.body = message.body;
    content.bodyStart = message.bodyStart;
    content.bodyEnd = message.bodyEnd;
    content.stable = false;
    const prefix = deliverPrefix(number, Method.BasicReturn, null);
    const max = connection.frameBytesMax;
    writeReturn(connection.output, prefix, ReplyCode.NoRoute, 'NO_ROUTE', content, max);
    connection.sendSoon();
  }
}

function isReplyTo(bytes: Uint8Array, scan: PropertyScan): boolean {
  return (
    scan.replyToEnd - scan.replyToStart === REPLY_TO.length &&
    textOf(bytes, scan.replyToStart, scan.replyToEnd) === REPLY_TO
  );
}

/** Milliseconds; refuses as RabbitMQ does, which reads an Erlang integer. */
function parseExpiration(text: string): number {
  const digits = /^[+-]?\d+/.exec(text)?.[0];
  if (digits === undefined) {
    throw preconditionFailed(`invalid expiration '${text}': no_integer`);
  }
  if (digits.length < text.length) {
    const rest = text.slice(digits.length);
    throw preconditionFailed(`invalid expiration '${text}': {leftover_string,"${rest}"}`);
  }
  const value = Number(digits);
  if (value < 0)
    throw preconditionFailed(`invalid expiration '${text}': {value_negative,${value}}`);
  if (value > EXPIRY_MS_MAX) {
    throw preconditionFailed(`invalid expiration '${text}': {value_too_large,${digits}}`);
  }
  return value;
}
