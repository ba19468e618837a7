import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Codec } from '#core/message/batch.ts';
import { BrokerError } from '#core/errors.ts';
import { createCodecs } from './compression.ts';
import { lz4FrameContentBytes } from './lz4-frame.ts';

const codecs = createCodecs();
const NAMES = ['Gzip', 'Snappy', 'Lz4', 'Zstd'] as const;
const text = Buffer.from('the post is here; '.repeat(20_000));
const noise = Buffer.from(Array.from({ length: 200_000 }, (_, i) => (i * 2_654_435_761) >>> 13));

function refuses(code: string, action: () => unknown): void {
  assert.throws(action, (error) => error instanceof BrokerError && error.code === code);
}

describe('compression', () => {
  for (const name of NAMES) {
    const codec = Codec[name];
    it(`${name} gives back what it took`, () => {
      for (const bytes of [Buffer.from('x'), text, noise]) {
        const packed = codecs.compress(codec, bytes, null);
        assert.ok(Buffer.from(codecs.decompress(codec, packed, bytes.length)).equals(bytes));
      }
      assert.ok(codecs.compress(codec, text, null).length < text.length / 10);
    });
    it(`${name} refuses what would be too large when unpacked`, () => {
      const packed = codecs.compress(codec, text, null);
      refuses('too-large', () => codecs.decompress(codec, packed, text.length - 1));
    });
    it(`${name} refuses other bytes and every torn end`, () => {
      refuses('invalid-argument', () => codecs.decompress(codec, Buffer.alloc(0), 1000));
      refuses('invalid-argument', () =>
        codecs.decompress(codec, Buffer.from('not packed at all'), 9e6),
      );
      const packed = codecs.compress(codec, Buffer.from('a short one, a short one'), null);
      for (let end = 1; end < packed.length; end++) {
        refuses('invalid-argument', () =>
          codecs.decompress(codec, packed.subarray(0, end), 20_000),
        );
      }
    });
  }

  it('takes a level for gzip and zstd', () => {
    for (const codec of [Codec.Gzip, Codec.Zstd]) {
      const fast = codecs.compress(codec, text, 1);
      const small = codecs.compress(codec, text, 9);
      assert.notDeepEqual(fast, small);
      assert.ok(text.equals(codecs.decompress(codec, small, text.length)));
    }
  });

  it('knows no other codec', () => {
    for (const codec of [Codec.None, 5, 7]) {
      refuses('invalid-argument', () => codecs.compress(codec, text, null));
      refuses('invalid-argument', () => codecs.decompress(codec, text, 1000));
    }
  });

  it('reads a raw snappy block and the stream of the Java library', () => {
    // 'abc' three times: preamble 9, literal of 3, copy of 6 at offset 3 (format_description.txt).
    const raw = Buffer.from([9, 0x08, 97, 98, 99, 0x09, 3]);
    assert.equal(Buffer.from(codecs.decompress(Codec.Snappy, raw, 100)).toString(), 'abcabcabc');
    const head = Buffer.concat([
      Buffer.from('\x82SNAPPY\0', 'latin1'),
      Buffer.from([0, 0, 0, 1, 0, 0, 0, 1]),
    ]);
    const block = Buffer.concat([Buffer.from([0, 0, 0, raw.length]), raw]);
    const stream = Buffer.concat([head, block, block]);
    assert.equal(
      Buffer.from(codecs.decompress(Codec.Snappy, stream, 18)).toString(),
      'abcabcabcabcabcabc',
    );
    refuses('too-large', () => codecs.decompress(Codec.Snappy, stream, 17));
  });

  it('counts the content of an LZ4 frame exactly', () => {
    for (const bytes of [Buffer.from('x'), text, noise]) {
      const packed = codecs.compress(Codec.Lz4, bytes, null);
      assert.equal(lz4FrameContentBytes(packed, Infinity), bytes.length);
    }
  });
});
