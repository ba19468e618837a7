/**
 * The blocks of code in a page, as tests. A block that imports a test runner is a test file as it
 * stands; of the others, which take their imports for granted, each becomes a test.
 */

export interface CodeBlock {
  /** The heading that it stands under. */
  readonly heading: string;
  readonly language: string;
  readonly text: string;
}

const FENCE = /^```(\w*)$/;
const RUNNER = /from '(node:test|vitest)'/;

export function codeBlocks(page: string): CodeBlock[] {
  const blocks: CodeBlock[] = [];
  let heading = '';
  let open: { language: string; lines: string[] } | null = null;
  for (const line of page.split('\n')) {
    const language = FENCE.exec(line)?.[1];
    if (open !== null && language === '') {
      blocks.push({ heading, language: open.language, text: `${open.lines.join('\n')}\n` });
      open = null;
    } else if (open !== null) open.lines.push(line);
    else if (language !== undefined) open = { language, lines: [] };
    else if (line.startsWith('#')) heading = line.replace(/^#+ /, '');
  }
  if (open !== null) throw new Error(`a block under '${heading}' does not end`);
  return blocks;
}

/** The runner whose test file it is; null for a fragment. */
export function runnerOf({ text }: CodeBlock): 'node:test' | 'vitest' | null {
  return (RUNNER.exec(text)?.[1] as 'node:test' | 'vitest' | undefined) ?? null;
}

/** One test for each fragment, named by its heading. */
export function testFile(fragments: readonly CodeBlock[], imports: string): string {
  const tests = fragments.map(
    ({ heading, text }, i) =>
      `test(${JSON.stringify(`${i + 1}: ${heading}`)}, async () => {\n${text}});\n`,
  );
  return `${imports}\n${tests.join('\n')}`;
}
