/** What a protocol's fuzz entry is: `src/protocols/<x>/<x>.fuzz.ts` exports one as `fuzz`. */
import type { SeededRandom } from '#test/rigs/seeded-random.ts';

export interface FuzzOptions {
  /** Frames (or requests) to send, mutated or not. */
  count: number;
  seed: number;
}

export interface FuzzResult {
  frames: number;
  sessions: number;
  /** Sessions that the broker ended because of what they sent. */
  refused: number;
  heapBeforeMiB: number;
  heapAfterMiB: number;
}

/** Throws, naming the session's seed, when something is not as it should be. */
export type Fuzzer = (options: FuzzOptions) => Promise<FuzzResult>;

/** Changes some bytes, cuts, repeats or lengthens; sometimes leaves it as it is. */
export function mutate(bytes: Uint8Array, random: SeededRandom): Uint8Array {
  const kind = random.below(8);
  const copy = new Uint8Array(bytes);
  if (kind <= 1) return copy;
  if (kind === 2) return copy.subarray(0, random.below(copy.length + 1));
  if (kind === 3) {
    const at = random.below(copy.length + 1);
    return Buffer.concat([copy.subarray(0, at), random.bytes(random.below(16)), copy.subarray(at)]);
  }
  if (kind === 4) return Buffer.concat([copy, copy]);
  const flips = 1 + random.below(kind === 5 ? 1 : 6);
  for (let i = 0; i < flips && copy.length > 0; i++) {
    const at = random.below(copy.length);
    copy[at] = INTERESTING[random.below(INTERESTING.length)] ?? copy[at]! ^ (1 << random.below(8));
  }
  return copy;
}

/** Values that lengths, counts and types turn over at; undefined = flip one bit. */
const INTERESTING = [0, 1, 0x7f, 0x80, 0xfe, 0xff, undefined, undefined, undefined];

/** The same bytes in pieces of random size. */
export function pieces(bytes: Uint8Array, random: SeededRandom): Uint8Array[] {
  if (random.below(3) === 0) return [bytes];
  const parts: Uint8Array[] = [];
  for (let at = 0; at < bytes.length;) {
    const end = Math.min(bytes.length, at + 1 + random.below(1 + random.below(400)));
    parts.push(bytes.subarray(at, end));
    at = end;
  }
  return parts;
}

export function heapMiB(): number {
  globalThis.gc?.();
  return Math.round(process.memoryUsage().heapUsed / 1024 / 1024);
}
