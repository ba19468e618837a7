import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { test } from 'node:test';
import { sealBatch } from '#core/message/batch-writer.ts';
import { Sync } from '#core/log.ts';
import { DiskStore } from './disk-store.ts';
import { NodeFileSystem } from './node-file-system.ts';

const MEGABYTE = 1024 * 1024;
const CONFIG = {
  sync: Sync.Os,
  segmentBytesMax: 64 * MEGABYTE,
  segmentAgeMsMax: Number.MAX_SAFE_INTEGER,
  indexIntervalBytes: 1,
  retentionMs: -1,
  retentionBytes: -1,
  ephemeral: false,
};

class SmallDisk extends NodeFileSystem {
  free = 0;

  override freeBytes(): Promise<number> {
    return Promise.resolve(this.free);
  }
}

function batchOf(bytes: number, count = 1, attributes = 0): Uint8Array {
  const batch = new Uint8Array(bytes);
  sealBatch(batch, 0, bytes, count, 1, 1, attributes);
  return batch;
}

async function withFolder(task: (folder: string) => Promise<void>): Promise<void> {
  const folder = await mkdtemp(path.join(os.tmpdir(), 'posthorn-space-'));
  try {
    await task(folder);
  } finally {
    await rm(folder, { recursive: true });
  }
}

function open(folder: string, fs = new NodeFileSystem()): Promise<DiskStore> {
  const looks: (() => void)[] = [];
  return DiskStore.open(folder, {
    ports: { defer: (task) => void setImmediate(task), log: { error() {}, info() {}, warn() {} } },
    fatal: (error) => {
      throw error;
    },
    // Nobody looks at the free space again.
    after: (_delayMs, task) => void looks.push(task),
    freeBytesMin: 10 * MEGABYTE,
    tailBytesMax: 0,
    logTailBytesMax: 0,
    fs,
  });
}

test('what is appended between two looks at the free space counts as gone', async () => {
  await withFolder(async (folder) => {
    const fs = new SmallDisk();
    fs.free = 12 * MEGABYTE;
    const store = await open(folder, fs);
    const log = store.create('queues/q', CONFIG);
    log.append(batchOf(MEGABYTE), true);
    assert.ok(store.hasSpace);
    log.append(batchOf(MEGABYTE + 1), true);
    assert.ok(!store.hasSpace);
    await store.close();
  });
});

test('a batch with more offsets than its segment has left goes into the next one', async () => {
  await withFolder(async (folder) => {
    const GZIP = 1;
    const starts: number[] = [];
    let store = await open(folder);
    const log = store.create('topics/t-0', CONFIG);
    for (const count of [1, 2 ** 30, 2 ** 31 - 1, 1, 1]) {
      starts.push(log.append(batchOf(100, count, GZIP), true));
    }
    await store.close();
    store = await open(folder);
    const again = await store.open('topics/t-0', CONFIG);
    for (const start of starts) {
      const [bytes] = await again.read(start, 1, again.endOffset);
      assert.equal(Buffer.from(bytes!).readBigInt64BE(0), BigInt(start));
    }
    await store.close();
  });
});
