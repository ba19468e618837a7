import assert from 'node:assert/strict';
import {
  cp,
  mkdtemp,
  open,
  readdir,
  readFile,
  rm,
  stat,
  truncate,
  unlink,
  writeFile,
} from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import { Batch } from '#core/message/batch.ts';
import { CorruptionError } from '#core/errors.ts';
import type { Log } from '#core/log.ts';
import { makeBatch } from '#test/contracts/batches.ts';
import { committed, LOG_CONFIG } from '#test/contracts/log-contract.ts';
import { SeededRandom } from '#test/rigs/seeded-random.ts';
import { DiskStore } from './disk-store.ts';

const NAME = 'topics/t/a-0';
const BATCH = makeBatch({ timestampsMs: [0, 0], value: Buffer.from('record of batch 00') });
const CONFIG = {
  ...LOG_CONFIG,
  segmentBytesMax: 20 * BATCH.length,
  indexIntervalBytes: 300,
};
const LAST = '00000000000000000080.log';

let root: string;
/** What a killed store leaves: 3 segments and 120 acknowledged records, two per batch. */
let killed: string;
let living: DiskStore;

before(async () => {
  root = await mkdtemp(path.join(tmpdir(), 'posthorn-recovery-'));
  killed = path.join(root, 'killed');
  living = await openStore(killed);
  const log = await living.open(NAME, CONFIG);
  for (let i = 0; i < 60; i++) {
    log.append(
      makeBatch({ timestampsMs: [i, i], value: Buffer.from(`record of batch ${i}`) }),
      true,
    );
    await committed(living);
  }
  // Copies of it now are as a kill -9 leaves it. Index files of sealed segments follow a little later.
  await new Promise((resolve) => setTimeout(resolve, 50));
});

after(async () => {
  await living.close();
  await rm(root, { recursive: true });
});

let warnings: string[] = [];

function openStore(folder: string): Promise<DiskStore> {
  warnings = [];
  return DiskStore.open(folder, {
    ports: {
      defer: (task) => void setImmediate(task),
      log: { error: () => {}, info: () => {}, warn: (message) => warnings.push(message) },
    },
    fatal: (error) => {
      throw error;
    },
    freeBytesMin: 0,
  });
}

/** Lets `damage` change a copy of what was left, and opens it. */
async function recover(
  damage: (folder: string) => Promise<void>,
  check: (log: Log, folder: string, store: DiskStore) => Promise<void> | void,
): Promise<void> {
  const data = await mkdtemp(path.join(root, 'copy-'));
  await cp(killed, data, { recursive: true });
  const folder = path.join(data, NAME);
  await damage(folder);
  const store = await openStore(data);
  try {
    const log = await store.open(NAME, CONFIG);
    await check(log, folder, store);
  } finally {
    await store.close();
  }
  // Closed in order: nothing is looked at again, and everything is there.
  const again = await openStore(data);
  const log = await again.open(NAME, CONFIG);
  assert.equal(await readAll(log), log.endOffset);
  await again.close();
}

async function flip(file: string, position: number): Promise<void> {
  const bytes = await readFile(file);
  bytes[position]! ^= 0x10;
  await writeFile(file, bytes);
}

async function append(file: string, bytes: Uint8Array): Promise<void> {
  const handle = await open(file, 'a');
  await handle.write(bytes);
  await handle.close();
}

async function readAll(log: Log): Promise<number> {
  let offset = log.startOffset;
  while (offset < log.endOffset) {
    for (const part of await log.read(offset, 1000, log.endOffset)) {
      for (let at = 0; at < part.length; at += Batch.sizeBytes(part, at)) {
        assert.equal(Batch.baseOffset(part, at), offset);
        offset = Batch.lastOffset(part, at) + 1;
      }
    }
  }
  return offset;
}

/** Position of the batch in the last segment that holds `offset`. */
async function positionOf(folder: string, offset: number): Promise<number> {
  const bytes = await readFile(path.join(folder, LAST));
  let at = 0;
  while (Batch.lastOffset(bytes, at) < offset) at += Batch.sizeBytes(bytes, at);
  return at;
}

function isCorruption(file: string, position: number): (error: unknown) => boolean {
  return (error) => {
    assert.ok(error instanceof CorruptionError, String(error));
    assert.equal(path.basename(error.file), file);
    assert.equal(error.position, position);
    assert.match(error.message, /is corrupt at byte \d+/);
    return true;
  };
}

function lastBatchAt(bytes: Uint8Array): number {
  let last = 0;
  for (let at = 0; at < bytes.length; at += Batch.sizeBytes(bytes, at)) last = at;
  return last;
}

const nothing = async (): Promise<void> => {};

describe('recovery after a killed process', () => {
  test('everything is there when nothing is damaged', async () => {
    await recover(nothing, async (log, folder) => {
      assert.equal(log.endOffset, 120);
      assert.equal(await readAll(log), 120);
      assert.equal((await readdir(folder)).filter((name) => name.endsWith('.log')).length, 3);
      assert.deepEqual(warnings, []);
    });
  });

  test('every way to cut off an unacknowledged batch drops it and nothing else', async () => {
    const batch = makeBatch({ timestampsMs: [9, 9, 9], value: Buffer.from('never acknowledged') });
    batch[7] = 120;
    for (let length = 1; length < batch.length; length += 3) {
      await recover(
        (folder) => append(path.join(folder, LAST), batch.subarray(0, length)),
        async (log, _folder, store) => {
          assert.equal(log.endOffset, 120);
          assert.equal(log.append(makeBatch(), true), 120);
          await committed(store);
          assert.equal(await readAll(log), 121);
        },
      );
    }
  });

  test('a whole batch that nobody was told of is kept', async () => {
    const batch = makeBatch({ timestampsMs: [9, 9, 9] });
    batch[7] = 120;
    await recover(
      (folder) => append(path.join(folder, LAST), batch),
      (log) => assert.equal(log.endOffset, 123),
    );
  });

  test('a torn write into prewritten zeros is dropped, the zeros are trimmed', async () => {
    const batch = makeBatch({ value: Buffer.alloc(500, 1) });
    batch[7] = 120;
    const torn = Buffer.concat([batch.subarray(0, 300), Buffer.alloc(10_000)]);
    let size = 0;
    await recover(
      async (folder) => {
        size = (await stat(path.join(folder, LAST))).size;
        await append(path.join(folder, LAST), torn);
      },
      async (log, folder) => {
        assert.equal(log.endOffset, 120);
        assert.equal((await stat(path.join(folder, LAST))).size, size);
        assert.deepEqual(warnings, ['dropped a write that did not come to its end']);
      },
    );
    await recover(
      (folder) => append(path.join(folder, LAST), Buffer.alloc(5000)),
      async (log, folder) => {
        assert.equal(log.endOffset, 120);
        assert.equal((await stat(path.join(folder, LAST))).size, size);
        assert.deepEqual(warnings, []);
      },
    );
  });

  test('a file that ends inside of an acknowledged batch loses that batch, loudly', async () => {
    // The first seven bytes of a batch are zeros.
    for (const left of [1, 4, 7, 8, 30, -5]) {
      await recover(
        async (folder) => {
          const file = path.join(folder, LAST);
          const { size } = await stat(file);
          await truncate(file, left < 0 ? size + left : lastBatchAt(await readFile(file)) + left);
        },
        async (log) => {
          assert.equal(log.endOffset, 118);
          assert.equal(await readAll(log), 118);
          assert.ok(warnings.includes('acknowledged records are missing at the end of a log'));
        },
      );
    }
  });

  test('a broken batch in the middle, or an acknowledged one at the end, is refused', async () => {
    for (const offset of [80, 100, 118]) {
      let position = 0;
      const damage = async (folder: string): Promise<void> => {
        position = await positionOf(folder, offset);
        await flip(path.join(folder, LAST), position + 70);
      };
      await assert.rejects(recover(damage, nothing), (error) =>
        isCorruption(LAST, position)(error),
      );
    }
  });

  test('a broken batch in an older segment is refused', async () => {
    const damage = (folder: string): Promise<void> =>
      flip(path.join(folder, '00000000000000000000.log'), 90);
    await assert.rejects(recover(damage, nothing), isCorruption('00000000000000000000.log', 0));
  });

  test('what was refused once is refused again, also after the broker was stopped in order', async () => {
    const data = await mkdtemp(path.join(root, 'copy-'));
    await cp(killed, data, { recursive: true });
    const file = path.join(data, NAME, LAST);
    await flip(file, (await positionOf(path.dirname(file), 100)) + 70);
    for (let start = 0; start < 3; start++) {
      const store = await openStore(data);
      await assert.rejects(store.open(NAME, CONFIG), CorruptionError);
      await store.close();
    }
  });

  test('a missing segment is refused', async () => {
    const damage = (folder: string): Promise<void> =>
      unlink(path.join(folder, '00000000000000000040.log'));
    await assert.rejects(recover(damage, nothing), CorruptionError);
  });

  test('lost, short and wrong index files are made anew', async () => {
    for (const damage of [
      (file: string) => unlink(file),
      (file: string) => truncate(file, 5),
      (file: string) => writeFile(file, Buffer.alloc(48, 0xee)),
    ]) {
      await recover(
        async (folder) => {
          for (const name of await readdir(folder)) {
            if (name.endsWith('index')) await damage(path.join(folder, name));
          }
        },
        async (log) => {
          assert.equal(await readAll(log), 120);
          assert.equal((await log.offsetForTimestamp(21))?.offset, 42);
        },
      );
    }
  });

  test('a lost epoch file is made anew from the batches', async () => {
    await recover(
      (folder) => unlink(path.join(folder, 'leader-epoch-checkpoint')),
      (log) => assert.deepEqual(log.epochs, [{ epoch: 1, startOffset: 0 }]),
    );
  });

  test('without positions a broken end is dropped, a broken middle refused', async () => {
    const lose = (folder: string): Promise<void> =>
      unlink(path.join(folder, '../../../log-positions'));
    await recover(
      async (folder) => {
        await lose(folder);
        await flip(path.join(folder, LAST), (await positionOf(folder, 118)) + 80);
      },
      (log) => assert.equal(log.endOffset, 118),
    );
    const damage = async (folder: string): Promise<void> => {
      await lose(folder);
      await flip(path.join(folder, LAST), (await positionOf(folder, 90)) + 80);
    };
    await assert.rejects(recover(damage, nothing), CorruptionError);
  });
});

test('fuzz: flipped bytes anywhere are refused or lose nothing that is shown', async () => {
  const random = new SeededRandom(Number(process.env['POSTHORN_SEED'] ?? 7));
  const rounds = Number(process.env['POSTHORN_FLIPS'] ?? 60);
  let refused = 0;
  for (let round = 0; round < rounds; round++) {
    const damage = async (folder: string): Promise<void> => {
      const logs = (await readdir(folder)).filter((name) => name.endsWith('.log'));
      const file = path.join(folder, random.pick(logs));
      const size = (await stat(file)).size;
      const flips = 1 + random.below(3);
      for (let i = 0; i < flips; i++) await flip(file, random.below(size));
    };
    try {
      await recover(damage, async (log) => {
        // Only the offset and the leader epoch are outside of the CRC, and nothing but the epoch
        // may be wrong unnoticed.
        assert.equal(log.endOffset, 120);
        assert.equal(await readAll(log), 120);
      });
    } catch (error) {
      assert.ok(error instanceof CorruptionError, `round ${round}: ${String(error)}`);
      refused++;
    }
  }
  assert.ok(refused > rounds / 2);
});
