/**
 * Run by npm after an installation: starts a broker once, on free ports and an empty folder, and
 * stops it, so that the compile cache holds what a start needs and the first real one is as fast as
 * every later one. A machine where that cannot be done is no reason for an installation to fail.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const TIMEOUT_MS = 30_000;
const posthorn = fileURLToPath(new URL('../bin/posthorn.js', import.meta.url));

const folder = await mkdtemp(join(tmpdir(), 'posthorn-compile-'));
const names = ['kafka', 'amqp', 'nats', 'sqs', 'nats-http', 'http'];
const ports = names.flatMap((name) => ['--port', `${name}=0`]);
const broker = spawn(process.execPath, [posthorn, 'serve', '--data', folder, ...ports], {
  stdio: ['ignore', 'pipe', 'ignore'],
  timeout: TIMEOUT_MS,
});
const exit = once(broker, 'exit') as Promise<[number | null]>;
broker.stdout.once('data', () => broker.kill('SIGTERM'));
const [code] = await exit;
if (code !== 0)
  process.stdout.write('posthorn: not compiled ahead; the first start takes longer\n');
await rm(folder, { recursive: true, force: true });
