/**
 * OffsetIndex and TimeIndex of one segment, in typed arrays, as Kafka keeps them on disk.
 *
 *   .index      entries of 8 bytes: relativeOffset i32 | position i32
 *               relativeOffset = the batch's LAST offset − the segment's base offset
 *   .timeindex  entries of 12 bytes: timestampMs i64 | relativeOffset i32, strictly increasing:
 *               up to and with this offset no record is newer than this timestamp
 *
 * org.apache.kafka.storage.internals.log.{OffsetIndex, TimeIndex}. An index is made when its first
 * entry is, so that ten thousand small queues cost nothing here.
 */
import { readInt32, readInt64, writeInt32, writeInt64 } from '#core/message/batch.ts';

const FIRST_CAPACITY = 16;
const OFFSET_ENTRY_BYTES = 8;
export const TIME_ENTRY_BYTES = 12;

export class OffsetIndex {
  count = 0;
  #offsets: Int32Array = NO_INTS;
  #positions: Int32Array = NO_INTS;

  append(relativeOffset: number, position: number): void {
    if (this.count === this.#offsets.length) {
      this.#offsets = grow(this.#offsets, Int32Array);
      this.#positions = grow(this.#positions, Int32Array);
    }
    this.#offsets[this.count] = relativeOffset;
    this.#positions[this.count++] = position;
  }

  /** A position at or before the batch that holds the offset: scanning from there finds it. */
  positionFor(relativeOffset: number): number {
    // The entry's offset is its batch's last one, so an equal entry is exactly that batch.
    const i = lastAtMost(this.#offsets, this.count, relativeOffset);
    return i < 0 ? 0 : this.#positions[i]!;
  }

  get lastRelativeOffset(): number {
    return this.count === 0 ? -1 : this.#offsets[this.count - 1]!;
  }

  get lastPosition(): number {
    return this.count === 0 ? 0 : this.#positions[this.count - 1]!;
  }

  encode(): Uint8Array {
    const bytes = new Uint8Array(this.count * OFFSET_ENTRY_BYTES);
    for (let i = 0; i < this.count; i++) {
      writeInt32(bytes, i * OFFSET_ENTRY_BYTES, this.#offsets[i]!);
      writeInt32(bytes, i * OFFSET_ENTRY_BYTES + 4, this.#positions[i]!);
    }
    return bytes;
  }

  /** Null when the bytes cannot be the index of a segment of `segmentBytes`. */
  static decode(bytes: Uint8Array, segmentBytes: number): OffsetIndex | null {
    if (bytes.length % OFFSET_ENTRY_BYTES !== 0) return null;
    const index = new OffsetIndex();
    let offsetBefore = -1;
    let positionBefore = -1;
    for (let at = 0; at < bytes.length; at += OFFSET_ENTRY_BYTES) {
      const offset = readInt32(bytes, at);
      const position = readInt32(bytes, at + 4);
      if (offset <= offsetBefore || position <= positionBefore || position >= segmentBytes) {
        return null;
      }
      index.append(offset, position);
      offsetBefore = offset;
      positionBefore = position;
    }
    return index;
  }
}

export class TimeIndex {
  count = 0;
  #timestamps: Float64Array = NO_FLOATS;
  #offsets: Int32Array = NO_INTS;

  /** Appends unless the timestamp is no larger than the last one. */
  maybeAppend(timestampMs: number, relativeOffset: number): void {
    if (timestampMs <= this.lastTimestampMs || timestampMs < 0) return;
    if (this.count === this.#offsets.length) {
      this.#timestamps = grow(this.#timestamps, Float64Array);
      this.#offsets = grow(this.#offsets, Int32Array);
    }
    this.#timestamps[this.count] = timestampMs;
    this.#offsets[this.count++] = relativeOffset;
  }

  get lastTimestampMs(): number {
    return this.count === 0 ? -1 : this.#timestamps[this.count - 1]!;
  }

  get lastRelativeOffset(): number {
    return this.count === 0 ? 0 : this.#offsets[this.count - 1]!;
  }

  /** Relative offset from which on a record of `timestampMs` or newer can be; 0 = the beginning. */
  offsetBefore(timestampMs: number): number {
    // Up to an entry's offset nothing is newer than its timestamp, so the last entry that is
    // strictly older may be passed over as a whole.
    let low = 0;
    let high = this.count;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#timestamps[middle]! < timestampMs) low = middle + 1;
      else high = middle;
    }
    return low === 0 ? 0 : this.#offsets[low - 1]!;
  }

  encode(): Uint8Array {
    const bytes = new Uint8Array(this.count * TIME_ENTRY_BYTES);
    for (let i = 0; i < this.count; i++) {
      writeInt64(bytes, i * TIME_ENTRY_BYTES, this.#timestamps[i]!);
      writeInt32(bytes, i * TIME_ENTRY_BYTES + 8, this.#offsets[i]!);
    }
    return bytes;
  }

  /** Null when the bytes cannot be a time index. */
  static decode(bytes: Uint8Array): TimeIndex | null {
    if (bytes.length % TIME_ENTRY_BYTES !== 0) return null;
    const index = new TimeIndex();
    let offsetBefore = -1;
    for (let at = 0; at < bytes.length; at += TIME_ENTRY_BYTES) {
      const timestampMs = readInt64(bytes, at);
      const offset = readInt32(bytes, at + 8);
      if (timestampMs <= index.lastTimestampMs || offset < offsetBefore) return null;
      index.maybeAppend(timestampMs, offset);
      offsetBefore = offset;
    }
    return index;
  }
}

const NO_INTS = new Int32Array(0);
const NO_FLOATS = new Float64Array(0);

function grow<T extends Int32Array | Float64Array>(values: T, make: new (length: number) => T): T {
  const larger = new make(Math.max(FIRST_CAPACITY, values.length * 2));
  larger.set(values);
  return larger;
}

/** Index of the last of the first `count` ascending values that is ≤ `wanted`; −1 when none is. */
function lastAtMost(values: Int32Array, count: number, wanted: number): number {
  let low = 0;
  let high = count;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (values[middle]! <= wanted) low = middle + 1;
    else high = middle;
  }
  return low - 1;
}
