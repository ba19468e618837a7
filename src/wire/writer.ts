/**
 * Writer: builds replies in place in an OutputBuffer, the mirror of Reader.
 *
 * Every method returns the writer, so that an encoder reads like the grammar above it. `begin`
 * leaves room for the i32 length of a frame and `end` fills it in. A frame may be replied with
 * `reference`d bytes in the middle (batches of a log, never copied): the first of them closes the
 * open part of the output, so the place of the length is remembered at that moment.
 */
import { COPY_BYTES_MAX, type OutputBuffer } from './output-buffer.ts';
import { writeUnsignedVarint } from './varint.ts';

const LENGTH_BYTES = 4;
/** Most replies are smaller, so that what is before them need not move when the buffer grows. */
const FRAME_ROOM_BYTES = 512;
const VARINT_BYTES_MAX = 9;
/** Longer strings are measured before they are written. */
const SHORT_STRING_CHARS = 42;
const TWO_32 = 2 ** 32;
const INT32_MAX = 0x7fffffff;
const INT64_END = 2 ** 63;
const FIXED_STRING_BYTES_MAX = 0x7fff;

export class Writer {
  readonly output: OutputBuffer;
  flexible = false;
  /** Length of the output when the frame began. */
  #frameStart = 0;
  /** Where the frame's length is, once it can no longer move. */
  #pinned: Buffer | null = null;
  #pinnedAt = 0;

  constructor(output: OutputBuffer) {
    this.output = output;
  }

  /** Begins a frame: a length to be known at `end`. */
  begin(flexible: boolean): this {
    this.flexible = flexible;
    this.output.reserveNext(FRAME_ROOM_BYTES);
    this.#frameStart = this.output.length;
    this.#pinned = null;
    return this.int32(0);
  }

  end(): void {
    const length = this.output.length - this.#frameStart;
    if (this.#pinned === null) this.#pin();
    this.#pinned!.writeInt32BE(length - LENGTH_BYTES, this.#pinnedAt);
    this.#pinned = null;
  }

  #pin(): void {
    const { output } = this;
    this.#pinned = output.bytes;
    this.#pinnedAt = output.position - (output.length - this.#frameStart);
  }

  int8(value: number): this {
    const at = this.output.reserve(1);
    this.output.bytes[at] = value;
    this.output.advance(1);
    return this;
  }

  bool(value: boolean): this {
    return this.int8(value ? 1 : 0);
  }

  int16(value: number): this {
    const at = this.output.reserve(2);
    this.output.bytes.writeInt16BE(value, at);
    this.output.advance(2);
    return this;
  }

  int32(value: number): this {
    const at = this.output.reserve(4);
    this.output.bytes.writeInt32BE(value, at);
    this.output.advance(4);
    return this;
  }

  int64(value: number): this {
    // The largest numbers of 64 bits are read as 2^63.
    if (value >= INT64_END) return this.int32(INT32_MAX).int32(-1);
    const at = this.output.reserve(8);
    const high = Math.floor(value / TWO_32);
    this.output.bytes.writeInt32BE(high, at);
    this.output.bytes.writeUInt32BE(value - high * TWO_32, at + 4);
    this.output.advance(8);
    return this;
  }

  uuid(value: Uint8Array): this {
    return this.raw(value);
  }

  unsignedVarint(value: number): this {
    const at = this.output.reserve(VARINT_BYTES_MAX);
    this.output.advance(writeUnsignedVarint(this.output.bytes, at, value) - at);
    return this;
  }

  #length(value: number, fixedBytes: 2 | 4): this {
    if (this.flexible) return this.unsignedVarint(value + 1);
    return fixedBytes === 2 ? this.int16(value) : this.int32(value);
  }

  string(value: string): this {
    // One UTF-16 unit is at most three bytes, so 42 of them have a length of one varint byte.
    if (this.flexible && value.length <= SHORT_STRING_CHARS) {
      const at = this.output.reserve(1 + value.length * 3);
      const written = this.output.bytes.write(value, at + 1);
      this.output.bytes[at] = written + 1;
      this.output.advance(1 + written);
      return this;
    }
    const bytes = Buffer.byteLength(value);
    if (!this.flexible && bytes > FIXED_STRING_BYTES_MAX) return this.#cutString(value);
    this.#length(bytes, 2);
    const at = this.output.reserve(bytes);
    this.output.bytes.write(value, at);
    this.output.advance(bytes);
    return this;
  }

  /** Only texts of ours can be too long, those that quote what a client sent. */
  #cutString(value: string): this {
    const bytes = Buffer.from(value);
    let end = FIXED_STRING_BYTES_MAX;
    while ((bytes[end]! & 0xc0) === 0x80) end--;
    return this.int16(end).raw(bytes.subarray(0, end));
  }

  nullableString(value: string | null): this {
    return value === null ? this.#length(-1, 2) : this.string(value);
  }

  /** Copies. */
  bytes(value: Uint8Array): this {
    this.#length(value.length, 4);
    return this.raw(value);
  }

  raw(value: Uint8Array): this {
    const at = this.output.reserve(value.length);
    this.output.bytes.set(value, at);
    this.output.advance(value.length);
    return this;
  }

  /** The length of bytes that follow by `reference`; -1 = null. */
  bytesLength(value: number): this {
    return this.#length(value, 4);
  }

  /** Appends by reference when that is worth it; the bytes must never change afterwards. */
  reference(value: Uint8Array): this {
    if (this.#pinned === null && value.length >= COPY_BYTES_MAX) this.#pin();
    this.output.append(value);
    return this;
  }

  /** -1 = null. */
  arrayLength(value: number): this {
    return this.#length(value, 4);
  }

  array<T>(values: readonly T[], element: (writer: Writer, value: T) => void): this {
    this.arrayLength(values.length);
    for (const value of values) element(this, value);
    return this;
  }

  int32Array(values: readonly number[]): this {
    this.arrayLength(values.length);
    for (const value of values) this.int32(value);
    return this;
  }

  /** No tagged fields; nothing if not flexible. */
  tags(): this {
    return this.flexible ? this.int8(0) : this;
  }

  /** One tagged field whose value takes `valueBytes`, to be written by the caller next. */
  tag(tag: number, valueBytes: number): this {
    return this.unsignedVarint(tag).unsignedVarint(valueBytes);
  }
}
