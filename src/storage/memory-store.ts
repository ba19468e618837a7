/**
 * MemoryStore: logs that are gone when the process ends. For tests and for `in-process` use.
 */
import type { Log, LogConfig, LogStore } from '#core/log.ts';
import { BrokerError, invariant } from '#core/errors.ts';
import type { Ports } from '#core/ports.ts';
import { GroupCommit } from './commit.ts';
import { MemoryLog } from './memory-log.ts';
import type { Decompress } from './timestamps.ts';

export interface MemoryStoreOptions {
  readonly epoch?: number;
  /** For timestamps inside of compressed batches. */
  readonly decompress?: Decompress;
}

export class MemoryStore implements LogStore {
  readonly commit: GroupCommit;
  readonly epoch: number;
  readonly hasSpace = true;
  readonly #logs = new Map<string, MemoryLog>();
  readonly #decompress: Decompress;

  constructor(ports: Pick<Ports, 'defer'>, options: MemoryStoreOptions = {}) {
    this.epoch = options.epoch ?? 1;
    this.#decompress = options.decompress ?? cannotDecompress;
    this.commit = new GroupCommit({
      defer: ports.defer,
      after: () => invariant(false, 'memory is never full'),
      fatal: (error) => {
        throw error;
      },
    });
  }

  async open(name: string, config: LogConfig): Promise<Log> {
    return this.#logs.get(name) ?? this.create(name, config);
  }

  create(name: string, config: LogConfig): Log {
    invariant(!this.#logs.has(name), `log ${name} exists`);
    const log = new MemoryLog(name, config, this.commit, this.epoch, this.#decompress);
    this.#logs.set(name, log);
    return log;
  }

  async list(prefix: string): Promise<string[]> {
    return [...this.#logs.keys()].filter((name) => name.startsWith(prefix)).toSorted();
  }

  async remove(log: Log): Promise<void> {
    this.#logs.delete(log.name);
  }

  async close(): Promise<void> {
    await this.commit.whenIdle();
  }
}

export function cannotDecompress(codec: number): never {
  throw new BrokerError('unsupported', `this store has no decompressor for codec ${codec}`);
}
