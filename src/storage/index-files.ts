/**
 * The `.index` and `.timeindex` files of sealed segments. They only save time: what is lost or
 * cannot be right is made anew from the batches. A bounded number is kept in memory.
 */
import { CorruptionError } from '#core/errors.ts';
import { scanSegment } from './segment-scan.ts';
import { OffsetIndex, TimeIndex } from './segment-index.ts';
import { INDEX_SUFFIX, Segment, TIME_INDEX_SUFFIX } from './segment.ts';
import type { StoreServices } from './services.ts';

export class LoadedIndexes {
  readonly #segmentsMax: number;
  readonly #segments = new Set<Segment>();

  constructor(segmentsMax: number) {
    this.#segmentsMax = segmentsMax;
  }

  /** The segment's indexes were used just now; those unused for longest leave memory. */
  touch(segment: Segment): void {
    this.#segments.delete(segment);
    this.#segments.add(segment);
    if (this.#segments.size <= this.#segmentsMax) return;
    const [oldest] = this.#segments;
    this.#segments.delete(oldest!);
    oldest!.offsetIndex = null;
    oldest!.timeIndex = null;
  }

  forget(segment: Segment): void {
    this.#segments.delete(segment);
  }
}

export async function offsetIndexOf(
  services: StoreServices,
  segment: Segment,
): Promise<OffsetIndex> {
  if (segment.offsetIndex !== null) return segment.offsetIndex;
  const bytes = await services.fs.readFile(segment.pathOf(INDEX_SUFFIX));
  let index = bytes === null ? null : OffsetIndex.decode(bytes, segment.sizeBytes);
  if (index === null) ({ offsetIndex: index } = await rebuildIndexes(services, segment));
  segment.offsetIndex = index;
  services.indexes.touch(segment);
  return index!;
}

export async function timeIndexOf(services: StoreServices, segment: Segment): Promise<TimeIndex> {
  if (segment.timeIndex !== null) return segment.timeIndex;
  const bytes = await services.fs.readFile(segment.pathOf(TIME_INDEX_SUFFIX));
  let index = bytes === null ? null : TimeIndex.decode(bytes);
  if (index === null) ({ timeIndex: index } = await rebuildIndexes(services, segment));
  segment.timeIndex = index;
  services.indexes.touch(segment);
  return index!;
}

export async function writeIndexFiles(services: StoreServices, segment: Segment): Promise<void> {
  segment.closeTimeIndex();
  const { fs } = services;
  await fs.replaceFileLazily(segment.pathOf(INDEX_SUFFIX), segment.offsetIndex!.encode());
  await fs.replaceFileLazily(segment.pathOf(TIME_INDEX_SUFFIX), segment.timeIndex!.encode());
}

/** Makes both indexes of a sealed segment anew from its batches, and their files. */
async function rebuildIndexes(services: StoreServices, segment: Segment): Promise<Segment> {
  const anew = new Segment(segment.folder, segment.baseOffset, segment.indexIntervalBytes);
  anew.resetIndexes();
  const scan = await scanSegment(services, segment, segment.sizeBytes, (bytes, at, lastOffset) =>
    anew.note(bytes, at, lastOffset),
  );
  if (scan.problem !== null) {
    throw new CorruptionError(segment.file.path, scan.validBytes, scan.problem.reason);
  }
  await writeIndexFiles(services, anew);
  return anew;
}
