/**
 * FrameReader: cuts a byte stream into frames without copying, except for a frame that is split
 * between two chunks.
 *
 * `feed` hands whole frames to the sink as windows of the chunk, valid during the call. The rest of
 * a chunk is kept in `#carry` until its frame is complete; so is everything after a frame that made
 * the sink stop (`hold`), until `resume`. A publish whose three frames lie complete in the chunk is
 * offered at once (`publish`), which is the hot path: nothing is decoded that need not be.
 */
import {
  CLASS_BASIC,
  CONTENT_HEAD_BYTES,
  FRAME_END,
  FRAME_HEAD_BYTES,
  FRAME_OVERHEAD_BYTES,
  FrameType,
  Method,
  readUint16,
  readUint32,
} from './codec.ts';

export interface FrameSink {
  /** Largest whole frame the peer may send. */
  readonly frameBytesMax: number;
  /** A whole frame; [start, end) is its payload. Returns false to hold what follows. */
  frame(type: number, channel: number, bytes: Uint8Array, start: number, end: number): boolean;
  /** The size is over frame-max, or the end marker is not there: nothing can be trusted after it. */
  badFrame(type: number, channel: number, reason: string): void;
  /** Whether `channel` takes a publish now, all three frames at once. */
  takesPublish(channel: number): boolean;
  /** [addressAt, addressEnd) is exchange and routing key, the octet after it the flags. */
  publish(
    channel: number,
    bytes: Uint8Array,
    addressAt: number,
    addressEnd: number,
    propertiesAt: number,
    propertiesEnd: number,
    bodyAt: number,
    bodyEnd: number,
  ): boolean;
}

const CARRY_BYTES_KEPT = 256 * 1024;
const NO_CARRY = new Uint8Array(0);

export class FrameReader {
  readonly #sink: FrameSink;
  #carry: Uint8Array = NO_CARRY;
  #carried = 0;
  #held = false;
  #broken = false;

  constructor(sink: FrameSink) {
    this.#sink = sink;
  }

  get held(): boolean {
    return this.#held;
  }

  /** Stops after the frame now being handled; the rest waits for `resume`. */
  hold(): void {
    this.#held = true;
  }

  /** Everything from here on is ignored. */
  discard(): void {
    this.#broken = true;
    this.#carry = NO_CARRY;
    this.#carried = 0;
  }

  resume(): void {
    this.#held = false;
    if (this.#carried === 0) return;
    const bytes = this.#carry;
    const length = this.#carried;
    this.#carry = NO_CARRY;
    this.#carried = 0;
    this.feed(bytes, 0, length);
  }

  feed(chunk: Uint8Array, start: number, end: number): void {
    let at = start;
    while (this.#carried > 0 && at < end && !this.#held && !this.#broken) {
      at = this.#complete(chunk, at, end);
    }
    if (this.#broken) return;
    if (!this.#held && at < end) at = this.#frames(chunk, at, end);
    if (at < end && !this.#broken) this.#keep(chunk, at, end);
  }

  /** Adds to the carried frame what it lacks, and hands it on when it is whole. */
  #complete(chunk: Uint8Array, at: number, end: number): number {
    const head = this.#carried < FRAME_HEAD_BYTES;
    const wanted = head ? FRAME_HEAD_BYTES : FRAME_OVERHEAD_BYTES + readUint32(this.#carry, 3);
    const stop = Math.min(end, at + wanted - this.#carried);
    if (stop > at) this.#keep(chunk, at, stop);
    if (this.#carried < FRAME_HEAD_BYTES) return stop;
    const size = readUint32(this.#carry, 3);
    if (this.#tooLarge(this.#carry, 0, size)) return end;
    if (this.#carried < size + FRAME_OVERHEAD_BYTES) return stop;
    const bytes = this.#carry;
    const length = this.#carried;
    // What the frame's handler leaves behind, or a reader fed from within, starts a carry anew.
    this.#carry = NO_CARRY;
    this.#carried = 0;
    this.#frames(bytes, 0, length);
    if (this.#carry === NO_CARRY && bytes.length <= CARRY_BYTES_KEPT) this.#carry = bytes;
    return stop;
  }

  #keep(chunk: Uint8Array, at: number, end: number): void {
    const length = this.#carried + end - at;
    if (this.#carry.length < length) {
      const larger = new Uint8Array(Math.max(length, this.#carry.length * 2, 1024));
      larger.set(this.#carry.subarray(0, this.#carried));
      this.#carry = larger;
    }
    this.#carry.set(chunk.subarray(at, end), this.#carried);
    this.#carried = length;
  }

  #tooLarge(bytes: Uint8Array, at: number, size: number): boolean {
    const sizeMax = this.#sink.frameBytesMax - FRAME_OVERHEAD_BYTES;
    // RabbitMQ lets clients be off by the size of an empty frame; quite a few are.
    if (size <= sizeMax + FRAME_OVERHEAD_BYTES) return false;
    const reason = `{frame_too_large,${size},${sizeMax}}`;
    this.#sink.badFrame(bytes[at]!, readUint16(bytes, at + 1), reason);
    return true;
  }

  /** Whole frames from `at`; returns the position of the first one that is not handled. */
  #frames(bytes: Uint8Array, at: number, end: number): number {
    const sink = this.#sink;
    while (end - at >= FRAME_HEAD_BYTES && !this.#held && !this.#broken) {
      const size = readUint32(bytes, at + 3);
      const stop = at + size + FRAME_OVERHEAD_BYTES;
      if (stop > end) {
        if (this.#tooLarge(bytes, at, size)) return end;
        break;
      }
      if (size > sink.frameBytesMax && this.#tooLarge(bytes, at, size)) return end;
      const type = bytes[at]!;
      const channel = readUint16(bytes, at + 1);
      const marker = bytes[stop - 1]!;
      if (marker !== FRAME_END) {
        sink.badFrame(type, channel, `{invalid_frame_end_marker,${marker}}`);
        return end;
      }
      if (
        type === FrameType.Method &&
        size > 4 &&
        readUint32(bytes, at + FRAME_HEAD_BYTES) === Method.BasicPublish &&
        sink.takesPublish(channel)
      ) {
        const next = this.#publish(bytes, at, stop, end, channel);
        if (next > 0) {
          at = next;
          continue;
        }
      }
      at = stop;
      if (!sink.frame(type, channel, bytes, stop - 1 - size, stop - 1)) this.#held = true;
    }
    return at;
  }

  /** The publish whose method frame is [at, methodEnd), if its content is complete and ordinary;
   * else 0, and it is handled frame by frame. */
  #publish(bytes: Uint8Array, at: number, methodEnd: number, end: number, channel: number): number {
    const header = methodEnd;
    if (end - header < FRAME_OVERHEAD_BYTES + CONTENT_HEAD_BYTES + 2) return 0;
    if (bytes[header] !== FrameType.Header || readUint16(bytes, header + 1) !== channel) return 0;
    const headerEnd = header + FRAME_OVERHEAD_BYTES + readUint32(bytes, header + 3);
    if (headerEnd > end || bytes[headerEnd - 1] !== FRAME_END) return 0;
    if (headerEnd - header > this.#sink.frameBytesMax) return 0;
    if (readUint32(bytes, header + 7) !== CLASS_BASIC << 16) return 0;
    if (readUint32(bytes, header + 11) !== 0) return 0;
    const size = readUint32(bytes, header + 15);
    let bodyAt = headerEnd;
    let next = headerEnd;
    if (size > 0) {
      next = headerEnd + size + FRAME_OVERHEAD_BYTES;
      if (next > end || size + FRAME_OVERHEAD_BYTES > this.#sink.frameBytesMax) return 0;
      if (bytes[headerEnd] !== FrameType.Body || readUint16(bytes, headerEnd + 1) !== channel) {
        return 0;
      }
      if (readUint32(bytes, headerEnd + 3) !== size || bytes[next - 1] !== FRAME_END) return 0;
      bodyAt = headerEnd + FRAME_HEAD_BYTES;
    }
    const addressAt = at + FRAME_HEAD_BYTES + 6;
    const routingKeyAt = addressAt + 1 + bytes[addressAt]!;
    if (routingKeyAt >= methodEnd) return 0;
    const addressEnd = routingKeyAt + 1 + bytes[routingKeyAt]!;
    if (addressEnd !== methodEnd - 2) return 0;
    const propertiesAt = header + FRAME_HEAD_BYTES + CONTENT_HEAD_BYTES;
    const more = this.#sink.publish(
      channel,
      bytes,
      addressAt,
      addressEnd,
      propertiesAt,
      headerEnd - 1,
      bodyAt,
      bodyAt + size,
    );
    if (!more) this.#held = true;
    return next;
  }
}
