/**
 * Size, names, header comments and the calls that would make the core depend on anything but its
 * inputs. Limits are generous: the aim is about 100 lines a file; these are where explaining ends.
 */
import { basename } from 'node:path';
import { isPure, layerOf } from './import-rules.ts';
import { finding, isNode, isTestFile, type Node, type SourceFile, walk } from './source-file.ts';

const FILE_LINES_MAX = 500;
const FUNCTION_LINES_MAX = 70;
/** A test that tells one story from top to bottom may be longer than code. */
const TEST_FUNCTION_LINES_MAX = 100;
const HEADER_LINES_MAX = 40;

const BANNED_NAME_PARTS = ['util', 'utils', 'helper', 'helpers', 'common', 'manager', 'misc'];
const KEBAB = /^[a-z0-9]+(-[a-z0-9]+)*(\.(test|fuzz|bench))?\.(ts|js)$/;

/** Object.member calls and bare globals that pure layers must receive through a port instead. */
const BANNED_MEMBERS = ['Date.now', 'Math.random', 'performance.now', 'crypto.randomUUID'];
const BANNED_GLOBALS = [
  'setTimeout',
  'setInterval',
  'setImmediate',
  'clearTimeout',
  'clearInterval',
  'clearImmediate',
  'queueMicrotask',
  'fetch',
  'process',
  'console',
  'require',
];

export function fileSize(file: SourceFile): string[] {
  if (file.lineCount <= FILE_LINES_MAX) return [];
  return [finding(file, 1, `has ${file.lineCount} lines; at most ${FILE_LINES_MAX}`)];
}

export function functionSize(file: SourceFile): string[] {
  const found: string[] = [];
  const max = isTestFile(file.path) ? TEST_FUNCTION_LINES_MAX : FUNCTION_LINES_MAX;
  walk(file.program, (node, parent) => {
    if (!isFunction(node) || isSuiteCallback(parent)) return;
    const from = file.lineAt(node.start);
    const lines = file.lineAt(node.end) - from + 1;
    if (lines > max) {
      const name = functionName(node, parent);
      found.push(finding(file, from, `${name} has ${lines} lines; at most ${max}`));
    }
  });
  return found;
}

export function fileName(path: string): string[] {
  const name = basename(path);
  const parts = path.split(/[/.-]/);
  const banned = BANNED_NAME_PARTS.filter((part) => parts.includes(part));
  return [
    ...(KEBAB.test(name) ? [] : [`${path}:1 is not named in kebab-case`]),
    ...banned.map((part) => `${path}:1 '${part}' in a name says nothing: name the noun`),
  ];
}

/** Declared classes, functions, variables and types, not uses: other people's names are theirs. */
export function declaredNames(file: SourceFile): string[] {
  const found: string[] = [];
  walk(file.program, (node) => {
    if (
      !/^(Class|Function|TSInterface|TSTypeAlias)Declaration$|^VariableDeclarator$/.test(node.type)
    ) {
      return;
    }
    const name = isNode(node.id) ? node.id.name : undefined;
    if (typeof name !== 'string') return;
    const words = name
      .replaceAll(/([a-z0-9])([A-Z])/g, '$1 $2')
      .toLowerCase()
      .split(/[ _]/);
    const banned = words.find((word) => BANNED_NAME_PARTS.includes(word));
    if (banned) found.push(finding(file, file.lineAt(node.start), `'${name}' says '${banned}'`));
  });
  return found;
}

/** Role, invariants, layout: every production file begins with them. */
export function headerComment(file: SourceFile): string[] {
  if (isTestFile(file.path)) return [];
  const header = /^(?:#![^\n]*\n)?\/\*\*[\s\S]*?\*\//.exec(file.text)?.[0];
  if (!header) return [finding(file, 1, 'has no header comment /** … */ that says its role')];
  const lines = header.split('\n').length;
  if (lines <= HEADER_LINES_MAX) return [];
  return [finding(file, 1, `has a header of ${lines} lines; at most ${HEADER_LINES_MAX}`)];
}

/** Core, wire and protocols are functions of bytes, time and a seed. */
export function impureCalls(file: SourceFile): string[] {
  const layer = layerOf(file.path);
  if (layer === null || !isPure(layer) || isTestFile(file.path)) return [];
  const found: string[] = [];
  const own = declaredOrImported(file);
  const ban = (node: Node, name: string): void => {
    found.push(finding(file, file.lineAt(node.start), `${layer} may not use ${name}`));
  };
  walk(file.program, (node, parent) => {
    if (node.type === 'MemberExpression' && isNode(node.object) && isNode(node.property)) {
      const name = `${String(node.object.name)}.${String(node.property.name)}`;
      if (BANNED_MEMBERS.includes(name)) ban(node, name);
    }
    const args = node.arguments;
    if (isDateCallee(node) && Array.isArray(args) && args.length === 0)
      ban(node, 'the time of day');
    if (node.type === 'Identifier' && BANNED_GLOBALS.includes(String(node.name))) {
      if (!isMemberName(node, parent) && !own.has(String(node.name))) ban(node, String(node.name));
    }
  });
  return found;
}

/** Names that the file itself gives a meaning, so that they are no globals in it. */
function declaredOrImported(file: SourceFile): Set<string> {
  const names = new Set<string>();
  walk(file.program, (node) => {
    const id = /^Import.*Specifier$/.test(node.type) ? node.local : node.id;
    if (isNode(id) && typeof id.name === 'string') names.add(id.name);
  });
  return names;
}

function isDateCallee(node: Node): boolean {
  const calls = node.type === 'NewExpression' || node.type === 'CallExpression';
  return calls && isNode(node.callee) && node.callee.name === 'Date';
}

/** `x.process`, `{ process: 1 }` and `process() {}` in a class are names of ours, not the global. */
function isMemberName(node: Node, parent: Node | null): boolean {
  if (!parent || parent.computed === true) return false;
  return parent.property === node || parent.key === node;
}

function isFunction(node: Node): boolean {
  return /^(FunctionDeclaration|FunctionExpression|ArrowFunctionExpression)$/.test(node.type);
}

/** The body of a `describe` or `suite` is a list of tests, not one thought. */
function isSuiteCallback(parent: Node | null): boolean {
  if (parent?.type !== 'CallExpression' || !isNode(parent.callee)) return false;
  return parent.callee.name === 'describe' || parent.callee.name === 'suite';
}

function functionName(node: Node, parent: Node | null): string {
  for (const id of [node.id, parent?.key, parent?.id]) {
    if (isNode(id) && typeof id.name === 'string') return id.name;
  }
  return 'a function';
}
