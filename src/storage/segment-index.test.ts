import assert from 'node:assert/strict';
import { test } from 'node:test';
import { OffsetIndex, TimeIndex } from './segment-index.ts';

function offsets(entries: [number, number][]): OffsetIndex {
  const index = new OffsetIndex();
  for (const [offset, position] of entries) index.append(offset, position);
  return index;
}

function times(entries: [number, number][]): TimeIndex {
  const index = new TimeIndex();
  for (const [timestampMs, offset] of entries) index.maybeAppend(timestampMs, offset);
  return index;
}

test('an offset is looked for from the last entry at or before it', () => {
  const index = offsets([
    [9, 4100],
    [19, 8200],
    [29, 12_300],
  ]);
  assert.equal(index.positionFor(0), 0);
  assert.equal(index.positionFor(8), 0);
  assert.equal(index.positionFor(9), 4100);
  assert.equal(index.positionFor(28), 8200);
  assert.equal(index.positionFor(1000), 12_300);
  assert.equal(new OffsetIndex().positionFor(5), 0);
});

test('a time index only grows, and never hides an older record', () => {
  const index = times([
    [100, 5],
    [90, 8],
    [100, 9],
    [250, 20],
  ]);
  assert.equal(index.count, 2);
  assert.equal(index.offsetBefore(1), 0);
  assert.equal(index.offsetBefore(100), 0);
  assert.equal(index.offsetBefore(101), 5);
  assert.equal(index.offsetBefore(250), 5);
  assert.equal(index.offsetBefore(251), 20);
});

test('records without a timestamp make no entry', () => {
  assert.equal(times([[-1, 3]]).count, 0);
});

test('the bytes are those that Kafka writes, and come back', () => {
  const index = offsets([
    [9, 4100],
    [300, 8200],
  ]);
  const bytes = index.encode();
  assert.equal(Buffer.from(bytes).toString('hex'), '00000009000010040000012c00002008');
  assert.equal(OffsetIndex.decode(bytes, 9000)?.positionFor(300), 8200);
  const time = times([[1_700_000_000_000, 7]]);
  assert.equal(Buffer.from(time.encode()).toString('hex'), '0000018bcfe5680000000007');
  assert.equal(TimeIndex.decode(time.encode())?.lastTimestampMs, 1_700_000_000_000);
});

test('what cannot be an index is refused', () => {
  assert.equal(OffsetIndex.decode(new Uint8Array(9), 9000), null, 'half an entry');
  assert.equal(OffsetIndex.decode(new Uint8Array(16), 9000), null, 'preallocated zeros');
  assert.equal(
    OffsetIndex.decode(
      offsets([
        [5, 100],
        [5, 200],
      ]).encode(),
      9000,
    ),
    null,
    'twice',
  );
  assert.equal(OffsetIndex.decode(offsets([[5, 9000]]).encode(), 9000), null, 'past the end');
  assert.equal(TimeIndex.decode(new Uint8Array(13)), null);
  assert.equal(
    TimeIndex.decode(
      times([
        [5, 9],
        [6, 3],
      ]).encode(),
    ),
    null,
    'backwards',
  );
});

test('it grows past its first room', () => {
  const index = new OffsetIndex();
  for (let i = 1; i <= 1000; i++) index.append(i * 10, i * 4100);
  assert.equal(index.positionFor(5005), 500 * 4100);
  assert.equal(OffsetIndex.decode(index.encode(), 1e9)?.count, 1000);
});
