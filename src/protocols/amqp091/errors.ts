/**
 * Errors in AMQP's words: a reply code and a text `NAME - explanation`, as RabbitMQ writes them,
 * because clients match both.
 *
 * An AmqpError with a hard code closes the connection, one with a soft code its channel
 * (1.2 constants: class "hard-error" and "soft-error"). Core refusals become one by REPLY_CODES;
 * handlers that know a better text throw their own before they ask the core.
 */
import { BrokerError, ProtocolError, type BrokerErrorCode } from '#core/errors.ts';
import { Failure } from '#core/metrics.ts';
import { ReplyCode } from './codec.ts';

const NAMES: Readonly<Record<ReplyCode, string>> = {
  [ReplyCode.NoRoute]: 'NO_ROUTE',
  [ReplyCode.ConnectionForced]: 'CONNECTION_FORCED',
  [ReplyCode.AccessRefused]: 'ACCESS_REFUSED',
  [ReplyCode.NotFound]: 'NOT_FOUND',
  [ReplyCode.ResourceLocked]: 'RESOURCE_LOCKED',
  [ReplyCode.PreconditionFailed]: 'PRECONDITION_FAILED',
  [ReplyCode.FrameError]: 'FRAME_ERROR',
  [ReplyCode.SyntaxError]: 'SYNTAX_ERROR',
  [ReplyCode.CommandInvalid]: 'COMMAND_INVALID',
  [ReplyCode.ChannelError]: 'CHANNEL_ERROR',
  [ReplyCode.UnexpectedFrame]: 'UNEXPECTED_FRAME',
  [ReplyCode.NotAllowed]: 'NOT_ALLOWED',
  [ReplyCode.NotImplemented]: 'NOT_IMPLEMENTED',
  [ReplyCode.InternalError]: 'INTERNAL_ERROR',
};

const SOFT_CODES: readonly ReplyCode[] = [
  ReplyCode.AccessRefused,
  ReplyCode.NotFound,
  ReplyCode.ResourceLocked,
  ReplyCode.PreconditionFailed,
];

export class AmqpError extends Error {
  readonly replyCode: ReplyCode;

  /** `explanation` without the name in front. */
  constructor(replyCode: ReplyCode, explanation: string) {
    super(`${NAMES[replyCode]} - ${explanation}`);
    this.name = 'AmqpError';
    this.replyCode = replyCode;
  }

  get codeName(): string {
    return NAMES[this.replyCode];
  }

  /** As which it is counted when it ends a connection. */
  get failure(): Failure {
    return FAILURES[this.replyCode] ?? Failure.Malformed;
  }

  /** Closes the connection, not only the channel. */
  get hard(): boolean {
    return !SOFT_CODES.includes(this.replyCode);
  }
}

/** The rest are of bytes, or frames, that may not come. */
const FAILURES: Partial<Record<ReplyCode, Failure>> = {
  [ReplyCode.ConnectionForced]: Failure.Refused,
  [ReplyCode.AccessRefused]: Failure.Refused,
  [ReplyCode.NotAllowed]: Failure.Refused,
  [ReplyCode.NotImplemented]: Failure.Unsupported,
  [ReplyCode.InternalError]: Failure.Refused,
};

const REPLY_CODES = {
  'not-found': ReplyCode.NotFound,
  'already-exists': ReplyCode.PreconditionFailed,
  inequivalent: ReplyCode.PreconditionFailed,
  'in-use': ReplyCode.PreconditionFailed,
  'not-empty': ReplyCode.PreconditionFailed,
  locked: ReplyCode.ResourceLocked,
  'access-refused': ReplyCode.AccessRefused,
  'invalid-argument': ReplyCode.PreconditionFailed,
  'invalid-name': ReplyCode.PreconditionFailed,
  unsupported: ReplyCode.NotImplemented,
  'too-large': ReplyCode.PreconditionFailed,
  full: ReplyCode.PreconditionFailed,
  'disk-full': ReplyCode.PreconditionFailed,
  'offset-out-of-range': ReplyCode.PreconditionFailed,
  'out-of-order-sequence': ReplyCode.PreconditionFailed,
  'duplicate-sequence': ReplyCode.PreconditionFailed,
  'stale-producer-epoch': ReplyCode.PreconditionFailed,
  'limit-exceeded': ReplyCode.NotAllowed,
  'timed-out': ReplyCode.InternalError,
  closed: ReplyCode.InternalError,
  unreadable: ReplyCode.InternalError,
} as const satisfies Record<BrokerErrorCode, ReplyCode>;

/** The AmqpError that answers `error`; rethrows what is neither a refusal nor bad bytes. */
export function amqpErrorOf(error: unknown): AmqpError {
  if (error instanceof AmqpError) return error;
  if (error instanceof BrokerError) return new AmqpError(REPLY_CODES[error.code], error.message);
  if (error instanceof ProtocolError) {
    return new AmqpError(error.wireCode as ReplyCode, error.message);
  }
  throw error;
}

export function notFound(text: string): AmqpError {
  return new AmqpError(ReplyCode.NotFound, text);
}

export function preconditionFailed(text: string): AmqpError {
  return new AmqpError(ReplyCode.PreconditionFailed, text);
}

export function accessRefused(text: string): AmqpError {
  return new AmqpError(ReplyCode.AccessRefused, text);
}

export function notImplemented(text: string): AmqpError {
  return new AmqpError(ReplyCode.NotImplemented, text);
}

/** How RabbitMQ names a thing in a text. */
export function thing(kind: 'queue' | 'exchange', name: string, vhost: string): string {
  return `${kind} '${name}' in vhost '${vhost}'`;
}

/** Bytes as RabbitMQ prints the beginning of a bad frame. */
export function snippet(bytes: Uint8Array, start: number, end: number): string {
  const all = end - start <= 16;
  const shown = bytes.subarray(start, all ? end : start + 16);
  return `${all ? 'all' : 'first 16'} octets = <<${[...shown].join(',')}>>`;
}
