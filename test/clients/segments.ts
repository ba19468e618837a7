/**
 * Kafka's own `kafka.tools.DumpLogSegments` reads every segment we wrote without a complaint: after a
 * load and a clean stop, and after `kill -9` under load, recovery and a stop. The same check runs on
 * the real Kafka's data, and must complain about a copy that was damaged on purpose.
 */
import assert from 'node:assert/strict';
import {
  cpSync,
  existsSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { run } from '../../scripts/peers/index.ts';
import { type Suite, scenarioSuite } from './suite.ts';
import type { Target } from './targets.ts';

const complaints =
  /isvalid: false|mismatch|non-consecutive|out of order|non-aligned|not aligned|corrupt|exception|error|invalid|sanity check failed|could not|unexpected/i;

export function segmentSuite(classPath: string): Suite {
  return scenarioSuite('segments', (target) => [
    [
      'DumpLogSegments after a load and a clean stop',
      () =>
        inCopy(async (folder) => {
          await load(classPath, target, `segments-${Date.now()}`, 60_000);
          await target.halt('SIGTERM');
          cpSync(target.kafkaData, folder, { recursive: true });
          await target.resume();
          const files = filesToCheck(folder);
          assert.ok(
            files.logs.length >= 5,
            `only ${files.logs.length} segments in ${target.kafkaData}`,
          );
          assert.ok(files.indexes.length >= 5, `only ${files.indexes.length} indexes`);
          await check(classPath, folder, files);
          await damagedFilesAreNoticed(classPath, folder, files);
        }),
    ],
    [
      'DumpLogSegments after kill -9 under load, recovery and a stop',
      () =>
        inCopy(async (folder) => {
          const prefix = `segments-crash-${Date.now()}`;
          const loading = load(classPath, target, prefix, 60_000, 15_000);
          await sleep(3000);
          await target.halt('SIGKILL');
          await target.resume();
          await loading;
          await load(classPath, target, prefix, 1000);
          await target.halt('SIGTERM');
          cpSync(target.kafkaData, folder, { recursive: true });
          await target.resume();
          await check(classPath, folder, filesToCheck(folder));
        }),
    ],
  ]);
}

async function inCopy(use: (folder: string) => Promise<void>): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'clients-segments-'));
  try {
    await use(folder);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Sends `records` records to five topics, one per codec. */
async function load(
  classPath: string,
  target: Target,
  prefix: string,
  records: number,
  perSecond = 0,
): Promise<void> {
  const args = ['-XX:TieredStopAtLevel=1', '-cp', classPath, 'SegmentLoad', prefix];
  const env = target.env;
  await run('java', [...args, String(records), String(perSecond)], { env, timeoutMs: 60_000 });
}

interface SegmentFiles {
  logs: string[];
  indexes: string[];
  snapshots: string[];
}

/** Every segment of every log below the folder, except Kafka's internal and deleted topics. */
function filesToCheck(folder: string): SegmentFiles {
  const all = readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((path) => /^\d{20}\.(log|index|timeindex|snapshot)$/.test(basename(path)))
    .filter((path) => !/^__|-delete$/.test(basename(dirname(path))))
    .map((path) => join(folder, path));
  const ending = (extension: string): string[] => all.filter((path) => path.endsWith(extension));
  return {
    logs: ending('.log'),
    indexes: [...ending('.index'), ...ending('.timeindex')],
    snapshots: ending('.snapshot'),
  };
}

async function check(classPath: string, folder: string, files: SegmentFiles): Promise<void> {
  for (const path of files.logs) {
    for (const extension of ['.index', '.timeindex']) {
      const index = path.replace(/\.log$/, extension);
      assert.ok(existsSync(index), `${path.slice(folder.length)} has no ${extension}`);
    }
  }
  const found = await complaintsAbout(classPath, [
    ...calls(files.logs, '--deep-iteration'),
    ...calls(files.indexes),
    ...calls(files.indexes, '--index-sanity-check'),
    ...calls(files.snapshots),
  ]);
  const shown = found.slice(0, 20).map((line) => line.replaceAll(folder, '').slice(0, 300));
  assert.deepEqual(shown, [], `${found.length} complaints`);
}

/** Arguments of the tool for these files, at most 100 at once. */
function calls(files: readonly string[], ...flags: string[]): string[][] {
  const all: string[][] = [];
  for (let at = 0; at < files.length; at += 100) {
    all.push(['--files', files.slice(at, at + 100).join(','), ...flags]);
  }
  return all;
}

/** The lines of the tool's output that complain about something. */
async function complaintsAbout(classPath: string, all: string[][]): Promise<string[]> {
  const list = join(mkdtempSync(join(tmpdir(), 'clients-dump-')), 'calls');
  writeFileSync(list, all.map((call) => call.join(' ')).join('\n'));
  const args = ['-XX:TieredStopAtLevel=1', '-Xmx1g', '-cp', classPath, 'DumpSegments', list];
  const { stdout, stderr } = await run('java', args, { timeoutMs: 180_000 });
  rmSync(dirname(list), { recursive: true });
  const lines = `${stdout}\n${stderr}`.split('\n');
  assert.ok(
    lines.includes('# done') && lines.length > 2 * all.length,
    'the tool printed too little',
  );
  // Names of files and topics may contain any word; only what the tool says counts.
  return lines.filter((line) => complaints.test(line.replaceAll(/\/\S*/g, '')));
}

/** The check itself is checked: one flipped byte in a batch, one wrong index entry. */
async function damagedFilesAreNoticed(
  classPath: string,
  folder: string,
  files: SegmentFiles,
): Promise<void> {
  const indexOf = (log: string): string => log.replace(/\.log$/, '.index');
  const log = files.logs.find(
    (path) => statSync(path).size > 100_000 && statSync(indexOf(path)).size >= 16,
  );
  assert.ok(log !== undefined, 'no segment over 100 kB with two index entries to damage');
  const index = indexOf(log);
  for (const [path, position, call] of [
    [log, 50_000, calls([log], '--deep-iteration')],
    // The position in the second entry: no batch begins there now.
    [index, 15, calls([index])],
  ] as const) {
    flip(path, position);
    const found = await complaintsAbout(classPath, call);
    flip(path, position);
    assert.ok(found.length > 0, `damage to ${path.slice(folder.length)} was not noticed`);
  }
}

function flip(path: string, position: number): void {
  const bytes = readFileSync(path);
  bytes[position]! ^= 0x55;
  writeFileSync(path, bytes);
}
