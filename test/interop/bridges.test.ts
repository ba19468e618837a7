/** The bindings that docs/bridges.md shows are what the configuration and the broker take. */
import { test } from 'node:test';
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { bindingSchema } from '#management/binding-schema.ts';
import { startTestServer } from '#test/drive/server.ts';

function examples(): unknown[] {
  const text = readFileSync(new URL('../../docs/bridges.md', import.meta.url), 'utf8');
  return [...text.matchAll(/```json\n(.*?)```/gs)].map(([, json]) => JSON.parse(json!) as unknown);
}

/** In one order, to compare sets of bindings. */
function sorted(bindings: readonly object[]): string[] {
  return bindings
    .map((it) => JSON.stringify(it, ['namespace', 'from', 'to', 'key', 'as', ...KINDS]))
    .toSorted((a, b) => (a < b ? -1 : 1));
}

const KINDS = ['exchange', 'queue', 'topic'];

test('every example of bridges.md can be declared, together and again over HTTP', async (t) => {
  const bindings = examples().map((it) => bindingSchema.parse(it));
  assert.ok(bindings.length >= 8);
  const server = await startTestServer({ bindings });
  t.after(() => server.stop());
  const url = `http://127.0.0.1:${server.portOf('http')}/api/bindings`;
  const listed = (await (await fetch(url)).json()) as object[];
  const expected = bindings.map((it) => ({ namespace: '/', key: '#', ...it }));
  assert.deepEqual(sorted(listed), sorted(expected));
  for (const binding of bindings) {
    const body = JSON.stringify(binding);
    const headers = { 'content-type': 'application/json' };
    const again = await fetch(url, { method: 'POST', headers, body });
    assert.equal(again.status, 200);
    assert.deepEqual(await again.json(), binding);
    const gone = await fetch(url, { method: 'DELETE', headers, body });
    assert.equal(gone.status, 204);
  }
  assert.deepEqual(await (await fetch(url)).json(), []);
});
