/**
 * A project that uses the package as its users do: the tarball of `npm pack`, unpacked into a
 * node_modules of its own. The package finds there what its package.json declares and nothing else.
 * Nothing is downloaded: what is declared is linked to the repository's own installation.
 */
import { execFile } from 'node:child_process';
import {
  cpSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';

const ROOT = join(import.meta.dirname, '..', '..');
const INSTALLED = join(ROOT, 'node_modules');
const TIMEOUT_MS = 120_000;

export interface Outcome {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
  readonly tookMs: number;
}

export interface PackageJson {
  readonly name: string;
  readonly version: string;
  readonly bin: Readonly<Record<string, string>>;
  readonly engines: { readonly node: string };
  readonly dependencies: Readonly<Record<string, string>>;
  readonly devDependencies?: Readonly<Record<string, string>>;
}

export function readPackage(folder: string): PackageJson {
  return JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as PackageJson;
}

export class Stage {
  /** Where `node_modules/posthorn` is the package. */
  readonly folder = mkdtempSync(join(tmpdir(), 'posthorn-package-'));
  readonly packageFolder = join(this.folder, 'node_modules', 'posthorn');

  static async create(): Promise<Stage> {
    const stage = new Stage();
    const source = join(stage.folder, 'source');
    for (const name of ['package.json', 'README.md', 'LICENSE', 'bin']) {
      cpSync(join(ROOT, name), join(source, name), { recursive: true });
    }
    await stage.mustRun(process.execPath, [
      join(ROOT, 'scripts', 'build.ts'),
      join(source, 'dist'),
    ]);
    await stage.mustRun('npm', ['pack', '--ignore-scripts', '--pack-destination', '..'], source);
    const { name, version, dependencies } = readPackage(source);
    rmSync(source, { recursive: true });
    mkdirSync(stage.packageFolder, { recursive: true });
    const tarball = join(stage.folder, `${name}-${version}.tgz`);
    const into = ['-C', stage.packageFolder, '--strip-components=1'];
    await stage.mustRun('tar', ['-xzf', tarball, ...into]);
    stage.link(Object.keys(dependencies));
    return stage;
  }

  /** Puts packages beside it, as they are installed here. */
  link(names: readonly string[]): void {
    for (const name of names) {
      const link = join(this.folder, 'node_modules', name);
      mkdirSync(dirname(link), { recursive: true });
      rmSync(link, { force: true });
      symlinkSync(join(INSTALLED, name), link);
    }
  }

  /** The path of a tool of the repository. */
  tool(name: string): string {
    return join(INSTALLED, '.bin', name);
  }

  /** Of the package, relative to it. */
  files(): string[] {
    return readdirSync(this.packageFolder, { recursive: true, withFileTypes: true })
      .filter((it) => it.isFile())
      .map((it) => join(it.parentPath, it.name).slice(this.packageFolder.length + 1))
      .toSorted();
  }

  async run(command: string, args: readonly string[], cwd = this.folder): Promise<Outcome> {
    const fromMs = performance.now();
    // What a test runner tells its children is not for the ones inside.
    const { NODE_TEST_CONTEXT: _, NODE_OPTIONS: __, ...env } = process.env;
    const options = { cwd, env, timeout: TIMEOUT_MS, killSignal: 'SIGKILL' } as const;
    const end = (code: number, stdout: string, stderr: string): Outcome => {
      return { code, stdout, stderr, tookMs: performance.now() - fromMs };
    };
    try {
      const { stdout, stderr } = await promisify(execFile)(command, args, options);
      return end(0, stdout, stderr);
    } catch (error) {
      const { code, stdout, stderr } = error as { code: unknown; stdout?: string; stderr?: string };
      if (stdout === undefined) throw error;
      return end(typeof code === 'number' ? code : -1, stdout, stderr ?? '');
    }
  }

  /** Throws with what it said unless it ends with 0. */
  async mustRun(command: string, args: readonly string[], cwd?: string): Promise<Outcome> {
    const outcome = await this.run(command, args, cwd);
    if (outcome.code === 0) return outcome;
    const said = `${outcome.stdout}\n${outcome.stderr}`;
    throw new Error(`${command} ${args.join(' ')} ended with ${outcome.code}:\n${said}`);
  }

  remove(): void {
    rmSync(this.folder, { recursive: true, force: true });
  }
}
