import assert from 'node:assert/strict';
import { test } from 'node:test';
import { KeyedJournal } from './keyed-journal.ts';
import { type LogConfig, Sync } from './log.ts';
import { MemoryStore } from '#storage/memory-store.ts';

const CONFIG: LogConfig = {
  sync: Sync.Commit,
  segmentBytesMax: 64 * 1024,
  segmentAgeMsMax: Number.MAX_SAFE_INTEGER,
  indexIntervalBytes: 4096,
  retentionMs: -1,
  retentionBytes: -1,
  ephemeral: false,
};
const clock = { now: () => 1_700_000_000_000 };

function committed(store: MemoryStore): Promise<void> {
  return new Promise((resolve) => store.commit.wait({ committed: () => resolve() }));
}

async function open(store: MemoryStore): Promise<KeyedJournal> {
  return KeyedJournal.open(await store.open('state/test', CONFIG), store.commit, clock);
}

test('the last value of a key is read back, deletions too', async () => {
  const store = new MemoryStore({ defer: setImmediate });
  const journal = await open(store);
  journal.set('a', '1');
  journal.set('b', 'ü');
  await committed(store);
  journal.set('a', '2');
  journal.delete('b');
  journal.delete('never');
  journal.set('c', '');
  await committed(store);
  assert.deepEqual(
    [...(await open(store)).values],
    [
      ['a', '2'],
      ['c', ''],
    ],
  );
});

test('the log stays in proportion to what is alive', async () => {
  const store = new MemoryStore({ defer: setImmediate });
  const log = await store.open('state/test', CONFIG);
  const journal = await KeyedJournal.open(log, store.commit, clock);
  for (let round = 0; round < 400; round++) {
    for (let key = 0; key < 50; key++) journal.set(`key-${key}`, `${round}-${'x'.repeat(200)}`);
    await committed(store);
  }
  await committed(store);
  const entries = log.endOffset - log.startOffset;
  assert.ok(log.endOffset > 20_000, 'everything was written');
  assert.ok(entries < 6000, `${entries} entries for 50 keys`);
  const again = await KeyedJournal.open(log, store.commit, clock);
  assert.equal(again.values.size, 50);
  for (const value of again.values.values()) assert.match(value, /^399-/);
});
