/**
 * One row's load against Posthorn alone under V8's sampling profiler, with the functions that took
 * the time as a table. Only the second run is profiled, when the code is warm; what the profiler
 * gave is kept as a file that Chrome's DevTools open.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { cacheFolder, freePorts, repositoryRoot } from '../scripts/peers/index.ts';
import { type CpuProfile, Profiler } from './inspector.ts';
import type { Row } from './rows.ts';
import { type SideName, startSide } from './sides.ts';

const shown = 45;

export async function profileRow(row: Row, sideName: SideName, seconds: number): Promise<string> {
  const folder = join(cacheFolder, 'bench');
  mkdirSync(folder, { recursive: true });
  const [port] = (await freePorts(1)) as [number];
  const side = await startSide(sideName, [`--inspect=127.0.0.1:${port}`]);
  try {
    await row.prepare?.(side);
    await row.run(side, seconds);
    const profiler = await Profiler.connect(port);
    await profiler.start();
    const { rate, usage, messages } = await row.run(side, seconds);
    const profile = await profiler.stop();
    const path = join(folder, `${row.id}-${Date.now()}.cpuprofile`);
    writeFileSync(path, JSON.stringify(profile));
    const costUs = ((usage.serverCpuMs * 1000) / messages).toFixed(2);
    const title = `${row.title}, ${sideName}: ${Math.round(rate)} msg/s, ${costUs} µs/msg, profiled`;
    return `${title}\n${path}\n${hotFunctions(profile)}`;
  } finally {
    await side.stop();
  }
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
