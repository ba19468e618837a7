/** The canonical forms, by the examples of AWS's test suite for Signature Version 4. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { canonicalPath, canonicalQuery, canonicalValue, splitQuery } from './sigv4-canonical.ts';

const query = (text: string): string => canonicalQuery(splitQuery(text));

describe('a query', () => {
  const QUERIES: readonly [name: string, given: string, canonical: string][] = [
    ['of nothing', '', ''],
    ['sorted by names', 'Param2=value2&Param1=value1', 'Param1=value1&Param2=value2'],
    ['upper case comes first', 'b=2&B=1&a=3', 'B=1&a=3&b=2'],
    [
      'a name twice is sorted by values',
      'Param1=value2&Param1=Value1',
      'Param1=Value1&Param1=value2',
    ],
    ['a shorter name comes first', 'ab=1&a=2', 'a=2&ab=1'],
    ['unreserved characters stay', '-._~0=Az', '-._~0=Az'],
    ['what was escaped without need is not', '%41=%7E', 'A=~'],
    ['digits of escapes are upper case', 'a=%2f%e1%88%b4', 'a=%2F%E1%88%B4'],
    ['raw bytes are escaped', 'ሴ=bar', '%E1%88%B4=bar'],
    ['a plus is a space', 'a=b+c', 'a=b%20c'],
    ['an escaped plus is one', 'a=b%2Bc', 'a=b%2Bc'],
    ['no value is an empty one', 'b&a=', 'a=&b='],
    ['the second equals sign belongs to the value', 'a=b=c', 'a=b%3Dc'],
    ['empty pairs are none', '&&a=1&', 'a=1'],
    ['what is no escape is a percent sign', 'a=%zz%4', 'a=%25zz%254'],
    ['the signature is left out', 'X-Amz-Signature=00&X-Amz-Date=1', 'X-Amz-Date=1'],
  ];
  for (const [name, given, canonical] of QUERIES) {
    test(name, () => {
      const bytes = Buffer.from(given).toString('latin1');
      assert.equal(query(bytes), canonical);
    });
  }

  test('is the same again when it is canonical', () => {
    for (const [, , canonical] of QUERIES) assert.equal(query(canonical), canonical);
  });
});

describe('a path', () => {
  const PATHS: readonly [given: string, canonical: string][] = [
    ['', '/'],
    ['/', '/'],
    ['//', '/'],
    ['/./', '/'],
    ['/example/..', '/'],
    ['/example1/example2/../..', '/'],
    ['/./example', '/example'],
    ['//example//', '/example/'],
    ['/../..', '/'],
    ['/000000000000/orders.fifo', '/000000000000/orders.fifo'],
    // Escaped twice: once by who sends it, once for the signature.
    ['/example%20space/', '/example%2520space/'],
    ['/a b', '/a%20b'],
  ];
  for (const [given, canonical] of PATHS) {
    test(`'${given}'`, () => assert.equal(canonicalPath(given), canonical));
  }
});

test("a header's value has single spaces, and none around it", () => {
  assert.equal(canonicalValue('  value4 \t  "a   b"  '), 'value4 "a b"');
  assert.equal(canonicalValue(''), '');
});
