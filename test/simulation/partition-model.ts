/**
 * PartitionModel: an idempotent producer to one partition, and what must be there of it: every
 * acknowledged batch, each once, in order. After a restart the producer sends again what was not
 * acknowledged, as a real one does, never knowing whether it had arrived.
 */
import assert from 'node:assert/strict';
import { Batch, readInt32 } from '#core/message/batch.ts';
import type { Partition } from '#core/topic/partition.ts';
import { makeBatch } from '../contracts/batches.ts';

interface Sent {
  readonly sequence: number;
  readonly count: number;
  readonly number: number;
}

const IN_FLIGHT_MAX = 5;
/** Where the number of a batch is in it: in the value of its first record. */
const NUMBER_BYTES = 4;

export class PartitionModel {
  readonly #producerId: number;
  #partition: Partition | null = null;
  #nextSequence = 0;
  #nextNumber = 1;
  #inFlight: Sent[] = [];
  readonly #acknowledged: number[] = [];

  constructor(producerId: number) {
    this.#producerId = producerId;
  }

  get acknowledgedCount(): number {
    return this.#acknowledged.length;
  }

  /** Null when the window is full; else what to call when the commit has answered. */
  send(count: number): (() => void) | null {
    if (this.#inFlight.length >= IN_FLIGHT_MAX) return null;
    const sent = { sequence: this.#nextSequence, count, number: this.#nextNumber++ };
    this.#nextSequence += count;
    this.#inFlight.push(sent);
    return this.#append(sent);
  }

  #append(sent: Sent): () => void {
    const value = Buffer.alloc(NUMBER_BYTES);
    value.writeUInt32BE(sent.number);
    const producer = { id: this.#producerId, epoch: 0, sequence: sent.sequence };
    const timestampsMs = Array.from({ length: sent.count }, () => 1_700_000_000_000);
    this.#partition!.append(makeBatch({ timestampsMs, value, producer }));
    return () => {
      const i = this.#inFlight.indexOf(sent);
      if (i < 0) return;
      this.#inFlight.splice(i, 1);
      this.#acknowledged.push(sent.number);
    };
  }

  crashed(): void {
    this.#partition = null;
  }

  /** Sends again what was under way, then checks what is there. Returns what to call when the
   * commit has answered. */
  async examine(partition: Partition): Promise<(() => void)[]> {
    this.#partition = partition;
    const before = await readNumbers(partition);
    for (const number of this.#acknowledged) {
      assert.ok(before.includes(number), `acknowledged batch ${number} is lost`);
    }
    assert.deepEqual(
      before,
      before.toSorted((a, b) => a - b),
      'batches out of order',
    );
    assert.equal(new Set(before).size, before.length, 'a batch is there twice');
    return this.#inFlight.map((sent) => this.#append(sent));
  }
}

async function readNumbers(partition: Partition): Promise<number[]> {
  const numbers: number[] = [];
  let offset = partition.startOffset;
  while (offset < partition.committedOffset) {
    for (const bytes of await partition.read(offset, 10_000)) {
      for (let at = 0; at < bytes.length; at += Batch.sizeBytes(bytes, at)) {
        offset = Batch.lastOffset(bytes, at) + 1;
        numbers.push(firstValue(bytes, at));
      }
    }
  }
  return numbers;
}

function firstValue(bytes: Uint8Array, at: number): number {
  // length, attributes, two deltas of 0, null key, value length 4: one byte each.
  return readInt32(bytes, at + 61 + 6);
}
