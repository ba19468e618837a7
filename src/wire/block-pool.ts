/**
 * BlockPool: large buffers that are filled, sent and then used again.
 *
 * A fresh block of a megabyte for every read would cost more than the read: V8 counts such memory
 * and marks its whole heap every few dozen of them. Whoever answers a request opens a lease, lets
 * the log read into the lease's blocks, and releases it when the kernel has taken the answer, or
 * when it will never be sent. A lease that is never released is no leak, only garbage: the pool does
 * not know the blocks that are out.
 *
 * Ownership: bytes in a lease's block are valid until `release` and will then be overwritten. They
 * may be referenced by an OutputBuffer that was told of the lease (`releaseAfter`), by nothing else.
 */

/** Sizes are this much above a power of two: readers ask for round sizes and read a little more. */
const SLACK_BYTES = 16 * 1024;
/** Smaller ones are no burden, larger ones are rare. */
const BLOCK_BYTES_MIN = 64 * 1024;
const BLOCK_BYTES_MAX = 4 * 1024 * 1024;

export class BlockPool {
  /** Free blocks by the exponent of their size. */
  readonly #free: Buffer[][] = [];
  readonly #freeBytesMax: number;
  #freeBytes = 0;

  constructor(freeBytesMax: number) {
    this.#freeBytesMax = freeBytesMax;
  }

  get freeBytes(): number {
    return this.#freeBytes;
  }

  lease(): BlockLease {
    return new BlockLease(this);
  }

  /** A buffer of at least `bytesMin`; its content is arbitrary. */
  take(bytesMin: number): Buffer {
    if (bytesMin < BLOCK_BYTES_MIN || bytesMin > BLOCK_BYTES_MAX + SLACK_BYTES) {
      return Buffer.allocUnsafeSlow(bytesMin);
    }
    const size = sizeClass(bytesMin);
    const block = this.#free[size]?.pop();
    if (block === undefined) return Buffer.allocUnsafeSlow(2 ** size + SLACK_BYTES);
    this.#freeBytes -= block.length;
    return block;
  }

  /** `block` came from `take`, and nobody looks at it any more. */
  give(block: Buffer): void {
    const size = sizeClass(block.length);
    if (block.length !== 2 ** size + SLACK_BYTES) return;
    if (this.#freeBytes + block.length > this.#freeBytesMax) return;
    this.#freeBytes += block.length;
    (this.#free[size] ??= []).push(block);
  }
}

/** The blocks of one answer. */
export class BlockLease {
  readonly #pool: BlockPool;
  #blocks: Buffer[] = [];

  constructor(pool: BlockPool) {
    this.#pool = pool;
  }

  take(bytesMin: number): Buffer {
    const block = this.#pool.take(bytesMin);
    this.#blocks.push(block);
    return block;
  }

  /** Idempotent. */
  release(): void {
    const blocks = this.#blocks;
    this.#blocks = [];
    for (const block of blocks) this.#pool.give(block);
  }
}

/** The smallest n with 2^n + SLACK_BYTES ≥ bytes. */
function sizeClass(bytes: number): number {
  return 32 - Math.clz32(Math.max(bytes - SLACK_BYTES, 1) - 1);
}
