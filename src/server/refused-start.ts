/**
 * RefusedStart: the broker does not start, and the operator can change that. Printed without a
 * stack; everything else that stops a start is a fault of ours and is printed with one.
 */
export const ExitCode = { Ok: 0, Failed: 1, Usage: 2 } as const;
export type ExitCode = (typeof ExitCode)[keyof typeof ExitCode];

export class RefusedStart extends Error {
  readonly exitCode: ExitCode;
  /** The message without the hint. */
  readonly reason: string;

  /** `hint` is what somebody at a command line can do about it. */
  constructor(exitCode: ExitCode, reason: string, hint: string | null = null) {
    super(hint === null ? reason : `${reason}: ${hint}`);
    this.name = 'RefusedStart';
    this.exitCode = exitCode;
    this.reason = reason;
  }
}

export function usageError(message: string): RefusedStart {
  return new RefusedStart(ExitCode.Usage, message);
}
