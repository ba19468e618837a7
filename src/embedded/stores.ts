/**
 * Where an embedded broker keeps its logs: in memory, in a folder of its own that goes with it, or
 * in a folder that stays. Disk code is loaded when a folder is asked for.
 */
import type { Codecs } from '#core/codecs.ts';
import type { LogStore } from '#core/log.ts';
import type { Ports } from '#core/ports.ts';
import { MemoryStore } from '#storage/memory-store.ts';
import type { BrokerOptions } from './api.ts';

export interface StorePlace {
  /** Null: memory. */
  readonly folder: string | null;
  open(ports: Ports, codecs: Codecs, failed: (error: Error) => void): Promise<LogStore>;
  /** After the store is closed. */
  leave(): Promise<void>;
}

/** Throws RefusedStart when another broker uses the folder. */
export async function storePlace(
  store: BrokerOptions['store'] = 'memory',
  decompressedBytesMax: number,
): Promise<StorePlace> {
  if (store === 'memory') return memory(decompressedBytesMax);
  if (store === 'temporary') return temporary(decompressedBytesMax);
  const [{ resolve }, { lockDataFolder }] = await Promise.all([
    import('node:path'),
    import('#server/lock.ts'),
  ]);
  const folder = resolve(store.folder);
  const lock = lockDataFolder(folder);
  return {
    folder,
    open: opener(folder, decompressedBytesMax),
    leave: async () => lock.release(),
  };
}

function memory(decompressedBytesMax: number): StorePlace {
  return {
    folder: null,
    open: async (ports, codecs) =>
      new MemoryStore(ports, decompression(codecs, decompressedBytesMax)),
    leave: async () => {},
  };
}

async function temporary(decompressedBytesMax: number): Promise<StorePlace> {
  const [{ mkdtemp, rm }, { tmpdir }, { join }] = await Promise.all([
    import('node:fs/promises'),
    import('node:os'),
    import('node:path'),
  ]);
  const folder = await mkdtemp(join(tmpdir(), 'posthorn-'));
  return {
    folder,
    open: opener(folder, decompressedBytesMax),
    leave: () => rm(folder, { recursive: true, force: true }),
  };
}

function opener(folder: string, decompressedBytesMax: number): StorePlace['open'] {
  return async (ports, codecs, failed) => {
    const { DiskStore } = await import('#storage/disk-store.ts');
    const options = { ports, fatal: failed, ...decompression(codecs, decompressedBytesMax) };
    return watched(await DiskStore.open(folder, options), failed);
  };
}

function decompression(codecs: Codecs, bytesMax: number) {
  return {
    decompress: (codec: number, bytes: Uint8Array) => codecs.decompress(codec, bytes, bytesMax),
  };
}

/** A log that cannot be removed is a failed write, and nobody waits for it. */
function watched(store: LogStore, failed: (error: Error) => void): LogStore {
  const remove = store.remove.bind(store);
  store.remove = (log) => remove(log).catch(failed);
  return store;
}
