/**
 * Who may import whom, what core may not touch, and no cycles.
 *
 * The table is the one of ARCHITECTURE.md. Test files (`*.test.ts`, `*.fuzz.ts`, `*.bench.ts` and
 * everything outside src) may import what they like, but take part in no cycle.
 */
import { posix } from 'node:path';
import { finding, isTestFile, type SourceFile } from './source-file.ts';

/** Layer → layers it may import. `*` is every layer. */
const TABLE: Record<string, readonly string[]> = {
  core: ['core', 'wire'],
  wire: ['wire'],
  storage: ['storage', 'core', 'wire'],
  auth: ['auth', 'core'],
  'protocols/contract': ['core', 'wire'],
  'protocols/*': ['protocols/contract', 'core', 'wire'],
  management: ['management', 'core', 'auth', 'wire'],
  server: ['*'],
  embedded: ['embedded', 'server', 'management', 'core', 'storage'],
  cli: ['cli'],
};

/** Packages that the pure layers may use: computation only, no I/O. */
const PURE_LAYER_PACKAGES: Record<string, readonly string[]> = {
  wire: ['@node-rs/crc32'],
};

/** The one way from the command line into the broker: `posthorn serve` is the broker's process. */
const DOORS = [{ from: 'src/cli/serve.ts', to: 'src/server/main.ts' }];

/** The layer of a file in src; null outside. */
export function layerOf(path: string): string | null {
  const [root, first, second] = path.split('/');
  if (root !== 'src' || first === undefined) return null;
  if (first !== 'protocols') return first;
  if (second === 'contract.ts') return 'protocols/contract';
  return `protocols/${second}`;
}

/** What a specifier means: a path in the repository, or the name of a package or builtin. */
export function resolveImport(
  from: string,
  specifier: string,
): { path: string } | { name: string } {
  if (specifier.startsWith('#test/')) return { path: specifier.slice(1) };
  if (specifier.startsWith('#')) return { path: `src/${specifier.slice(1)}` };
  if (specifier.startsWith('.')) {
    return { path: posix.normalize(posix.join(posix.dirname(from), specifier)) };
  }
  return { name: specifier };
}

export function isPure(layer: string): boolean {
  return layer === 'core' || layer === 'wire' || layer.startsWith('protocols/');
}

export function importTable(file: SourceFile): string[] {
  const layer = layerOf(file.path);
  if (layer === null || isTestFile(file.path)) return [];
  const allowed = layer.startsWith('protocols/') && !TABLE[layer] ? 'protocols/*' : layer;
  const row = TABLE[allowed];
  if (!row) return [finding(file, 1, `is in folder '${layer}', which the import table lacks`)];
  const found: string[] = [];
  for (const it of file.imports) {
    const target = resolveImport(file.path, it.specifier);
    if ('name' in target) {
      if (!isPure(layer) || (PURE_LAYER_PACKAGES[layer] ?? []).includes(target.name)) continue;
      found.push(finding(file, it.line, `${layer} may not import '${target.name}'`));
      continue;
    }
    const to = layerOf(target.path);
    const isDoor = DOORS.some((d) => d.from === file.path && d.to === target.path && it.dynamic);
    if (to === null) {
      found.push(finding(file, it.line, `imports ${target.path}, which is outside src`));
    } else if (to !== layer && !row.includes(to) && !row.includes('*') && !isDoor) {
      found.push(finding(file, it.line, `${layer} may not import ${to} ('${it.specifier}')`));
    } else if (isTestFile(target.path)) {
      found.push(finding(file, it.line, `production code imports a test file '${it.specifier}'`));
    }
    // Across folders by name, inside a folder by a relative path.
    if (to !== null && (to === layer) === it.specifier.startsWith('#')) {
      found.push(
        finding(
          file,
          it.line,
          `write '${it.specifier}' ${to === layer ? 'as a relative path' : 'with #'}`,
        ),
      );
    }
  }
  return found;
}

/** Edges that exist at run time, by path. A target that does not exist is a finding of its own. */
export function importGraph(files: readonly SourceFile[]): Map<string, string[]> {
  const graph = new Map<string, string[]>();
  for (const file of files) {
    const targets: string[] = [];
    for (const it of file.imports) {
      const target = resolveImport(file.path, it.specifier);
      if ('path' in target && !it.typeOnly) targets.push(target.path);
    }
    graph.set(file.path, targets);
  }
  return graph;
}

export function unresolvedImports(files: readonly SourceFile[]): string[] {
  const known = new Set(files.map((f) => f.path));
  return files.flatMap((file) =>
    file.imports.flatMap((it) => {
      const target = resolveImport(file.path, it.specifier);
      if (!('path' in target) || known.has(target.path) || !target.path.endsWith('.ts')) return [];
      return [finding(file, it.line, `imports ${target.path}, which does not exist`)];
    }),
  );
}

/** One finding per cycle, written as the path around it. */
export function importCycles(graph: ReadonlyMap<string, readonly string[]>): string[] {
  const found: string[] = [];
  const done = new Set<string>();
  const trail: string[] = [];
  const visit = (path: string): void => {
    const at = trail.indexOf(path);
    if (at >= 0) {
      found.push(`import cycle: ${[...trail.slice(at), path].join(' → ')}`);
      return;
    }
    if (done.has(path)) return;
    trail.push(path);
    for (const next of graph.get(path) ?? []) visit(next);
    trail.pop();
    done.add(path);
  };
  for (const path of graph.keys()) visit(path);
  return found;
}

/** Production files that no entry point reaches, types included. */
export function deadFiles(files: readonly SourceFile[], entries: readonly string[]): string[] {
  const byPath = new Map(files.map((f) => [f.path, f]));
  const reached = new Set<string>();
  const visit = (path: string): void => {
    const file = byPath.get(path);
    if (!file || reached.has(path)) return;
    reached.add(path);
    for (const it of file.imports) {
      const target = resolveImport(path, it.specifier);
      if ('path' in target) visit(target.path);
    }
  };
  entries.forEach(visit);
  return files
    .filter((f) => !isTestFile(f.path) && !reached.has(f.path))
    .map((f) => finding(f, 1, `is reached from none of ${entries.join(', ')}`));
}
