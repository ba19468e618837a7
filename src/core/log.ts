/**
 * Log: ordered records with offsets; readers keep their own position.
 *
 * Stored and handed over as Kafka record batches v2 (`batch.ts`), immutable once appended. Two
 * ends matter: `endOffset` is where the next record goes; `committedOffset` is the end of what the
 * log's sync policy calls safe, and nothing at or past it is shown to a reader of a topic. A queue
 * may deliver from its own memory before that; a confirm may not leave before it.
 *
 * Offsets are plain numbers: 2^53 records outlive the disk.
 */
import type { ProducerTable } from './topic/producer-table.ts';
import type { BlockLease } from '#wire/block-pool.ts';

export const Sync = { Commit: 'commit', Os: 'os' } as const;
/** When an append counts as committed: after fdatasync, or after the write to the page cache. */
export type Sync = (typeof Sync)[keyof typeof Sync];

export interface LogConfig {
  sync: Sync;
  segmentBytesMax: number;
  segmentAgeMsMax: number;
  /** Bytes between two entries of the offset index. */
  indexIntervalBytes: number;
  /** -1 = keep for ever. Whole segments whose newest timestamp is older are deleted. */
  retentionMs: number;
  /** -1 = keep all. Oldest whole segments are deleted while the log is larger. */
  retentionBytes: number;
  /** Kept in memory and written only when memory is short; gone after a restart. */
  ephemeral: boolean;
  /** 16 bytes; written into Kafka's `partition.metadata` when the log is a topic's. */
  topicId?: Uint8Array;
}

export interface TimestampedOffset {
  offset: number;
  timestampMs: number;
  leaderEpoch: number;
}

export interface EpochStart {
  epoch: number;
  startOffset: number;
}

export interface Log {
  readonly name: string;
  readonly config: LogConfig;
  /** First readable offset. */
  readonly startOffset: number;
  /** Offset of the next record. */
  readonly endOffset: number;
  /** Everything below is committed. start ≤ committed ≤ end. */
  readonly committedOffset: number;
  /** Bytes held by the log on disk or, if ephemeral, in memory. */
  readonly sizeBytes: number;
  /** Last batches of idempotent producers; updated by `append`, which does not check them;
   * rebuilt on recovery, saved in `.snapshot`. */
  readonly producers: ProducerTable;
  /** Leader epochs and where each begins, oldest first. Never empty once a record is there. */
  readonly epochs: readonly EpochStart[];

  /**
   * Appends one or more whole batches that the caller has validated. The log takes ownership of
   * the bytes and patches baseOffset and leaderEpoch in place; nobody changes them afterwards.
   * Enlists itself in the current commit. `mustSync` says that somebody waits for the commit: with
   * Sync.Commit the commit then includes an fdatasync of this log.
   * Returns the base offset of the first batch.
   *
   * `borrowed` = the log copies what it keeps, and the bytes, unpatched, remain the caller's. It
   * then can use its memory again, so this is the cheaper way for who must copy anyway.
   */
  append(batches: Uint8Array, mustSync: boolean, borrowed?: boolean): number;

  /**
   * Whole batches from the one that holds `offset`, at least one, then as many as fit into
   * `bytesMax`, all below `upTo`. Empty when offset ≥ upTo. Returns at once when the bytes are in
   * memory, else a promise. Bytes are immutable and owned by nobody.
   *
   * With a `lease`, for who passes the bytes on as they are: they may lie in the lease's blocks and
   * are valid until its release, which must not come before the promise is settled; and what comes
   * from disk is not checked, since the client at the other end does it.
   * Throws BrokerError('offset-out-of-range') outside [startOffset, endOffset].
   */
  read(
    offset: number,
    bytesMax: number,
    upTo: number,
    lease?: BlockLease,
  ): Uint8Array[] | Promise<Uint8Array[]>;

  /** First record at or after the timestamp; null when there is none. `timestampMs` may be
   * Infinity for "the record with the largest timestamp" (ListOffsets -3). */
  offsetForTimestamp(timestampMs: number): Promise<TimestampedOffset | null>;

  /** Drops everything below `offset`: the start moves at once, whole segments are deleted. */
  deleteBefore(offset: number): void;

  /** Changes the configuration; applies retention as of `nowMs`. Returns the new startOffset. */
  configure(change: Partial<LogConfig>, nowMs: number): number;

  /** Flushes, writes index, snapshot and checkpoint files, closes them. */
  close(): Promise<void>;
}

/** Where logs live. Implemented by storage (disk, memory) and, later, by a distributed engine. */
export interface LogStore {
  readonly commit: Commit;
  /** How often the store has been opened, from 1: the leader epoch of what is appended now. */
  readonly epoch: number;
  /** Opens, recovering, or creates. `name` is a path of [A-Za-z0-9._-] parts joined by `/`. */
  open(name: string, config: LogConfig): Promise<Log>;
  /** As `open` for a log that is known not to exist; usable at once, files appear by the commit. */
  create(name: string, config: LogConfig): Log;
  /** Names below `prefix` that exist. */
  list(prefix: string): Promise<string[]>;
  /** Closes and deletes; the name may be created again at once. */
  remove(log: Log): Promise<void>;
  close(): Promise<void>;
  /** False while the disk is full or nearly so; publishers are refused, everything else goes on. */
  readonly hasSpace: boolean;
}

/** Something that gathers records during a turn and must append them before the commit begins. */
export interface Flusher {
  flush(): void;
}

export interface CommitWaiter {
  /** All that was appended before `wait` is committed. Called outside of any append. */
  committed(generation: number): void;
}

/**
 * Group commit: one write per dirty log and at most one fdatasync per log that needs it, over all
 * logs of all protocols, once per turn, one generation at a time. A failed write or sync never
 * reaches the waiters: it stops the process. A full disk delays the generation until there is
 * space and makes `hasSpace` false meanwhile.
 */
export interface Commit {
  /** The generation now being gathered; rises by one when its commit begins. */
  readonly generation: number;
  /** `flush()` is called once, at the beginning of the commit now being gathered. */
  enlist(flusher: Flusher): void;
  /** Calls back when all that has been enlisted or appended until now is committed. */
  wait(waiter: CommitWaiter): void;
}
