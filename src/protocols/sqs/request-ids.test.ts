import assert from 'node:assert/strict';
import { test } from 'node:test';
import { RequestIds } from './request-ids.ts';

const PREFIX = '01234567-89ab-4cde-a';
const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;

test('request ids are UUIDs, no two alike, of any connections', () => {
  const seen = new Set<string>();
  for (const connection of [0, 1, 0xfff, 0x1000, 0xffffffff]) {
    const ids = new RequestIds(PREFIX, connection);
    for (let i = 0; i < 9000; i++) seen.add(ids.next());
  }
  assert.equal(seen.size, 45_000);
  for (const id of seen) assert.match(id, UUID);
});

test('they are counted', () => {
  const ids = new RequestIds(PREFIX, 0x12345678);
  assert.equal(ids.next(), `${PREFIX}123-456780000000`);
  assert.equal(ids.next(), `${PREFIX}123-456780000001`);
  for (let i = 2; i < 4096; i++) ids.next();
  assert.equal(ids.next(), `${PREFIX}123-456780001000`);
});
