/**
 * One seeded life of a store: appends, deletes, commits, and every so often the process or the
 * machine ends in the middle of something, the disk is full for a while, or a write fails. After
 * each restart every log must hold what was acknowledged, nothing torn, nothing else.
 */
import assert from 'node:assert/strict';
import { Batch } from '#core/message/batch.ts';
import { Sync } from '#core/log.ts';
import type { Log, LogConfig } from '#core/log.ts';
import { DiskStore } from '#storage/disk-store.ts';
import { makeBatch } from '../contracts/batches.ts';
import { SeededRandom } from '#test/rigs/seeded-random.ts';
import { SimulatedDisk } from './simulated-disk.ts';
import { SimulatedFileSystem } from './simulated-file-system.ts';

interface Stored {
  readonly base: number;
  readonly end: number;
  readonly bytes: Uint8Array;
}

/** What a log must hold. */
class Model {
  readonly name: string;
  config: LogConfig;
  stored: Stored[] = [];
  end = 0;
  start = 0;
  /** Survives the process. */
  ackedEnd = 0;
  ackedStart = 0;
  /** Survives the machine. */
  syncedEnd = 0;
  /** The generation in which something was last appended that somebody waits for. */
  syncGeneration = -1;
  sequence = 0;

  constructor(name: string, config: LogConfig) {
    this.name = name;
    this.config = config;
  }

  /** As after its removal, when another log of the same name takes its place. */
  reset(topicId: Uint8Array): void {
    this.config = { ...this.config, topicId };
    this.stored = [];
    this.end = this.start = this.ackedEnd = this.ackedStart = this.syncedEnd = this.sequence = 0;
    this.syncGeneration = -1;
  }
}

export interface StorageRunResult {
  crashes: number;
  acknowledged: number;
}

const ROOT = 'data';

export class StorageRun {
  readonly #random: SeededRandom;
  readonly #disk: SimulatedDisk;
  readonly #models: Model[] = [];
  readonly #logs = new Map<Model, Log>();
  #fs!: SimulatedFileSystem;
  #store!: DiskStore;
  #life = 0;
  #failure: Error | null = null;
  #timers: (() => void)[] = [];
  #acknowledged = 0;

  constructor(seed: number) {
    this.#random = new SeededRandom(seed);
    this.#disk = new SimulatedDisk(this.#random);
    const count = 1 + this.#random.below(3);
    for (let i = 0; i < count; i++) {
      const sync = this.#random.chance(0.8) ? Sync.Commit : Sync.Os;
      this.#models.push(
        new Model(`topics/t/l${i}-0`, {
          sync,
          segmentBytesMax: this.#random.pick([700, 3000, 20_000, 1_000_000]),
          segmentAgeMsMax: 1e9,
          indexIntervalBytes: this.#random.pick([100, 1000, 4096]),
          retentionMs: -1,
          retentionBytes: -1,
          ephemeral: false,
          topicId: this.#random.bytes(16),
        }),
      );
    }
  }

  async run(lives: number, stepsPerLife: number): Promise<StorageRunResult> {
    let crashes = 0;
    for (let life = 0; life < lives; life++) {
      await this.#begin();
      const faults = this.#random.below(6);
      for (let step = this.#random.below(stepsPerLife); step > 0; step--) {
        this.#act();
        if (faults === 0 && this.#random.chance(0.05)) this.#fillDisk();
        if (faults === 1 && this.#random.chance(0.02)) this.#breakDisk();
        await this.#pass(this.#random.below(6));
        if (this.#failure !== null) break;
      }
      this.#emptyDisk();
      const isClosed = this.#random.chance(0.25) && (await this.#close());
      this.#end(isClosed || this.#random.chance(0.5) ? 'process' : 'power');
      if (!isClosed) crashes++;
    }
    await this.#begin();
    this.#end('process');
    return { crashes, acknowledged: this.#acknowledged };
  }

  async #begin(): Promise<void> {
    this.#life++;
    this.#failure = null;
    this.#timers = [];
    this.#fs = new SimulatedFileSystem(this.#disk);
    const life = this.#life;
    this.#store = await DiskStore.open(ROOT, {
      ports: {
        defer: (task) => setImmediate(() => life === this.#life && task()),
        log: { error: () => {}, warn: () => {}, info: () => {} },
      },
      fatal: (error) => {
        if (life === this.#life) this.#failure = error;
      },
      after: (_delayMs, task) => void this.#timers.push(task),
      fs: this.#fs,
      freeBytesMin: 0,
      openFilesMax: this.#random.pick([2, 100]),
      logTailBytesMax: this.#random.pick([0, 1000, 1e6]),
    });
    for (const model of this.#models) {
      const log = await this.#store.open(model.name, model.config);
      await this.#verify(model, log);
      this.#logs.set(model, log);
    }
  }

  /** `end` ends this life; what is still under way is never heard of. */
  #end(kind: 'process' | 'power'): void {
    this.#life++;
    this.#fs.crash(kind);
    for (const model of this.#models) {
      if (kind === 'power') {
        model.ackedEnd = model.syncedEnd;
        model.ackedStart = 0;
      }
    }
  }

  async #verify(model: Model, log: Log): Promise<void> {
    const { name } = model;
    assert.ok(
      log.endOffset >= model.ackedEnd,
      `${name}: acknowledged up to ${model.ackedEnd}, there is only ${log.endOffset}`,
    );
    assert.ok(log.endOffset <= model.end, `${name}: ends at ${log.endOffset}, past ${model.end}`);
    assert.ok(log.startOffset <= model.start, `${name}: starts at ${log.startOffset}`);
    assert.ok(log.startOffset >= model.ackedStart, `${name}: deleted records came back`);
    assert.equal(log.committedOffset, log.endOffset);
    let offset = log.startOffset;
    while (offset < log.endOffset) {
      const parts = await log.read(offset, this.#random.pick([1, 500, 1e6]), log.endOffset);
      assert.ok(parts.length > 0, `${name}: nothing at ${offset}`);
      for (const part of parts) offset = this.#compare(model, part, offset);
    }
    model.stored = model.stored.filter(({ end }) => end <= log.endOffset);
    this.#checkProducer(model, log);
    // From now on what the log said it has must stay, as far as it was acknowledged before.
    model.end = log.endOffset;
    model.start = log.startOffset;
    model.syncGeneration = -1;
  }

  #compare(model: Model, part: Uint8Array, offset: number): number {
    for (let at = 0; at < part.length;) {
      const size = Batch.sizeBytes(part, at);
      const base = Batch.baseOffset(part, at);
      const stored = model.stored.find((one) => one.base === base);
      assert.ok(stored, `${model.name}: a batch at ${base} that nobody wrote`);
      assert.ok(offset >= stored.base && offset < stored.end, `${model.name}: a gap at ${offset}`);
      const isSame = Buffer.compare(part.subarray(at, at + size), stored.bytes) === 0;
      assert.ok(isSame, `${model.name}: other bytes at ${base}`);
      offset = stored.end;
      at += size;
    }
    return offset;
  }

  #checkProducer(model: Model, log: Log): void {
    let newest: Stored | null = null;
    for (const stored of model.stored) {
      if (stored.base >= log.startOffset && Batch.producerId(stored.bytes, 0) >= 0) newest = stored;
    }
    if (newest === null) return;
    const { bytes, end } = newest;
    const sequence = Batch.baseSequence(bytes, 0);
    const delta = Batch.lastOffsetDelta(bytes, 0);
    const known = log.producers.check(77, 0, sequence, delta);
    assert.equal(known?.lastOffset, end - 1, `${model.name}: the producer's last batch`);
    model.sequence = sequence + delta + 1;
  }

  #act(): void {
    const model = this.#random.pick(this.#models);
    const log = this.#logs.get(model)!;
    const what = this.#random.next();
    if (what < 0.75) this.#append(model, log);
    else if (what < 0.83) this.#delete(model, log);
    else if (what < 0.84) this.#replace(model, log);
    this.#wait();
  }

  #append(model: Model, log: Log): void {
    const random = this.#random;
    const count = 1 + random.below(3);
    const value = random.bytes(random.pick([10, 100, 400, 9000]));
    const isProducer = random.chance(0.3);
    const producer = { id: 77, epoch: 0, sequence: model.sequence };
    const timestampsMs = Array.from({ length: count }, () => random.below(1e6));
    const bytes = makeBatch(
      isProducer ? { timestampsMs, value, producer } : { timestampsMs, value },
    );
    if (isProducer) model.sequence += count;
    const mustSync = random.chance(0.7);
    const base = log.append(bytes, mustSync);
    assert.equal(base, model.end);
    model.end += count;
    model.stored.push({ base, end: model.end, bytes: bytes.slice() });
    if (mustSync) model.syncGeneration = this.#store.commit.generation;
  }

  #delete(model: Model, log: Log): void {
    const offset = model.start + this.#random.below(model.end - model.start + 1);
    log.deleteBefore(offset);
    model.start = Math.max(model.start, offset);
  }

  /** The catalog knows by the topic's id which of two logs of one name is meant. */
  #replace(model: Model, log: Log): void {
    void this.#store.remove(log);
    model.reset(this.#random.bytes(16));
    this.#logs.set(model, this.#store.create(model.name, model.config));
  }

  #wait(): void {
    const life = this.#life;
    const promises = this.#models.map((model) => {
      const isWaitedFor = model.syncGeneration === this.#store.commit.generation;
      const synced = isWaitedFor && model.config.sync === Sync.Commit;
      const { end, start, config } = model;
      return { model, end, start, synced, topicId: config.topicId };
    });
    this.#store.commit.wait({
      committed: () => {
        assert.equal(life, this.#life, 'an answer after the end');
        assert.equal(this.#failure, null, 'an answer after a failed write');
        for (const { model, end, start, synced, topicId } of promises) {
          if (model.config.topicId !== topicId) continue;
          this.#acknowledged += Math.max(0, end - model.ackedEnd);
          model.ackedEnd = Math.max(model.ackedEnd, end);
          model.ackedStart = Math.max(model.ackedStart, start);
          if (synced) model.syncedEnd = Math.max(model.syncedEnd, end);
          const log = this.#logs.get(model)!;
          assert.ok(log.committedOffset >= end, `${model.name}: committed offset lags`);
        }
      },
    });
  }

  #fillDisk(): void {
    this.#disk.capacityBytes = this.#disk.usedBytes + this.#random.below(2000);
  }

  #emptyDisk(): void {
    this.#disk.capacityBytes = Infinity;
  }

  #breakDisk(): void {
    const bad = this.#random.pick(['write', 'fdatasync']);
    this.#fs.fault = (operation) => (operation === bad ? 'EIO' : null);
  }

  /** Lets the event loop turn, and time pass now and then. */
  async #pass(turns: number): Promise<void> {
    for (; turns > 0; turns--) await new Promise((resolve) => void setImmediate(resolve));
    if (this.#random.chance(0.3)) this.#fireTimers();
    if (this.#random.chance(0.1)) this.#emptyDisk();
  }

  #fireTimers(): void {
    for (const task of this.#timers.splice(0)) task();
  }

  async #settle(): Promise<void> {
    const commit = this.#store.commit;
    while (!commit.idle && this.#failure === null) {
      this.#fireTimers();
      await new Promise((resolve) => void setImmediate(resolve));
    }
  }

  /** False when a broken disk did not let it. */
  async #close(): Promise<boolean> {
    if (this.#failure === null) await this.#settle();
    if (this.#failure !== null) return false;
    try {
      await this.#store.close();
    } catch {
      return false;
    }
    for (const model of this.#models) model.syncedEnd = model.ackedEnd = model.end;
    return true;
  }
}
