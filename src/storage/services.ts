/**
 * What a store's logs share: the file system, its descriptors, the commit, the memory for tails.
 */
import type { Journalist } from '#core/ports.ts';
import type { GroupCommit } from './commit.ts';
import type { FileSystem } from './file-system.ts';
import type { LoadedIndexes } from './index-files.ts';
import type { OpenFiles } from './open-files.ts';
import type { Positions } from './positions.ts';
import type { ReadFailures } from './read-failures.ts';
import { SharedRun } from './shared-run.ts';
import type { TailBudget } from './tail-budget.ts';
import type { Decompress } from './timestamps.ts';
import type { BlockPool } from '#wire/block-pool.ts';

export interface StoreServices {
  /** The data folder, without a slash at its end. */
  readonly root: string;
  readonly fs: FileSystem;
  readonly files: OpenFiles;
  readonly commit: GroupCommit;
  readonly positions: Positions;
  readonly tails: TailBudget;
  /** Memory of tails. */
  readonly blocks: BlockPool;
  readonly indexes: LoadedIndexes;
  readonly folders: FolderSync;
  readonly epoch: number;
  readonly decompress: Decompress;
  readonly journal: Journalist;
  readonly readFailures: ReadFailures;
  /** Ends the process; called for whatever may not be survived. */
  readonly fatal: (error: Error) => void;
  readonly recovery: RecoveryRules;
}

/** What recovery may rely on after the way the store ended last time. */
export interface RecoveryRules {
  /** The store was closed in order: files are exactly as `log-positions` says. */
  readonly isClean: boolean;
  /** The machine may have been down since: of what was never synced any part can be missing. */
  readonly mayHaveHoles: boolean;
  /** Older segments than those that may be damaged are checked too, up to so many bytes a log. */
  readonly scanBytesMax: number;
}

/** Syncs folders; who asks for the same one meanwhile shares a sync. */
export class FolderSync {
  readonly #fs: FileSystem;
  readonly #runs = new Map<string, SharedRun>();

  constructor(fs: FileSystem) {
    this.#fs = fs;
  }

  /** Resolves when every name that is in the folder now is safe. */
  async sync(folder: string): Promise<void> {
    let run = this.#runs.get(folder);
    if (run === undefined) {
      run = new SharedRun(() => this.#fs.syncDirectory(folder));
      this.#runs.set(folder, run);
    }
    await run.run();
    if (run.isIdle) this.#runs.delete(folder);
  }
}
