/** Queues that are larger than the memory they may use, on a real disk. */
import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { QueueRig, bodyText } from '#test/rigs/queue-rig.ts';
import { DiskStore } from '#storage/disk-store.ts';
import { Message } from '../message/message.ts';
import type { Queue } from './queue.ts';

const LIMIT_BYTES = 4 << 20;
const BODY_BYTES = 1000;

async function withDisk(run: (rig: QueueRig) => Promise<void>): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'queue-memory-'));
  const rig = await QueueRig.open(LIMIT_BYTES, (ports) =>
    DiskStore.open(folder, {
      ports: { defer: ports.defer, log: ports.log },
      fatal: (error) => {
        throw error;
      },
    }),
  );
  // The store is closed before its folder goes, or its failure would hide that of the run.
  const failure = await run(rig).then(
    () => null,
    (error: unknown) => ({ error }),
  );
  const closed = rig.store.close();
  let isClosed = false;
  void closed.finally(() => (isClosed = true));
  await rig.until(() => isClosed);
  await closed;
  await rm(folder, { recursive: true });
  if (failure !== null) throw failure.error;
}

function body(index: number): string {
  return String(index).padEnd(BODY_BYTES, '.');
}

async function fill(rig: QueueRig, queue: Queue, count: number): Promise<void> {
  for (let i = 0; i < count; i++) {
    rig.publish(queue, body(i), { priority: i % 3 });
    if (i % 200 !== 199) continue;
    await rig.settle();
  }
  await rig.until(() => !rig.memory.short);
}

async function takeNext(rig: QueueRig, queue: Queue): Promise<string | null> {
  const message = new Message();
  let lease = queue.get(message, rig);
  if (lease instanceof Promise) {
    let arrived = false;
    void lease.finally(() => (arrived = true));
    await rig.until(() => arrived);
    lease = await lease;
  }
  if (lease === null) return null;
  const text = bodyText(message);
  queue.accept(lease.offset);
  return text;
}

for (const durable of [true, false]) {
  const word = durable ? 'durable' : 'transient';

  test(`a ${word} queue of five times the memory comes back whole and in order`, async () => {
    await withDisk(async (rig) => {
      const queue = rig.declare('q', { durable });
      const count = 20_000;
      await fill(rig, queue, count);
      assert.equal(queue.readyCount, count);
      assert.ok(rig.memory.usedBytes < LIMIT_BYTES, `${rig.memory.usedBytes} bytes`);
      const seen: string[] = [];
      queue.subscribe({
        subscriber: {
          deliver: (message, offset) => {
            seen.push(bodyText(message));
            offsets.push(offset);
          },
          cancelled: () => {},
        },
        credits: [],
        noAck: false,
        exclusive: false,
        priority: 0,
        owner: rig,
        tag: '',
      });
      const offsets: number[] = [];
      queue.pump();
      await rig.until(() => {
        for (const offset of offsets.splice(0)) queue.accept(offset);
        return seen.length === count;
      });
      for (let i = 0; i < count; i++) assert.equal(seen[i], body(i));
      await rig.settle();
      assert.ok(rig.memory.usedBytes < LIMIT_BYTES);
      // Segments go when the journal that no longer needs them is written.
      await rig.until(() => queue.log.sizeBytes < 3 << 20);
    });
  });

  test(`a ${word} queue with priorities of five times the memory keeps its order`, async () => {
    await withDisk(async (rig) => {
      const queue = rig.declare('q', { durable, priorityMax: 2 });
      const count = 20_000;
      await fill(rig, queue, count);
      for (let level = 2; level >= 0; level--) {
        for (let i = level; i < 900; i += 3) assert.equal(await takeNext(rig, queue), body(i));
        if (level > 0) {
          const left = Math.floor((count - 900) / 3) + (level < count % 3 ? 1 : 0);
          for (let i = 0; i < left; i++) await takeNext(rig, queue);
        }
      }
    });
  });
}

test('dead letters of cold messages wait for their bytes', async () => {
  await withDisk(async (rig) => {
    const dead = rig.declare('dead', { durable: true });
    const queue = rig.declare('q', {
      durable: true,
      deadLetterExchange: '',
      deadLetterRoutingKey: 'dead',
    });
    const count = 8000;
    await fill(rig, queue, count);
    const offsets: number[] = [];
    for (let i = 0; i < count; i++) {
      const message = new Message();
      let lease = queue.get(message, rig);
      if (lease instanceof Promise) {
        let arrived = false;
        void lease.finally(() => (arrived = true));
        await rig.until(() => arrived);
        lease = await lease;
      }
      offsets.push(lease!.offset);
    }
    assert.equal(queue.unackedCount, count);
    for (const offset of offsets) queue.reject(offset, 'rejected');
    assert.equal(queue.unackedCount, 0);
    await rig.until(() => dead.readyCount === count);
    await rig.settle();
    const texts = new Set<string>();
    for (let i = 0; i < count; i++) texts.add((await takeNext(rig, dead))!);
    assert.equal(texts.size, count);
    await rig.until(() => queue.log.startOffset > 0);
  });
});
