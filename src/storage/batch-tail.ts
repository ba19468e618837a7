/**
 * BatchTail: the newest batches of a log in memory, in the very buffers that were appended.
 *
 * A chunk is what one append brought: one or more whole batches in one buffer. Chunks lie in a
 * dense run of offsets [firstOffset, endOffset); reading below it is the disk's business. Buffers
 * are immutable from the moment they are pushed and are handed to readers as they are.
 */
import { Batch, BATCH_HEADER_BYTES } from '#core/batch.ts';

interface Chunk {
  readonly baseOffset: number;
  /** Offset after its last record. */
  readonly endOffset: number;
  readonly bytes: Uint8Array;
}

const COMPACT_AFTER = 64;

export class BatchTail {
  #chunks: Chunk[] = [];
  /** Chunks before it have been dropped. */
  #first = 0;
  bytes = 0;
  endOffset: number;

  constructor(endOffset: number) {
    this.endOffset = endOffset;
  }

  get firstOffset(): number {
    return this.#first < this.#chunks.length
      ? this.#chunks[this.#first]!.baseOffset
      : this.endOffset;
  }

  /** Offset after the oldest chunk, -1 when there is none. */
  get firstChunkEnd(): number {
    return this.#first < this.#chunks.length ? this.#chunks[this.#first]!.endOffset : -1;
  }

  push(baseOffset: number, endOffset: number, bytes: Uint8Array): void {
    this.#chunks.push({ baseOffset, endOffset, bytes });
    this.bytes += bytes.length;
    this.endOffset = endOffset;
  }

  /** Drops chunks wholly below `offset`. */
  dropBefore(offset: number): void {
    while (this.#first < this.#chunks.length && this.#chunks[this.#first]!.endOffset <= offset) {
      this.dropFirst();
    }
  }

  /** Drops the oldest chunk; returns its size. */
  dropFirst(): number {
    const size = this.#chunks[this.#first]!.bytes.length;
    this.#chunks[this.#first] = NO_CHUNK;
    this.#first++;
    this.bytes -= size;
    if (this.#first === this.#chunks.length) {
      this.#chunks = [];
      this.#first = 0;
    } else if (this.#first >= COMPACT_AFTER && this.#first * 2 >= this.#chunks.length) {
      this.#chunks.splice(0, this.#first);
      this.#first = 0;
    }
    return size;
  }

  /**
   * Whole batches from the one that holds `offset` (≥ firstOffset), below `upTo`: at least one,
   * then as many as fit into `bytesMax`.
   */
  read(offset: number, bytesMax: number, upTo: number): Uint8Array[] {
    const parts: Uint8Array[] = [];
    let room = bytesMax;
    for (let i = this.#find(offset); i < this.#chunks.length; i++) {
      const chunk = this.#chunks[i]!;
      if (chunk.baseOffset >= upTo) break;
      const whole =
        offset <= chunk.baseOffset && chunk.endOffset <= upTo && chunk.bytes.length <= room;
      const part = whole
        ? chunk.bytes
        : sliceBatches(chunk.bytes, offset, room, upTo, parts.length === 0);
      if (part.length > 0) parts.push(part);
      room -= part.length;
      if (!whole && !endsAlike(part, chunk.bytes)) break;
    }
    return parts;
  }

  /** The chunks in order, for who searches them. */
  *values(): IterableIterator<Uint8Array> {
    for (let i = this.#first; i < this.#chunks.length; i++) yield this.#chunks[i]!.bytes;
  }

  #find(offset: number): number {
    let low = this.#first;
    let high = this.#chunks.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#chunks[middle]!.endOffset <= offset) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

/** `part`, a window of `whole`, goes on to its end. */
function endsAlike(part: Uint8Array, whole: Uint8Array): boolean {
  return part.byteOffset + part.length === whole.byteOffset + whole.length;
}

const NOTHING = new Uint8Array(0);
const NO_CHUNK: Chunk = { baseOffset: 0, endOffset: 0, bytes: NOTHING };

/**
 * The run of whole batches in `bytes` that begins with the one holding `offset`, ends below `upTo`
 * and fits into `room`; when `atLeastOne`, the first batch is taken even if it does not fit.
 * Batches cut off by the end of `bytes` are left out.
 */
export function sliceBatches(
  bytes: Uint8Array,
  offset: number,
  room: number,
  upTo: number,
  atLeastOne: boolean,
): Uint8Array {
  let from = 0;
  let to = -1;
  let at = 0;
  while (at + BATCH_HEADER_BYTES <= bytes.length) {
    const end = at + Batch.sizeBytes(bytes, at);
    if (end > bytes.length) break;
    const lastOffset = Batch.lastOffset(bytes, at);
    if (lastOffset >= upTo) break;
    if (to < 0) {
      if (lastOffset >= offset) {
        if (end - at > room && !atLeastOne) break;
        from = at;
        to = end;
      }
    } else {
      if (end - from > room) break;
      to = end;
    }
    at = end;
  }
  return to < 0 ? NOTHING : bytes.subarray(from, to);
}
