/**
 * Foreign clients, installed once into the ignored cache: a Python environment, a folder of jars
 * with our compiled programs, Go binaries, Debian's kcat.
 */
import { createHash } from 'node:crypto';
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  copyMavenArtifacts,
  installOnce,
  run,
  unpackDebianPackages,
} from '../../scripts/peers/index.ts';

const here = import.meta.dirname;

/** The interpreter of an environment with everything python/requirements.txt pins. */
export async function pythonClients(): Promise<string> {
  const requirements = join(here, 'python', 'requirements.txt');
  const folder = await installOnce('clients-python', keyOf([requirements]), async (venv) => {
    await run('python3', ['-m', 'venv', venv]);
    const pip = ['-m', 'pip', 'install', '--quiet', '--disable-pip-version-check'];
    await run(join(venv, 'bin', 'python'), [...pip, '-r', requirements]);
  });
  return join(folder, 'bin', 'python');
}

/** A class path with Kafka's tools, the Java clients and the programs in java/. */
export async function javaClients(): Promise<string> {
  const jars = await copyMavenArtifacts('clients-java-jars', join(here, 'java', 'pom.xml'));
  const sources = filesOf(join(here, 'java'), '.java');
  const classes = await installOnce('clients-java', keyOf(sources) + jars, async (folder) => {
    await run('javac', ['-nowarn', '-d', folder, '-cp', join(jars, '*'), ...sources]);
  });
  return `${classes}:${join(jars, '*')}`;
}

/** The folder with one binary per program in go/. */
export async function goClients(): Promise<string> {
  const source = join(here, 'go');
  const files = [...filesOf(source, '.go'), join(source, 'go.mod'), join(source, 'go.sum')];
  return installOnce('clients-go', keyOf(files), async (folder) => {
    const work = join(folder, 'source');
    mkdirSync(work);
    cpSync(source, work, { recursive: true });
    for (const program of ['franz', 'amqp091', 'nats']) {
      const args = ['build', '-o', join(folder, program), `./${program}`];
      await run('go', args, { cwd: work, timeoutMs: 400_000, env: { GOFLAGS: '-buildvcs=false' } });
    }
  });
}

/** How to run kcat: the command and the environment it needs. */
export async function kcat(): Promise<{ command: string; env: Record<string, string> }> {
  const root = await unpackDebianPackages('kcat', ['kcat', 'librdkafka1', 'libyajl2']);
  const libraries = readdirSync(join(root, 'usr', 'lib'), { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map((entry) => join(root, 'usr', 'lib', entry.name));
  const command = join(root, 'usr', 'bin', 'kcat');
  if (!existsSync(command)) throw new Error(`no kcat in ${root}`);
  return { command, env: { LD_LIBRARY_PATH: libraries.join(':') } };
}

function filesOf(folder: string, extension: string): string[] {
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith(extension))
    .toSorted()
    .map((file) => join(folder, file));
}

function keyOf(files: readonly string[]): string {
  const hash = createHash('sha256');
  for (const file of files) hash.update(file).update(readFileSync(file));
  return hash.digest('hex');
}
