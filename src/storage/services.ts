/**
 * What a store's logs share: the file system, its descriptors, the commit, the memory for tails.
 */
import type { Journalist } from '#core/ports.ts';
import type { GroupCommit } from './commit.ts';
import type { FileSystem } from './file-system.ts';
import type { LoadedIndexes } from './index-files.ts';
import type { OpenFiles } from './open-files.ts';
import type { Positions } from './positions.ts';
import type { TailBudget } from './tail-budget.ts';
import type { Decompress } from './timestamps.ts';

export interface StoreServices {
  /** The data folder, without a slash at its end. */
  readonly root: string;
  readonly fs: FileSystem;
  readonly files: OpenFiles;
  readonly commit: GroupCommit;
  readonly positions: Positions;
  readonly tails: TailBudget;
  readonly indexes: LoadedIndexes;
  readonly folders: FolderSync;
  readonly epoch: number;
  readonly decompress: Decompress;
  readonly journal: Journalist;
  /** Ends the process; called for whatever may not be survived. */
  readonly fatal: (error: Error) => void;
  readonly recovery: RecoveryRules;
}

/** What recovery may rely on after the way the store ended last time. */
export interface RecoveryRules {
  /** The store was closed in order: files are exactly as `log-positions` says. */
  readonly isClean: boolean;
  /** The machine has not been down since: whatever was written is there, synced or not. */
  readonly isSameBoot: boolean;
  /** Older segments than those that may be damaged are checked too, up to so many bytes a log. */
  readonly scanBytesMax: number;
}

/** Syncs folders, one sync at a time per folder: who asks meanwhile shares the next one. */
export class FolderSync {
  readonly #fs: FileSystem;
  readonly #running = new Map<string, { current: Promise<void>; next: Promise<void> | null }>();

  constructor(fs: FileSystem) {
    this.#fs = fs;
  }

  /** Resolves when every name that is in the folder now is safe. */
  sync(folder: string): Promise<void> {
    const running = this.#running.get(folder);
    if (running === undefined) return this.#start(folder);
    running.next ??= running.current.then(() => this.#start(folder));
    return running.next;
  }

  #start(folder: string): Promise<void> {
    const current = this.#fs.syncDirectory(folder).finally(() => {
      if (this.#running.get(folder)?.current === current) this.#running.delete(folder);
    });
    this.#running.set(folder, { current, next: null });
    return current;
  }
}
