/**
 * Frames: cuts the byte stream into requests.
 *
 *   frame: length i32 | request
 *
 * A request that lies wholly in a chunk is handed over where it is; one that does not is assembled
 * in a block of the pool. Either way its bytes are valid during the call only. A length that is
 * negative or over the limit is a ProtocolError: nothing after it can be found.
 */
import { ProtocolError } from '#core/errors.ts';
import type { BlockPool } from '#wire/block-pool.ts';
import { MALFORMED, TOO_LARGE } from './handler.ts';

const LENGTH_BYTES = 4;

export interface FrameReceiver {
  /** The request is in [start, end) of `bytes`. False = not now; it is kept and shown again. */
  request(bytes: Buffer, start: number, end: number): boolean;
}

const NO_BYTES = Buffer.alloc(0);

export class Frames {
  readonly #receiver: FrameReceiver;
  readonly #bytesMax: number;
  /** The request being assembled, or assembled and not taken yet. */
  #frame: Buffer | null = null;
  /** What the frame lies in. */
  #block: Buffer = NO_BYTES;
  #filled = 0;
  /** Bytes of a length that a chunk ended in. */
  readonly #length = Buffer.alloc(LENGTH_BYTES);
  #lengthFilled = 0;

  readonly #pool: BlockPool;

  constructor(receiver: FrameReceiver, bytesMax: number, pool: BlockPool) {
    this.#receiver = receiver;
    this.#pool = pool;
    this.#bytesMax = bytesMax;
  }

  /** A whole request was not taken; `retry` shows it again. */
  get stalled(): boolean {
    return this.#frame !== null && this.#filled === this.#frame.length;
  }

  /** Of a request that is not whole yet, or not taken. */
  get gatheredBytes(): number {
    return this.#frame === null ? 0 : this.#filled;
  }

  /** The API key of that request, once it is here; -1 before. */
  get gatheredKey(): number {
    return this.#frame === null || this.#filled < 2 ? -1 : this.#frame.readInt16BE(0);
  }

  retry(): void {
    if (this.stalled) this.feed(NO_BYTES);
  }

  /** Returns how much of `chunk` was used: less than all when it stalled. */
  feed(chunk: Buffer): number {
    let at = 0;
    for (;;) {
      if (this.#frame !== null) {
        at = this.#fill(this.#frame, chunk, at);
        if (!this.stalled || !this.#show(this.#frame)) return at;
      }
      if (at === chunk.length) return at;
      if (this.#lengthFilled > 0 || chunk.length - at < LENGTH_BYTES) {
        at = this.#fillLength(chunk, at);
        continue;
      }
      const length = this.#checked(chunk.readInt32BE(at));
      const start = at + LENGTH_BYTES;
      const end = start + length;
      if (end <= chunk.length && this.#receiver.request(chunk, start, end)) {
        at = end;
        continue;
      }
      this.#open(length);
      at = start;
    }
  }

  /** The frame leaves before it is served: serving may lead back here. */
  #show(frame: Buffer): boolean {
    const block = this.#block;
    this.#frame = null;
    if (this.#receiver.request(frame, 0, frame.length)) {
      this.#pool.give(block);
      return true;
    }
    this.#frame = frame;
    return false;
  }

  #fill(frame: Buffer, chunk: Buffer, at: number): number {
    const count = Math.min(frame.length - this.#filled, chunk.length - at);
    chunk.copy(frame, this.#filled, at, at + count);
    this.#filled += count;
    return at + count;
  }

  #fillLength(chunk: Buffer, at: number): number {
    const count = Math.min(LENGTH_BYTES - this.#lengthFilled, chunk.length - at);
    chunk.copy(this.#length, this.#lengthFilled, at, at + count);
    this.#lengthFilled += count;
    if (this.#lengthFilled === LENGTH_BYTES) {
      this.#lengthFilled = 0;
      this.#open(this.#checked(this.#length.readInt32BE(0)));
    }
    return at + count;
  }

  #open(length: number): void {
    this.#block = this.#pool.take(length);
    this.#frame = this.#block.subarray(0, length);
    this.#filled = 0;
  }

  #checked(length: number): number {
    if (length > 0 && length <= this.#bytesMax) return length;
    const code = length < 0 ? MALFORMED : TOO_LARGE;
    throw new ProtocolError(code, `a request of ${length} bytes (at most ${this.#bytesMax})`);
  }
}
