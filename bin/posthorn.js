#!/usr/bin/env node
/**
 * `posthorn` on the path. Posthorn runs on the Node that its lockfile pins; when the node that
 * started this file is older, the pinned one takes over with the same arguments and streams.
 */
import { spawn } from 'node:child_process';
import { constants } from 'node:os';
import { fileURLToPath } from 'node:url';

const NODE_MAJOR_MIN = 26;
const entry = new URL('../src/cli/posthorn.ts', import.meta.url);

if (Number.parseInt(process.versions.node, 10) >= NODE_MAJOR_MIN) {
  await import(entry.href);
} else {
  runWithPinnedNode();
}

function runWithPinnedNode() {
  const pinned = fileURLToPath(new URL('../node_modules/.bin/node', import.meta.url));
  const child = spawn(pinned, [fileURLToPath(entry), ...process.argv.slice(2)], {
    stdio: 'inherit',
  });
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) {
    process.on(signal, () => child.kill(signal));
  }
  child.on('error', (error) => {
    process.stderr.write(
      `posthorn needs Node ${NODE_MAJOR_MIN} or newer; this is ${process.version}, and the one that ` +
        `npm ci installs did not start (${error.message}). Run npm ci, or start with a newer node.\n`,
    );
    process.exitCode = 1;
  });
  child.on('exit', (code, signal) => {
    process.exitCode = code ?? 128 + (signal ? constants.signals[signal] : 0);
  });
}
