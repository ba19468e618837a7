import assert from 'node:assert/strict';
import { test } from 'node:test';
import { murmur2 } from './murmur2.ts';

/** From Kafka's own UtilsTest.testMurmur2. */
const KNOWN: readonly (readonly [string, number])[] = [
  ['21', -973932308],
  ['foobar', -790332482],
  ['a-little-bit-long-string', -985981536],
  ['a-little-bit-longer-string', -1486304829],
  ['lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8', -58897971],
  ['abc', 479470107],
];

test("hashes as Kafka's producers do", () => {
  for (const [text, hash] of KNOWN) {
    const bytes = Buffer.from(`xx${text}yy`);
    assert.equal(murmur2(bytes, 2, bytes.length - 2), hash, text);
  }
});
