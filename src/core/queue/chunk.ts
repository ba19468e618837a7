/**
 * Chunk: some consecutive messages of one queue, packed.
 *
 *   bytes       record batches exactly as the log has them (batch.ts, record.ts)
 *   positions   where each message's record begins in `bytes`; 0 = the log has no such offset
 *   sizes       bytes of each body
 *   states      one byte each: state (2 bits) | redelivered (1 bit) | delivery count (5 bits)
 *   expiries    only when a message here expires: ms since the epoch, 0 = never
 *   arrivals    only when a message here came at another time than it was published, ms; 0 = it did not
 *   priorities  only in a queue with priorities
 *   groups      only in a queue with groups, when a message here has one (group-hash.ts); 0 = none
 *
 * No object per message: nine bytes beside the record. Handing `bytes` to the log makes them the
 * log's too; from then on nobody changes what is behind `batchAt`. A cold chunk has no bytes and
 * gets the same ones back from the log, so positions stay valid; all other arrays stay.
 */
export const State = { Ready: 0, Leased: 1, Settled: 2, Hidden: 3 } as const;
/** Hidden: not settled, and not to be handed out now (delayed, or dying until that is committed). */
export type State = (typeof State)[keyof typeof State];

const STATE_MASK = 3;
const REDELIVERED_BIT = 4;
const COUNT_SHIFT = 3;
/** This count stands for "or more": the exact one is in the queue's own table. */
export const COUNT_MAX = 31;

const FIRST_CAPACITY = 32;

export class Chunk {
  /** Offset of the first message. */
  base: number;
  /** Offsets here, settled ones and gaps included. */
  count = 0;
  /** null while cold. */
  bytes: Uint8Array | null;
  /** Used bytes; of a cold chunk, what the log will give back. */
  byteLength = 0;
  /** One for all batches here, so that a record is read without looking for its batch. */
  baseTimestampMs = 0;
  /** Of the batch that is open. */
  maxTimestampMs = 0;
  /** When the youngest message without an arrival was published. */
  newestMs = 0;
  positions: Uint32Array;
  sizes: Uint32Array;
  states: Uint8Array;
  expiries: Float64Array | null = null;
  arrivals: Float64Array | null = null;
  priorities: Uint8Array | null;
  groups: Float64Array | null = null;
  /** Messages not settled. */
  live = 0;
  /** No message will be added. */
  sealed = false;
  /** Start and message index of the batch that is open; -1 = none is. */
  batchAt = -1;
  batchIndex = 0;
  /** Somebody in the open batch waits for the disk. */
  mustSync = false;
  /** Offset in the log of the first message; -1 = the log does not have it (ephemeral). */
  logOffset = -1;
  /** Commit generation of the last append: written when the one after it is gathered. */
  appendedIn = 0;
  loading = false;
  /** A record here is so large that an output may hold it by reference after it is settled. */
  lent = false;
  /** What the memory budget was told. */
  budgetBytes = 0;

  constructor(base: number, bytes: Uint8Array | null, hasPriorities: boolean, capacity = 0) {
    const room = Math.max(FIRST_CAPACITY, capacity);
    this.base = base;
    this.bytes = bytes;
    this.positions = new Uint32Array(room);
    this.sizes = new Uint32Array(room);
    this.states = new Uint8Array(room);
    this.priorities = hasPriorities ? new Uint8Array(room) : null;
  }

  /** Offset after the last message. */
  get end(): number {
    return this.base + this.count;
  }

  /** Adds a message that is Ready and returns its index. */
  add(position: number, bodyBytes: number, expiresAtMs: number, priority: number): number {
    const index = this.count++;
    if (index === this.positions.length) this.#grow();
    this.positions[index] = position;
    this.sizes[index] = bodyBytes;
    this.states[index] = State.Ready;
    if (this.expiries !== null) this.expiries[index] = expiresAtMs;
    else if (expiresAtMs !== 0) this.#expires(index, expiresAtMs);
    if (this.priorities !== null) this.priorities[index] = priority;
    this.live++;
    return index;
  }

  /** Adds an offset that the log does not have, or that nobody is to see. */
  addGap(): void {
    const index = this.add(0, 0, 0, 0);
    this.states[index] = State.Settled;
    this.live--;
  }

  #expires(index: number, expiresAtMs: number): void {
    this.expiries = new Float64Array(this.positions.length);
    this.expiries[index] = expiresAtMs;
  }

  #grow(): void {
    const room = this.positions.length * 2;
    this.positions = grown(this.positions, new Uint32Array(room));
    this.sizes = grown(this.sizes, new Uint32Array(room));
    this.states = grown(this.states, new Uint8Array(room));
    if (this.expiries !== null) this.expiries = grown(this.expiries, new Float64Array(room));
    if (this.arrivals !== null) this.arrivals = grown(this.arrivals, new Float64Array(room));
    if (this.priorities !== null) this.priorities = grown(this.priorities, new Uint8Array(room));
    if (this.groups !== null) this.groups = grown(this.groups, new Float64Array(room));
  }

  state(index: number): State {
    return (this.states[index]! & STATE_MASK) as State;
  }

  setState(index: number, state: State): void {
    this.states[index] = (this.states[index]! & ~STATE_MASK) | state;
  }

  redelivered(index: number): boolean {
    return (this.states[index]! & REDELIVERED_BIT) !== 0;
  }

  setRedelivered(index: number): void {
    this.states[index] = this.states[index]! | REDELIVERED_BIT;
  }

  /** At most COUNT_MAX. */
  deliveryCount(index: number): number {
    return this.states[index]! >> COUNT_SHIFT;
  }

  setDeliveryCount(index: number, count: number): void {
    const kept = this.states[index]! & (STATE_MASK | REDELIVERED_BIT);
    this.states[index] = kept | (Math.min(count, COUNT_MAX) << COUNT_SHIFT);
  }

  expiresAtMs(index: number): number {
    return this.expiries === null ? 0 : this.expiries[index]!;
  }

  /** Notes when a message that was just added came here. */
  came(index: number, timestampMs: number, arrivedMs: number): void {
    if (arrivedMs === 0) {
      if (timestampMs > this.newestMs) this.newestMs = timestampMs;
      return;
    }
    this.arrivals ??= new Float64Array(this.positions.length);
    this.arrivals[index] = arrivedMs;
  }

  /** 0 = when it was published. */
  arrivedMs(index: number): number {
    return this.arrivals === null ? 0 : this.arrivals[index]!;
  }

  priority(index: number): number {
    return this.priorities === null ? 0 : this.priorities[index]!;
  }

  group(index: number): number {
    return this.groups === null ? 0 : this.groups[index]!;
  }

  setGroup(index: number, group: number): void {
    if (this.groups === null) {
      if (group === 0) return;
      this.groups = new Float64Array(this.positions.length);
    }
    this.groups[index] = group;
  }

  /** All that was here is settled and no bytes were given away: begins again in place at `base`. */
  restart(base: number): void {
    this.base = base;
    this.count = this.byteLength = this.newestMs = 0;
    this.batchAt = -1;
    this.expiries = null;
    this.arrivals = null;
    this.groups = null;
  }

  get isHollow(): boolean {
    return this.live === 0 && this.sealed;
  }

  /** Everything here is settled: keeps nothing but its place in the line. */
  hollow(): void {
    this.bytes = null;
    this.positions = this.sizes = NO_NUMBERS;
    this.states = NO_STATES;
    this.expiries = null;
    this.arrivals = null;
    this.priorities = null;
    this.groups = null;
  }
}

const NO_NUMBERS = new Uint32Array(0);
const NO_STATES = new Uint8Array(0);

function grown<T extends { set(source: T): void }>(from: T, to: T): T {
  to.set(from);
  return to;
}
