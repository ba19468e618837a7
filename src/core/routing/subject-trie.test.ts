import assert from 'node:assert/strict';
import { test } from 'node:test';
import { AMQP_SYNTAX, SubjectTrie } from './subject-trie.ts';
import type { SubjectSyntax } from './subject-trie.ts';

/** The definition, word by word: slow and plainly right. */
function matches(pattern: string[], words: string[], syntax: SubjectSyntax): boolean {
  if (pattern.length === 0) return words.length === 0;
  const [first, ...rest] = pattern;
  if (first === syntax.rest) {
    return words.some((_, i) => matches(rest, words.slice(i + 1), syntax));
  }
  if (first === syntax.many) {
    return (
      matches(rest, words, syntax) || (words.length > 0 && matches(pattern, words.slice(1), syntax))
    );
  }
  if (words.length === 0) return false;
  return (first === syntax.one || first === words[0]) && matches(rest, words.slice(1), syntax);
}

function split(text: string, separator: string): string[] {
  return text === '' ? [] : text.split(separator);
}

function found(trie: SubjectTrie<string>, subject: string): string[] {
  const values: string[] = [];
  trie.match(subject, values);
  return values.toSorted();
}

/** Small and seeded, so that a failure can be run again. */
function randomFrom(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
}

test('the examples of the AMQP specification', () => {
  const trie = new SubjectTrie<string>();
  for (const pattern of ['*.stock.#', '#.stock', 'usd.stock', '#', '', '*', 'a..b', 'usd.*']) {
    assert.equal(trie.add(pattern, pattern), true);
  }
  assert.deepEqual(found(trie, 'usd.stock'), ['#', '#.stock', '*.stock.#', 'usd.*', 'usd.stock']);
  assert.deepEqual(found(trie, 'eur.stock.db'), ['#', '*.stock.#']);
  assert.deepEqual(found(trie, 'stock.nasdaq'), ['#']);
  assert.deepEqual(found(trie, 'stock'), ['#', '#.stock', '*']);
  assert.deepEqual(found(trie, ''), ['', '#']);
  assert.deepEqual(found(trie, 'a..b'), ['#', 'a..b']);
  assert.deepEqual(found(trie, '.'), ['#'], 'two empty words');
});

const MQTT: SubjectSyntax = { separator: '/', one: '+', many: '#', rest: null };
const NATS: SubjectSyntax = { separator: '.', one: '*', many: null, rest: '>' };

for (const syntax of [AMQP_SYNTAX, MQTT, NATS]) {
  const { separator, one, many, rest } = syntax;
  test(`agrees with the plain definition for any patterns (${separator} ${one} ${many} ${rest})`, () => {
    const seed = 20_260_101;
    const random = randomFrom(seed);
    const words = ['a', 'b', 'c', '', one, many ?? rest!];
    const some = (choices: number): string =>
      Array.from({ length: random(6) }, () => words[random(choices)]!).join(syntax.separator);
    let matched = 0;
    for (let round = 0; round < 300; round++) {
      const trie = new SubjectTrie<string>(syntax);
      const patterns = new Set(Array.from({ length: 30 }, () => some(words.length)));
      for (const pattern of patterns) assert.equal(trie.add(pattern, pattern), true);
      const gone = [...patterns].filter(() => random(4) === 0);
      for (const pattern of gone) {
        assert.equal(trie.remove(pattern, pattern), true);
        patterns.delete(pattern);
      }
      assert.equal(trie.size, patterns.size);
      for (let i = 0; i < 30; i++) {
        const subject = some(4);
        const expected = [...patterns]
          .filter((pattern) =>
            matches(split(pattern, syntax.separator), split(subject, syntax.separator), syntax),
          )
          .toSorted();
        matched += expected.length;
        assert.deepEqual(found(trie, subject), expected, `seed ${seed} round ${round}: ${subject}`);
      }
    }
    assert.ok(matched > 9000, `only ${matched} matches were compared`);
  });
}

test('each matching pattern gives its values once, however many ways it matches', () => {
  const trie = new SubjectTrie<string>();
  trie.add('#.a.#.#', 'x');
  trie.add('#.#', 'y');
  assert.deepEqual(found(trie, 'a.a.a.a'), ['x', 'y']);
});

test('many wildcards in a row do not blow up', () => {
  const trie = new SubjectTrie<string>();
  trie.add(`${'#.a.'.repeat(20)}#.b`, 'x');
  const startedAt = process.cpuUsage();
  assert.deepEqual(found(trie, Array.from({ length: 120 }, () => 'a').join('.')), []);
  const { user } = process.cpuUsage(startedAt);
  assert.ok(user < 100_000, `${user} µs`);
});

test('adding twice and removing what is not there say so; an emptied trie is empty', () => {
  const trie = new SubjectTrie<string>();
  assert.equal(trie.add('a.*.#', 'x'), true);
  assert.equal(trie.add('a.*.#', 'x'), false);
  assert.equal(trie.add('a.*.#', 'y'), true);
  assert.equal(trie.remove('a.*', 'x'), false);
  assert.equal(trie.remove('a.b', 'x'), false);
  assert.equal(trie.remove('a.*.#', 'z'), false);
  assert.equal(trie.remove('a.*.#', 'x'), true);
  assert.deepEqual(found(trie, 'a.b.c'), ['y']);
  assert.equal(trie.remove('a.*.#', 'y'), true);
  assert.equal(trie.size, 0);
  assert.deepEqual(found(trie, 'a.b.c'), []);
});

test('patterns of two syntaxes stand side by side', () => {
  const trie = new SubjectTrie<string>();
  trie.add('a.#', 'amqp');
  trie.add('a.#', 'nats', NATS);
  trie.add('a.>', 'rest', NATS);
  trie.add('a.>', 'word');
  assert.deepEqual(found(trie, 'a'), ['amqp']);
  assert.deepEqual(found(trie, 'a.b.c'), ['amqp', 'rest']);
  assert.deepEqual(found(trie, 'a.#'), ['amqp', 'nats', 'rest']);
  assert.deepEqual(found(trie, 'a.>'), ['amqp', 'rest', 'word']);
  assert.equal(trie.remove('a.#', 'nats'), false);
  assert.equal(trie.remove('a.#', 'nats', NATS), true);
  assert.deepEqual(found(trie, 'a.#'), ['amqp', 'rest']);
});
