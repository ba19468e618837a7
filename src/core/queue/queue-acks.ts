/**
 * QueueAcks: one durable queue's page in the acknowledgement journal: what it has settled and
 * returned since the last commit, and what the journal asks of it.
 */
import type { AckWriter } from './ack-codec.ts';

/** The queue's side. */
export interface AckHolder {
  /** Offset below which everything is settled: the journal asks for it when it writes. */
  readonly settledBefore: number;
  /** All that is settled below `offset` is safely in the journal: the log may drop it. */
  trim(offset: number): void;
  /** Describes all that is settled and counted now, in as few ranges as may be. */
  describe(page: QueueAcks): void;
}

export class QueueAcks {
  readonly queueId: number;
  readonly holder: AckHolder;
  readonly #dirty: (page: QueueAcks) => void;
  #isDirty = false;
  /** Pairs of start and end (exclusive). */
  #ranges: number[] = [];
  /** Pairs of offset and delivery count. */
  #returns: number[] = [];
  trimmedTo = 0;

  /** `dirty` is called once until the page has been written. */
  constructor(queueId: number, holder: AckHolder, dirty: (page: QueueAcks) => void) {
    this.queueId = queueId;
    this.holder = holder;
    this.#dirty = dirty;
  }

  settled(offset: number): void {
    this.settledRange(offset, offset + 1);
  }

  /** [from, to) */
  settledRange(from: number, to: number): void {
    if (from === to) return;
    const ranges = this.#ranges;
    if (ranges.length > 0 && ranges[ranges.length - 1] === from) ranges[ranges.length - 1] = to;
    else ranges.push(from, to);
    if (!this.#isDirty) this.#mark();
  }

  returned(offset: number, deliveryCount: number): void {
    this.#returns.push(offset, deliveryCount);
    if (!this.#isDirty) this.#mark();
  }

  #mark(): void {
    this.#isDirty = true;
    this.#dirty(this);
  }

  /** Writes what has gathered, and begins anew. */
  write(writer: AckWriter): void {
    if (this.#ranges.length > 0) writer.settled(this.queueId, this.#ranges);
    if (this.#returns.length > 0) writer.returned(this.queueId, this.#returns);
    this.drop();
  }

  /** Writes all that the queue has settled, which includes what has gathered. */
  writeAll(writer: AckWriter): void {
    this.drop();
    this.#isDirty = true;
    this.holder.describe(this);
    this.write(writer);
  }

  drop(): void {
    this.#ranges = [];
    this.#returns = [];
    this.#isDirty = false;
  }
}
