/**
 * The package as its users get it: what is in it, what it needs, its types, its command, and the
 * sample projects of examples/, which are run as they are.
 */
import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, existsSync, readFileSync, writeFileSync } from 'node:fs';
import { isBuiltin } from 'node:module';
import { connect } from 'node:net';
import { dirname, join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { readPackage, Stage } from './stage.ts';

const EXAMPLES = join(import.meta.dirname, '..', '..', 'examples');
const READY_MS_MAX = 50;
/** As strict as TypeScript can be told to be, and without the newest library. */
const COMPILER_OPTIONS = {
  target: 'es2024',
  lib: ['es2024'],
  module: 'nodenext',
  noEmit: true,
  strict: true,
  exactOptionalPropertyTypes: true,
  noUncheckedIndexedAccess: true,
  skipLibCheck: false,
};

let stage: Stage;
before(async () => {
  stage = await Stage.create();
});
after(() => stage.remove());

function specifiers(file: string): string[] {
  const text = readFileSync(join(stage.packageFolder, file), 'utf8');
  const found = text.matchAll(
    /(?:\bfrom|\bimport|\bimport\(|\brequire(?:\$\d+)?\(|\bcreateRequire\([^)]*\)\()\s*["']([@.\w][^"'\n]*)["']/g,
  );
  return [...found].map((it) => it[1]!);
}

describe('what is in it', () => {
  test('plain JavaScript, types, the command, README and licence', () => {
    const files = stage.files();
    for (const name of ['package.json', 'README.md', 'LICENSE', 'bin/posthorn.js']) {
      assert.ok(files.includes(name), `${name} is missing`);
    }
    const rest = files.filter(
      (it) => !/^(package\.json|README\.md|LICENSE|bin\/posthorn\.js)$/.test(it),
    );
    assert.deepEqual(
      rest.filter((it) => !/^dist\/.*(\.d\.ts|\.js)$/.test(it)),
      [],
    );
  });

  test('it imports what it declares, declares what it imports, and refers to nothing outside', () => {
    const { dependencies } = readPackage(stage.packageFolder);
    const used = new Set<string>();
    for (const file of stage.files().filter((it) => it.endsWith('.js'))) {
      for (const specifier of specifiers(file)) {
        if (isBuiltin(specifier)) continue;
        if (/^\.{1,2}\//.test(specifier)) {
          const target = join(stage.packageFolder, dirname(file), specifier);
          assert.ok(existsSync(target), `${file}: ${specifier} is not in the package`);
          continue;
        }
        used.add(/^(@[^/]+\/)?[^/]+/.exec(specifier)![0]);
      }
    }
    assert.deepEqual([...used].toSorted(), Object.keys(dependencies).toSorted());
  });

  test('its types refer to each other only', () => {
    const types = stage.files().filter((it) => it.endsWith('.d.ts'));
    assert.deepEqual(types, ['dist/api.d.ts', 'dist/index.d.ts', 'dist/spied.d.ts']);
    for (const file of types) {
      for (const specifier of specifiers(file)) {
        assert.match(specifier, /^\.\/(api|spied)\.js$/, `${file}: ${specifier}`);
      }
    }
  });
});

describe('in a program', () => {
  const program = `
    import { type Broker, type BrokerOptions, type SpiedMessage, startBroker } from 'posthorn';
    await (await startBroker()).close();
    const options: BrokerOptions = { store: 'temporary', spy: { messages: 10 } };
    const from = performance.now();
    const broker: Broker = await startBroker();
    const readyMs = performance.now() - from;
    await broker.declareQueue('q', { ttlMs: 1000 });
    await broker.publish('q', { id: 1 }, { headers: { tenant: 'a' } });
    const seen: SpiedMessage = await broker.spy.next({ address: 'q' });
    const body: Uint8Array = seen.body;
    await broker.advance(1000);
    const { ready } = broker.depth('q');
    await broker.close();
    await using other = await startBroker(options);
    const port: number = other.kafka.port;
    console.log(JSON.stringify({ readyMs, text: seen.text, bytes: body.length, ready, port }));`;

  test('the strictest TypeScript takes its types, without a word about Node in its settings', async () => {
    stage.link(['@types/node', 'undici-types']);
    writeFileSync(join(stage.folder, 'program.mts'), program);
    const config = { compilerOptions: COMPILER_OPTIONS, files: ['program.mts'] };
    writeFileSync(join(stage.folder, 'tsconfig.json'), JSON.stringify(config));
    await stage.mustRun(stage.tool('tsc'), ['--project', '.']);
  });

  test('a wrong option is an error of TypeScript already', async () => {
    const wrong = `import { startBroker } from 'posthorn';
      await startBroker({ protocol: ['kafka'] });
      await startBroker({ store: 'disk' });`;
    writeFileSync(join(stage.folder, 'wrong.mts'), wrong);
    const config = { compilerOptions: COMPILER_OPTIONS, files: ['wrong.mts'] };
    writeFileSync(join(stage.folder, 'wrong.json'), JSON.stringify(config));
    const { code, stdout } = await stage.run(stage.tool('tsc'), ['--project', 'wrong.json']);
    assert.notEqual(code, 0);
    assert.match(stdout, /wrong\.mts\(2.*'protocol' does not exist/);
    assert.match(stdout, /wrong\.mts\(3.*"disk"/);
  });

  test('it is ready in no time, does what it should, and the process ends by itself', async () => {
    writeFileSync(join(stage.folder, 'program.mts'), program);
    const readyMs: number[] = [];
    for (let i = 0; i < 3; i++) {
      const { stdout } = await stage.mustRun(process.execPath, ['program.mts']);
      const said = JSON.parse(stdout) as { readyMs: number };
      readyMs.push(said.readyMs);
      const { readyMs: _, port, ...rest } = said as unknown as Record<string, unknown>;
      assert.deepEqual(rest, { text: '{"id":1}', bytes: 8, ready: 0 });
      assert.ok(Number(port) > 0);
    }
    const fastest = Math.min(...readyMs);
    assert.ok(fastest < READY_MS_MAX, `ready after ${readyMs.join(', ')} ms`);
  });

  test('CommonJS may require it', async () => {
    const script = `const { startBroker } = require('posthorn');
      startBroker().then(async (it) => { console.log(it.amqp.port > 0); await it.close(); });`;
    const { stdout } = await stage.mustRun(process.execPath, ['--eval', script]);
    assert.equal(stdout, 'true\n');
  });

  test('an older Node is told which one it takes', async (t) => {
    const old = spawnSync('sh', ['-c', 'which -a node'], { encoding: 'utf8' })
      .stdout.split('\n')
      .filter((it) => it !== '')
      .find((it) => /^v(1\d|2[0-3])\./.test(spawnSync(it, ['-v'], { encoding: 'utf8' }).stdout));
    if (old === undefined) return t.skip('no Node older than 24 here');
    const script = "import('posthorn').catch((error) => console.log(error.message))";
    const message = /^posthorn needs Node 24 or newer; this is v\d/;
    assert.match((await stage.run(old, ['--eval', script])).stdout, message);
    const served = await stage.run(old, [join(stage.packageFolder, 'bin/posthorn.js'), 'serve']);
    assert.match(served.stderr, message);
    assert.equal(served.code, 1);
  });
});

test('its command serves and stops', async () => {
  const { bin } = readPackage(stage.packageFolder);
  const names = ['kafka', 'amqp', 'nats', 'sqs', 'nats-http', 'http'];
  const ports = names.flatMap((name) => ['--port', `${name}=0`]);
  const args = [join(stage.packageFolder, bin['posthorn']!), 'serve', '--data', 'data', ...ports];
  const broker = spawn(process.execPath, args, {
    cwd: stage.folder,
    stdio: ['ignore', 'pipe', 'inherit'],
    timeout: 30_000,
  });
  const exit = once(broker, 'exit');
  try {
    const [line] = (await Promise.race([once(broker.stdout, 'data'), exit])) as [Buffer | null];
    assert.ok(line instanceof Buffer, 'it ended before it was ready');
    const port = /nats[^0-9]+127\.0\.0\.1:(\d+)/.exec(line.toString())?.[1];
    assert.ok(port, line.toString());
    const socket = connect(Number(port), '127.0.0.1');
    const [info] = (await once(socket, 'data')) as [Buffer];
    assert.match(info.toString(), /^INFO \{/);
    socket.destroy();
  } finally {
    broker.kill('SIGTERM');
  }
  assert.deepEqual(await exit, [0, null]);
});

describe('the sample projects', () => {
  async function project(name: string): Promise<string> {
    const folder = join(stage.folder, name);
    cpSync(join(EXAMPLES, name), folder, { recursive: true });
    const { posthorn, ...others } = readPackage(folder).devDependencies ?? {};
    assert.ok(posthorn, 'it does not name the package that it shows');
    stage.link(Object.keys(others));
    return folder;
  }

  const testsIn = (file: string): number =>
    readFileSync(file, 'utf8').match(/^test\(/gm)?.length ?? 0;

  test('Vitest, with four clients in one file', async (t) => {
    const folder = await project('vitest');
    const file = join(folder, 'orders.test.ts');
    const { stdout, tookMs } = await stage.mustRun(
      stage.tool('vitest'),
      ['run', '--no-color'],
      folder,
    );
    assert.match(stdout, new RegExp(`Tests +${testsIn(file)} passed \\(${testsIn(file)}\\)`));
    t.diagnostic(`vitest run took ${Math.round(tookMs)} ms`);
    for (const client of ['kafkajs', 'amqplib', '@nats-io/transport-node', '@aws-sdk/client-sqs']) {
      assert.ok(readFileSync(file, 'utf8').includes(`from '${client}'`), client);
    }
  });

  test('its types are right', async () => {
    const folder = await project('vitest');
    stage.link(['@types/node', 'undici-types']);
    const compilerOptions = {
      ...COMPILER_OPTIONS,
      lib: ['esnext'],
      types: ['node'],
      skipLibCheck: true,
    };
    writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify({ compilerOptions }));
    await stage.mustRun(stage.tool('tsc'), ['--project', '.'], folder);
  });

  test("Node's own test runner", async () => {
    const folder = await project('node-test');
    const { stdout } = await stage.mustRun(
      process.execPath,
      ['--test', '--test-reporter=tap'],
      folder,
    );
    const count = testsIn(join(folder, 'orders.test.js'));
    assert.match(stdout, new RegExp(`^# pass ${count}$`, 'm'));
    assert.match(stdout, /^# fail 0$/m);
  });
});
