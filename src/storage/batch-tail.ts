/**
 * BatchTail: the newest batches of a log in memory, in the very buffers that were appended.
 *
 * A chunk is what one append brought: one or more whole batches in one buffer. Chunks lie in a
 * dense run of offsets [firstOffset, endOffset); reading below it is the disk's business.
 *
 * Buffers that were given to the log are immutable from the moment they are pushed and are handed to
 * readers as they are. What was lent to it (`keep`) is copied into slabs: a busy log's megabytes,
 * cut off one after the other and used again when the last chunk of one is dropped; megabytes of
 * ever new buffers would have V8 mark its heap without end. Readers get copies of such chunks.
 *
 * Whoever drops a chunk says that it is written and that nobody but readers has seen it.
 */
import { Batch, BATCH_HEADER_BYTES } from '#core/message/batch.ts';
import type { BlockLease, BlockPool } from '#wire/block-pool.ts';

interface Chunk {
  readonly baseOffset: number;
  /** Offset after its last record. */
  readonly endOffset: number;
  readonly bytes: Uint8Array;
  /** Where the bytes lie, when that will be used again. */
  readonly slab: Slab | null;
}

interface Slab {
  readonly block: Buffer;
  used: number;
  chunks: number;
}

const COMPACT_AFTER = 64;
/** Logs that hold less get a buffer for each chunk, so that a quiet log does not hold a slab for a
 * few bytes. Slabs are no larger than what the log holds already. */
const SLAB_BYTES_MIN = 64 * 1024;
const SLAB_BYTES_MAX = 1024 * 1024;

export class BatchTail {
  #chunks: Chunk[] = [];
  /** Chunks before it have been dropped. */
  #first = 0;
  bytes = 0;
  endOffset: number;
  readonly #pool: BlockPool | null;
  /** The one that is being filled. */
  #slab: Slab | null = null;

  constructor(endOffset: number, pool: BlockPool | null = null) {
    this.endOffset = endOffset;
    this.#pool = pool;
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

  /** A copy, to be stamped and pushed. */
  keep(bytes: Uint8Array): Uint8Array {
    const slab = this.#slabFor(bytes.length);
    const copy = slab?.block.subarray(slab.used) ?? Buffer.allocUnsafeSlow(bytes.length);
    copy.set(bytes);
    return copy.subarray(0, bytes.length);
  }

  #slabFor(bytes: number): Slab | null {
    const slab = this.#slab;
    if (slab !== null && slab.used + bytes <= slab.block.length) return slab;
    this.#slab = null;
    if (slab !== null && slab.chunks === 0) this.#pool?.give(slab.block);
    if (this.#pool === null || this.bytes < SLAB_BYTES_MIN) return null;
    const wanted = Math.min(this.bytes, SLAB_BYTES_MAX);
    this.#slab = { block: this.#pool.take(Math.max(bytes, wanted)), used: 0, chunks: 0 };
    return this.#slab;
  }

  push(baseOffset: number, endOffset: number, bytes: Uint8Array): void {
    const slab = this.#slab?.block.buffer === bytes.buffer ? this.#slab : null;
    if (slab !== null) {
      slab.used += bytes.length;
      slab.chunks++;
    }
    this.#chunks.push({ baseOffset, endOffset, bytes, slab });
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
    const { slab, bytes } = this.#chunks[this.#first]!;
    const size = bytes.length;
    if (slab !== null && --slab.chunks === 0) {
      if (slab === this.#slab) slab.used = 0;
      else this.#pool?.give(slab.block);
    }
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

  /** Lets go of everything, written or not. */
  forget(): void {
    this.#chunks = [];
    this.#first = this.bytes = 0;
    this.#slab = null;
  }

  /**
   * Whole batches from the one that holds `offset` (≥ firstOffset), below `upTo`: at least one,
   * then as many as fit into `bytesMax`.
   */
  read(offset: number, bytesMax: number, upTo: number, lease?: BlockLease): Uint8Array[] {
    const parts: Uint8Array[] = [];
    let copied = false;
    let room = bytesMax;
    for (let i = this.#find(offset); i < this.#chunks.length; i++) {
      const chunk = this.#chunks[i]!;
      if (chunk.baseOffset >= upTo) break;
      const whole =
        offset <= chunk.baseOffset && chunk.endOffset <= upTo && chunk.bytes.length <= room;
      const part = whole
        ? chunk.bytes
        : sliceBatches(chunk.bytes, offset, room, upTo, parts.length === 0);
      if (part.length > 0) {
        parts.push(part);
        if (chunk.slab !== null) copied = true;
      }
      room -= part.length;
      if (!whole && !endsAlike(part, chunk.bytes)) break;
    }
    return copied ? [copyOf(parts, lease)] : parts;
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

function copyOf(parts: readonly Uint8Array[], lease: BlockLease | undefined): Uint8Array {
  let length = 0;
  for (const part of parts) length += part.length;
  const copy = lease?.take(length) ?? Buffer.allocUnsafeSlow(length);
  let at = 0;
  for (const part of parts) {
    copy.set(part, at);
    at += part.length;
  }
  return copy.subarray(0, length);
}

/** `part`, a window of `whole`, goes on to its end. */
function endsAlike(part: Uint8Array, whole: Uint8Array): boolean {
  return part.byteOffset + part.length === whole.byteOffset + whole.length;
}

const NOTHING = new Uint8Array(0);
const NO_CHUNK: Chunk = { baseOffset: 0, endOffset: 0, bytes: NOTHING, slab: null };

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
    // A damaged size may also lead backwards.
    if (end > bytes.length || end < at + BATCH_HEADER_BYTES) break;
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
