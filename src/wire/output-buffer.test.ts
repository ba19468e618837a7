import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { COPY_BYTES_MAX, OutputBuffer } from './output-buffer.ts';

function write(output: OutputBuffer, count: number, value: number): void {
  const at = output.reserve(count);
  output.bytes.fill(value, at, at + count);
  output.advance(count);
}

describe('output buffer', () => {
  test('parts come in order; large ones by reference, small ones copied', () => {
    const output = new OutputBuffer();
    const large = Buffer.alloc(COPY_BYTES_MAX, 2);
    const small = Buffer.alloc(3, 4);
    write(output, 5, 1);
    output.append(large);
    output.append(small);
    small.fill(9);
    assert.equal(output.length, 5 + COPY_BYTES_MAX + 3);
    const parts = output.take();
    assert.equal(parts.length, 3);
    assert.equal(parts[1], large);
    assert.deepEqual(parts[2], Buffer.alloc(3, 4));
    assert.equal(output.length, 0);
    assert.deepEqual(output.take(), []);
  });

  test('its memory is used again when everything taken is gone, and not before', () => {
    const output = new OutputBuffer();
    const { bytes } = output;
    write(output, 10_000, 1);
    const [first] = output.take();
    write(output, 6000, 2);
    const [second] = output.take();
    output.gone();
    write(output, 10_000, 3);
    assert.notEqual(output.bytes, bytes, 'one is not gone yet');
    assert.ok(first!.every((byte) => byte === 1));
    assert.ok(second!.every((byte) => byte === 2));
    output.take();
    output.gone();
    output.gone();
    const kept = output.bytes;
    for (let i = 0; i < 100; i++) {
      write(output, 10_000, i);
      const [part] = output.take();
      assert.ok(part!.every((byte) => byte === i));
      output.gone();
    }
    assert.equal(output.bytes, kept);
  });

  test('an open part moves to the beginning when there is no room behind it', () => {
    const output = new OutputBuffer();
    const { bytes } = output;
    write(output, 12_000, 1);
    output.take();
    write(output, 1000, 2);
    output.gone();
    write(output, 8000, 3);
    assert.equal(output.bytes, bytes);
    const [part] = output.take();
    assert.deepEqual(part, Buffer.concat([Buffer.alloc(1000, 2), Buffer.alloc(8000, 3)]));
  });

  test('a part that was closed and not taken stays', () => {
    const output = new OutputBuffer();
    write(output, 12_000, 1);
    output.take();
    write(output, 1000, 2);
    output.append(Buffer.alloc(COPY_BYTES_MAX, 3));
    output.gone();
    write(output, 8000, 4);
    const parts = output.take();
    assert.deepEqual(
      parts.map((part) => [part.length, part[0], part.at(-1)]),
      [
        [1000, 2, 2],
        [COPY_BYTES_MAX, 3, 3],
        [8000, 4, 4],
      ],
    );
  });

  test('owners go with the take that hands over their bytes', () => {
    const output = new OutputBuffer();
    const owner = { release: (): void => {} };
    assert.deepEqual(output.takeOwners(), []);
    output.append(Buffer.alloc(COPY_BYTES_MAX));
    output.releaseAfter(owner);
    output.take();
    assert.deepEqual(output.takeOwners(), [owner]);
    assert.deepEqual(output.takeOwners(), []);
  });

  test('it gives back what has grown when nothing waits in it, and not before', () => {
    const output = new OutputBuffer();
    const { bytes: first } = output;
    output.trim();
    assert.equal(output.bytes, first, 'there is nothing to give back');
    write(output, 100_000, 1);
    output.trim();
    const parts = output.take();
    output.trim();
    assert.ok(output.bytes.length >= 100_000, 'what was taken lies in it');
    output.gone();
    output.trim();
    assert.equal(output.bytes.length, first.length);
    assert.ok(parts[0]!.every((byte) => byte === 1));
    write(output, 10, 2);
    assert.deepEqual(output.take(), [Buffer.alloc(10, 2)]);
  });
});
