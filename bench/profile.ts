/**
 * One row's load against Posthorn alone under V8's sampling profiler, with the functions that took
 * the time as a table. The profile is written by Node itself when the broker ends on SIGTERM, and
 * can also be opened in Chrome's DevTools.
 */
import { mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { cacheFolder, repositoryRoot } from '../scripts/peers/index.ts';
import type { Row } from './rows.ts';
import { type SideName, startSide } from './sides.ts';

interface CpuProfile {
  nodes: {
    id: number;
    callFrame: { functionName: string; url: string; lineNumber: number };
    children?: number[];
  }[];
  samples: number[];
  timeDeltas: number[];
}

const shown = 45;

export async function profileRow(row: Row, sideName: SideName, seconds: number): Promise<string> {
  const folder = join(cacheFolder, 'bench', `profile-${row.id}-${Date.now()}`);
  mkdirSync(folder, { recursive: true });
  const flags = ['--cpu-prof', `--cpu-prof-dir=${folder}`, '--cpu-prof-interval', '500'];
  const side = await startSide(sideName, flags);
  let rate = 0;
  try {
    await row.prepare?.(side);
    await row.run(side, seconds);
    rate = (await row.run(side, seconds)).rate;
  } finally {
    await side.stop();
  }
  const file = readdirSync(folder).find((name) => name.endsWith('.cpuprofile'));
  if (file === undefined) throw new Error(`${folder}: no profile; did the broker end in order?`);
  const path = join(folder, file);
  const title = `${row.title}, ${sideName}: ${Math.round(rate)} msg/s while profiled\n${path}`;
  return `${title}\n${hotFunctions(JSON.parse(readFileSync(path, 'utf8')) as CpuProfile)}`;
}

/** Self and total time per function, in percent of the time the process was not idle. */
function hotFunctions(profile: CpuProfile): string {
  const root = `${pathToFileURL(repositoryRoot).href}/`;
  const names = new Map<number, string>();
  const parents = new Map<number, number>();
  for (const { id, callFrame, children } of profile.nodes) {
    const at = callFrame.url === '' ? '' : `:${callFrame.lineNumber + 1}`;
    const place = callFrame.url.replace(root, '') + at;
    names.set(id, `${callFrame.functionName || '(anonymous)'} ${place}`.trim());
    for (const child of children ?? []) parents.set(child, id);
  }
  const self = new Map<string, number>();
  const total = new Map<string, number>();
  let busyUs = 0;
  let idleUs = 0;
  for (const [index, id] of profile.samples.entries()) {
    const us = profile.timeDeltas[index] ?? 0;
    const name = names.get(id)!;
    if (name === '(idle)') idleUs += us;
    else {
      busyUs += us;
      self.set(name, (self.get(name) ?? 0) + us);
      addPath(total, names, parents, id, us);
    }
  }
  const percent = (us: number): string => `${((100 * us) / busyUs).toFixed(1)} %`.padStart(7);
  const lines = [...self]
    .toSorted((a, b) => b[1] - a[1])
    .slice(0, shown)
    .map(([name, us]) => `${percent(us)} ${percent(total.get(name) ?? us)}  ${name}`);
  const busy = `busy ${(busyUs / 1e6).toFixed(1)} s, idle ${(idleUs / 1e6).toFixed(1)} s`;
  return [busy, '   self   total', ...lines].join('\n');
}

function addPath(
  total: Map<string, number>,
  names: ReadonlyMap<number, string>,
  parents: ReadonlyMap<number, number>,
  leaf: number,
  us: number,
): void {
  const seen = new Set<string>();
  for (let id: number | undefined = leaf; id !== undefined; id = parents.get(id)) {
    const name = names.get(id)!;
    if (seen.has(name)) continue;
    seen.add(name);
    total.set(name, (total.get(name) ?? 0) + us);
  }
}
