/** `x-max-age` and textual stream offsets: a positive integer and a unit, one of Y M D h m s. */
const UNIT_MS: Readonly<Record<string, number>> = {
  Y: 365 * 24 * 3_600_000,
  M: 30 * 24 * 3_600_000,
  D: 24 * 3_600_000,
  h: 3_600_000,
  m: 60_000,
  s: 1000,
};

/** Null when the text is not an age. */
export function maxAgeMs(text: string): number | null {
  const parts = /^(\d+)([YMDhms])$/.exec(text);
  if (!parts) return null;
  const count = Number(parts[1]);
  return count > 0 ? count * UNIT_MS[parts[2]!]! : null;
}
