/**
 * Leader epochs as clients check them (KIP-320): the epoch of a partition rises when the broker
 * starts, and a client with an old one looks at the metadata again.
 */
import { ErrorCode } from './errors.ts';
import type { Partition } from '#core/topic/partition.ts';

const UNKNOWN = -1;

export interface EpochEnd {
  readonly epoch: number;
  readonly endOffset: number;
}

/** What is wrong with the epoch that a client believes to be current; it may not say (-1). */
export function epochError(partition: Partition, currentLeaderEpoch: number): ErrorCode {
  if (currentLeaderEpoch < 0 || currentLeaderEpoch === partition.leaderEpoch) return ErrorCode.None;
  return currentLeaderEpoch < partition.leaderEpoch
    ? ErrorCode.FencedLeaderEpoch
    : ErrorCode.UnknownLeaderEpoch;
}

/** The largest epoch up to `epoch` that has records, and the offset after its last one. */
export function endOfEpoch(partition: Partition, epoch: number): EpochEnd {
  const { epochs, endOffset } = partition.log;
  if (epoch === partition.leaderEpoch) return { epoch, endOffset };
  const last = epochs.at(-1);
  if (last === undefined || epoch > last.epoch) return { epoch: UNKNOWN, endOffset: UNKNOWN };
  if (epoch === last.epoch) return { epoch, endOffset };
  const after = epochs.findIndex((each) => each.epoch > epoch);
  const { startOffset } = epochs[after]!;
  return { epoch: after === 0 ? epoch : epochs[after - 1]!.epoch, endOffset: startOffset };
}

/** The epoch of the batch that holds `offset`, for answers that name one. */
export function epochAt(partition: Partition, offset: number): number {
  let found = UNKNOWN;
  for (const { epoch, startOffset } of partition.log.epochs) {
    if (startOffset > offset) break;
    found = epoch;
  }
  return found < 0 ? partition.leaderEpoch : found;
}
