/**
 * Reader: walks a request in the bytes it arrived in, nothing copied but strings.
 *
 * Big-endian integers, and the two encodings of lengths that Kafka's messages have: fixed (i16 for
 * strings, i32 for bytes and arrays, -1 = null) and, when `flexible`, compact (unsigned varint of
 * length + 1, 0 = null) with tagged fields at the end of every struct (KIP-482).
 *
 * Whatever runs past the end throws RangeError; so does a null where none may be. The bytes belong
 * to the caller: a window (`windowStart`, `windowEnd`) is valid as long as they are.
 */
import { readUnsignedVarint, varintEnd } from './varint.ts';

const NO_BYTES = Buffer.alloc(0);
const UUID_BYTES = 16;

export class Reader {
  bytes: Buffer = NO_BYTES;
  position = 0;
  end = 0;
  flexible = false;
  /** What `window` or `nullableWindow` found last. */
  windowStart = 0;
  windowEnd = 0;

  reset(bytes: Buffer, start: number, end: number, flexible: boolean): this {
    this.bytes = bytes;
    this.position = start;
    this.end = end;
    this.flexible = flexible;
    return this;
  }

  get remaining(): number {
    return this.end - this.position;
  }

  #take(count: number): number {
    const at = this.position;
    if (count > this.end - at) throw new RangeError('the request ends inside a field');
    this.position = at + count;
    return at;
  }

  int8(): number {
    return this.bytes.readInt8(this.#take(1));
  }

  bool(): boolean {
    return this.bytes[this.#take(1)] !== 0;
  }

  int16(): number {
    return this.bytes.readInt16BE(this.#take(2));
  }

  int32(): number {
    return this.bytes.readInt32BE(this.#take(4));
  }

  uint32(): number {
    return this.bytes.readUInt32BE(this.#take(4));
  }

  /** Exact below 2^53; beyond that the nearest double. */
  int64(): number {
    const at = this.#take(8);
    return this.bytes.readInt32BE(at) * 2 ** 32 + this.bytes.readUInt32BE(at + 4);
  }

  /** A copy of the sixteen bytes. */
  uuid(): Uint8Array {
    const at = this.#take(UUID_BYTES);
    return new Uint8Array(this.bytes.subarray(at, at + UUID_BYTES));
  }

  unsignedVarint(): number {
    const value = readUnsignedVarint(this.bytes, this.position);
    if (varintEnd > this.end) throw new RangeError('the request ends inside a varint');
    this.position = varintEnd;
    return value;
  }

  /** Length of what follows; -1 = null. */
  #length(fixedBytes: 2 | 4): number {
    if (this.flexible) return this.unsignedVarint() - 1;
    const length = fixedBytes === 2 ? this.int16() : this.int32();
    if (length < -1) throw new RangeError(`a length of ${length}`);
    return length;
  }

  nullableString(): string | null {
    const length = this.#length(2);
    if (length < 0) return null;
    const at = this.#take(length);
    const value = this.bytes.toString('utf8', at, at + length);
    // What is no UTF-8 becomes longer: it would not fit where it is sent back.
    if (Buffer.byteLength(value) > length) throw new RangeError('a string that is not UTF-8');
    return value;
  }

  string(): string {
    const value = this.nullableString();
    if (value === null) throw new RangeError('null where a string must be');
    return value;
  }

  /** Finds bytes without copying them; false when they are null. */
  nullableWindow(): boolean {
    const length = this.#length(4);
    if (length < 0) {
      this.windowStart = this.windowEnd = this.position;
      return false;
    }
    this.windowStart = this.#take(length);
    this.windowEnd = this.position;
    return true;
  }

  /** A copy, since what is asked for this way is kept. */
  ownBytes(): Uint8Array {
    if (!this.nullableWindow()) throw new RangeError('null where bytes must be');
    return new Uint8Array(this.bytes.subarray(this.windowStart, this.windowEnd));
  }

  /** -1 = null. Never more than bytes remain, so that a forged count allocates nothing. */
  arrayLength(): number {
    const length = this.#length(4);
    if (length > this.remaining) throw new RangeError(`an array of ${length} in too few bytes`);
    return length;
  }

  /** An array of structs; `null` reads as empty. */
  array<T>(element: (reader: Reader) => T): T[] {
    return this.nullableArray(element) ?? [];
  }

  nullableArray<T>(element: (reader: Reader) => T): T[] | null {
    const length = this.arrayLength();
    if (length < 0) return null;
    const elements: T[] = [];
    for (let i = 0; i < length; i++) elements.push(element(this));
    return elements;
  }

  /** Tagged fields at the end of a struct, all of them unknown to us; nothing if not flexible. */
  tags(): this {
    if (this.flexible) this.eachTag(ignoreTag);
    return this;
  }

  /** Hands every tagged field to `field`, with the reader at its first byte. */
  eachTag(field: (tag: number, reader: Reader) => void): void {
    const count = this.unsignedVarint();
    for (let i = 0; i < count; i++) {
      const tag = this.unsignedVarint();
      const size = this.unsignedVarint();
      const next = this.#take(size) + size;
      const position = next - size;
      this.position = position;
      field(tag, this);
      if (this.position > next) throw new RangeError(`tagged field ${tag} runs past its size`);
      this.position = next;
    }
  }
}

/** Tagged fields are what a newer client may add and an older broker must skip (KIP-482). */
function ignoreTag(): void {
  // The reader moves on by the field's size.
}
