import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decodeTable, encodeTable } from './field-table.ts';

test('a name that is no UTF-8 leaves a whole table when it is written again', () => {
  const name = Buffer.alloc(200, 0xff);
  const bytes = Buffer.concat([Uint8Array.of(name.length), name, Buffer.from('t\x01')]);
  const table = decodeTable(bytes, 0, bytes.length);
  const again = encodeTable(table);
  const [read] = decodeTable(again, 0, again.length).names;
  assert.equal(read, '\ufffd'.repeat(85));
});
