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

/** Blocks are this part larger than a power of two: what is wanted is often something round and a
 * little more. */
const SLACK_PART = 1 / 64;
/** Exponents of the sizes that are kept: smaller ones are no burden, larger ones are rare. */
const EXPONENT_MIN = 12;
const EXPONENT_MAX = 22;

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
    const exponent = exponentFor(bytesMin);
    if (exponent < EXPONENT_MIN || exponent > EXPONENT_MAX) return Buffer.allocUnsafeSlow(bytesMin);
    const block = this.#free[exponent]?.pop();
    if (block === undefined) return Buffer.allocUnsafeSlow(blockBytes(exponent));
    this.#freeBytes -= block.length;
    return block;
  }

  /** `block` came from `take`, and nobody looks at it any more. */
  give(block: Buffer): void {
    const exponent = exponentFor(block.length);
    if (exponent < EXPONENT_MIN || exponent > EXPONENT_MAX) return;
    if (block.length !== blockBytes(exponent)) return;
    if (this.#freeBytes + block.length > this.#freeBytesMax) return;
    this.#freeBytes += block.length;
    (this.#free[exponent] ??= []).push(block);
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

function blockBytes(exponent: number): number {
  return 2 ** exponent * (1 + SLACK_PART);
}

/** Of the smallest block that holds `bytes`. */
function exponentFor(bytes: number): number {
  return 32 - Math.clz32(Math.ceil(bytes / (1 + SLACK_PART)) - 1);
}
