/**
 * The `leader-epoch-checkpoint` file, as Kafka writes it: which leader epoch began at which offset.
 *
 *   0            version
 *   2            how many lines follow
 *   1 0          epoch, its first offset
 *   3 1841
 */
import type { EpochStart } from '#core/log.ts';

export const EPOCH_FILE = 'leader-epoch-checkpoint';

export function encodeEpochs(epochs: readonly EpochStart[]): Uint8Array {
  const lines = epochs.map(({ epoch, startOffset }) => `${epoch} ${startOffset}\n`);
  return Buffer.from(`0\n${epochs.length}\n${lines.join('')}`);
}

/** Null when it is not a whole checkpoint. */
export function decodeEpochs(bytes: Uint8Array): EpochStart[] | null {
  const [version, count, ...lines] = Buffer.from(bytes).toString('latin1').split('\n');
  if (version !== '0' || Number(count) + 1 !== lines.length) return null;
  const epochs: EpochStart[] = [];
  for (const line of lines.slice(0, -1)) {
    const match = /^(\d+) (\d+)$/.exec(line);
    if (!match) return null;
    epochs.push({ epoch: Number(match[1]), startOffset: Number(match[2]) });
  }
  return epochs;
}
