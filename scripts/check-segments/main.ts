/**
 * Lets Kafka's own kafka.tools.DumpLogSegments read every segment, index and snapshot of a data
 * folder: the batches with their records, the indexes against the batches, and each file's sanity.
 * The broker should not be running: what it appends to has no index files yet.
 *
 *   node scripts/check-segments/main.ts <data folder>
 *
 * Prints what the tool complains of and ends with 1 if that is anything.
 */
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { kafkaClassPath, run } from '../peers/index.ts';

const CHECKS = ['--deep-iteration', '--index-sanity-check', '--verify-index-only'];
const FILE = /^\d{20}\.(?:log|index|timeindex|snapshot)$/;
const COMPLAINT =
  /mismatch|not found|non-consecutive|out of order|isvalid: false|corrupt|exception/i;
const TOOL = 'kafka.tools.DumpLogSegments';
/** Files per start of the tool: a command line has its limits. */
const FILES_AT_ONCE = 500;

const folder = process.argv[2];
if (folder === undefined) throw new Error('usage: check-segments <data folder>');
const files = readdirSync(folder, { recursive: true, withFileTypes: true })
  .filter((entry) => entry.isFile() && FILE.test(entry.name))
  .map((entry) => join(entry.parentPath, entry.name))
  .toSorted();
if (files.length === 0) throw new Error(`there are no segments in ${folder}`);

const classPath = await kafkaClassPath();
const complaints: string[] = [];
for (const check of CHECKS) {
  for (let i = 0; i < files.length; i += FILES_AT_ONCE) {
    const list = files.slice(i, i + FILES_AT_ONCE).join(',');
    const args = ['-XX:TieredStopAtLevel=1', '-cp', classPath, TOOL, check, '--files', list];
    const { code, stdout, stderr } = await run('java', args, { allowFailure: true });
    for (const line of `${stdout}\n${stderr}`.split('\n')) {
      if (COMPLAINT.test(line)) complaints.push(`${check}: ${line}`);
    }
    if (code !== 0) complaints.push(`${check}: the tool ended with ${code}: ${stderr}`);
  }
}
for (const complaint of complaints.slice(0, 50)) process.stdout.write(`${complaint}\n`);
process.stdout.write(
  `${files.length} files, ${CHECKS.length} checks each, ${complaints.length} complaints\n`,
);
process.exitCode = complaints.length === 0 ? 0 : 1;
