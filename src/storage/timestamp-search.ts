/**
 * Finds a record by time in a log on disk: the segment by its largest timestamp, the neighbourhood
 * by the time index, the batch by its header, the record by its own timestamp.
 */
import type { Log, TimestampedOffset } from '#core/log.ts';
import { timeIndexOf } from './index-files.ts';
import type { Segment } from './segment.ts';
import type { StoreServices } from './services.ts';
import { findFrom, findLargest } from './timestamps.ts';

/** `timestampMs` Infinity means the record with the largest timestamp. */
export async function findTimestamp(
  services: StoreServices,
  log: Log,
  segments: readonly Segment[],
  timestampMs: number,
): Promise<TimestampedOffset | null> {
  let wantedMs = timestampMs;
  if (timestampMs === Infinity) {
    wantedMs = -1;
    for (const segment of segments) wantedMs = Math.max(wantedMs, segment.maxTimestampMs);
    if (wantedMs < 0) return null;
  }
  for (const segment of segments.slice()) {
    if (segment.maxTimestampMs < wantedMs) continue;
    const found = await findInSegment(services, log, segment, wantedMs);
    if (found !== null) return found;
  }
  // The segment's largest timestamp was that of a record below the start.
  return timestampMs === Infinity ? findLargest(services.decompress, log) : null;
}

async function findInSegment(
  services: StoreServices,
  log: Log,
  segment: Segment,
  timestampMs: number,
): Promise<TimestampedOffset | null> {
  const index = segment.timeIndex ?? (await timeIndexOf(services, segment));
  const from = Math.max(segment.baseOffset + index.offsetBefore(timestampMs), log.startOffset);
  return findFrom(services.decompress, log, from, timestampMs);
}
