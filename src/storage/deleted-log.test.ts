/** Reading a log that is deleted meanwhile is refused like reading what was never there. */
import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { test } from 'node:test';
import { sealBatch } from '#core/message/batch-writer.ts';
import { BrokerError } from '#core/errors.ts';
import type { Log } from '#core/log.ts';
import { Sync } from '#core/log.ts';
import { DiskStore } from './disk-store.ts';

const BATCH_BYTES = 1061;
const BATCHES = 60;

const CONFIG = {
  sync: Sync.Os,
  segmentBytesMax: 4 * BATCH_BYTES,
  segmentAgeMsMax: Number.MAX_SAFE_INTEGER,
  indexIntervalBytes: 4096,
  retentionMs: -1,
  retentionBytes: -1,
  ephemeral: false,
};

function committed(store: DiskStore): Promise<void> {
  return new Promise((resolve) => store.commit.wait({ committed: () => resolve() }));
}

async function fill(store: DiskStore, name: string): Promise<Log> {
  const log = store.create(name, CONFIG);
  for (let i = 0; i < BATCHES; i++) {
    const batch = new Uint8Array(BATCH_BYTES);
    sealBatch(batch, 0, BATCH_BYTES, 1, 1, 1);
    log.append(batch, false);
  }
  await committed(store);
  return log;
}

async function readAll(log: Log): Promise<void> {
  for (let offset = 0; offset < BATCHES; offset++) await log.read(offset, 1, BATCHES);
}

test('reads of files that are deleted meanwhile are refused, and nothing else happens', async () => {
  const folder = await mkdtemp(path.join(os.tmpdir(), 'posthorn-deleted-'));
  const faults: Error[] = [];
  const store = await DiskStore.open(folder, {
    ports: { defer: (task) => void setImmediate(task), log: { error() {}, info() {}, warn() {} } },
    fatal: (error) => faults.push(error),
    tailBytesMax: 0,
    logTailBytesMax: 0,
  });
  const refusals: unknown[] = [];
  for (let round = 0; round < 12; round++) {
    const log = await fill(store, `topics/t-${round}`);
    const readers = [readAll(log), readAll(log), log.offsetForTimestamp(2)];
    const ends = readers.map((reader) => reader.catch((error: unknown) => refusals.push(error)));
    for (let i = 0; i < round; i++) await new Promise((resolve) => setImmediate(resolve));
    await store.remove(log);
    await Promise.all(ends);
  }
  await store.close();
  await rm(folder, { recursive: true });
  assert.deepEqual(faults, []);
  assert.ok(refusals.length > 0, 'no read was overtaken');
  for (const error of refusals) assert.ok(error instanceof BrokerError, String(error));
});
