/**
 * SimulatedDisk: what a disk and its file system keep, and what they may lose.
 *
 * Every file has what programs see (`cached`) and what survives the power going down (`durable`).
 * Names likewise: creations, renames and removals are a journal that a folder sync, or luck,
 * makes durable, in order. After `crash('power')` every page written since the last sync is kept,
 * lost or torn at a sector, each for itself; after `crash('process')` everything written is there.
 */
import type { SeededRandom } from '#test/rigs/seeded-random.ts';

const PAGE_BYTES = 4096;
const SECTOR_BYTES = 512;

export class SimulatedFile {
  cached: Buffer = Buffer.alloc(0);
  durable: Buffer = Buffer.alloc(0);
  readonly dirtyPages = new Set<number>();

  write(bytes: Uint8Array, position: number): void {
    const end = position + bytes.length;
    if (end > this.cached.length) this.#resize(end);
    this.cached.set(bytes, position);
    for (let page = Math.floor(position / PAGE_BYTES); page * PAGE_BYTES < end; page++) {
      this.dirtyPages.add(page);
    }
  }

  truncate(size: number): void {
    this.#resize(size);
    this.dirtyPages.add(Math.floor(size / PAGE_BYTES));
  }

  #resize(size: number): void {
    const next = Buffer.alloc(size);
    this.cached.copy(next, 0, 0, Math.min(size, this.cached.length));
    this.cached = next;
  }

  sync(): void {
    this.durable = Buffer.from(this.cached);
    this.dirtyPages.clear();
  }

  /** The power goes: some of what was not synced is there, some is not. */
  lose(random: SeededRandom): void {
    const sizes = [this.cached.length, this.durable.length];
    if (this.cached.length > this.durable.length) {
      const between = this.cached.length - this.durable.length;
      sizes.push(this.durable.length + random.below(between + 1));
    }
    const size = random.pick(sizes);
    const after = Buffer.alloc(size);
    this.durable.copy(after, 0, 0, Math.min(size, this.durable.length));
    for (const page of this.dirtyPages) {
      const kept = random.pick([0, PAGE_BYTES, random.below(9) * SECTOR_BYTES]);
      const start = page * PAGE_BYTES;
      const end = Math.min(start + kept, size, this.cached.length);
      if (end > start) this.cached.copy(after, start, start, end);
    }
    this.cached = after;
    this.sync();
  }
}

type Names = Map<string, SimulatedFile | 'folder'>;
type NameChange = { readonly folder: string; readonly apply: (names: Names) => void };

export class SimulatedDisk {
  readonly random: SeededRandom;
  names: Names = new Map([['', 'folder']]);
  #durableNames: Names = new Map([['', 'folder']]);
  #changes: NameChange[] = [];
  capacityBytes = Infinity;
  boots = 1;

  constructor(random: SeededRandom) {
    this.random = random;
  }

  file(path: string): SimulatedFile | null {
    const node = this.names.get(path);
    return node === undefined || node === 'folder' ? null : node;
  }

  get usedBytes(): number {
    let used = 0;
    for (const node of this.names.values()) if (node !== 'folder') used += node.cached.length;
    return used;
  }

  change(path: string, apply: (names: Names) => void): void {
    apply(this.names);
    this.#changes.push({ folder: parentOf(path), apply });
  }

  /** Makes durable what happened in the folder, and, since names are journaled in order, all that
   * happened before. */
  syncFolder(path: string): void {
    const last = this.#changes.findLastIndex((change) => change.folder === path);
    for (const change of this.#changes.splice(0, last + 1)) change.apply(this.#durableNames);
  }

  crash(kind: 'process' | 'power'): void {
    if (kind === 'process') return;
    this.boots++;
    const kept = this.random.below(this.#changes.length + 1);
    for (const change of this.#changes.slice(0, kept)) change.apply(this.#durableNames);
    this.#changes = [];
    this.names = new Map(this.#durableNames);
    for (const node of this.names.values()) if (node !== 'folder') node.lose(this.random);
  }
}

export function parentOf(path: string): string {
  return path.slice(0, Math.max(0, path.lastIndexOf('/')));
}
