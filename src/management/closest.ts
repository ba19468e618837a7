/**
 * The word that somebody probably meant: for hints beside refusals.
 */

/** ` (did you mean 'x'?)`, or '' when nothing known is near. */
export function didYouMean(word: string, known: readonly string[]): string {
  const ranked = known
    .map((candidate) => ({ candidate, distance: editDistance(word, candidate) }))
    .toSorted((a, b) => a.distance - b.distance);
  const best = ranked[0];
  if (!best || best.distance > Math.max(1, Math.floor(best.candidate.length / 2))) return '';
  return ` (did you mean '${best.candidate}'?)`;
}

/** Insertions, deletions and substitutions between two words, case ignored (Levenshtein). */
function editDistance(from: string, to: string): number {
  const a = from.toLowerCase();
  const b = to.toLowerCase();
  let row = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const substituted = row[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min(next[j - 1]! + 1, row[j]! + 1, substituted));
    }
    row = next;
  }
  return row[b.length]!;
}
