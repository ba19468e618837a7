import assert from 'node:assert/strict';
import { test } from 'node:test';
import { crc32c, crc32cPortable } from './crc32c.ts';

/** RFC 3720 B.4 and the catalogue's check value. */
const VECTORS: [string, Uint8Array, number][] = [
  ['nothing', new Uint8Array(0), 0],
  ['123456789', Buffer.from('123456789'), 0xe3069283],
  ['32 zeros', new Uint8Array(32), 0x8a9136aa],
  ['32 ones', new Uint8Array(32).fill(0xff), 0x62a8ab43],
  ['32 ascending', Uint8Array.from({ length: 32 }, (_, i) => i), 0x46dd794e],
  ['32 descending', Uint8Array.from({ length: 32 }, (_, i) => 31 - i), 0x113fdb5c],
];

for (const [name, bytes, expected] of VECTORS) {
  test(`crc32c of ${name}`, () => {
    assert.equal(crc32c(bytes, 0, bytes.length), expected);
    assert.equal(crc32cPortable(bytes, 0, bytes.length), expected);
  });
}

test('the native and the portable sum agree at every length and alignment', () => {
  const bytes = Uint8Array.from({ length: 1024 }, (_, i) => (i * 131 + (i >> 3)) & 0xff);
  for (let start = 0; start < 9; start++) {
    for (let end = start; end < bytes.length; end += 7) {
      assert.equal(crc32c(bytes, start, end), crc32cPortable(bytes, start, end));
    }
  }
});

test('a window of a larger buffer is summed, not the buffer', () => {
  const large = Buffer.alloc(2048, 7);
  const window = large.subarray(512, 1536);
  assert.equal(crc32c(window, 0, 1000), crc32cPortable(Buffer.alloc(1000, 7), 0, 1000));
});
