/**
 * `npm run bench`: the same external load against Posthorn and the real peers in turn, A B A B …,
 * and a table of what came out. docs/benchmarks.md says how to read it.
 */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { cacheFolder, repositoryRoot } from '../scripts/peers/index.ts';
import type { Sample } from './loads/measured-run.ts';
import { profileRow } from './profile.ts';
import {
  type IdleResult,
  idleLines,
  json,
  markdown,
  noiseWarnings,
  type RowResult,
  terminalTable,
} from './report.ts';
import { type Row, rows } from './rows.ts';
import { type Side, type SideName, startSide } from './sides.ts';

const usage = `usage: npm run bench -- [options]
  --only <row>      this row, or every row that starts so; repeatable (default: all)
  --rounds <n>      counted rounds per row and side (default 5)
  --seconds <n>     counted time of one run of our generators (default 4)
  --side <name>     only this side; repeatable: rabbitmq, kafka, nats-server, elasticmq,
                    posthorn-commit, posthorn-os
  --profile <row>   no comparison: one row against posthorn under the CPU profiler
  --docs            also put the table into docs/benchmarks.md
  --list            the rows`;

const flags = parseFlags();
if (flags.list) {
  for (const row of rows)
    console.log(
      `${row.id.padEnd(20)} ${row.title} [${row.sides.join(', ')}]${row.onlyByName === true ? ' (only by name)' : ''}`,
    );
} else if (flags.profile === undefined) {
  await compare();
} else {
  const row = rows.find(({ id }) => id === flags.profile);
  if (row === undefined) fail(`no row is called ${flags.profile}`);
  const side = row.sides.find((name) => name.startsWith('posthorn') && wanted(name));
  if (side === undefined) fail('--profile needs a posthorn side');
  console.log(await profileRow(row, side, flags.seconds));
}

interface Flags {
  only: string[];
  side: string[];
  rounds: number;
  seconds: number;
  profile?: string;
  docs: boolean;
  list: boolean;
}

function parseFlags(): Flags {
  try {
    const { values } = parseArgs({
      options: {
        only: { type: 'string', multiple: true, default: [] },
        side: { type: 'string', multiple: true, default: [] },
        rounds: { type: 'string', default: '5' },
        seconds: { type: 'string', default: '4' },
        profile: { type: 'string' },
        docs: { type: 'boolean', default: false },
        list: { type: 'boolean', default: false },
      },
    });
    return { ...values, rounds: positive(values.rounds), seconds: positive(values.seconds) };
  } catch (error) {
    return fail((error as Error).message);
  }
}

function positive(text: string): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 1) throw new Error(`${text} is not a positive number`);
  return value;
}

function fail(message: string): never {
  console.error(`${message}\n${usage}`);
  process.exit(2);
}

function wanted(side: SideName): boolean {
  return flags.side.length === 0 || flags.side.includes(side);
}

function chosenRows(): Row[] {
  const { only } = flags;
  const chosen = rows.filter(
    ({ id, onlyByName }) =>
      only.includes(id) ||
      (onlyByName !== true && (only.length === 0 || only.some((start) => id.startsWith(start)))),
  );
  if (chosen.length === 0) fail(`no row starts with ${only.join(' or ')}; --list shows them`);
  return chosen;
}

async function compare(): Promise<void> {
  const results: RowResult[] = [];
  const idle: IdleResult[] = [];
  let started = new Map<SideName, Side>();
  try {
    for (const row of chosenRows()) {
      const names = row.sides.filter(wanted);
      started = await switchSides(started, names, idle);
      const sides = names.map((name) => started.get(name)!);
      if (sides.length > 0) results.push({ row, samples: await runRow(row, sides) });
    }
  } finally {
    await Promise.all([...started.values()].map((side) => side.stop()));
    if (results.length > 0) publish(results, idle);
  }
}

/** Keeps the sides the next row needs, stops the others: nothing idles beside what is measured. */
async function switchSides(
  running: ReadonlyMap<SideName, Side>,
  names: readonly SideName[],
  idle: IdleResult[],
): Promise<Map<SideName, Side>> {
  const next = new Map<SideName, Side>();
  for (const [name, side] of running) {
    if (names.includes(name)) next.set(name, side);
    else await side.stop();
  }
  for (const name of names) {
    if (next.has(name)) continue;
    const side = await startSide(name);
    next.set(name, side);
    if (idle.every((known) => known.side !== name)) {
      idle.push({ side: name, version: side.version, idleBytes: side.idleBytes });
    }
  }
  return next;
}

/** One uncounted run of every side first, then the counted rounds, the sides in turn. */
async function runRow(row: Row, sides: readonly Side[]): Promise<Map<SideName, Sample[]>> {
  const samples = new Map<SideName, Sample[]>(sides.map((side) => [side.name, []]));
  for (const side of sides) {
    await row.prepare?.(side);
    await row.run(side, Math.min(2, flags.seconds));
  }
  for (let round = 1; round <= flags.rounds; round++) {
    for (const side of sides) {
      const sample = await row.run(side, flags.seconds);
      samples.get(side.name)!.push(sample);
      const cpuUs = (sample.usage.serverCpuMs * 1000) / sample.messages;
      console.error(
        `${row.id} ${round}/${flags.rounds} ${side.name.padEnd(15)} ` +
          `${Math.round(sample.rate)} msg/s, ${cpuUs.toFixed(2)} µs server CPU/msg`,
      );
    }
  }
  for (const side of sides) await row.finish?.(side);
  return samples;
}

function publish(results: readonly RowResult[], idle: readonly IdleResult[]): void {
  const command = ['npm run bench', ...(process.argv.length > 2 ? ['--'] : [])];
  command.push(...process.argv.slice(2));
  const folder = join(cacheFolder, 'bench');
  mkdirSync(folder, { recursive: true });
  const file = join(folder, new Date().toISOString().replaceAll(':', '-').slice(0, 19));
  writeFileSync(`${file}.md`, `${markdown(results, idle, command.join(' '))}\n`);
  if (flags.docs) writeIntoDocs(results, idle, command.join(' '));
  writeFileSync(`${file}.json`, `${json(results, idle)}\n`);
  console.log(`\n${terminalTable(results)}\n`);
  for (const line of [...idleLines(idle), ...noiseWarnings(results)]) console.log(line);
  console.log(`\n${file}.md and .json`);
}

/** Each protocol has its own block in the page: only those that were measured are written anew. */
function writeIntoDocs(
  results: readonly RowResult[],
  idle: readonly IdleResult[],
  command: string,
): void {
  const page = join(repositoryRoot, 'docs', 'benchmarks.md');
  let text = readFileSync(page, 'utf8');
  const homeless: string[] = [];
  for (const protocol of new Set(results.map(protocolOf))) {
    const rows = results.filter((result) => protocolOf(result) === protocol);
    const sides = new Set(rows.flatMap(({ samples }) => [...samples.keys()]));
    const seen = idle.filter(({ side }) => sides.has(side));
    const fragment = markdown(rows, seen, command).trim();
    text = text.replace(
      new RegExp(`(<!-- results of ${protocol}:[^>]* -->\n)[^]*?(\n<!-- end of results -->)`),
      (_, begin: string, end: string) => `${begin}\n${fragment}\n${end}`,
    );
    if (!text.includes(fragment)) homeless.push(protocol);
  }
  writeFileSync(page, text);
  if (homeless.length > 0) throw new Error(`${page} has no place for ${homeless.join(', ')}`);
}

/** PerfTest is a load for AMQP. */
function protocolOf({ row }: RowResult): string {
  const prefix = row.id.slice(0, row.id.indexOf('-'));
  return prefix === 'perftest' ? 'amqp' : prefix;
}
