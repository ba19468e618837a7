/**
 * Retention: how many of a log's oldest segments its configuration lets go, as Kafka counts
 * (org.apache.kafka.storage.internals.log.UnifiedLog, deleteRetentionMsBreachedSegments and
 * deleteRetentionSizeBreachedSegments): whole segments only, from the oldest on. By time all of
 * them may go, by size what is kept is never less than `retentionBytes`.
 */
import type { LogConfig } from '#core/log.ts';

interface Sized {
  readonly sizeBytes: number;
  readonly maxTimestampMs: number;
}

export function countDisposable(
  segments: readonly Sized[],
  config: LogConfig,
  sizeBytes: number,
  nowMs: number,
): number {
  const { retentionMs, retentionBytes } = config;
  let count = 0;
  let left = sizeBytes;
  for (const segment of segments) {
    if (segment.sizeBytes === 0) break;
    const isOld =
      retentionMs >= 0 &&
      segment.maxTimestampMs >= 0 &&
      nowMs - segment.maxTimestampMs > retentionMs;
    left -= segment.sizeBytes;
    const isTooMuch = retentionBytes >= 0 && left >= retentionBytes;
    if (!isOld && !isTooMuch) break;
    count++;
  }
  return count;
}
