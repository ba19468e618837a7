/**
 * What every engine of core/log.ts must do. `logContract(name, start)` declares the tests; `start`
 * makes an engine on nothing.
 */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { Batch } from '#core/message/batch.ts';
import { BrokerError } from '#core/errors.ts';
import { Sync } from '#core/log.ts';
import type { Log, LogConfig, LogStore } from '#core/log.ts';
import { baseOffsets, makeBatch } from './batches.ts';

export interface Engine {
  /** A store on what the one before left. That one must have been closed. */
  open(): Promise<LogStore>;
  /** What was stored is there after close and open. */
  readonly isPersistent: boolean;
  end(): Promise<void>;
}

export const LOG_CONFIG: LogConfig = {
  sync: Sync.Commit,
  segmentBytesMax: 1024 * 1024,
  segmentAgeMsMax: 7 * 24 * 3600 * 1000,
  indexIntervalBytes: 4096,
  retentionMs: -1,
  retentionBytes: -1,
  ephemeral: false,
};

/** Resolves when all that was appended until now is committed. */
export function committed(store: LogStore): Promise<number> {
  return new Promise((resolve) => store.commit.wait({ committed: resolve }));
}

type Check = (store: LogStore, engine: Engine) => Promise<void>;

export function logContract(name: string, start: () => Promise<Engine>): void {
  describe(`log contract: ${name}`, () => {
    for (const [title, check] of CHECKS) {
      test(title, async () => {
        const engine = await start();
        const stores: LogStore[] = [];
        const open = async (): Promise<LogStore> => {
          const store = await engine.open();
          stores.push(store);
          return store;
        };
        try {
          await check(await open(), { ...engine, open });
        } finally {
          for (const store of stores) await store.close();
          await engine.end();
        }
      });
    }
  });
}

async function fill(store: LogStore, log: Log, batches: number, recordsEach = 2): Promise<void> {
  for (let i = 0; i < batches; i++) {
    const timestampsMs = Array.from({ length: recordsEach }, (_, k) => 1000 + i * 10 + k);
    log.append(makeBatch({ timestampsMs, value: Buffer.from(`batch ${i}`) }), true);
    if (i % 7 === 0) await committed(store);
  }
  await committed(store);
}

function isOutOfRange(error: unknown): boolean {
  return error instanceof BrokerError && error.code === 'offset-out-of-range';
}

const SMALL: LogConfig = { ...LOG_CONFIG, segmentBytesMax: 600, indexIntervalBytes: 200 };

const CHECKS: [string, Check][] = [
  [
    'offsets are dense and stamped into the batches',
    async (store) => {
      const log = store.create('topics/t/a-0', LOG_CONFIG);
      assert.equal(log.append(makeBatch({ timestampsMs: [1, 2, 3] }), true), 0);
      const two = Buffer.concat([makeBatch(), makeBatch({ timestampsMs: [5, 6] })]);
      assert.equal(log.append(two, true), 3);
      assert.equal(log.endOffset, 6);
      await committed(store);
      const parts = await log.read(0, 1e6, 6);
      assert.deepEqual(baseOffsets(parts), [0, 3, 4]);
      assert.equal(Batch.leaderEpoch(parts[0]!, 0), store.epoch);
      assert.deepEqual(log.epochs, [{ epoch: store.epoch, startOffset: 0 }]);
    },
  ],
  [
    'nothing is committed before the commit, everything after',
    async (store) => {
      const log = store.create('topics/t/a-0', LOG_CONFIG);
      log.append(makeBatch(), true);
      assert.equal(log.committedOffset, 0);
      await committed(store);
      assert.equal(log.committedOffset, 1);
      log.append(makeBatch(), false);
      await committed(store);
      assert.equal(log.committedOffset, 2);
    },
  ],
  [
    'waiters are called once, in order, with their generation; flushers before the commit',
    async (store) => {
      const log = store.create('queues/q/a-0', LOG_CONFIG);
      const calls: string[] = [];
      store.commit.enlist({
        flush: () => {
          calls.push('flush');
          log.append(makeBatch(), true);
        },
      });
      const { generation } = store.commit;
      store.commit.wait({
        committed: (g) => calls.push(`first ${g - generation} ${log.committedOffset}`),
      });
      store.commit.wait({ committed: () => calls.push('second') });
      await committed(store);
      assert.deepEqual(calls, ['flush', 'first 0 1', 'second']);
      await committed(store);
      assert.equal(calls.length, 3);
      assert.ok(store.commit.generation > generation);
    },
  ],
  [
    'many logs commit together',
    async (store) => {
      const logs = Array.from({ length: 40 }, (_, i) =>
        store.create(`queues/q/n${i}-0`, LOG_CONFIG),
      );
      for (let round = 0; round < 5; round++) {
        for (const log of logs) log.append(makeBatch({ timestampsMs: [round] }), round % 2 === 0);
        await committed(store);
        for (const log of logs) assert.equal(log.committedOffset, round + 1);
      }
    },
  ],
  [
    'read gives whole batches within its bounds',
    async (store) => {
      const log = store.create('topics/t/a-0', LOG_CONFIG);
      await fill(store, log, 10);
      const size = makeBatch({ timestampsMs: [1000, 1001], value: Buffer.from('batch 0') }).length;
      assert.deepEqual(baseOffsets(await log.read(0, 1, 20)), [0], 'at least one');
      assert.deepEqual(baseOffsets(await log.read(3, 2 * size, 20)), [2, 4], 'inside of a batch');
      assert.deepEqual(baseOffsets(await log.read(0, 1e6, 6)), [0, 2, 4], 'up to');
      assert.deepEqual(baseOffsets(await log.read(4, 1e6, 5)), [], 'a batch that reaches past');
      assert.deepEqual(await log.read(20, 1e6, 20), [], 'the end');
      await assert.rejects(async () => log.read(21, 1, 30), isOutOfRange);
      await assert.rejects(async () => log.read(-1, 1, 30), isOutOfRange);
    },
  ],
  [
    'a log of many segments reads through',
    async (store) => {
      const log = store.create('topics/t/a-0', SMALL);
      await fill(store, log, 60);
      await readThrough(log, 120);
    },
  ],
  [
    'a batch larger than a segment and than any read',
    async (store) => {
      const log = store.create('topics/t/a-0', SMALL);
      await fill(store, log, 3);
      log.append(makeBatch({ value: Buffer.alloc(300_000, 7) }), true);
      await fill(store, log, 3);
      assert.equal((await log.read(6, 10, 13))[0]!.length > 300_000, true);
      await readThrough(log, 13);
    },
  ],
  [
    'delete before: the start moves at once and stays',
    async (store, engine) => {
      const log = store.create('topics/t/a-0', SMALL);
      await fill(store, log, 30);
      const before = log.sizeBytes;
      log.deleteBefore(31);
      assert.equal(log.startOffset, 31);
      assert.throws(() => log.read(30, 1, 60), isOutOfRange);
      assert.deepEqual(baseOffsets(await log.read(31, 1, 60)), [30]);
      assert.throws(() => log.deleteBefore(61), isOutOfRange);
      log.deleteBefore(10);
      assert.equal(log.startOffset, 31);
      await committed(store);
      assert.ok(log.sizeBytes < before);
      log.deleteBefore(60);
      assert.deepEqual(await log.read(60, 1, 60), []);
      await fill(store, log, 1);
      assert.equal(log.endOffset, 62);
      if (!engine.isPersistent) return;
      await store.close();
      const again = await (await engine.open()).open('topics/t/a-0', SMALL);
      assert.equal(again.startOffset, 60);
      assert.equal(again.endOffset, 62);
      assert.deepEqual(baseOffsets(await again.read(60, 1e6, 62)), [60]);
    },
  ],
  [
    'retention by bytes keeps at least that much, by time drops what is older',
    async (store) => {
      const log = store.create('topics/t/a-0', SMALL);
      await fill(store, log, 40);
      const segmentsBefore = log.sizeBytes;
      assert.equal(log.configure({ retentionBytes: segmentsBefore }, 5000), 0);
      const start = log.configure({ retentionBytes: 1500 }, 5000);
      assert.ok(start > 0 && log.sizeBytes >= 1500 && log.sizeBytes < 2200, String(log.sizeBytes));
      // The newest record is of 1391.
      assert.equal(log.configure({ retentionMs: 5000 }, 6000), start);
      assert.equal(log.configure({ retentionMs: 100 }, 1e6), 80);
      assert.equal(log.startOffset, 80);
      assert.equal(log.append(makeBatch(), true), 80);
      await committed(store);
    },
  ],
  ['offset for timestamp', checkTimestamps],
  [
    'producers are remembered',
    async (store, engine) => {
      const log = store.create('topics/t/a-0', LOG_CONFIG);
      for (let i = 0; i < 7; i++) {
        const producer = { id: 9, epoch: 1, sequence: i * 2 };
        log.append(makeBatch({ timestampsMs: [i, i], producer }), true);
      }
      await committed(store);
      const check = (of: Log): void => {
        assert.equal(of.producers.check(9, 1, 14, 1), null, 'the next');
        assert.equal(of.producers.check(9, 1, 12, 1)!.lastOffset, 13, 'the last');
        assert.equal(of.producers.check(9, 1, 4, 1)!.lastOffset, 5, 'the fifth last');
        assert.throws(() => of.producers.check(9, 1, 2, 1), /expected 14/);
        assert.throws(() => of.producers.check(9, 0, 14, 1), /has epoch 1/);
      };
      check(log);
      if (!engine.isPersistent) return;
      await store.close();
      check(await (await engine.open()).open('topics/t/a-0', LOG_CONFIG));
    },
  ],
  [
    'what was stored is there after close and open',
    async (store, engine) => {
      if (!engine.isPersistent) return;
      const log = store.create('topics/t/a-0', SMALL);
      await fill(store, log, 25);
      const empty = store.create('topics/t/empty-0', SMALL);
      assert.equal(empty.endOffset, 0);
      await store.close();
      const second = await engine.open();
      assert.equal(second.epoch, store.epoch + 1);
      const again = await second.open('topics/t/a-0', SMALL);
      assert.equal(again.endOffset, 50);
      assert.equal(again.committedOffset, 50);
      await readThrough(again, 50);
      await fill(second, again, 5);
      assert.deepEqual(again.epochs, [
        { epoch: store.epoch, startOffset: 0 },
        { epoch: second.epoch, startOffset: 50 },
      ]);
      await second.close();
      const third = await (await engine.open()).open('topics/t/a-0', SMALL);
      await readThrough(third, 60);
      assert.equal(third.epochs.length, 2);
    },
  ],
  [
    'list, remove, and the name is free again',
    async (store) => {
      const a = store.create('topics/t/a-0', LOG_CONFIG);
      const b = store.create('topics/u/b-0', LOG_CONFIG);
      store.create('queues/q/c-0', LOG_CONFIG);
      for (const log of [a, b]) await fill(store, log, 3);
      assert.deepEqual(await store.list('topics/'), ['topics/t/a-0', 'topics/u/b-0']);
      assert.deepEqual(await store.list('topics/t/'), ['topics/t/a-0']);
      a.append(makeBatch(), true);
      const removal = store.remove(a);
      const anew = store.create('topics/t/a-0', LOG_CONFIG);
      assert.equal(anew.endOffset, 0);
      await fill(store, anew, 2);
      await removal;
      assert.deepEqual(baseOffsets(await anew.read(0, 1e6, 4)), [0, 2]);
      await store.remove(b);
      assert.deepEqual(await store.list('topics/'), ['topics/t/a-0']);
    },
  ],
  [
    'an ephemeral log reads back and is gone after a restart',
    async (store, engine) => {
      const log = store.create('queues/q/e-0', { ...SMALL, ephemeral: true });
      await fill(store, log, 30);
      await readThrough(log, 60);
      log.deleteBefore(40);
      assert.deepEqual(baseOffsets(await log.read(40, 1, 60)), [40]);
      if (!engine.isPersistent) return;
      await store.close();
      const second = await engine.open();
      assert.deepEqual(await second.list('queues/'), []);
      assert.equal((await second.open('queues/q/e-0', LOG_CONFIG)).endOffset, 0);
    },
  ],
];

/** Every record of the log, batch after batch, by reads of different sizes. */
async function readThrough(log: Log, end: number): Promise<void> {
  assert.equal(log.endOffset, end);
  for (const bytesMax of [1, 250, 100_000]) {
    let offset = log.startOffset;
    while (offset < end) {
      const parts = await log.read(offset, bytesMax, end);
      assert.ok(parts.length > 0, `nothing at ${offset} of ${end}`);
      for (const base of baseOffsets(parts)) assert.ok(base <= offset || base > offset);
      const last = parts.at(-1)!;
      assert.equal(Batch.baseOffset(parts[0]!, 0), offset);
      let at = 0;
      while (at + Batch.sizeBytes(last, at) < last.length) at += Batch.sizeBytes(last, at);
      offset = Batch.lastOffset(last, at) + 1;
    }
  }
}

async function checkTimestamps(store: LogStore, engine: Engine): Promise<void> {
  const log = store.create('topics/t/a-0', SMALL);
  await fill(store, log, 50);
  // Batch i has records of 1000 + 10 i and one later.
  const check = async (of: Log): Promise<void> => {
    const at = async (ms: number): Promise<number | undefined> =>
      (await of.offsetForTimestamp(ms))?.offset;
    assert.equal(await at(0), 0);
    assert.equal(await at(1001), 1);
    assert.equal(await at(1002), 2);
    assert.equal(await at(1250), 50);
    assert.equal(await at(1251), 51);
    assert.equal(await at(1491), 99);
    assert.equal(await at(1492), undefined);
    assert.deepEqual(await of.offsetForTimestamp(Infinity), {
      offset: 99,
      timestampMs: 1491,
      leaderEpoch: store.epoch,
    });
  };
  await check(log);
  // Older records that come late do not hide newer ones.
  log.append(makeBatch({ timestampsMs: [7, 2000, 9] }), true);
  log.append(makeBatch({ timestampsMs: [8] }), true);
  await committed(store);
  assert.equal((await log.offsetForTimestamp(Infinity))?.offset, 101);
  assert.equal((await log.offsetForTimestamp(1492))?.offset, 101);
  log.deleteBefore(102);
  assert.equal((await log.offsetForTimestamp(Infinity))?.timestampMs, 9);
  assert.equal(await log.offsetForTimestamp(1492), null);
  if (!engine.isPersistent) return;
  const kept = store.create('topics/t/kept-0', SMALL);
  await fill(store, kept, 50);
  const { epoch } = store;
  await store.close();
  const again = await engine.open();
  assert.equal(again.epoch, epoch + 1);
  await check(await again.open('topics/t/kept-0', SMALL));
}
