import assert from 'node:assert/strict';
import { test } from 'node:test';
import { OutputBuffer } from './output-buffer.ts';
import { Reader } from './reader.ts';
import { Writer } from './writer.ts';

const ID = Uint8Array.from({ length: 16 }, (_, i) => i);

function written(flexible: boolean, body: (writer: Writer) => void): Buffer {
  const writer = new Writer(new OutputBuffer());
  writer.begin(flexible);
  body(writer);
  writer.end();
  return Buffer.concat(writer.output.take());
}

for (const flexible of [false, true]) {
  test(`what is written is read back, ${flexible ? 'flexible' : 'fixed'}`, () => {
    const long = 'ü'.repeat(500);
    const bytes = written(flexible, (w) => {
      w.int8(-3)
        .bool(true)
        .int16(-2)
        .int32(-70_000)
        .int64(-5)
        .int64(2 ** 40 + 7)
        .uuid(ID);
      w.string('name').nullableString(null).nullableString('').string(long);
      w.bytes(Uint8Array.of(1, 2)).array([4, 5], (each, n) => each.int32(n).tags());
      w.arrayLength(-1).int32Array([9]).unsignedVarint(300).tags();
    });
    assert.equal(bytes.readInt32BE(0), bytes.length - 4);
    const reader = new Reader().reset(bytes, 4, bytes.length, flexible);
    assert.deepEqual(
      [reader.int8(), reader.bool(), reader.int16(), reader.int32()],
      [-3, true, -2, -70_000],
    );
    assert.deepEqual([reader.int64(), reader.int64()], [-5, 2 ** 40 + 7]);
    assert.deepEqual(reader.uuid(), ID);
    assert.deepEqual(
      [reader.string(), reader.nullableString(), reader.nullableString(), reader.string()],
      ['name', null, '', long],
    );
    assert.deepEqual(reader.ownBytes(), Uint8Array.of(1, 2));
    assert.deepEqual(
      reader.array((r) => {
        const n = r.int32();
        r.tags();
        return n;
      }),
      [4, 5],
    );
    assert.equal(
      reader.nullableArray(() => 0),
      null,
    );
    assert.deepEqual(
      reader.array((r) => r.int32()),
      [9],
    );
    assert.equal(reader.unsignedVarint(), 300);
    reader.tags();
    assert.equal(reader.remaining, 0);
  });

  test(`every cut throws RangeError, ${flexible ? 'flexible' : 'fixed'}`, () => {
    const bytes = written(flexible, (w) => {
      w.string('name')
        .bytes(Uint8Array.of(1, 2))
        .array([4, 5], (each, n) => each.int64(n))
        .uuid(ID);
      w.tags();
    });
    const read = (end: number): void => {
      const reader = new Reader().reset(bytes, 4, end, flexible);
      reader.string();
      reader.ownBytes();
      reader.array((r) => r.int64());
      reader.uuid();
      reader.tags();
    };
    read(bytes.length);
    for (let end = 4; end < bytes.length; end++) assert.throws(() => read(end), RangeError);
  });
}

test('a forged array length allocates nothing', () => {
  const reader = new Reader().reset(Buffer.from([0x7f, 0xff, 0xff, 0xff]), 0, 4, false);
  assert.throws(() => reader.array((r) => r.int8()), RangeError);
});

test('unknown tagged fields are skipped, known ones are seen', () => {
  const bytes = Buffer.from([2, 0, 1, 0xaa, 7, 2, 0xbb, 0xcc, 0x55]);
  const reader = new Reader().reset(bytes, 0, bytes.length, true);
  const seen: number[][] = [];
  reader.eachTag((tag, r) => seen.push([tag, r.int8()]));
  assert.deepEqual(seen, [
    [0, -86],
    [7, -69],
  ]);
  assert.equal(reader.int8(), 0x55);
});

test('a null where none may be is refused', () => {
  assert.throws(
    () => new Reader().reset(Buffer.from([0xff, 0xff]), 0, 2, false).string(),
    RangeError,
  );
  assert.throws(() => new Reader().reset(Buffer.from([0]), 0, 1, true).ownBytes(), RangeError);
});

test('referenced bytes are not copied and the length in front is right', () => {
  const output = new OutputBuffer();
  const writer = new Writer(output);
  const big = Buffer.alloc(100_000, 7);
  for (let round = 0; round < 3; round++) {
    writer
      .begin(true)
      .string('x'.repeat(9000))
      .bytesLength(big.length + 10);
    writer.reference(Buffer.alloc(10, 1)).reference(big).string('tail'.repeat(5000)).tags().end();
  }
  const parts = output.take();
  assert.equal(parts.filter((part) => part === big).length, 3);
  const bytes = Buffer.concat(parts);
  let at = 0;
  for (let round = 0; round < 3; round++) {
    const end = at + 4 + bytes.readInt32BE(at);
    const reader = new Reader().reset(bytes, at + 4, end, true);
    assert.equal(reader.string().length, 9000);
    assert.equal(reader.ownBytes().length, big.length + 10);
    assert.equal(reader.string().length, 20_000);
    reader.tags();
    assert.equal(reader.remaining, 0);
    at = end;
  }
  assert.equal(at, bytes.length);
});
