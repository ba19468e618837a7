import assert from 'node:assert/strict';
import { test } from 'node:test';
import { makeBatch } from '#test/contracts/batches.ts';
import { MemoryStore } from './memory-store.ts';

const CONFIG = {
  sync: 'commit',
  segmentBytesMax: 1 << 20,
  segmentAgeMsMax: 1e9,
  indexIntervalBytes: 4096,
  retentionMs: -1,
  retentionBytes: -1,
  ephemeral: false,
} as const;

test('the largest timestamp is found also where adding one to it changes nothing', async () => {
  const store = new MemoryStore({ defer: setImmediate });
  const log = store.create('topics/t/forged-0', CONFIG);
  // Only a client that makes its own batches writes times past 2^53; the first is deleted below.
  const forgedMs = 2 ** 54;
  const timestampsMs = [forgedMs + 64, forgedMs, forgedMs + 32, forgedMs + 32];
  log.append(makeBatch({ timestampsMs }), true);
  await new Promise<void>((resolve) => store.commit.wait({ committed: () => resolve() }));
  log.deleteBefore(1);
  const found = await log.offsetForTimestamp(Infinity);
  assert.deepEqual([found?.offset, found?.timestampMs], [2, forgedMs + 32]);
});
