/**
 * Recorder: keeps what passes a broker, for its spies. Bytes are copied and nothing else is done
 * with them before somebody looks; a Kafka batch stays packed until then. When there is more than
 * may be kept the oldest goes.
 */
import { Batch } from '#core/message/batch.ts';
import { Message, Outcome } from '#core/message/message.ts';
import { RecordCursor } from '#core/message/record-cursor.ts';
import type { Broker } from '#core/broker.ts';
import type { Namespace } from '#core/namespace.ts';
import type { Observer } from '#core/observer.ts';
import type { Topic } from '#core/topic/topic.ts';
import { type Circumstances, Recorded } from './spied-message.ts';
import type { SpiedMessage } from './spied.ts';

export interface RecorderBounds {
  readonly messages: number;
  readonly bytes: number;
}

interface Kept {
  /** How many messages it stands for. */
  readonly count: number;
  readonly bytes: number;
  /** Null until somebody looks. */
  messages: readonly Recorded[] | null;
  readonly unpack: () => readonly Recorded[];
}

/** Somebody who waits for a message. */
export interface Waiter {
  /** There may be news. */
  look(): void;
  fail(error: Error): void;
}

export class Recorder implements Observer {
  /** Of messages that were listed once. */
  dropped = 0;
  readonly #broker: Broker;
  readonly #bounds: RecorderBounds;
  readonly #waiters = new Set<Waiter>();
  #kept: Kept[] = [];
  /** The number of the first entry. */
  #start = 0;
  #count = 0;
  #bytes = 0;
  #told = true;
  #ended: Error | null = null;

  constructor(broker: Broker, bounds: RecorderBounds) {
    this.#broker = broker;
    this.#bounds = bounds;
  }

  /** All that is kept, oldest first. */
  messages(): Recorded[] {
    return this.#kept.flatMap(messagesOf);
  }

  /** Where the next that comes will be: entries are counted, and an entry is one message or the
   * messages of one batch. */
  get end(): number {
    return this.#start + this.#kept.length;
  }

  /** Calls `visit` with what is kept from entry `from` on, until it returns true. */
  visit(from: number, visit: (message: Recorded, entry: number) => boolean): void {
    for (let at = Math.max(from, this.#start); at < this.end; at++) {
      for (const message of messagesOf(this.#kept[at - this.#start]!)) {
        if (visit(message, at)) return;
      }
    }
  }

  /** Forgets what `chosen` says. The rest is counted anew. */
  clear(chosen: (message: SpiedMessage) => boolean): void {
    const left = this.messages().filter((it) => !chosen(it));
    this.#start = this.end;
    this.#kept = left.map((it) => ({
      count: 1,
      bytes: it.body.length,
      messages: [it],
      unpack: () => [it],
    }));
    this.#count = left.length;
    this.#bytes = this.#kept.reduce((sum, it) => sum + it.bytes, 0);
  }

  /** Looks at once. */
  wait(waiter: Waiter): void {
    this.#waiters.add(waiter);
    waiter.look();
    if (this.#ended !== null && this.#waiters.delete(waiter)) waiter.fail(this.#ended);
  }

  unwait(waiter: Waiter): void {
    this.#waiters.delete(waiter);
  }

  /** Nothing will come any more. */
  close(error: Error): void {
    this.#ended ??= error;
    for (const waiter of this.#waiters) waiter.fail(error);
    this.#waiters.clear();
  }

  published(
    protocol: string,
    namespace: Namespace,
    exchange: string,
    address: string,
    message: Message,
    outcome: Outcome,
    targetCount: number,
  ): void {
    this.#keepOne(message, {
      ...circumstances('published', protocol, namespace.name, address),
      exchange,
      destinations: targetCount,
      refused: (outcome & Outcome.Refused) !== 0,
    });
  }

  delivered(
    protocol: string,
    namespace: Namespace,
    source: string,
    message: Message,
    deliveryCount: number,
  ): void {
    this.#keepOne(message, {
      ...circumstances('delivered', protocol, namespace.name, source),
      redeliveries: deliveryCount,
    });
  }

  produced(
    protocol: string,
    topic: Topic,
    partition: number,
    batch: Uint8Array,
    baseOffset: number,
  ): void {
    const of = {
      ...circumstances('published', protocol, topic.namespace.name, topic.name),
      partition,
    };
    // Its offsets are still those of the producer.
    this.#keepBatch(batch, of, (delta) => baseOffset + delta, baseOffset);
  }

  fetched(
    protocol: string,
    topic: Topic,
    partition: number,
    batches: readonly Uint8Array[],
    offset: number,
  ): void {
    const of = {
      ...circumstances('delivered', protocol, topic.namespace.name, topic.name),
      partition,
    };
    for (const bytes of batches) {
      for (let at = 0; at < bytes.length; at += Batch.sizeBytes(bytes, at)) {
        const batch = bytes.subarray(at, at + Batch.sizeBytes(bytes, at));
        const baseOffset = Batch.baseOffset(bytes, at);
        this.#keepBatch(batch, of, (delta) => baseOffset + delta, offset);
      }
    }
  }

  #keepOne(message: Message, of: Circumstances): void {
    const copy = copyOf(message);
    const { envelopes } = this.#broker;
    const bytes = copy.body.length;
    this.#keep({
      count: 1,
      bytes,
      messages: null,
      unpack: () => [new Recorded(of, copy, envelopes)],
    });
  }

  #keepBatch(
    batch: Uint8Array,
    of: Circumstances,
    offsetAt: (delta: number) => number,
    fromOffset: number,
  ): void {
    const copy = new Uint8Array(batch);
    const unpack = (): Recorded[] =>
      this.#unpack(copy, of, offsetAt).filter((it) => it.offset! >= fromOffset);
    this.#keep({ count: Batch.count(copy, 0), bytes: copy.length, messages: null, unpack });
  }

  #unpack(batch: Uint8Array, of: Circumstances, offsetAt: (delta: number) => number): Recorded[] {
    const { codecs, limits, envelopes } = this.#broker;
    const cursor = new RecordCursor(codecs, limits.decompressedBytesMax);
    const found: Recorded[] = [];
    const baseOffset = Batch.baseOffset(batch, 0);
    cursor.open(batch, 0);
    for (let message = new Message(); cursor.next(message); message = new Message()) {
      envelopes.trust(message);
      const offset = offsetAt(cursor.offset - baseOffset);
      found.push(new Recorded({ ...of, offset }, message, envelopes));
    }
    return found;
  }

  #keep(kept: Kept): void {
    this.#kept.push(kept);
    this.#count += kept.count;
    this.#bytes += kept.bytes;
    let first = 0;
    while (this.#count > this.#bounds.messages || this.#bytes > this.#bounds.bytes) {
      const oldest = this.#kept[first];
      if (oldest === undefined || oldest === kept) break;
      first++;
      this.#count -= oldest.count;
      this.#bytes -= oldest.bytes;
      this.dropped += oldest.count;
    }
    if (first > 0) this.#kept.splice(0, first);
    this.#start += first;
    if (this.#waiters.size > 0 && this.#told) this.#tellSoon();
  }

  /** After the publish or delivery, which are in the middle of their work. */
  #tellSoon(): void {
    this.#told = false;
    queueMicrotask(() => {
      this.#told = true;
      for (const waiter of this.#waiters) waiter.look();
    });
  }
}

function messagesOf(kept: Kept): readonly Recorded[] {
  return (kept.messages ??= kept.unpack());
}

function circumstances(
  event: SpiedMessage['event'],
  protocol: string,
  namespace: string,
  address: string,
): Circumstances {
  return {
    event,
    protocol: protocol as Circumstances['protocol'],
    namespace,
    address,
    exchange: '',
    partition: null,
    offset: null,
    destinations: 1,
    refused: false,
    redeliveries: 0,
  };
}

/** All that it points at lies in one buffer of its own; that is `body`, too. */
function copyOf(message: Message): Message {
  const copy = Object.assign(new Message(), message);
  const { source, sourceStart, sourceEnd, body, bodyStart, bodyEnd } = message;
  const { key, keyStart, keyEnd, headers, headersStart, headersEnd } = message;
  const bytes = Buffer.concat([
    source.subarray(sourceStart, sourceEnd),
    key.subarray(keyStart, keyEnd),
    headers.subarray(headersStart, headersEnd),
    body.subarray(bodyStart, bodyEnd),
  ]);
  copy.source = copy.key = copy.headers = copy.body = bytes;
  copy.sourceStart = 0;
  copy.sourceEnd = copy.keyStart = sourceEnd - sourceStart;
  copy.keyEnd = copy.headersStart = copy.keyStart + keyEnd - keyStart;
  copy.headersEnd = copy.bodyStart = copy.headersStart + headersEnd - headersStart;
  copy.bodyEnd = bytes.length;
  return copy;
}
