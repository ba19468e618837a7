/**
 * Where a rule of style does not serve the code, by name and with the reason. An exception that no
 * longer excuses anything fails the test too, so the list cannot rot.
 */
export interface Exception {
  rule: 'file-size' | 'function-size' | 'header' | 'words' | 'names' | 'dead-file';
  /** The finding must begin with this: a path, or `path:line` never (lines move). */
  path: string;
  /** Part of the finding's text; '' excuses every finding of the rule in the file. */
  about: string;
  reason: string;
}

export const EXCEPTIONS: readonly Exception[] = [];

/** Splits findings into those that stand and the exceptions that were used. */
export function withoutExcused(
  rule: Exception['rule'],
  findings: readonly string[],
  exceptions: readonly Exception[] = EXCEPTIONS,
): string[] {
  const used = new Set<Exception>();
  const standing = findings.filter((text) => {
    const excuse = exceptions.find(
      (e) => e.rule === rule && text.startsWith(`${e.path}:`) && text.includes(e.about),
    );
    if (excuse) used.add(excuse);
    return !excuse;
  });
  for (const e of exceptions) {
    if (e.rule === rule && !used.has(e)) standing.push(`exception for ${e.path} excuses nothing`);
  }
  return standing;
}
