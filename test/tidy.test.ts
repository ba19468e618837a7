/**
 * Style is a test: layers, sizes, names, purity, cycles, dead files, words and links.
 *
 * The first half runs the rules over the repository, and fails when it scanned nothing. The second
 * half shows each rule a bad sample and demands that it objects: a rule that cannot fail is none.
 */
import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join, relative, sep } from 'node:path';
import { describe, it } from 'node:test';
import { type Exception, EXCEPTIONS, withoutExcused } from './tidy/exceptions.ts';
import {
  deadFiles,
  importCycles,
  importGraph,
  importTable,
  unresolvedImports,
} from './tidy/import-rules.ts';
import { parseSource, type SourceFile } from './tidy/source-file.ts';
import {
  declaredNames,
  fileName,
  fileSize,
  functionSize,
  headerComment,
  impureCalls,
} from './tidy/style-rules.ts';
import { bannedWords, brokenLinks } from './tidy/text-rules.ts';

const ROOT = join(import.meta.dirname, '..');
const SKIPPED = new Set(['node_modules', '.git', '.cache', 'data', 'coverage', 'results', 'dist']);
const CODE_FOLDERS = ['src', 'test', 'bench', 'scripts', 'bin'];
const TEXT = /\.(ts|js|json|md|sh|java|c|h|py|yml|yaml|conf|toml)$|^\.ci\/run$/;
const ENTRIES = ['bin/posthorn.js', 'src/cli/posthorn.ts', 'src/embedded/index.ts'];

const paths = listFiles(ROOT);
const sources = paths
  .filter((path) => /\.(ts|js)$/.test(path) && CODE_FOLDERS.includes(path.split('/')[0] ?? ''))
  .map((path) => parseSource(path, read(path)));
const texts = paths.filter((path) => TEXT.test(path) && path !== 'package-lock.json');
const documents = paths.filter((path) => path.endsWith('.md'));

function listFiles(folder: string): string[] {
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    if (SKIPPED.has(entry.name)) return [];
    const path = join(folder, entry.name);
    return entry.isDirectory() ? listFiles(path) : [relative(ROOT, path).split(sep).join('/')];
  });
}

function read(path: string): string {
  return readFileSync(join(ROOT, path), 'utf8');
}

function clean(rule: Exception['rule'] | null, findings: string[]): void {
  const standing = rule ? withoutExcused(rule, findings) : findings;
  assert.equal(standing.length, 0, `\n${standing.join('\n')}`);
}

describe('the repository', () => {
  it('was scanned at all', () => {
    for (const folder of [
      'src/core',
      'src/wire',
      'src/protocols',
      'src/server',
      'src/cli',
      'test',
    ]) {
      assert.ok(
        sources.some((f) => f.path.startsWith(`${folder}/`)),
        `nothing scanned below ${folder}`,
      );
    }
    assert.ok(documents.length > 0, 'no document scanned');
    assert.ok(texts.length > sources.length, 'no text beside code scanned');
    const imports = sources.reduce((sum, f) => sum + f.imports.length, 0);
    assert.ok(imports > sources.length, 'hardly an import was seen: the parser sees nothing');
  });

  it('imports by the table', () => clean(null, sources.flatMap(importTable)));
  it('imports only what exists', () => clean(null, unresolvedImports(sources)));
  it('has no import cycle', () => clean(null, importCycles(importGraph(sources))));
  it('has no dead file', () => clean('dead-file', deadFiles(sources, ENTRIES)));
  it('keeps core, wire and protocols pure', () => clean(null, sources.flatMap(impureCalls)));
  it('keeps files short', () => clean('file-size', sources.flatMap(fileSize)));
  it('keeps functions short', () => clean('function-size', sources.flatMap(functionSize)));
  it('names files and declarations', () => {
    clean('names', [
      ...sources.map((f) => f.path).flatMap(fileName),
      ...sources.flatMap(declaredNames),
    ]);
  });
  it('begins every file with its role', () => clean('header', sources.flatMap(headerComment)));
  it('has no banned words', () => {
    clean(
      'words',
      texts.flatMap((path) => bannedWords(path, read(path))),
    );
  });
  it('links to files that exist', () => {
    const exists = (path: string): boolean => existsSync(join(ROOT, path));
    clean(
      null,
      documents.flatMap((path) => brokenLinks(path, read(path), exists)),
    );
  });
  it('gives a reason for every exception', () => {
    for (const e of EXCEPTIONS) assert.ok(e.reason.length > 20, `${e.path}: '${e.reason}'`);
  });
});

const sample = (path: string, text: string): SourceFile => parseSource(path, text);
const lines = (count: number, text: string): string => `${text}\n`.repeat(count);

function objects(findings: readonly string[], pattern: RegExp): void {
  assert.equal(findings.length, 1, `one finding expected, got:\n${findings.join('\n')}`);
  assert.match(findings[0] ?? '', pattern);
}

describe('a rule objects to', () => {
  const forbidden: [string, string, RegExp][] = [
    ['src/core/a.ts', '#storage/x.ts', /core may not import storage/],
    ['src/core/a.ts', 'node:fs', /core may not import 'node:fs'/],
    ['src/wire/a.ts', '#core/x.ts', /wire may not import core/],
    ['src/storage/a.ts', '#server/x.ts', /storage may not import server/],
    ['src/auth/a.ts', '#wire/x.ts', /auth may not import wire/],
    [
      'src/protocols/kafka/a.ts',
      '#protocols/amqp091/x.ts',
      /kafka may not import protocols\/amqp091/,
    ],
    ['src/protocols/kafka/a.ts', '#storage/x.ts', /may not import storage/],
    ['src/protocols/kafka/a.ts', 'node:net', /may not import 'node:net'/],
    ['src/protocols/contract.ts', '#protocols/kafka/x.ts', /may not import protocols\/kafka/],
    ['src/management/a.ts', '#server/x.ts', /management may not import server/],
    ['src/cli/a.ts', '#core/x.ts', /cli may not import core/],
    ['src/cli/serve.ts', '#server/main.ts', /cli may not import server/],
    ['src/core/a.ts', '#core/b.ts', /as a relative path/],
    ['src/protocols/kafka/a.ts', '../contract.ts', /with #/],
    ['src/core/a.ts', './b.test.ts', /test file/],
    ['src/core/a.ts', '#test/x.ts', /outside src/],
    ['src/odd/a.ts', '#core/x.ts', /which the import table lacks/],
  ];
  for (const [path, specifier, expected] of forbidden) {
    it(`${path} importing ${specifier}`, () => {
      objects(importTable(sample(path, `import { x } from '${specifier}';`)), expected);
    });
  }
  it('a forbidden import of a type, by export, or at run time', () => {
    const forms = [`import type { X } from '#storage/x.ts'`, `export * from '#storage/x.ts'`];
    for (const text of [...forms, `const x = await import('#storage/x.ts')`]) {
      objects(importTable(sample('src/core/a.ts', text)), /core may not import storage/);
    }
  });
  it('but not to what the table allows', () => {
    const door = sample('src/cli/serve.ts', `const x = await import('#server/main.ts')`);
    const test = sample('src/core/a.test.ts', `import { x } from '#storage/x.ts'`);
    const protocol = sample(
      'src/protocols/nats/a.ts',
      `import { x } from '#protocols/contract.ts'`,
    );
    for (const file of [door, test, protocol]) assert.deepEqual(importTable(file), []);
  });

  it('a cycle, but not one of types alone', () => {
    const a = sample('src/core/a.ts', `import { b } from './b.ts'`);
    const b = sample('src/core/b.ts', `import { a } from '#core/c.ts'`);
    const c = sample('src/core/c.ts', `export { a } from './a.ts'`);
    objects(
      importCycles(importGraph([a, b, c])),
      /a\.ts → src\/core\/b\.ts → src\/core\/c\.ts → src/,
    );
    const typed = sample('src/core/c.ts', `import type { A } from './a.ts'`);
    assert.deepEqual(importCycles(importGraph([a, b, typed])), []);
  });
  it('an import of nothing, and a file that nothing imports', () => {
    const a = sample('src/core/a.ts', `import { b } from './b.ts'`);
    const c = sample('src/core/c.ts', '');
    objects(unresolvedImports([a]), /imports src\/core\/b\.ts, which does not exist/);
    objects(deadFiles([a, c], ['src/core/a.ts']), /src\/core\/c\.ts:1 is reached from none/);
  });

  const impure = [
    'Date.now()',
    'Math.random()',
    'new Date()',
    'setTimeout(f, 1)',
    'process.exit(1)',
  ];
  for (const call of impure) {
    it(`${call} in core, wire and protocols, but not elsewhere`, () => {
      for (const path of ['src/core/a.ts', 'src/wire/a.ts', 'src/protocols/kafka/a.ts']) {
        objects(impureCalls(sample(path, `export const x = ${call};`)), /may not use/);
      }
      assert.deepEqual(impureCalls(sample('src/server/a.ts', call)), []);
      assert.deepEqual(impureCalls(sample('src/core/a.test.ts', call)), []);
    });
  }
  it('no name of our own that looks like a global', () => {
    const text =
      'class A { process() {} }; a.process(); const b = { console: 1 }; new Date(5);' +
      'import { fetch } from "./fetch.ts"; fetch();';
    assert.deepEqual(impureCalls(sample('src/core/a.ts', text)), []);
  });

  it('a long file and a long function', () => {
    objects(fileSize(sample('src/a.ts', lines(501, '//'))), /has 501 lines/);
    assert.deepEqual(fileSize(sample('src/a.ts', lines(500, '//'))), []);
    for (const head of ['function long() {', 'const long = () => {', 'class A { long() {']) {
      const end = head.startsWith('class') ? '} }' : '}';
      const file = (count: number): SourceFile =>
        sample('src/a.ts', `${head}\n${lines(count, '//')}${end}`);
      objects(functionSize(file(69)), /long has 71 lines/);
      assert.deepEqual(functionSize(file(68)), []);
    }
  });
  it('empty names and names in other cases', () => {
    objects(fileName('src/core/string-utils.ts'), /'utils'/);
    objects(fileName('src/helpers/a.ts'), /'helpers'/);
    objects(fileName('src/core/DiskLog.ts'), /kebab-case/);
    assert.deepEqual(fileName('src/core/disk-log.test.ts'), []);
    objects(declaredNames(sample('src/a.ts', 'class QueueManager {}')), /'QueueManager'/);
    objects(declaredNames(sample('src/a.ts', 'const stringUtils = 1')), /'stringUtils'/);
    assert.deepEqual(declaredNames(sample('src/a.ts', 'const x = transactionManager')), []);
  });
  it('a file without a header', () => {
    objects(headerComment(sample('src/core/a.ts', 'export const a = 1;')), /no header comment/);
    assert.deepEqual(
      headerComment(sample('src/core/a.ts', '/** Role. */\nexport const a = 1;')),
      [],
    );
  });

  it('unfinished work, paths of machines and registry hosts', () => {
    const samples = [
      ['// TO', 'DO later'],
      ['see /ho', 'me/someone/x'],
      ['https://registry.npm', 'js.org/x'],
    ].map((parts) => parts.join(''));
    for (const text of samples) objects(bannedWords('a.md', text), /^a\.md:1 /);
    assert.deepEqual(bannedWords('a.md', 'the work/root of a todo list at ./home/x'), []);
  });
  it('a link to nothing', () => {
    const exists = (path: string): boolean => path === 'docs/there.md';
    objects(
      brokenLinks('docs/a.md', 'x\n[y](gone.md#z)', exists),
      /docs\/a\.md:2 links to gone\.md#z/,
    );
    objects(brokenLinks('docs/a.md', '[y]: ../there.md', exists), /\.\.\/there\.md/);
    const fine = '[a](there.md#x) [b](https://example.com) [c](#here)\n```\n[d](gone.md)\n```\n';
    assert.deepEqual(brokenLinks('docs/a.md', fine, exists), []);
  });
  it('an exception that excuses nothing', () => {
    const excuse: Exception = { rule: 'file-size', path: 'src/a.ts', about: '', reason: 'sample' };
    assert.deepEqual(withoutExcused('file-size', ['src/a.ts:1 has 600 lines'], [excuse]), []);
    objects(withoutExcused('file-size', [], [excuse]), /excuses nothing/);
    objects(withoutExcused('header', ['src/a.ts:1 no header'], [excuse]), /no header/);
  });
});
