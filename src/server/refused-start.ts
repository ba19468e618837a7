/**
 * RefusedStart: the broker does not start, and the operator can change that. Printed without a
 * stack; everything else that stops a start is a fault of ours and is printed with one.
 */
export const ExitCode = { Ok: 0, Failed: 1, Usage: 2 } as const;
export type ExitCode = (typeof ExitCode)[keyof typeof ExitCode];

export class RefusedStart extends Error {
  readonly exitCode: ExitCode;

  constructor(exitCode: ExitCode, message: string) {
    super(message);
    this.name = 'RefusedStart';
    this.exitCode = exitCode;
  }
}

export function usageError(message: string): RefusedStart {
  return new RefusedStart(ExitCode.Usage, message);
}
