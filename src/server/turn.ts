/**
 * Turn: what happens once per turn of the event loop, after all input that was waiting is handled.
 *
 * First the deferred tasks run (the commit starts its writes), then every connection that has
 * output is flushed: one write per connection per turn. Tasks that are deferred while tasks run
 * belong to the next turn; output that they cause belongs to this one.
 */
import type { Faults } from './faults.ts';

export interface Flushable {
  flush(): void;
}

export class Turn {
  #tasks: (() => void)[] = [];
  #outputs: Flushable[] = [];
  #armed = false;
  readonly #faults: Faults;

  constructor(faults: Faults) {
    this.#faults = faults;
  }

  /** Nothing is deferred and no output waits. */
  get isIdle(): boolean {
    return !this.#armed;
  }

  /** The port that the core calls `defer`. */
  readonly defer = (task: () => void): void => {
    this.#tasks.push(task);
    this.#arm();
  };

  /** The caller sees to it that it asks once per turn. */
  flushLater(output: Flushable): void {
    this.#outputs.push(output);
    this.#arm();
  }

  #arm(): void {
    if (this.#armed) return;
    this.#armed = true;
    setImmediate(this.#run);
  }

  readonly #run = (): void => {
    this.#armed = false;
    try {
      this.#runAll();
    } catch (error) {
      this.#faults.caught(error);
    }
  };

  #runAll(): void {
    if (this.#tasks.length > 0) {
      const tasks = this.#tasks;
      this.#tasks = [];
      for (const task of tasks) task();
    }
    const outputs = this.#outputs;
    this.#outputs = [];
    for (const output of outputs) output.flush();
  }
}
