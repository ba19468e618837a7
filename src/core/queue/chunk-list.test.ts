import assert from 'node:assert/strict';
import { test } from 'node:test';
import { QueueRig } from '#test/rigs/queue-rig.ts';
import { Chunk } from './chunk.ts';
import { ChunkList } from './chunk-list.ts';

function chunk(base: number, count: number): Chunk {
  const made = new Chunk(base, null, false);
  for (let i = 0; i < count; i++) made.add(i, 1, 0, 0);
  made.sealed = true;
  return made;
}

test('chunks are found by offset while they come and go', () => {
  const list = new ChunkList();
  for (let base = 0; base < 1000; base += 10) list.push(chunk(base, 10));
  for (let shifted = 0; shifted < 70; shifted++) list.shift();
  assert.equal(list.length, 30);
  assert.equal(list.find(699), null);
  for (const offset of [700, 999, 705, 855]) {
    assert.equal(list.find(offset)!.base, Math.floor(offset / 10) * 10);
  }
  assert.equal(list.find(1000), null);
  assert.equal(list.indexAtOrAfter(0), 0);
  assert.equal(list.indexAtOrAfter(1000), 30);
});

test('neighbours that are empty for good become one', () => {
  const list = new ChunkList();
  for (let base = 0; base < 100; base += 10) {
    const made = chunk(base, 10);
    if (base !== 0 && base !== 50) {
      made.live = 0;
      made.hollow();
    }
    list.push(made);
  }
  assert.equal(list.find(30)!.base, 30);
  list.mergeEmpty();
  assert.equal(list.length, 4);
  assert.equal(list.find(30)!.base, 10);
  assert.equal(list.find(49)!.base, 10);
  assert.equal(list.find(55)!.base, 50);
  assert.equal(list.back!.end, 100);
});

test('one message that stays does not keep what went behind it', async () => {
  const rig = await QueueRig.open();
  const queue = rig.declare('q', { durable: true });
  const text = 'x'.repeat(100_000);
  for (let i = 0; i < 3; i++) rig.publish(queue, `stays ${i}`);
  assert.equal(
    queue.lease(3, 1e9, rig, () => {}),
    3,
  );
  for (let i = 0; i < 3000; i++) {
    rig.publish(queue, text);
    assert.equal(rig.take(queue)?.length, text.length);
    if (i % 10 === 0) rig.turn();
  }
  rig.turn();
  assert.ok(rig.memory.usedBytes < 2 << 20, `${rig.memory.usedBytes} bytes`);
  assert.equal(queue.accept(1), true);
  queue.release([0, 2], false);
  assert.deepEqual(rig.takeAll(queue), ['stays 0', 'stays 2']);
  rig.turn();
  assert.ok(queue.log.startOffset > 2900);
});
