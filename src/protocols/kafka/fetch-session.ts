/**
 * Fetch sessions (KIP-227): the broker remembers which partitions a client fetches and from where,
 * so that the client names only what changed and the broker answers only with what has news.
 *
 * A session is known by its id, not by its connection. Partitions keep an order in which they are
 * read; one that gave data goes to the end, so that a limit on bytes starves nobody.
 */
import { ErrorCode } from './errors.ts';
import type { Ports } from '#core/ports.ts';

/** max.incremental.fetch.session.cache.slots */
const SESSIONS_MAX = 1000;
/** min.incremental.fetch.session.eviction.ms */
const EVICTION_MS_MIN = 120_000;
const INITIAL_EPOCH = 0;
const FINAL_EPOCH = -1;
const NO_SESSION = 0;
const EPOCH_MAX = 0x7fffffff;

/** One partition to be read. */
export interface FetchPartition {
  readonly name: string;
  /** Set when the client names topics by id. */
  readonly id: Uint8Array | null;
  readonly index: number;
  offset: number;
  bytesMax: number;
  currentLeaderEpoch: number;
  lastFetchedEpoch: number;
  /** What the session's client was told last. */
  toldHighWatermark: number;
  toldStartOffset: number;
}

/** A topic's partitions that the client does not fetch any more. */
export interface ForgottenTopic {
  readonly name: string;
  readonly id: Uint8Array | null;
  readonly indexes: number[];
}

export interface SessionRequest {
  readonly sessionId: number;
  readonly sessionEpoch: number;
  readonly partitions: FetchPartition[];
  readonly forgotten: readonly ForgottenTopic[];
  readonly byId: boolean;
}

/** What a Fetch is to do. */
export interface FetchContext {
  readonly error: ErrorCode;
  /** To be told to the client; 0 = none. */
  readonly sessionId: number;
  /** Null without a session. */
  readonly session: FetchSession | null;
  /** Only what has news goes into the answer. */
  readonly incremental: boolean;
  readonly partitions: Iterable<FetchPartition>;
}

export class FetchSession implements Iterable<FetchPartition> {
  readonly id: number;
  readonly byId: boolean;
  epoch = 1;
  usedMs: number;
  readonly #partitions = new Map<string, FetchPartition>();

  constructor(id: number, byId: boolean, nowMs: number) {
    this.id = id;
    this.byId = byId;
    this.usedMs = nowMs;
  }

  /** In the order in which they are to be read. */
  [Symbol.iterator](): Iterator<FetchPartition> {
    return this.#partitions.values();
  }

  update(partitions: readonly FetchPartition[]): void {
    for (const partition of partitions) {
      const key = keyOf(partition.name, partition.id, partition.index);
      const known = this.#partitions.get(key);
      if (known === undefined) {
        this.#partitions.set(key, partition);
        continue;
      }
      known.offset = partition.offset;
      known.bytesMax = partition.bytesMax;
      known.currentLeaderEpoch = partition.currentLeaderEpoch;
      known.lastFetchedEpoch = partition.lastFetchedEpoch;
    }
  }

  forget(topics: readonly ForgottenTopic[]): void {
    for (const { name, id, indexes } of topics) {
      for (const index of indexes) this.#partitions.delete(keyOf(name, id, index));
    }
  }

  /** It gave data: others are read first next time. */
  moveToEnd(partition: FetchPartition): void {
    const key = keyOf(partition.name, partition.id, partition.index);
    if (this.#partitions.delete(key)) this.#partitions.set(key, partition);
  }
}

function keyOf(name: string, id: Uint8Array | null, index: number): string {
  return id === null ? `${name}:${index}` : `${Buffer.from(id).toString('hex')}:${index}`;
}

export class FetchSessions {
  /** In order of use, oldest first. */
  readonly #sessions = new Map<number, FetchSession>();
  readonly #ports: Ports;

  constructor(ports: Ports) {
    this.#ports = ports;
  }

  get size(): number {
    return this.#sessions.size;
  }

  context(request: SessionRequest): FetchContext {
    const { sessionId, sessionEpoch, partitions } = request;
    if (sessionEpoch === FINAL_EPOCH || sessionEpoch === INITIAL_EPOCH) {
      this.#sessions.delete(sessionId);
      const session = sessionEpoch === INITIAL_EPOCH ? this.#create(request) : null;
      const id = session === null ? NO_SESSION : session.id;
      return { error: ErrorCode.None, sessionId: id, session, incremental: false, partitions };
    }
    return this.#continue(request);
  }

  #continue(request: SessionRequest): FetchContext {
    const session = this.#sessions.get(request.sessionId);
    if (session === undefined) return refused(ErrorCode.FetchSessionIdNotFound);
    if (session.epoch !== request.sessionEpoch) return refused(ErrorCode.InvalidFetchSessionEpoch);
    if (session.byId !== request.byId) return refused(ErrorCode.FetchSessionTopicIdError);
    session.epoch = session.epoch === EPOCH_MAX ? 1 : session.epoch + 1;
    session.usedMs = this.#ports.clock.now();
    this.#sessions.delete(session.id);
    this.#sessions.set(session.id, session);
    session.update(request.partitions);
    session.forget(request.forgotten);
    const { id: sessionId } = session;
    return { error: ErrorCode.None, sessionId, session, incremental: true, partitions: session };
  }

  /** Null when there are too many in use: the client then goes on without one. */
  #create(request: SessionRequest): FetchSession | null {
    if (request.partitions.length === 0) return null;
    const nowMs = this.#ports.clock.now();
    if (this.#sessions.size >= SESSIONS_MAX) {
      const [oldest] = this.#sessions.values();
      if (oldest === undefined || nowMs - oldest.usedMs < EVICTION_MS_MIN) return null;
      this.#sessions.delete(oldest.id);
    }
    let id = NO_SESSION;
    while (id === NO_SESSION || this.#sessions.has(id)) {
      id = Math.floor(this.#ports.random.next() * EPOCH_MAX) + 1;
    }
    const session = new FetchSession(id, request.byId, nowMs);
    session.update(request.partitions);
    this.#sessions.set(id, session);
    return session;
  }
}

function refused(error: ErrorCode): FetchContext {
  return { error, sessionId: NO_SESSION, session: null, incremental: false, partitions: [] };
}
