/**
 * Runs one command to its end and collects what it printed.
 *
 * A command that cannot be started, or ends with another code than zero, rejects with its name, its
 * code and the last lines of its output, so that a missing tool explains itself.
 */
import { spawn } from 'node:child_process';

export interface CommandOptions {
  cwd?: string;
  env?: Record<string, string>;
  input?: string | Uint8Array;
  /** Kills the command and rejects; default 300 seconds. */
  timeoutMs?: number;
  /** Resolve with any exit code instead of rejecting. */
  allowFailure?: boolean;
}

export interface CommandResult {
  code: number;
  stdout: string;
  stderr: string;
}

export function run(
  command: string,
  args: readonly string[],
  options: CommandOptions = {},
): Promise<CommandResult> {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, {
      cwd: options.cwd,
      env: { ...process.env, ...options.env },
      stdio: ['pipe', 'pipe', 'pipe'],
    });
    const stdout: Buffer[] = [];
    const stderr: Buffer[] = [];
    child.stdout.on('data', (chunk: Buffer) => stdout.push(chunk));
    child.stderr.on('data', (chunk: Buffer) => stderr.push(chunk));
    // A command may end without reading its input; its exit code then tells the story.
    child.stdin.on('error', () => undefined);
    child.stdin.end(options.input ?? '');
    const timeoutMs = options.timeoutMs ?? 300_000;
    let timedOut = false;
    const timer = setTimeout(() => {
      timedOut = true;
      child.kill('SIGKILL');
    }, timeoutMs);
    child.on('error', (error) => {
      clearTimeout(timer);
      reject(new Error(`${command}: ${error.message}`, { cause: error }));
    });
    child.on('close', (code, signal) => {
      clearTimeout(timer);
      const result = {
        code: code ?? -1,
        stdout: Buffer.concat(stdout).toString(),
        stderr: Buffer.concat(stderr).toString(),
      };
      if (timedOut) reject(new Error(`${describe()}: no end after ${timeoutMs} ms${tail(result)}`));
      else if (result.code === 0 || options.allowFailure === true) resolve(result);
      else reject(new Error(`${describe()}: ended with ${code ?? signal}${tail(result)}`));
    });
    function describe(): string {
      return [command, ...args].join(' ').slice(0, 300);
    }
  });
}

function tail(result: CommandResult): string {
  const lines = `${result.stdout}\n${result.stderr}`.trim().split('\n').slice(-15);
  return `\n  ${lines.join('\n  ')}`;
}
