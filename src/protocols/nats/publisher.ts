/**
 * PUB and HPUB of one connection: from the bytes in the read buffer to the destinations.
 *
 * The one Message is a set of windows into the chunk, in the wire's own form (source.ts); live
 * subscribers find what they need of it in `node.live`. Only a line that is not in canonical form,
 * with tabs or several spaces, is first written anew into a scratch.
 *
 * Order of refusals as in nats-server: arguments, size, then with the whole payload there: pedantic,
 * permission, and at the end no responders.
 */
import type { BrokerErrorCode } from '#core/errors.ts';
import type { Observer } from '#core/observer.ts';
import { Message, Origin, Outcome } from '#core/message/message.ts';
import type { CachedAddress } from '#core/routing/address-cache.ts';
import { Arguments, CR, LF, textOf } from './arguments.ts';
import type { NatsConnection } from './connection.ts';
import { fatal, publishViolation, refusedPublish, Text } from './errors.ts';
import { answerNoResponders, answerUserInfo, USER_INFO_SUBJECT } from './own-answers.ts';
import { PublishLine } from './publish-line.ts';
import { isLiteralSubject } from './subject.ts';
import { TOPIC_EXCHANGE } from './subjects.ts';

const SPACE = Buffer.from(' ');
/** Names that the broker makes for those who wait for a reply. */
const REPLY_PREFIX = 'amq.';

const found = new Arguments();

export class Publisher {
  readonly #connection: NatsConnection;
  readonly #line = new PublishLine();
  readonly #message = new Message();
  #target: CachedAddress | null = null;

  constructor(connection: NatsConnection) {
    this.#connection = connection;
    this.#message.origin = Origin.Nats;
    this.#message.durable = true;
  }

  /** When bytes[at …] is a publish with the same control line as the last one: the position after it,
   * −1 when not all of it is there. 0 when it is something else. */
  again(bytes: Uint8Array, at: number, end: number): number {
    const line = this.#line;
    if (!line.begins(bytes, at, end)) return 0;
    if (!this.#target!.isCurrent) this.#setTarget(bytes, at);
    return this.#publish(bytes, at, end);
  }

  /** A publish whose arguments begin at `argumentsAt`. Returns as `again`, but never 0. Throws
   * NatsError. */
  publish(
    bytes: Uint8Array,
    at: number,
    argumentsAt: number,
    end: number,
    withHeaders: boolean,
  ): number {
    const lineEnd = found.scan(bytes, argumentsAt, end);
    this.#connection.checkLine(argumentsAt, lineEnd, end);
    if (lineEnd < 0) return -1;
    const connection = this.#connection;
    if (withHeaders && !connection.headers) throw fatal(Text.HeadersNotSupported);
    const line = this.#line;
    line.keep(bytes, at, lineEnd, found, withHeaders);
    if (line.totalBytes > connection.payloadBytesMax) {
      line.length = 0;
      throw fatal(Text.MaxPayload);
    }
    this.#setTarget(bytes, at);
    return this.#publish(bytes, at, end);
  }

  #setTarget(bytes: Uint8Array, at: number): void {
    const { subjectStart, subjectEnd } = this.#line;
    const { routes } = this.#connection.node;
    this.#target = routes.lookup(bytes, at + subjectStart, at + subjectEnd);
  }

  #publish(bytes: Uint8Array, at: number, end: number): number {
    const line = this.#line;
    const connection = this.#connection;
    const headersStart = at + line.length;
    const bodyEnd = headersStart + line.totalBytes;
    if (bodyEnd + 2 > end) {
      connection.needs(bodyEnd + 2 - at);
      return -1;
    }
    if (bytes[bodyEnd] !== CR || bytes[bodyEnd + 1] !== LF) throw fatal(Text.UnknownOperation);
    connection.inMessages++;
    connection.inBytes += line.totalBytes;
    const target = this.#target!;
    if (connection.checksPublish && !this.#isPermitted(target)) return bodyEnd + 2;

    const message = this.#message;
    message.body = bytes;
    message.bodyStart = headersStart + line.headerBytes;
    message.bodyEnd = bodyEnd;
    if (line.canonical) {
      message.source = bytes;
      message.sourceStart = at + line.subjectStart;
      message.sourceEnd = message.bodyStart;
      this.#describe(bytes, at, headersStart);
    } else this.#rewrite(bytes, at, headersStart);
    this.#deliver(target);
    return bodyEnd + 2;
  }

  /** `at` is where the line begins in the message's source. */
  #describe(source: Uint8Array, at: number, headersStart: number): void {
    const { live } = this.#connection.node;
    const line = this.#line;
    live.source = source;
    live.subjectStart = at + line.subjectStart;
    live.restStart = at + line.subjectEnd + 1;
    live.headersStart = headersStart;
    if (line.replyEnd === 0) live.replyStart = live.replyEnd = 0;
    else {
      live.replyStart = at + line.replyStart;
      live.replyEnd = at + line.replyEnd;
    }
  }

  /** Pedantic, then permitted; with `+OK` when that is wanted. */
  #isPermitted({ routingKey: subject }: CachedAddress): boolean {
    const connection = this.#connection;
    if (connection.pedantic && !isLiteralSubject(subject)) {
      connection.error(Text.InvalidPublishSubject);
    }
    if (!connection.access.publishesAll && !connection.access.mayPublish(subject)) {
      connection.error(publishViolation(subject));
      connection.node.metrics.refused++;
      return false;
    }
    if (connection.verbose) connection.ok();
    return true;
  }

  /** The source as it would have been canonical, header block included. */
  #rewrite(bytes: Uint8Array, at: number, headersStart: number): void {
    const line = this.#line;
    const message = this.#message;
    const subject = bytes.subarray(at + line.subjectStart, at + line.subjectEnd);
    const reply = bytes.subarray(at + line.replyStart, at + line.replyEnd);
    const sizes = line.headerBytes > 0 ? `${line.headerBytes} ${line.totalBytes}` : line.totalBytes;
    const parts = [subject, SPACE];
    if (line.replyEnd !== 0) parts.push(reply, SPACE);
    parts.push(Buffer.from(`${sizes}\r\n`, 'latin1'));
    parts.push(bytes.subarray(headersStart, headersStart + line.headerBytes));
    const source = Buffer.concat(parts);
    message.source = source;
    message.sourceStart = 0;
    message.sourceEnd = source.length;
    const { live } = this.#connection.node;
    live.source = source;
    live.subjectStart = 0;
    live.restStart = subject.length + 1;
    live.headersStart = source.length - line.headerBytes;
    live.replyStart = line.replyEnd === 0 ? 0 : live.restStart;
    live.replyEnd = line.replyEnd === 0 ? 0 : live.restStart + reply.length;
  }

  #deliver(target: CachedAddress): void {
    const connection = this.#connection;
    const { node } = connection;
    const { live } = node;
    const message = this.#message;
    const { route } = target;
    let outcome: Outcome = Outcome.Unrouted;
    if (route !== null) {
      live.message = message;
      live.publisher = connection;
      live.target = target;
      if (route.stored) outcome = this.#store(target);
      else {
        const { targets } = route;
        live.fanOut = targets.length;
        for (let i = 0; i < targets.length; i++) outcome |= targets[i]!.publish(message);
      }
      live.end();
    }
    if (outcome === Outcome.Unrouted) outcome = this.#answer(target);
    const { observer } = node.broker;
    if (observer !== null) this.#tell(observer, target, outcome);
    if (outcome === Outcome.Unrouted) this.#noResponders();
  }

  /** What nobody is bound to: a question to the server itself, or a reply to whoever asked by AMQP and
   * waits without a queue, found by its name alone. */
  #answer({ routingKey }: CachedAddress): Outcome {
    if (routingKey === USER_INFO_SUBJECT) {
      answerUserInfo(this.#connection, this.#reply);
      return Outcome.Routed;
    }
    if (!routingKey.startsWith(REPLY_PREFIX)) return Outcome.Unrouted;
    const destination = this.#connection.node.namespace.destination(routingKey);
    if (destination === undefined || !('live' in destination)) return Outcome.Unrouted;
    return destination.publish(this.#message);
  }

  #tell(observer: Observer, { route, routingKey }: CachedAddress, outcome: Outcome): void {
    const message = this.#message;
    const { namespace } = this.#connection.node;
    const targets = route === null ? [] : namespace.router.targets(route, routingKey, message);
    const { length } = targets;
    observer.published('nats', namespace, TOPIC_EXCHANGE, routingKey, message, outcome, length);
  }

  /** Some destination keeps it. */
  #store(target: CachedAddress): Outcome {
    const connection = this.#connection;
    const { node } = connection;
    const message = this.#message;
    const route = target.route!;
    message.timestampMs = connection.nowMs;
    const targets = node.namespace.router.targets(route, target.routingKey, message);
    node.live.fanOut = targets.length;
    const { hasSpace } = node.broker;
    let outcome: Outcome = Outcome.Unrouted;
    let refusal: BrokerErrorCode = 'full';
    for (const destination of targets) {
      if (hasSpace || 'live' in destination) outcome |= destination.publish(message);
      else {
        outcome |= Outcome.Refused;
        refusal = 'disk-full';
      }
    }
    if ((outcome & Outcome.Refused) !== 0) {
      node.metrics.refused++;
      connection.error(refusedPublish(target.routingKey, refusal));
    }
    connection.hasStored((outcome & Outcome.AwaitCommit) !== 0);
    return outcome;
  }

  /** Where the message that was just published wants its answer; '' = nowhere. */
  get #reply(): string {
    const { replyStart, replyEnd, source } = this.#connection.node.live;
    return replyEnd === 0 ? '' : textOf(source, replyStart, replyEnd);
  }

  #noResponders(): void {
    const connection = this.#connection;
    connection.node.metrics.unroutable++;
    const reply = this.#reply;
    if (reply === '' || !connection.noResponders) return;
    answerNoResponders(connection, reply, this.#target!.routingKey);
  }
}
