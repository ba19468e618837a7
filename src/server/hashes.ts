/** The core's digests, from the platform's cryptography. */
import { createHmac, hash } from 'node:crypto';
import type { Hashes } from '#core/ports.ts';

export const hashesPort: Hashes = {
  md5Hex: (bytes) => hash('md5', bytes, 'hex'),
  sha256Hex: (bytes) => hash('sha256', bytes, 'hex'),
  hmacSha256: (key, bytes) => createHmac('sha256', key).update(bytes).digest(),
};
