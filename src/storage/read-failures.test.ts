/** What cannot be read is refused to who reads it, and told to the operator once. */
import assert from 'node:assert/strict';
import { mkdtemp, open, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, test } from 'node:test';
import { Sync, type Log } from '#core/log.ts';
import { makeBatch } from '#test/contracts/batches.ts';
import { DiskStore } from './disk-store.ts';
import { NodeFileSystem } from './node-file-system.ts';
import { segmentFileName } from './segment.ts';

const config = {
  sync: Sync.Os,
  segmentBytesMax: 64 << 20,
  segmentAgeMsMax: Infinity,
  indexIntervalBytes: 4096,
  retentionMs: -1,
  retentionBytes: -1,
  ephemeral: false,
};

let folder: string;
let store: DiskStore;
let log: Log;
let told: { message: string; fields: Record<string, unknown> }[];
let readFault: Error | null;

class FaultyReads extends NodeFileSystem {
  override read(fd: number, into: Uint8Array, position: number): Promise<number> {
    return readFault === null ? super.read(fd, into, position) : Promise.reject(readFault);
  }
}

beforeEach(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'posthorn-unreadable-'));
  told = [];
  readFault = null;
  const tell = (message: string, fields = {}): void => void told.push({ message, fields });
  store = await DiskStore.open(folder, {
    fs: new FaultyReads(),
    ports: {
      defer: (task) => void setImmediate(task),
      log: { error: tell, warn: () => {}, info: () => {} },
    },
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

async function damage(position: number, bytes: Buffer): Promise<void> {
  const file = path.join(folder, 'topics/t-0', segmentFileName(0, '.log'));
  const handle = await open(file, 'r+');
  await handle.write(bytes, 0, bytes.length, position);
  await handle.close();
}

async function refused(offset: number): Promise<void> {
  await assert.rejects(async () => log.read(offset, 1000, 100), { code: 'unreadable' });
}

describe('what cannot be read', () => {
  test('a damaged batch is told once, with its file and position', async () => {
    await damage(500, Buffer.from([0xee]));
    for (let i = 0; i < 3; i++) await refused(0);
    assert.equal(told.length, 1);
    assert.equal(told[0]!.fields.position, 0);
    assert.match(String(told[0]!.fields.file), /t-0\/0+\.log$/);
    assert.equal((await log.read(50, 1000, 100)).length, 1);
  });

  test('an offset that is not where it should be: no checksum covers it', async () => {
    await damage(0, Buffer.from([0, 0, 0, 9]));
    await refused(0);
  });

  test('a size that leads backwards', async () => {
    await damage(8, Buffer.from([0xff, 0xff, 0xff, 0xf4]));
    await refused(0);
    await damage(8, Buffer.from([0x80, 0, 0, 0]));
    await refused(0);
  });

  test('what the system does not give is refused too, until it does', async () => {
    readFault = Object.assign(new Error('EIO: i/o error, read'), { code: 'EIO', syscall: 'read' });
    await refused(0);
    await refused(0);
    await assert.rejects(log.offsetForTimestamp(0), { code: 'unreadable' });
    assert.ok(told.length >= 1 && told.length <= 2, JSON.stringify(told));
    readFault = null;
    assert.equal((await log.read(0, 1000, 100)).length, 1);
  });

  test('a fault of ours stays one', async () => {
    readFault = new TypeError('a fault');
    await assert.rejects(async () => log.read(0, 1000, 100), TypeError);
  });
});
