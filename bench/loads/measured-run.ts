/**
 * One run of an external load tool against one side: its lines as they come, the cost of the server
 * while it counts, and what the tool counted.
 */
import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { CostMeter, type Usage } from '../server-cost.ts';

export interface Sample {
  /** Messages per second that the row is judged by. */
  rate: number;
  /** Messages that went through the server while its CPU time was read. */
  messages: number;
  usage: Usage;
  /** Publish to confirm, where the load measures it. */
  latencyUs?: { p50: number; p99: number };
  /** Server memory above its idle memory, per waiting message, where a backlog is built. */
  queuedBytes?: number;
}

export interface ToolRun {
  command: string;
  args: readonly string[];
  serverPid: number;
  /** Sees every line of output; may start and stop the meter. */
  onLine: (line: string, meter: CostMeter) => void;
  onStart?: (meter: CostMeter) => void;
  timeoutMs?: number;
}

/** Runs the tool to its end; rejects with the tail of its output when it fails. */
export function runTool(run: ToolRun): Promise<void> {
  return new Promise((resolve, reject) => {
    const child = spawn(run.command, run.args, { stdio: ['ignore', 'pipe', 'pipe'] });
    const tail: string[] = [];
    const meter = new CostMeter(run.serverPid, child.pid ?? 0);
    run.onStart?.(meter);
    const timer = setTimeout(() => child.kill('SIGKILL'), run.timeoutMs ?? 180_000);
    let failure: Error | undefined;
    const onLine = (line: string): void => {
      tail.push(line);
      if (tail.length > 15) tail.shift();
      try {
        run.onLine(line, meter);
      } catch (error) {
        failure ??= error as Error;
        child.kill('SIGKILL');
      }
    };
    createInterface(child.stdout).on('line', onLine);
    createInterface(child.stderr).on('line', onLine);
    const stop = (): void => void child.kill('SIGKILL');
    process.on('exit', stop);
    child.on('error', (error) => reject(error));
    child.on('close', (code, signal) => {
      clearTimeout(timer);
      process.off('exit', stop);
      if (failure !== undefined) reject(failure);
      else if (code === 0) resolve();
      else reject(new Error(`${run.command} ended with ${code ?? signal}\n  ${tail.join('\n  ')}`));
    });
  });
}
