/**
 * Makes `dist/`, which is what the package ships: plain JavaScript in few files, for loading two
 * hundred takes three times as long as running them, and declarations of the public types. Nothing
 * in it refers to `src`, so no TypeScript is needed where it is used.
 *
 *   dist/index.js         what `import 'posthorn'` gives       dist/index.d.ts   its types
 *   dist/cli/posthorn.js  what the command `posthorn` runs     dist/chunks/      what both share
 *
 * npm runs it after an installation and before packing. Where its tools are not installed
 * (`npm ci --omit=dev`) an installation goes on without; packing does not.
 */
import { spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire, isBuiltin } from 'node:module';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import type * as Rolldown from 'rolldown';

const TARGET = 'node24';
const ROOT = fileURLToPath(new URL('..', import.meta.url));
const SOURCE = join(ROOT, 'src');
const ENTRIES = { index: 'embedded/index.ts', 'cli/posthorn': 'cli/posthorn.ts' };
const PACKING = new Set(['pack', 'publish']);

/** Makes `dist` of the repository's sources. Throws when it cannot. */
async function build(dist: string): Promise<void> {
  const { rolldown } = await tools();
  rmSync(dist, { recursive: true, force: true });
  await bundle(rolldown, dist);
  declare(dist);
}

async function tools(): Promise<typeof Rolldown> {
  const require = createRequire(import.meta.url);
  return (await import(pathToFileURL(require.resolve('rolldown')).href)) as typeof Rolldown;
}

async function bundle(rolldown: (typeof Rolldown)['rolldown'], dist: string): Promise<void> {
  const input = Object.fromEntries(
    Object.entries(ENTRIES).map(([name, path]) => [name, join(SOURCE, path)]),
  );
  const resolveNames = {
    name: 'folders of src',
    resolveId: (id: string) => (id.startsWith('#') ? join(SOURCE, id.slice(1)) : null),
  };
  const bundled = await rolldown({
    input,
    platform: 'node',
    plugins: [resolveNames],
    // Packages are installed beside it.
    external: (id) => isBuiltin(id) || /^(?![#./])/.test(id),
    transform: { target: TARGET },
  });
  await bundled.write({
    dir: dist,
    format: 'esm',
    entryFileNames: '[name].js',
    chunkFileNames: 'chunks/[name].js',
  });
  await bundled.close();
}

/** Declarations of what the entry exports, and of nothing else: they may refer to each other only. */
function declare(dist: string): void {
  const work = join(dist, 'declarations');
  const config = join(dist, 'tsconfig.json');
  const compilerOptions = {
    noEmit: false,
    declaration: true,
    emitDeclarationOnly: true,
    // `npm run types` checks; here only what is written counts.
    noCheck: true,
    outDir: work,
    rootDir: SOURCE,
    // `dist` may be anywhere.
    typeRoots: [join(ROOT, 'node_modules', '@types')],
  };
  const extended = join(ROOT, 'tsconfig.json');
  const include = [join(SOURCE, ENTRIES.index)];
  writeFileSync(config, JSON.stringify({ extends: extended, compilerOptions, include }));
  const tsc = join(ROOT, 'node_modules', '.bin', 'tsc');
  const { status, stdout } = spawnSync(tsc, ['--project', config], { encoding: 'utf8' });
  if (status !== 0) throw new Error(`tsc wrote no declarations:\n${stdout}`);
  const folder = dirname(join(work, ENTRIES.index));
  const written = new Set<string>();
  const copy = (name: string): void => {
    if (written.has(name)) return;
    written.add(name);
    const text = readFileSync(join(folder, `${name}.d.ts`), 'utf8');
    writeFileSync(
      join(dist, `${name}.d.ts`),
      text.replaceAll(/(from ')(\.\/[^']+)\.ts'/g, "$1$2.js'"),
    );
    for (const [, specifier] of text.matchAll(/(?:from|import\() ?'([^']+)'/g)) {
      const local = /^\.\/([a-z-]+)\.ts$/.exec(specifier!);
      if (local) copy(local[1]!);
      else throw new Error(`the public types refer to '${specifier}' (${name}.ts)`);
    }
  };
  copy('index');
  rmSync(work, { recursive: true });
  rmSync(config);
}

const [target = join(ROOT, 'dist')] = process.argv.slice(2);
mkdirSync(dirname(target), { recursive: true });
try {
  await build(target);
} catch (error) {
  const { code } = error as NodeJS.ErrnoException;
  const isMissing = code === 'MODULE_NOT_FOUND' || code === 'ERR_MODULE_NOT_FOUND';
  if (!isMissing || PACKING.has(process.env['npm_command'] ?? '')) throw error;
  process.stdout.write(
    `posthorn: ${relative(process.cwd(), target)} is not built, for its tools are not installed\n`,
  );
}
