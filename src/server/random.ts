/** The core's randomness, from the operating system. */
import { randomBytes } from 'node:crypto';
import type { Random } from '#core/ports.ts';

export const randomPort: Random = {
  next: () => Math.random(),
  bytes: (length) => randomBytes(length),
};
