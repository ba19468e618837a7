#!/usr/bin/env node
/**
 * `posthorn`. Plain JavaScript, for some things come before any TypeScript can be loaded:
 *
 * In the repository the sources are run, in a package the JavaScript that was made of them. Sources
 * run on the Node that the lockfile pins; when the node that started this file is older, the pinned
 * one takes over with the same arguments and streams. A package runs on whatever Node there is, from
 * NODE_MAJOR_MIN on.
 *
 * And compiled code is kept between starts, inside node_modules, so that `npm ci` begins anew and
 * fills it (scripts/compile-ahead.ts). A start then strips no TypeScript and compiles little: half
 * the time, and 15 MB less, for the stripper is never loaded. Where nothing can be written everything
 * works without.
 */
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import module from 'node:module';
import { constants } from 'node:os';
import { fileURLToPath } from 'node:url';

const NODE_MAJOR_MIN = 24;
const SOURCE_NODE_MAJOR_MIN = 26;
/** From here on the cache may be made for wherever the folder is moved to. */
const PORTABLE_CACHE_NODE_MAJOR_MIN = 25;
/** A commit syncs its logs side by side in the thread pool, which is read when it is first used. */
const THREADS = '8';
const source = new URL('../src/cli/posthorn.ts', import.meta.url);
const packed = new URL('../dist/cli/posthorn.js', import.meta.url);
const isSource = existsSync(source);
const nodeMajor = Number.parseInt(process.versions.node, 10);

if (nodeMajor >= (isSource ? SOURCE_NODE_MAJOR_MIN : NODE_MAJOR_MIN)) {
  const directory = fileURLToPath(new URL('../node_modules/.cache/posthorn', import.meta.url));
  process.env.UV_THREADPOOL_SIZE ??= THREADS;
  const isPortable = nodeMajor >= PORTABLE_CACHE_NODE_MAJOR_MIN;
  module.enableCompileCache(isPortable ? { directory, portable: true } : directory);
  await import((isSource ? source : packed).href);
} else if (isSource) {
  runWithPinnedNode();
} else {
  process.stderr.write(
    `posthorn needs Node ${NODE_MAJOR_MIN} or newer; this is ${process.version}.\n`,
  );
  process.exitCode = 1;
}

function runWithPinnedNode() {
  const pinned = fileURLToPath(new URL('../node_modules/.bin/node', import.meta.url));
  const child = spawn(pinned, [fileURLToPath(import.meta.url), ...process.argv.slice(2)], {
    stdio: 'inherit',
  });
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) {
    process.on(signal, () => child.kill(signal));
  }
  child.on('error', (error) => {
    process.stderr.write(
      `posthorn needs Node ${SOURCE_NODE_MAJOR_MIN} or newer; this is ${process.version}, and the one that ` +
        `npm ci installs did not start (${error.message}). Run npm ci, or start with a newer node.\n`,
    );
    process.exitCode = 1;
  });
  child.on('exit', (code, signal) => {
    process.exitCode = code ?? 128 + (signal ? constants.signals[signal] : 0);
  });
}
