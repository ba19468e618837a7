/**
 * SourceFile: one TypeScript or JavaScript file as the tidy rules see it: its text, its imports and
 * its syntax tree. Parsed once; the rules are functions over it, so that they can be tried on
 * samples that never were on disk.
 */
import { parseSync } from 'oxc-parser';

export interface Node {
  type: string;
  start: number;
  end: number;
  [field: string]: unknown;
}

export interface Import {
  specifier: string;
  /** Erased before running: `import type` and `export type`. */
  typeOnly: boolean;
  dynamic: boolean;
  line: number;
}

export interface SourceFile {
  /** Relative to the root of the repository, with `/`. */
  path: string;
  text: string;
  lineCount: number;
  imports: Import[];
  program: Node;
  lineAt(position: number): number;
}

/** A finding: `path:line message`. Rules return these; an empty list is a pass. */
export function finding(file: { path: string }, line: number, message: string): string {
  return `${file.path}:${line} ${message}`;
}

export function isTestFile(path: string): boolean {
  return /\.(test|fuzz|bench)\.ts$/.test(path) || !path.startsWith('src/');
}

export function parseSource(path: string, text: string): SourceFile {
  const { module, program, errors } = parseSync(path, text);
  if (errors.length > 0)
    throw new SyntaxError(`${path}: ${errors[0]?.message ?? 'no reason given'}`);
  const lineStarts = [0];
  for (let at = text.indexOf('\n'); at >= 0; at = text.indexOf('\n', at + 1))
    lineStarts.push(at + 1);
  const lineAt = (position: number): number => lineStarts.findLastIndex((s) => s <= position) + 1;

  const imports: Import[] = [];
  const add = (specifier: string, start: number, typeOnly: boolean, dynamic: boolean): void => {
    imports.push({ specifier, typeOnly, dynamic, line: lineAt(start) });
  };
  for (const it of module.staticImports) {
    add(it.moduleRequest.value, it.start, /^import\s+type\b/.test(text.slice(it.start)), false);
  }
  for (const it of module.staticExports) {
    const from = it.entries[0]?.moduleRequest?.value;
    if (from) add(from, it.start, /^export\s+type\b/.test(text.slice(it.start)), false);
  }
  for (const it of module.dynamicImports) {
    const written = text.slice(it.moduleRequest.start, it.moduleRequest.end);
    add(written.replaceAll(/^['"`]|['"`]$/g, ''), it.start, false, true);
  }
  const lineCount = text.endsWith('\n') ? lineStarts.length - 1 : lineStarts.length;
  return { path, text, lineCount, imports, program: program as unknown as Node, lineAt };
}

/** Calls `visit` for every node, parents first. */
export function walk(node: Node, visit: (node: Node, parent: Node | null) => void): void {
  const step = (current: Node, parent: Node | null): void => {
    visit(current, parent);
    for (const key of Object.keys(current)) {
      const child = current[key];
      if (Array.isArray(child)) {
        for (const item of child) if (isNode(item)) step(item, current);
      } else if (isNode(child)) step(child, current);
    }
  };
  step(node, null);
}

export function isNode(value: unknown): value is Node {
  return typeof value === 'object' && value !== null && typeof (value as Node).type === 'string';
}
