import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { MemoryStore } from '#storage/memory-store.ts';
import { DiskStore } from '#storage/disk-store.ts';
import type { DiskStoreOptions } from '#storage/disk-store.ts';
import { SeededRandom } from '#test/rigs/seeded-random.ts';
import { SimulatedDisk } from '../simulation/simulated-disk.ts';
import { SimulatedFileSystem } from '../simulation/simulated-file-system.ts';
import { logContract } from './log-contract.ts';

const defer = (task: () => void): void => void setImmediate(task);
const options: DiskStoreOptions = {
  ports: { defer, log: { error: () => {}, warn: () => {}, info: () => {} } },
  fatal: (error) => {
    throw error;
  },
  freeBytesMin: 0,
};

logContract('memory', async () => ({
  isPersistent: false,
  open: async () => new MemoryStore({ defer }),
  end: async () => {},
}));

logContract('disk', async () => {
  const folder = await mkdtemp(path.join(tmpdir(), 'posthorn-log-'));
  return {
    isPersistent: true,
    open: () => DiskStore.open(folder, options),
    end: () => rm(folder, { recursive: true }),
  };
});

logContract('disk without memory', async () => {
  const folder = await mkdtemp(path.join(tmpdir(), 'posthorn-log-'));
  const limits = { logTailBytesMax: 0, tailBytesMax: 0, openFilesMax: 4 };
  return {
    isPersistent: true,
    open: () => DiskStore.open(folder, { ...options, ...limits }),
    end: () => rm(folder, { recursive: true }),
  };
});

logContract('simulated disk', async () => {
  const disk = new SimulatedDisk(new SeededRandom(1));
  return {
    isPersistent: true,
    open: async () =>
      DiskStore.open('data', { ...options, fs: new SimulatedFileSystem(disk), after: () => {} }),
    end: async () => {},
  };
});
