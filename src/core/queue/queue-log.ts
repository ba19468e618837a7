/**
 * QueueLog: the log under a queue, its own (own-log.ts) or a topic's (shared-log.ts), as the queue
 * uses it. Both fill a ChunkStore; only where chunks come from differs.
 */
import type { RecoveredAcks } from './ack-journal.ts';
import type { Chunk } from './chunk.ts';
import type { ChunkStore } from './chunk-store.ts';
import type { QueueAcks } from './queue-acks.ts';
import type { Log } from '../log.ts';
import type { Message } from '../message/message.ts';

/** Who rebuilds what it knows of the messages. `message` is valid during the call only. */
export interface RecoveryVisitor {
  /** It is not settled, has a place and is Ready. */
  unsettled(chunk: Chunk, index: number, message: Message): void;
  /** It is settled and still in the log; null = nobody wants to know. */
  readonly settled: ((offset: number, message: Message) => void) | null;
}

export interface QueueLog {
  readonly store: ChunkStore;
  readonly log: Log;
  /** Offset below which everything is settled. */
  readonly head: number;
  /** Offset after the last message that has a place in the store. */
  readonly tail: number;
  /** Messages of the log that have none yet: all of them are ready. */
  readonly unread: number;
  /** Gives some of the unread ones a place. False when nothing came; if that is because they must
   * be read first, the store's `loaded` is called when they are there. */
  readMore(): boolean;
  /** Settles all unread ones. */
  skipUnread(): void;
  /** Stores a message; it is the last of the returned chunk, and Ready. */
  append(
    message: Message,
    expiresAtMs: number,
    priority: number,
    deathsBytes: Uint8Array | null,
  ): Chunk;
  /** Rebuilds the store; `visitor` is told of every message that has a place. */
  recover(acks: RecoveredAcks | null, visitor: RecoveryVisitor): Promise<void>;
  /** The journal has it that everything below `offset` is settled. */
  trim(offset: number): void;
  /** Tells `page` everything that is settled, from offset 0 on, and the delivery counts. */
  describe(page: QueueAcks): void;
  close(): void;
}
