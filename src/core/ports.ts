/**
 * What the core may not do itself: time, randomness, "later in this turn".
 *
 * The server passes the real ones, a test or the simulation passes its own, so that a run is
 * a function of its inputs and a seed.
 */

/** Milliseconds since the Unix epoch. May step; never used to order what is stored. */
export interface Clock {
  now(): number;
}

export interface Random {
  /** Uniform in [0, 1). */
  next(): number;
  /** `length` random bytes. */
  bytes(length: number): Uint8Array;
}

/**
 * Runs `task` once, after all input that is already waiting has been handled (the check phase of
 * the event loop). The place for one flush per connection and one commit per turn.
 */
export type Defer = (task: () => void) => void;

/** Digests, synchronous: protocols and core may not reach the platform's own. */
export interface Hashes {
  /** Of the bytes; hex, lower case. */
  md5Hex(bytes: Uint8Array): string;
  /** Hex, lower case. */
  sha256Hex(bytes: Uint8Array): string;
  /** 32 bytes. */
  hmacSha256(key: Uint8Array, bytes: Uint8Array): Uint8Array;
}

/** One line for the operator. `fields` are flat values. */
export interface Journalist {
  /** Something is lost or wrong that does not mend itself. */
  error(message: string, fields?: Record<string, unknown>): void;
  warn(message: string, fields?: Record<string, unknown>): void;
  info(message: string, fields?: Record<string, unknown>): void;
}

export interface Ports {
  readonly clock: Clock;
  readonly random: Random;
  readonly hashes: Hashes;
  readonly defer: Defer;
  readonly log: Journalist;
}
