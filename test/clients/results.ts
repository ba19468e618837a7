/**
 * What the client programs print, as results, and the tables of them.
 *
 * A program prints one line per scenario (`ok <ms> <name>` or `not ok <ms> <name>` followed by the
 * reason on lines indented by four spaces) and `done` as its last line; one that ends without it has
 * failed, whatever it printed before.
 */
export interface Result {
  client: string;
  target: string;
  scenario: string;
  tookMs: number;
  problem: string | undefined;
}

export function parseResults(output: string): { results: Parsed[]; done: boolean } {
  const results: Parsed[] = [];
  let done = false;
  for (const line of output.split('\n')) {
    const match = /^(not )?ok (\d+) (.+)$/.exec(line);
    if (match !== null) {
      const problem = match[1] === undefined ? undefined : '';
      results.push({ scenario: match[3]!.trim(), tookMs: Number(match[2]), problem });
    } else if (line.startsWith('    ')) {
      const last = results.at(-1);
      if (last?.problem !== undefined) last.problem += `${line.slice(4)}\n`;
    } else if (line.trim() === 'done') {
      done = true;
    }
  }
  return { results, done };
}

type Parsed = Pick<Result, 'scenario' | 'tookMs' | 'problem'>;

/** One line per client and scenario, one column per target. */
export function table(results: readonly Result[]): string {
  const targets = [...new Set(results.map((result) => result.target))];
  const rows = new Map<string, Map<string, Result>>();
  for (const result of results) {
    const key = `${result.client}\u0000${result.scenario}`;
    const row = rows.get(key) ?? new Map<string, Result>();
    row.set(result.target, result);
    rows.set(key, row);
  }
  const lines = [['client', 'scenario', ...targets]];
  for (const [key, row] of rows) {
    const [client, scenario] = key.split('\u0000') as [string, string];
    const cells = targets.map((target) => {
      const result = row.get(target);
      if (result === undefined) return '';
      return `${result.problem === undefined ? 'pass' : 'FAIL'} ${result.tookMs} ms`;
    });
    lines.push([client, scenario, ...cells]);
  }
  return aligned(lines);
}

/** One line per client: how many of its scenarios passed on each target, and their time. */
export function clientTable(results: readonly Result[]): string {
  const targets = [...new Set(results.map((result) => result.target))];
  const clients = [...new Set(results.map((result) => result.client))];
  const cell = (client: string, target: string): string => {
    const some = results.filter((each) => each.client === client && each.target === target);
    if (some.length === 0) return '';
    const passed = some.filter((each) => each.problem === undefined).length;
    const seconds = some.reduce((sum, each) => sum + each.tookMs, 0) / 1000;
    const mark = passed === some.length ? 'pass' : 'FAIL';
    return `${mark} ${passed}/${some.length} in ${seconds.toFixed(1)} s`;
  };
  return aligned([
    ['client', ...targets],
    ...clients.map((client) => [client, ...targets.map((target) => cell(client, target))]),
  ]);
}

function aligned(lines: readonly (readonly string[])[]): string {
  const widths = lines[0]!.map((_, column) =>
    Math.max(...lines.map((line) => line[column]!.length)),
  );
  return lines
    .map((line) =>
      line
        .map((cell, column) => cell.padEnd(widths[column]!))
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}
