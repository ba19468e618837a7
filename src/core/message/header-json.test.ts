import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { HeaderValue } from './envelope.ts';
import { fromJson, headerJson, sameValue, toJson } from './header-json.ts';

test('every header value comes back as it was', () => {
  const value: HeaderValue = {
    text: 'ü"\\',
    number: 1.5,
    negative: -0.25,
    notFinite: Infinity,
    large: 2n ** 63n - 1n,
    yes: true,
    nothing: null,
    bytes: Buffer.from([0, 255]),
    date: new Date(1_750_000_000_123),
    list: [1, 'a', [null], { deep: 1n }],
    $odd: 'name',
    table: { $bytes: 'not bytes' },
  };
  const back = fromJson(JSON.parse(JSON.stringify(toJson(value))) as ReturnType<typeof toJson>);
  assert.deepEqual(
    { ...(back as object) },
    {
      ...value,
      list: [1, 'a', [null], Object.assign(Object.create(null) as object, { deep: 1n })],
      table: Object.assign(Object.create(null) as object, { $bytes: 'not bytes' }),
    },
  );
  assert.ok(Number.isNaN(fromJson(toJson(NaN))));
});

test('a header named __proto__ is only a name', () => {
  const table = Object.create(null) as Record<string, HeaderValue>;
  table['__proto__'] = 1;
  const back = fromJson(toJson(table)) as Record<string, HeaderValue>;
  assert.deepEqual(Object.keys(back), ['__proto__']);
  assert.equal(({} as Record<string, unknown>)['polluted'], undefined);
});

test('sorted text is the same for equal tables', () => {
  assert.equal(
    headerJson({ b: 1, a: { d: 1, c: 2 } }, true),
    headerJson({ a: { c: 2, d: 1 }, b: 1 }, true),
  );
  assert.notEqual(headerJson({ a: 1 }, true), headerJson({ a: '1' }, true));
});

test('values are the same by kind and value', () => {
  assert.equal(sameValue(1, 1n), true);
  assert.equal(sameValue(2 ** 53, 2n ** 53n + 1n), false);
  assert.equal(sameValue(1, true), false);
  assert.equal(sameValue(null, undefined), false);
  assert.equal(sameValue('a', Buffer.from('a')), false);
});
