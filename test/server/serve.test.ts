/**
 * The broker as an operator has it: a process, its flags, its lines, its signals and exit codes.
 */
import assert from 'node:assert/strict';
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { connect, createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, afterEach, describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { connect as connectNats } from '@nats-io/transport-node';

const ROOT = join(import.meta.dirname, '../..');
const PORTS = ['kafka', 'amqp', 'nats', 'sqs', 'nats-http', 'http'];
const FREE_PORTS = PORTS.flatMap((name) => ['--port', `${name}=0`]);
const folder = mkdtempSync(join(tmpdir(), 'posthorn-serve-'));
const children: ChildProcess[] = [];
afterEach(() => children.splice(0).forEach((child) => child.kill('SIGKILL')));
after(() => rmSync(folder, { recursive: true, force: true }));

interface Run {
  child: ChildProcess;
  out: string;
  err: string;
  exit: Promise<number | null>;
}

function posthorn(...args: string[]): Run {
  const child = spawn(process.execPath, ['bin/posthorn.js', ...args], { cwd: ROOT });
  children.push(child);
  const exit = once(child, 'close').then(([code]) => code as number | null);
  const run: Run = { child, out: '', err: '', exit };
  child.stdout.on('data', (chunk: Buffer) => (run.out += chunk.toString()));
  child.stderr.on('data', (chunk: Buffer) => (run.err += chunk.toString()));
  return run;
}

async function ready(run: Run): Promise<Record<string, string[]>> {
  for (const deadline = Date.now() + 15_000; !run.out.includes('\n'); await sleep(5)) {
    assert.ok(
      Date.now() < deadline && run.child.exitCode === null,
      `not ready: ${run.out}${run.err}`,
    );
  }
  const pairs = run.out.trim().matchAll(/([\w-]+)=(\S+)/g);
  return Object.fromEntries([...pairs].map(([, name, value]) => [name!, value!.split(',')]));
}

function serve(data: string, ...args: string[]): Run {
  return posthorn('serve', '--data', join(folder, data), ...FREE_PORTS, ...args);
}

async function refused(run: Run, exitCode: number, ...hints: RegExp[]): Promise<void> {
  assert.equal(await run.exit, exitCode, run.err);
  assert.equal(run.out, '');
  for (const hint of hints) assert.match(run.err, hint);
}

describe('posthorn serve', () => {
  it('says one line with every address, and is reachable on each', async () => {
    const run = serve('addresses', '--sync', 'os');
    const { http, data, sync, ...protocols } = await ready(run);
    assert.match(
      run.out,
      /^posthorn ready in \d+ ms kafka=\S+ amqp=\S+ nats=\S+ sqs=\S+ nats-http=\S+ http=\S+ data=\S+ sync=os\n$/,
    );
    assert.deepEqual([data, sync], [[join(folder, 'addresses')], ['os']]);
    for (const address of [...Object.values(protocols).flat(), ...http!]) {
      const [, host, port] = /^\[?([^\]]+)\]?:(\d+)$/.exec(address)!;
      const socket = connect({ host, port: Number(port) });
      await once(socket, 'connect');
      socket.destroy();
    }
    assert.equal((await fetch(`http://${http![0]}/healthz/ready`)).status, 200);
    const metrics = await (await fetch(`http://${http![0]}/metrics`)).text();
    assert.match(metrics, /^posthorn_listener_accepted_total\{listener="amqp"\} [12]$/m);
    assert.match(metrics, /^posthorn_exchanges 6$/m);
    assert.equal(run.err, '');
  });

  it('warns that Kafka clients need no password, where users are configured', async () => {
    const config = join(folder, 'users.json');
    writeFileSync(config, JSON.stringify({ users: [{ name: 'app', password: 'secret' }] }));
    const run = serve('unguarded', '--config', config);
    await ready(run);
    run.child.kill('SIGTERM');
    assert.equal(await run.exit, 0, run.err);
    assert.match(run.err, /"level":"warn".*Kafka clients need no password/);
  });

  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    it(`ends in order at ${signal}, with clients connected, and starts again`, async () => {
      const run = serve('signals');
      const { data: _data, sync: _sync, ...ports } = await ready(run);
      const sockets = Object.values(ports)
        .flat()
        .map((address) => {
          const [, host, port] = /^\[?([^\]]+)\]?:(\d+)$/.exec(address)!;
          return connect({ host, port: Number(port) }).resume();
        });
      await Promise.all(sockets.map((socket) => once(socket, 'connect')));
      run.child.kill(signal);
      assert.equal(await run.exit, 0, run.err);
      const store = JSON.parse(readFileSync(join(folder, 'signals/store.json'), 'utf8')) as object;
      assert.equal((store as { isClean: boolean }).isClean, true);
      sockets.forEach((socket) => socket.destroy());
    });
  }

  it('lets NATS clients know at SIGTERM that it goes, before it goes', async () => {
    const run = serve('lame-duck');
    const { nats } = await ready(run);
    const client = await connectNats({ servers: nats![0]!, reconnect: false });
    const seen: string[] = [];
    const closed = client.closed();
    void (async () => {
      for await (const { type } of client.status()) seen.push(type);
    })();
    run.child.kill('SIGTERM');
    await closed;
    assert.ok(seen.includes('ldm'), seen.join());
    const startMs = Date.now();
    assert.equal(await run.exit, 0, run.err);
    assert.ok(Date.now() - startMs < 2_000);
  });

  it('refuses a data folder that is in use, and takes it after a kill -9', async () => {
    const first = serve('taken');
    await ready(first);
    await refused(
      serve('taken'),
      1,
      new RegExp(`another posthorn \\(process ${first.child.pid}\\) uses`),
      /--data <dir>/,
    );
    first.child.kill('SIGKILL');
    await first.exit;
    await ready(serve('taken'));
  });

  it('names a taken port, its protocol and the flag that moves it', async () => {
    const other = createServer().listen(0, '127.0.0.1');
    await once(other, 'listening');
    const { port } = other.address() as AddressInfo;
    for (const name of ['kafka', 'amqp', 'http']) {
      const data = ['--data', join(folder, `port-${name}`)];
      const ports = PORTS.map((own) => `${own}=${own === name ? port : 0}`);
      const run = posthorn('serve', ...data, ...ports.flatMap((pair) => ['--port', pair]));
      const taken = new RegExp(`port ${port} \\(${name}\\) is taken on 127.0.0.1`);
      await refused(run, 1, taken, new RegExp(`--port ${name}=<port>`));
    }
    other.close();
  });

  it('refuses what it does not know, with a hint', async () => {
    await refused(
      serve('x', '--prot', 'kafka=1'),
      2,
      /unknown option '--prot'/,
      /Did you mean --port/,
    );
    await refused(serve('x', '--sync', 'comit'), 2, /did you mean 'commit'/);
    await refused(serve('x', '--port', 'kafak=1'), 2, /did you mean 'kafka'/);
    await refused(serve('x', '--data', 'y'), 2, /--data is given twice/);
    await refused(serve('x', 'more'), 2, /too many arguments/);
    await refused(posthorn('sevre'), 2, /unknown command 'sevre'/, /Did you mean serve/);
    const config = join(folder, 'bad.json');
    writeFileSync(config, '{"prots":{}}');
    await refused(serve('x', '--config', config), 2, /unknown key 'prots' \(did you mean 'ports'/);
  });

  it('tells corrupt state apart from a fault of its own', async () => {
    const run = serve('corrupt');
    await ready(run);
    run.child.kill('SIGTERM');
    await run.exit;
    writeFileSync(join(folder, 'corrupt/store.json'), '{ torn');
    await refused(serve('corrupt'), 1, /store\.json/, /--data <dir>/);
  });
});
