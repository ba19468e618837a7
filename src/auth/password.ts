/**
 * Passwords as they may stand in a configuration: plain, or hashed in RabbitMQ's form, so that a
 * definitions file moves over as it is: base64 of 4 bytes of salt and SHA-256(salt + password).
 *
 * Both are compared in constant time. A fast hash is what the format gives; keep the file private.
 */
import { createHash, timingSafeEqual } from 'node:crypto';

const SALT_BYTES = 4;
const HASH_BYTES = 32;

export function hashPassword(password: string, salt: Uint8Array): string {
  return Buffer.concat([salt, digest(salt, password)]).toString('base64');
}

/** Whether a text has the form of `hashPassword`. */
export function isHash(text: string): boolean {
  const bytes = Buffer.from(text, 'base64');
  return bytes.length === SALT_BYTES + HASH_BYTES && bytes.toString('base64') === text;
}

export function matchesHash(password: string, hash: string): boolean {
  const bytes = Buffer.from(hash, 'base64');
  const salt = bytes.subarray(0, SALT_BYTES);
  return timingSafeEqual(bytes.subarray(SALT_BYTES), digest(salt, password));
}

export function matchesPlain(password: string, expected: string): boolean {
  const none = Buffer.alloc(0);
  return timingSafeEqual(digest(none, password), digest(none, expected));
}

function digest(salt: Uint8Array, password: string): Buffer {
  return createHash('sha256').update(salt).update(password).digest();
}
