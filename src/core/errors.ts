/**
 * The three kinds of error, never blended.
 *
 * A refusal is a BrokerError: the request was understood and is not granted; each protocol turns
 * the code into its own words in its `errors.ts`, exhaustively by type. Bad bytes are a
 * ProtocolError and end that one connection. A broken invariant is an InvariantError and ends the
 * process, as does a failed write or sync.
 */

const BROKER_ERROR_CODES = [
  'not-found',
  'already-exists',
  'inequivalent',
  'in-use',
  'not-empty',
  'locked',
  'access-refused',
  'invalid-argument',
  'invalid-name',
  'unsupported',
  'too-large',
  'full',
  'disk-full',
  'offset-out-of-range',
  'out-of-order-sequence',
  'duplicate-sequence',
  'stale-producer-epoch',
  'limit-exceeded',
  'timed-out',
  'closed',
  'unreadable',
] as const;

export type BrokerErrorCode = (typeof BROKER_ERROR_CODES)[number];

/** A refusal. `detail` holds what a protocol needs to build its own text. */
export class BrokerError extends Error {
  readonly code: BrokerErrorCode;
  readonly detail: Readonly<Record<string, unknown>>;

  constructor(
    code: BrokerErrorCode,
    message: string,
    detail: Readonly<Record<string, unknown>> = {},
  ) {
    super(message);
    this.name = 'BrokerError';
    this.code = code;
    this.detail = detail;
  }
}

/** Bytes that the protocol does not allow; ends one connection. `wireCode` is the protocol's own. */
export class ProtocolError extends Error {
  readonly wireCode: number;

  constructor(wireCode: number, message: string) {
    super(message);
    this.name = 'ProtocolError';
    this.wireCode = wireCode;
  }
}

/** A broken invariant: never caught, ends the process. */
export class InvariantError extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'InvariantError';
  }
}

/** Stored data that cannot be trusted. Names the file and the position. Startup refuses; later it is
 * a refusal like others, to the one who wants to read it. */
export class CorruptionError extends BrokerError {
  readonly file: string;
  readonly position: number;

  constructor(file: string, position: number, reason: string) {
    super('unreadable', `${file} is corrupt at byte ${position}: ${reason}`, { file, position });
    this.name = 'CorruptionError';
    this.file = file;
    this.position = position;
  }
}

export function invariant(condition: unknown, message: string): asserts condition {
  if (!condition) throw new InvariantError(message);
}
