/**
 * RecordCursor: goes through the records of one stored batch, decompressing it if need be.
 *
 * The batch itself is whole (its CRC was checked when it came in), but a producer may have put
 * nonsense into it: the cursor then stops there, says so in `malformed`, and the rest of the batch
 * is skipped. Messages are windows into the batch, or into its decompressed records, which live as
 * long as somebody refers to them.
 */
import { BATCH_HEADER_BYTES, Batch, Codec, CONTROL_BIT, LOG_APPEND_TIME_BIT } from './batch.ts';
import type { Codecs } from '../codecs.ts';
import { BrokerError } from '../errors.ts';
import type { Message } from './message.ts';
import { decodeRecord, recordEnd, recordOffsetDelta } from './record.ts';

const NO_BYTES = new Uint8Array(0);

export class RecordCursor {
  /** Of the message read last. */
  offset = -1;
  /** The batch could not be read to its end. */
  malformed = false;
  /** Why it could not be decompressed. */
  failure: BrokerError | null = null;
  readonly #codecs: Codecs;
  readonly #bytesMax: number;
  #bytes: Uint8Array = NO_BYTES;
  #at = 0;
  #end = 0;
  #left = 0;
  #baseOffset = 0;
  #baseTimestampMs = 0;
  /** The batch's one timestamp, or NaN when records have their own. */
  #appendTimeMs = NaN;

  constructor(codecs: Codecs, decompressedBytesMax: number) {
    this.#codecs = codecs;
    this.#bytesMax = decompressedBytesMax;
  }

  /** Nothing is left behind the record read last. */
  get exhausted(): boolean {
    return this.#at === this.#end;
  }

  /** Begins with the batch at `at`. A control batch has no records to show. */
  open(bytes: Uint8Array, at: number): void {
    const attributes = Batch.attributes(bytes, at);
    this.malformed = false;
    this.failure = null;
    this.#baseOffset = Batch.baseOffset(bytes, at);
    this.#baseTimestampMs = Batch.baseTimestampMs(bytes, at);
    this.#appendTimeMs =
      (attributes & LOG_APPEND_TIME_BIT) === 0 ? NaN : Batch.maxTimestampMs(bytes, at);
    this.#left = (attributes & CONTROL_BIT) === 0 ? Batch.count(bytes, at) : 0;
    this.#bytes = bytes;
    this.#at = at + BATCH_HEADER_BYTES;
    this.#end = at + Batch.sizeBytes(bytes, at);
    const codec = Batch.codec(bytes, at);
    if (codec !== Codec.None && this.#left > 0) this.#unpack(codec);
  }

  /** Points `message` at the next record; false at the end. */
  next(message: Message): boolean {
    if (this.#left <= 0) return false;
    try {
      decodeRecord(this.#bytes, this.#at, message, this.#baseTimestampMs);
    } catch (error) {
      if (error instanceof RangeError) return this.#stop();
      throw error;
    }
    if (recordEnd > this.#end) return this.#stop();
    this.#at = recordEnd;
    this.#left--;
    this.offset = this.#baseOffset + recordOffsetDelta;
    if (!Number.isNaN(this.#appendTimeMs)) message.timestampMs = this.#appendTimeMs;
    return true;
  }

  #unpack(codec: number): void {
    const packed = this.#bytes.subarray(this.#at, this.#end);
    try {
      this.#bytes = this.#codecs.decompress(codec, packed, this.#bytesMax);
    } catch (error) {
      if (!(error instanceof BrokerError)) throw error;
      this.failure = error;
      this.#stop();
      return;
    }
    this.#at = 0;
    this.#end = this.#bytes.length;
  }

  #stop(): false {
    this.malformed = true;
    this.#left = 0;
    return false;
  }
}
