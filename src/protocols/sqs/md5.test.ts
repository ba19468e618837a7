/** The digest over attributes: its bytes written out by hand, beside what md5.ts makes. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { hashesPort } from '#server/hashes.ts';
import type { MessageAttributes } from './actions.ts';
import { attributesLength, md5OfAttributes, writeAttributes } from './md5.ts';

function part(bytes: string | Uint8Array): Buffer {
  const content = Buffer.from(bytes as string);
  const length = Buffer.alloc(4);
  length.writeUInt32BE(content.length);
  return Buffer.concat([length, content]);
}

const TEXT = Buffer.from([1]);
const BYTES = Buffer.from([2]);
const BINARY = Buffer.from([0, 1, 0xff, 0x80, 10]);

const ATTRIBUTES: MessageAttributes = {
  ß: { DataType: 'String', StringValue: 'ünïcödé 🎉' },
  b: { DataType: 'Binary.png', BinaryValue: BINARY },
  a: { DataType: 'Number.int', StringValue: '-1.50' },
  B: { DataType: 'String', StringValue: '' },
  ab: { DataType: 'Binary', BinaryValue: new Uint8Array(0) },
};
/** In the order of their UTF-8 bytes, each part behind its length. */
const EXPECTED = Buffer.concat(
  [
    [part('B'), part('String'), TEXT, part('')],
    [part('a'), part('Number.int'), TEXT, part('-1.50')],
    [part('ab'), part('Binary'), BYTES, part('')],
    [part('b'), part('Binary.png'), BYTES, part(BINARY)],
    [part('ß'), part('String'), TEXT, part('ünïcödé 🎉')],
  ].flat(),
);

test('names, types with their suffixes and values, text and binary, in the order of bytes', () => {
  const bytes = Buffer.alloc(EXPECTED.length + 20);
  assert.equal(attributesLength(ATTRIBUTES), EXPECTED.length);
  assert.equal(writeAttributes(bytes, 7, ATTRIBUTES), EXPECTED.length + 7);
  assert.deepEqual(bytes.subarray(7, EXPECTED.length + 7), EXPECTED);
  assert.equal(md5OfAttributes(hashesPort, ATTRIBUTES), hashesPort.md5Hex(EXPECTED));
});

test('names are ordered by UTF-8, not by UTF-16', () => {
  // U+FF5E comes before U+1F389 in UTF-8, and after its surrogates in UTF-16.
  const value = { DataType: 'String', StringValue: 'x' };
  const bytes = Buffer.alloc(100);
  const end = writeAttributes(bytes, 0, { '\u{1f389}': value, '\uff5e': value });
  assert.deepEqual(bytes.subarray(4, 7), Buffer.from('\uff5e'));
  assert.equal(end, attributesLength({ '\u{1f389}': value, '\uff5e': value }));
});

test('attributes of any size, and small ones after them', () => {
  const large = { DataType: 'Binary', BinaryValue: Buffer.alloc(300_000, 7) };
  const expected = Buffer.concat([part('x'), part('Binary'), BYTES, part(large.BinaryValue)]);
  assert.equal(md5OfAttributes(hashesPort, { x: large }), hashesPort.md5Hex(expected));
  assert.equal(md5OfAttributes(hashesPort, ATTRIBUTES), hashesPort.md5Hex(EXPECTED));
});
