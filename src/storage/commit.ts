/**
 * GroupCommit: the one commit of all logs, one generation at a time (core/log.ts, Commit).
 *
 *   gather   appends, enlisted flushers and waiters collect until the turn's input is handled
 *   begin    flushers append what they gathered; dirty logs and waiters become the generation
 *   write    every dirty log writes (and syncs, when somebody waits for it), all in parallel
 *   finish   committed offsets move, then waiters are called, then the next generation may begin
 *
 * While a generation is under way the next one gathers, so its size follows the disk's speed.
 * A log that cannot write because the disk is full keeps its part and is asked again after a pause:
 * the generation waits. Any other failure ends the process: after a failed fsync the kernel may
 * have dropped the pages, and a second fsync that succeeds would lie.
 */
import type { Commit, CommitWaiter, Flusher } from '#core/log.ts';
import { invariant } from '#core/errors.ts';
import type { Defer } from '#core/ports.ts';

/** A log, or another file of the store, as the commit sees it. */
export interface Committable {
  /**
   * Begins to write all that was appended until now and calls exactly one of `commit.written()`,
   * `commit.full(this)` or `commit.failed(error)`, at once or later.
   */
  write(commit: GroupCommit): void;
  /** All that `write` took is safe: committed offsets may move. */
  committed(): void;
}

export interface CommitPorts {
  readonly defer: Defer;
  /** Runs `task` once after `delayMs`; only asked for when the disk is full. */
  readonly after: (delayMs: number, task: () => void) => void;
  /** Never returns control to anybody who could acknowledge something. */
  readonly fatal: (error: Error) => void;
}

const FULL_RETRY_MS = 200;

export class GroupCommit implements Commit {
  generation = 1;
  /** Called when a log met a full disk, and when a generation went through. */
  onFull: () => void = () => {};
  onFinished: () => void = () => {};

  readonly #ports: CommitPorts;
  #flushers: Flusher[] = [];
  #dirty: Committable[] = [];
  #waiters: CommitWaiter[] = [];
  #underWay: Committable[] = [];
  #underWayWaiters: CommitWaiter[] = [];
  #underWayGeneration = 0;
  #full: Committable[] = [];
  #outstanding = 0;
  #running = false;
  #scheduled = false;
  #dead = false;
  #idleListeners: (() => void)[] = [];
  readonly #begin = (): void => this.#beginGeneration();

  constructor(ports: CommitPorts) {
    this.#ports = ports;
  }

  enlist(flusher: Flusher): void {
    this.#flushers.push(flusher);
    if (!this.#scheduled) this.#schedule();
  }

  wait(waiter: CommitWaiter): void {
    this.#waiters.push(waiter);
    if (!this.#scheduled) this.#schedule();
  }

  /** A log says that it holds something unwritten; once per generation. */
  dirty(log: Committable): void {
    this.#dirty.push(log);
    if (!this.#scheduled) this.#schedule();
  }

  get idle(): boolean {
    return !this.#running && !this.#scheduled;
  }

  /** Resolves when nothing is gathered and nothing under way. */
  whenIdle(): Promise<void> {
    if (this.idle) return Promise.resolve();
    return new Promise((resolve) => this.#idleListeners.push(resolve));
  }

  written(): void {
    invariant(this.#outstanding > 0, 'a log reported its write twice');
    if (--this.#outstanding === 0) this.#settle();
  }

  full(log: Committable): void {
    this.#full.push(log);
    this.onFull();
    if (--this.#outstanding === 0) this.#settle();
  }

  failed(error: Error): void {
    this.#dead = true;
    this.#ports.fatal(error);
  }

  #schedule(): void {
    this.#scheduled = true;
    if (!this.#running && !this.#dead) this.#ports.defer(this.#begin);
  }

  #beginGeneration(): void {
    if (this.#dead) return;
    while (this.#flushers.length > 0) {
      const flushers = this.#flushers;
      this.#flushers = [];
      for (const flusher of flushers) flusher.flush();
    }
    this.#scheduled = false;
    this.#running = true;
    this.#underWayGeneration = this.generation++;
    this.#underWay = this.#dirty;
    this.#underWayWaiters = this.#waiters;
    this.#dirty = [];
    this.#waiters = [];
    this.#writeAll(this.#underWay);
  }

  #writeAll(logs: readonly Committable[]): void {
    // One more than there are logs, so that logs which finish at once do not settle too early.
    this.#outstanding = logs.length + 1;
    for (const log of logs) log.write(this);
    if (--this.#outstanding === 0) this.#settle();
  }

  #settle(): void {
    if (this.#dead) return;
    if (this.#full.length > 0) {
      const full = this.#full;
      this.#full = [];
      this.#ports.after(FULL_RETRY_MS, () => {
        if (!this.#dead) this.#writeAll(full);
      });
      return;
    }
    this.#finish();
  }

  #finish(): void {
    for (const log of this.#underWay) log.committed();
    this.onFinished();
    const waiters = this.#underWayWaiters;
    const generation = this.#underWayGeneration;
    this.#underWay = [];
    this.#underWayWaiters = [];
    for (const waiter of waiters) waiter.committed(generation);
    this.#running = false;
    if (this.#scheduled) {
      this.#ports.defer(this.#begin);
      return;
    }
    for (const listener of this.#idleListeners.splice(0)) listener();
  }
}
