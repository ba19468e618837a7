/**
 * Rules on plain text of every file: words that do not belong into the repository, and links in
 * documents that lead nowhere. The words are put together from parts so that this file has none.
 */
import { posix } from 'node:path';

const BANNED_WORDS: readonly { pattern: RegExp; why: string }[] = [
  {
    pattern: new RegExp(
      `\\b(${['TO', 'FIX'].map((w) => `${w}${w === 'TO' ? 'DO' : 'ME'}`).join('|')}|${'X'.repeat(3)})\\b`,
    ),
    why: 'unfinished work is not committed; write what falls short in the docs',
  },
  {
    pattern: new RegExp(`(^|[\\s'"\`(=:])/(${['work', 'root', 'home', 'Users'].join('|')})/`),
    why: 'a path of one machine',
  },
  {
    pattern: new RegExp(
      `\\b(${['registry\\.npm', 'js\\.org|npm\\.pkg\\.git', 'hub|registry\\.yarn', 'pkg\\.com|artifact', 'ory|ver', 'daccio'].join('')})`,
      'i',
    ),
    why: 'a registry host',
  },
];

export function bannedWords(path: string, text: string): string[] {
  const found: string[] = [];
  text.split('\n').forEach((line, index) => {
    for (const { pattern, why } of BANNED_WORDS) {
      const hit = pattern.exec(line);
      if (hit) found.push(`${path}:${index + 1} '${hit[0].trim()}': ${why}`);
    }
  });
  return found;
}

/** Relative links of a Markdown document that name no file. `exists` takes repository paths. */
export function brokenLinks(
  path: string,
  text: string,
  exists: (path: string) => boolean,
): string[] {
  const found: string[] = [];
  const prose = text.replaceAll(/^(```|~~~)[\s\S]*?^\1/gm, (block) =>
    block.replaceAll(/[^\n]/g, ''),
  );
  for (const match of prose.matchAll(/\]\(([^)\s]+)(?:\s+"[^"]*")?\)|^\[[^\]]+\]:\s*(\S+)/gm)) {
    const target = match[1] ?? match[2] ?? '';
    if (/^[a-z][a-z0-9+.-]*:/i.test(target) || target.startsWith('#')) continue;
    const file = decodeURIComponent(target.replace(/[#?].*$/, ''));
    const resolved = posix.normalize(posix.join(posix.dirname(path), file));
    if (!exists(resolved)) {
      const line = prose.slice(0, match.index).split('\n').length;
      found.push(`${path}:${line} links to ${target}, which does not exist`);
    }
  }
  return found;
}
