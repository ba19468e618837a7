import assert from 'node:assert/strict';
import { mkdtemp, open, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, test } from 'node:test';
import { CorruptionError } from '#core/errors.ts';
import { type Log, Sync } from '#core/log.ts';
import { makeBatch } from '#test/contracts/batches.ts';
import { BlockPool } from '#wire/block-pool.ts';
import { DiskStore } from './disk-store.ts';
import { segmentFileName } from './segment.ts';

const MIB = 1024 * 1024;
const defer = (task: () => void): void => void setImmediate(task);
const config = {
  sync: Sync.Os,
  segmentBytesMax: 64 * MIB,
  segmentAgeMsMax: Infinity,
  indexIntervalBytes: 4096,
  retentionMs: -1,
  retentionBytes: -1,
  ephemeral: false,
};

let folder: string;
let store: DiskStore;
let log: Log;

beforeEach(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'posthorn-read-'));
  store = await DiskStore.open(folder, {
    ports: { defer, log: { error: () => {}, warn: () => {}, info: () => {} } },
    fatal: (error) => {
      throw error;
    },
    after: () => {},
    freeBytesMin: 0,
    logTailBytesMax: 0,
    tailBytesMax: 0,
  });
  log = store.create('topics/t-0', config);
  for (let i = 0; i < 100; i++) {
    log.append(makeBatch({ value: Buffer.alloc(1000, i) }), true, true);
  }
  await new Promise<void>((resolve) => store.commit.wait({ committed: () => resolve() }));
});

afterEach(async () => {
  await store.close();
  await rm(folder, { recursive: true });
});

describe('reading from files', () => {
  test('with a lease: the same bytes, in blocks that are used again', async () => {
    const pool = new BlockPool(8 * MIB);
    const fresh = await log.read(40, 20_000, 100);
    const seen = new Set<ArrayBufferLike>();
    for (let i = 0; i < 5; i++) {
      const lease = pool.lease();
      const leased = await log.read(40, 20_000, 100, lease);
      assert.deepEqual(Buffer.concat(leased), Buffer.concat(fresh));
      seen.add(leased[0]!.buffer);
      lease.release();
    }
    assert.equal(seen.size, 1);
    assert.ok(!seen.has(fresh[0]!.buffer));
  });

  test('a damaged batch is refused, unless the bytes are only passed on', async () => {
    const file = path.join(folder, 'topics/t-0', segmentFileName(0, '.log'));
    const handle = await open(file, 'r+');
    await handle.write(Buffer.from([0xee]), 0, 1, 500);
    await handle.close();
    await assert.rejects(async () => log.read(0, 1000, 100), CorruptionError);
    const lease = new BlockPool(MIB).lease();
    const [bytes] = await log.read(0, 1000, 100, lease);
    assert.equal(bytes![500], 0xee);
  });
});
