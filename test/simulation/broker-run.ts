/**
 * One seeded life of a broker: real core, real storage, a simulated disk. Clients publish, consume,
 * acknowledge, return, lease and produce; every so often the process or the machine ends in the middle of
 * something, or the disk is full for a while. Nothing acknowledged may be lost, nothing settled may
 * return (see queue-model.ts and lease-model.ts for the exact promises).
 */
import { hashesPort } from '#server/hashes.ts';
import assert from 'node:assert/strict';
import { UserTable } from '#auth/user-table.ts';
import { Broker } from '#core/broker.ts';
import { defaultLimits } from '#core/limits.ts';
import { Message, Outcome } from '#core/message/message.ts';
import type { Ports } from '#core/ports.ts';
import { defaultQueueOptions } from '#core/queue/queue-options.ts';
import { createCodecs } from '#server/compression.ts';
import { DiskStore } from '#storage/disk-store.ts';
import { LeaseModel } from './lease-model.ts';
import { PartitionModel } from './partition-model.ts';
import { QueueModel } from './queue-model.ts';
import { SeededRandom } from '#test/rigs/seeded-random.ts';
import { SimulatedDisk } from './simulated-disk.ts';
import { SimulatedFileSystem } from './simulated-file-system.ts';

const TOPIC = 'events';
const KINDS = ['classic', 'quorum', 'classic'] as const;
const START_MS = 1_700_000_000_000;

export interface BrokerRunResult {
  crashes: number;
  confirmed: number;
  acknowledged: number;
}

export class BrokerRun {
  readonly #random: SeededRandom;
  readonly #disk: SimulatedDisk;
  readonly #queues = KINDS.map((_, i) => new QueueModel(`jobs-${i}`));
  readonly #leases: readonly LeaseModel[];
  readonly #partitions = [new PartitionModel(9001), new PartitionModel(9002)];
  #fs!: SimulatedFileSystem;
  #broker!: Broker;
  #life = 0;
  #nowMs = START_MS;
  #nextId = 1;
  #failure: Error | null = null;
  #timers: (() => void)[] = [];
  #isDeclared = false;
  #lastEnd: 'none' | 'process' | 'power' = 'none';

  constructor(seed: number) {
    this.#random = new SeededRandom(seed);
    this.#disk = new SimulatedDisk(this.#random);
    this.#leases = ([null, 'fifo', 'fair'] as const).map(
      (grouping) => new LeaseModel(`leases-${grouping}`, grouping, this.#random),
    );
  }

  async run(lives: number, stepsPerLife: number): Promise<BrokerRunResult> {
    let crashes = 0;
    for (let life = 0; life < lives; life++) {
      await this.#begin();
      const faults = this.#random.below(8);
      for (let step = this.#random.below(stepsPerLife); step > 0; step--) {
        this.#act();
        if (faults === 0 && this.#random.chance(0.05)) this.#fillDisk();
        await this.#turns(this.#random.below(5));
        if (this.#failure !== null) throw this.#failure;
      }
      this.#disk.capacityBytes = Infinity;
      const isClosed = this.#random.chance(0.2) && (await this.#close());
      this.#end(isClosed || this.#random.chance(0.6) ? 'process' : 'power');
      if (!isClosed) crashes++;
    }
    await this.#begin();
    this.#end('process');
    const sum = (counts: number[]): number => counts.reduce((a, b) => a + b, 0);
    return {
      crashes,
      confirmed: sum([...this.#queues, ...this.#leases].map((queue) => queue.confirmedCount)),
      acknowledged: sum(this.#partitions.map((partition) => partition.acknowledgedCount)),
    };
  }

  async #begin(): Promise<void> {
    const life = ++this.#life;
    this.#timers = [];
    this.#fs = new SimulatedFileSystem(this.#disk);
    const ports: Ports = {
      clock: { now: () => this.#nowMs },
      random: this.#random,
      hashes: hashesPort,
      defer: (task) => void setImmediate(() => life === this.#life && task()),
      log: { error: () => {}, warn: () => {}, info: () => {} },
    };
    const store = await DiskStore.open('data', {
      ports,
      fatal: (error) => {
        if (life === this.#life) this.#failure = error;
      },
      after: (_delayMs, task) => void this.#timers.push(task),
      fs: this.#fs,
      freeBytesMin: 0,
      logTailBytesMax: this.#random.pick([0, 5000, 1e6]),
      tailBytesMax: this.#random.pick([0, 20_000, 1e7]),
    });
    this.#broker = await Broker.open({
      store,
      ports,
      limits: { ...defaultLimits(1 << 28), memoryBytesMax: this.#random.pick([1, 40_000, 1e7]) },
      defaults: { queueSegmentBytesMax: this.#random.pick([2000, 50_000]) },
      codecs: createCodecs(),
      auth: new UserTable(),
    });
    await this.#declare();
    await this.#examine();
  }

  async #declare(): Promise<void> {
    if (this.#isDeclared) return;
    const { defaultNamespace } = this.#broker;
    this.#queues.forEach(({ name }, i) => {
      defaultNamespace.declareQueue(name, {
        ...defaultQueueOptions(),
        durable: true,
        kind: KINDS[i]!,
      });
    });
    for (const model of this.#leases) defaultNamespace.declareQueue(model.name, model.options);
    const config = { 'segment.bytes': '1048576' };
    const partitions = this.#partitions.length;
    defaultNamespace.createTopic(TOPIC, { partitions, replicationFactor: 1, config });
    await this.#broker.committed();
    this.#isDeclared = true;
  }

  async #examine(): Promise<void> {
    const { defaultNamespace } = this.#broker;
    for (const model of this.#queues) {
      const queue = defaultNamespace.queue(model.name, null);
      await model.examine(queue, () => this.#turns(1));
    }
    for (const model of this.#leases) {
      model.examine(defaultNamespace.queue(model.name, null), this.#nowMs, this.#lastEnd);
      if (this.#random.chance(0.5)) await model.drain(() => this.#pass());
    }
    const topic = defaultNamespace.topic(TOPIC);
    for (const [i, model] of this.#partitions.entries()) {
      const answers = await model.examine(topic.partition(i));
      this.#whenCommitted(() => {
        for (const answer of answers) answer();
      });
    }
  }

  /** `answer` is called by the commit that makes safe what was done until now. */
  #whenCommitted(answer: () => void): void {
    const life = this.#life;
    this.#broker.commit.wait({
      committed: () => {
        assert.equal(life, this.#life, 'an answer after the end');
        answer();
      },
    });
  }

  #end(kind: 'process' | 'power'): void {
    this.#life++;
    this.#lastEnd = kind;
    this.#fs.crash(kind);
    for (const model of this.#queues) model.crashed(kind);
    for (const model of this.#partitions) model.crashed();
  }

  #act(): void {
    const random = this.#random;
    const queue = random.pick(this.#queues);
    const what = random.next();
    this.#nowMs += random.below(50);
    if (what < 0.35) this.#publish(queue, 1 + random.below(8));
    else if (what < 0.65) this.#settle(queue, random.below(8));
    else if (what < 0.75) this.#produce();
    else if (what < 0.97) this.#lease(random.pick(this.#leases));
    else this.#broker.tick(this.#nowMs);
  }

  #publish(model: QueueModel, count: number): void {
    if (!this.#broker.hasSpace) return;
    const queue = this.#broker.defaultNamespace.queue(model.name, null);
    const message = new Message();
    const ids: number[] = [];
    for (; count > 0; count--) {
      const id = this.#nextId++;
      const body = Buffer.alloc(4 + this.#random.pick([0, 20, 300, 5000]), id & 0xff);
      body.writeUInt32BE(id);
      message.reset();
      message.body = body;
      message.bodyEnd = body.length;
      message.timestampMs = this.#nowMs;
      message.durable = this.#random.chance(0.8);
      model.published(id, message.durable);
      const outcome = queue.publish(message);
      assert.ok((outcome & Outcome.Routed) !== 0);
      if ((outcome & Outcome.AwaitCommit) !== 0) ids.push(id);
      // The publisher's buffer is used again.
      body.fill(0xee);
    }
    this.#whenCommitted(model.promise(ids));
  }

  #settle(model: QueueModel, count: number): void {
    for (; count > 0 && model.heldCount > 0; count--) {
      const i = this.#random.chance(0.7) ? 0 : this.#random.below(model.heldCount);
      const how = this.#random.next();
      if (how < 0.7) model.accept(i);
      else if (how < 0.8) model.reject(i);
      else if (model.name !== 'jobs-1') model.release(i);
    }
    this.#whenCommitted(model.promise([]));
  }

  #lease(model: LeaseModel): void {
    this.#broker.tick(this.#nowMs);
    if (this.#broker.hasSpace) {
      for (let count = this.#random.below(6); count > 0; count--) {
        this.#whenCommitted(model.publish(this.#nextId++, this.#nowMs));
      }
    }
    model.act(this.#nowMs);
    this.#whenCommitted(model.promise());
  }

  /** A while. */
  async #pass(): Promise<number> {
    this.#nowMs += 7;
    this.#broker.tick(this.#nowMs);
    await this.#turns(1);
    return this.#nowMs;
  }

  #produce(): void {
    if (!this.#broker.hasSpace) return;
    const answer = this.#random.pick(this.#partitions).send(1 + this.#random.below(5));
    if (answer !== null) this.#whenCommitted(answer);
  }

  #fillDisk(): void {
    this.#disk.capacityBytes = this.#disk.usedBytes + this.#random.below(3000);
  }

  async #turns(count: number): Promise<void> {
    for (; count > 0; count--) {
      await new Promise((resolve) => void setImmediate(resolve));
      if (this.#random.chance(0.1)) for (const task of this.#timers.splice(0)) task();
      if (this.#random.chance(0.03)) this.#disk.capacityBytes = Infinity;
    }
  }

  async #close(): Promise<boolean> {
    const progress = { isClosed: false };
    const closing = this.#broker.close().then(() => {
      progress.isClosed = true;
      return true;
    });
    for (let turn = 0; !progress.isClosed && turn < 5000; turn++) await this.#turns(1);
    assert.ok(progress.isClosed, 'closing does not come to its end');
    return closing;
  }
}
