/**
 * OpenBatch: gathers messages as records until it is sealed into one batch. A topic's partition
 * has one per commit for what other protocols publish to it.
 *
 * `seal` gives the bytes away: the batch starts anew with its next message.
 */
import { BATCH_HEADER_BYTES, LOG_APPEND_TIME_BIT } from './batch.ts';
import { sealBatch } from './batch-writer.ts';
import { encodeDeaths } from './death-codec.ts';
import type { Message } from './message.ts';
import { encodeRecord, recordBytesMax } from './record.ts';

const FIRST_BYTES = 4096;

export class OpenBatch {
  #bytes: Uint8Array | null = null;
  #end = BATCH_HEADER_BYTES;
  #count = 0;
  #baseTimestampMs = 0;
  #maxTimestampMs = 0;

  get count(): number {
    return this.#count;
  }

  /** Size if it were sealed now. */
  get bytes(): number {
    return this.#end;
  }

  /** Copies the message. It never expires by itself: the topic's retention decides. */
  add(message: Message, timestampMs: number): void {
    const deaths = message.deaths ? encodeDeaths(message.deaths) : null;
    const room = recordBytesMax(message) + (deaths ? deaths.length : 0);
    const bytes = this.#reserve(room);
    if (this.#count === 0) {
      this.#baseTimestampMs = this.#maxTimestampMs = timestampMs;
    } else if (timestampMs > this.#maxTimestampMs) {
      this.#maxTimestampMs = timestampMs;
    }
    const delta = timestampMs - this.#baseTimestampMs;
    this.#end = encodeRecord(bytes, this.#end, message, delta, this.#count, 0, deaths);
    this.#count++;
  }

  /** The batch; its bytes are the caller's. `appendTimeMs` null keeps the records' own times. */
  seal(appendTimeMs: number | null): Uint8Array {
    const batch = this.#bytes!.subarray(0, this.#end);
    sealBatch(
      batch,
      0,
      this.#end,
      this.#count,
      this.#baseTimestampMs,
      appendTimeMs ?? this.#maxTimestampMs,
      appendTimeMs === null ? 0 : LOG_APPEND_TIME_BIT,
    );
    this.#bytes = null;
    this.#end = BATCH_HEADER_BYTES;
    this.#count = 0;
    return batch;
  }

  #reserve(count: number): Uint8Array {
    let bytes = this.#bytes;
    if (bytes && this.#end + count <= bytes.length) return bytes;
    const size = Math.max(FIRST_BYTES, (bytes?.length ?? 0) * 2, this.#end + count);
    const next = Buffer.allocUnsafeSlow(size);
    if (bytes) next.set(bytes.subarray(0, this.#end));
    this.#bytes = bytes = next;
    return bytes;
  }
}
