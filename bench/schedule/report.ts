/** How late things were, in lines. */
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { CostMeter } from '../server-cost.ts';

export function lateness(what: string, lateMs: readonly number[]): void {
  const sorted = lateMs.toSorted((a, b) => a - b);
  const at = (share: number): string => {
    const ms = sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))];
    return (ms ?? NaN).toFixed(ms! < 10 ? 1 : 0);
  };
  console.log(
    `${what.padEnd(58)} ${String(sorted.length).padStart(7)}` +
      `  first ${at(0)}  p50 ${at(0.5)}  p99 ${at(0.99)}  last ${at(1)} ms`,
  );
}

const PROBE = fileURLToPath(new URL('probe.ts', import.meta.url));

/** The broker under test. */
export interface Measured {
  readonly pid: number;
  readonly natsPort: number;
}

/**
 * Runs `work` while a probe asks the broker. Says how long the broker's answers took, and how many
 * of the machine's cores were busy for the broker, for this process, and for others, whose work
 * makes everything late.
 */
export async function probed<T>(broker: Measured, work: () => Promise<T>): Promise<T> {
  const probe = fork(PROBE, [String(broker.natsPort)]);
  const meter = new CostMeter(broker.pid, process.pid);
  meter.start();
  const result = await work();
  const { elapsedMs, serverCpuMs, loadCpuMs, otherCpuMs } = meter.stop();
  const answered = once(probe, 'message');
  probe.send('end');
  const [rttMs] = (await answered) as [number[]];
  lateness('    an answer to somebody else meanwhile', rttMs);
  const cores = [serverCpuMs, loadCpuMs, otherCpuMs].map((ms) => (ms / elapsedMs).toFixed(2));
  const [server, load, others] = cores;
  console.log(
    `    busy cores: broker ${server} (${serverCpuMs.toFixed(0)} ms), load ${load}, others ${others}`,
  );
  return result;
}
