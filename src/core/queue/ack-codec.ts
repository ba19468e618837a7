/**
 * What a record of the acknowledgement journal holds: one or more entries.
 *
 *   entry:    kind u8 | queue id | body          (numbers are varints, `±` ones are zig-zag)
 *   Settled:  count | count × (start ±, relative to the end of the range before | length)
 *   Returned: count | count × (offset ±, relative to the one before | delivery count)
 *   Snapshot: nothing; whatever came before it is void. First entry of its record.
 *   Forgotten: nothing; the queue is gone.
 */
import { readUnsignedVarint, readVarint, varintEnd } from '#wire/varint.ts';
import { writeUnsignedVarint, writeVarint } from '#wire/varint.ts';

const Kind = { Settled: 1, Returned: 2, Snapshot: 3, Forgotten: 4 } as const;

const VARINT_BYTES_MAX = 9;
const ENTRY_HEAD_BYTES_MAX = 1 + 2 * VARINT_BYTES_MAX;

/** Gathers entries; `bytes` up to `length` is the record's value. Reused commit after commit. */
export class AckWriter {
  bytes = new Uint8Array(1024);
  length = 0;

  snapshot(): void {
    this.#begin(Kind.Snapshot, 0, 0);
  }

  forgotten(queueId: number): void {
    this.#begin(Kind.Forgotten, queueId, 0);
  }

  /** `ranges`: pairs of start and end (exclusive), in any order. */
  settled(queueId: number, ranges: readonly number[]): void {
    this.#begin(Kind.Settled, queueId, ranges.length * VARINT_BYTES_MAX);
    this.#unsigned(ranges.length / 2);
    let last = 0;
    for (let i = 0; i < ranges.length; i += 2) {
      const start = ranges[i]!;
      const end = ranges[i + 1]!;
      this.#signed(start - last);
      this.#unsigned(end - start);
      last = end;
    }
  }

  /** `returns`: pairs of offset and delivery count. */
  returned(queueId: number, returns: readonly number[]): void {
    this.#begin(Kind.Returned, queueId, returns.length * VARINT_BYTES_MAX);
    this.#unsigned(returns.length / 2);
    let last = 0;
    for (let i = 0; i < returns.length; i += 2) {
      this.#signed(returns[i]! - last);
      this.#unsigned(returns[i + 1]!);
      last = returns[i]!;
    }
  }

  clear(): void {
    this.length = 0;
  }

  #begin(kind: number, queueId: number, bodyBytesMax: number): void {
    const needed = this.length + ENTRY_HEAD_BYTES_MAX + bodyBytesMax;
    if (needed > this.bytes.length) {
      const larger = new Uint8Array(Math.max(needed, this.bytes.length * 2));
      larger.set(this.bytes.subarray(0, this.length));
      this.bytes = larger;
    }
    this.bytes[this.length++] = kind;
    this.#unsigned(queueId);
  }

  #unsigned(value: number): void {
    this.length = writeUnsignedVarint(this.bytes, this.length, value);
  }

  #signed(value: number): void {
    this.length = writeVarint(this.bytes, this.length, value);
  }
}

/** Who replays. */
export interface AckVisitor {
  snapshot(): void;
  forgotten(queueId: number): void;
  settled(queueId: number, from: number, to: number): void;
  returned(queueId: number, offset: number, deliveryCount: number): void;
}

/** Walks the entries in [at, end). Throws RangeError when they do not hold together. */
export function readAcks(bytes: Uint8Array, at: number, end: number, visitor: AckVisitor): void {
  while (at < end) {
    const kind = bytes[at]!;
    const queueId = readUnsignedVarint(bytes, at + 1);
    at = varintEnd;
    if (kind === Kind.Snapshot) visitor.snapshot();
    else if (kind === Kind.Forgotten) visitor.forgotten(queueId);
    else if (kind === Kind.Settled) at = readSettled(bytes, at, queueId, visitor);
    else if (kind === Kind.Returned) at = readReturned(bytes, at, queueId, visitor);
    else throw new RangeError(`unknown acknowledgement entry ${kind}`);
  }
  if (at !== end) throw new RangeError('acknowledgement entry runs past its record');
}

function readSettled(bytes: Uint8Array, at: number, queueId: number, visitor: AckVisitor): number {
  let count = readUnsignedVarint(bytes, at);
  let last = 0;
  for (; count > 0; count--) {
    const start = last + readVarint(bytes, varintEnd);
    last = start + readUnsignedVarint(bytes, varintEnd);
    visitor.settled(queueId, start, last);
  }
  return varintEnd;
}

function readReturned(bytes: Uint8Array, at: number, queueId: number, visitor: AckVisitor): number {
  let count = readUnsignedVarint(bytes, at);
  let offset = 0;
  for (; count > 0; count--) {
    offset += readVarint(bytes, varintEnd);
    const deliveryCount = readUnsignedVarint(bytes, varintEnd);
    visitor.returned(queueId, offset, deliveryCount);
  }
  return varintEnd;
}
