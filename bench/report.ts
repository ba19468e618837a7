/** The results as a table on the terminal, as a fragment of Markdown, and as JSON. */
import { cpus, release, totalmem } from 'node:os';
import type { Sample } from './loads/measured-run.ts';
import { idleBytesMax, type Row } from './rows.ts';
import { durabilityOf, type SideName } from './sides.ts';
import { median, pairwiseRatios, type Spread, spread } from './statistics.ts';

export interface RowResult {
  row: Row;
  samples: Map<SideName, Sample[]>;
}

export interface IdleResult {
  side: SideName;
  version: string;
  idleBytes: number;
}

interface SideSummary {
  side: SideName;
  rate: Spread;
  ratio?: Spread;
  goal?: number;
  met?: boolean;
  serverUsPerMessage: number;
  serverCores: number;
  loadCores: number;
  otherCores: number;
  latencyUs?: { p50: number; p99: number };
  queuedBytes?: number;
}

/** A round in which others used this much of a core says more about them than about us. */
const noisyCores = 0.15;

function summarize({ row, samples }: RowResult): SideSummary[] {
  const peerRates = samples.get(row.sides[0])?.map((sample) => sample.rate) ?? [];
  return [...samples].map(([side, taken]) => {
    const rates = taken.map((sample) => sample.rate);
    const of = (figure: (sample: Sample) => number): number => median(taken.map(figure));
    const isPeer = side === row.sides[0];
    const ratio = isPeer || peerRates.length === 0 ? undefined : pairwise(rates, peerRates);
    const goal = row.goal?.[side];
    const queued = taken.flatMap((sample) => sample.queuedBytes ?? []);
    const latencies = taken.flatMap((sample) => sample.latencyUs ?? []);
    return {
      side,
      rate: spread(rates),
      ratio,
      goal,
      met: goal === undefined || ratio === undefined ? undefined : ratio.median >= goal,
      serverUsPerMessage: of((s) => (s.usage.serverCpuMs * 1000) / s.messages),
      serverCores: of((s) => s.usage.serverCpuMs / s.usage.elapsedMs),
      loadCores: of((s) => s.usage.loadCpuMs / s.usage.elapsedMs),
      otherCores: of((s) => s.usage.otherCpuMs / s.usage.elapsedMs),
      queuedBytes: queued.length === 0 ? undefined : median(queued),
      latencyUs:
        latencies.length === 0
          ? undefined
          : {
              p50: median(latencies.map((each) => each.p50)),
              p99: median(latencies.map((each) => each.p99)),
            },
    };
  });
}

function pairwise(ours: readonly number[], theirs: readonly number[]): Spread {
  const rounds = Math.min(ours.length, theirs.length);
  return spread(pairwiseRatios(ours.slice(0, rounds), theirs.slice(0, rounds)));
}

const columns = [
  'Load',
  'Side',
  'msg/s (SQS: operations/s) median (min–max)',
  'Ratio (min–max)',
  'Goal',
  'Server CPU µs/msg',
  'Busy cores: server / load / others',
  'Confirm, round trip or operation p50 / p99, or memory per waiting message',
];

function cells(results: readonly RowResult[]): string[][] {
  return results.flatMap((result) =>
    summarize(result).map((side, index) => [
      index === 0 ? result.row.title : '',
      side.side,
      `${count(side.rate.median)} (${count(side.rate.min)}–${count(side.rate.max)})`,
      side.ratio === undefined
        ? ''
        : `${factor(side.ratio.median)} (${factor(side.ratio.min)}–${factor(side.ratio.max)})`,
      side.goal === undefined || side.ratio === undefined
        ? ''
        : `≥ ${side.goal} ${side.met === true ? 'met' : 'SHORT'}`,
      side.serverUsPerMessage.toFixed(2),
      [side.serverCores, side.loadCores, side.otherCores].map((n) => n.toFixed(2)).join(' / '),
      lastCell(side),
    ]),
  );
}

function lastCell({ latencyUs, queuedBytes }: SideSummary): string {
  if (queuedBytes !== undefined) return `${queuedBytes.toFixed(0)} B`;
  return latencyUs === undefined ? '' : `${micros(latencyUs.p50)} / ${micros(latencyUs.p99)}`;
}

export function terminalTable(results: readonly RowResult[]): string {
  const all = [columns, ...cells(results)];
  const widths = columns.map((_, column) => Math.max(...all.map((line) => line[column]!.length)));
  return all
    .map((line) =>
      line
        .map((cell, column) => cell.padEnd(widths[column]!))
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}

/** Rounds measured while others used the machine, as warnings to print. */
export function noiseWarnings(results: readonly RowResult[]): string[] {
  return results.flatMap(({ row, samples }) =>
    [...samples].flatMap(([side, taken]) => {
      const noisy = taken.filter((s) => s.usage.otherCpuMs / s.usage.elapsedMs > noisyCores);
      if (noisy.length === 0) return [];
      return [
        `${row.id} ${side}: in ${noisy.length} of ${taken.length} rounds other processes used ` +
          `more than ${noisyCores} cores; the rate is unreliable, CPU per message less so`,
      ];
    }),
  );
}

export function idleLines(idle: readonly IdleResult[]): string[] {
  return idle.map(({ side, version, idleBytes }) => {
    const verdict = idleBytes < idleBytesMax ? 'under' : 'OVER';
    const against = side.startsWith('posthorn') ? ` (${verdict} ${idleBytesMax / 1e6} MB)` : '';
    return `${side} ${version}: ${(idleBytes / 1e6).toFixed(0)} MB resident when idle${against}`;
  });
}

export function markdown(
  results: readonly RowResult[],
  idle: readonly IdleResult[],
  command: string,
): string {
  const line = (parts: readonly string[]): string => `| ${parts.join(' | ')} |`;
  const sides = new Set(results.flatMap((result) => [...result.samples.keys()]));
  return [
    `Measured ${new Date().toISOString().slice(0, 10)} with \`${command}\` on ${machine()}.`,
    '',
    line(columns),
    line(columns.map(() => '---')),
    ...cells(results).map(line),
    '',
    ...idleLines(idle).map((text) => `- ${text}`),
    '',
    ...[...sides].map((side) => `- ${side}: ${durabilityOf[side]}`),
    '',
    ...noiseWarnings(results).map((text) => `- Noise: ${text}`),
  ].join('\n');
}

export function json(results: readonly RowResult[], idle: readonly IdleResult[]): string {
  const body = results.map((result) => ({
    id: result.row.id,
    summary: summarize(result),
    samples: Object.fromEntries(result.samples),
  }));
  const head = { at: new Date().toISOString(), machine: machine(), node: process.version };
  return JSON.stringify({ ...head, idle, rows: body }, undefined, 2);
}

function machine(): string {
  const memory = `${Math.round(totalmem() / 2 ** 30)} GB`;
  return `${cpus().length} × ${cpus()[0]?.model.trim()}, ${memory}, Linux ${release()}`;
}

function count(value: number): string {
  if (value >= 100_000) return `${(value / 1000).toFixed(0)}k`;
  if (value >= 10_000) return `${(value / 1000).toFixed(1)}k`;
  return value.toFixed(0);
}

function factor(value: number): string {
  return value >= 10 ? value.toFixed(1) : value.toFixed(2);
}

function micros(value: number): string {
  return value >= 1000 ? `${(value / 1000).toFixed(2)} ms` : `${value.toFixed(0)} µs`;
}
