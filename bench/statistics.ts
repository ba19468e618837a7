/**
 * The few figures a bench row is judged by. Rounds are interleaved (A B A B …), so the ratio is
 * taken within each round, where both sides met the same machine, and the median is taken last.
 */
export interface Spread {
  median: number;
  min: number;
  max: number;
}

export function median(values: readonly number[]): number {
  if (values.length === 0) throw new Error('median of nothing');
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

export function spread(values: readonly number[]): Spread {
  return { median: median(values), min: Math.min(...values), max: Math.max(...values) };
}

/** Ratios of the same round, ours over theirs. Both lists are by round and equally long. */
export function pairwiseRatios(ours: readonly number[], theirs: readonly number[]): number[] {
  if (ours.length !== theirs.length) throw new Error('sides have different numbers of rounds');
  return ours.map((value, round) => value / theirs[round]!);
}
