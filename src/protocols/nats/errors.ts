/**
 * Errors in NATS' words: `-ERR '<text>'`. Clients match the texts, so those that nats-server has are
 * its own to the letter (server/errors.go, server/client.go).
 *
 * Some end the connection, as nats-server ends it. A refusal of the core has no text there. Go's
 * client gives a connection up for good when it reads a text that it does not know, but takes what
 * begins with `Permissions Violation` as news about one subject; so that is how refusals begin.
 */
import { BrokerError, type BrokerErrorCode } from '#core/errors.ts';
import { Failure } from '#core/metrics.ts';

export class NatsError extends Error {
  /** The connection cannot go on. */
  readonly fatal: boolean;

  constructor(text: string, fatal: boolean) {
    super(text);
    this.name = 'NatsError';
    this.fatal = fatal;
  }
}

/** The texts that need nothing filled in. */
export const Text = {
  UnknownOperation: 'Unknown Protocol Operation',
  ParserError: 'Parser Error',
  AuthorizationViolation: 'Authorization Violation',
  AuthenticationTimeout: 'Authentication Timeout',
  StaleConnection: 'Stale Connection',
  SlowConsumer: 'Slow Consumer',
  MaxPayload: 'Maximum Payload Violation',
  MaxControlLine: 'maximum control line exceeded',
  MaxSubscriptions: 'maximum subscriptions exceeded',
  InvalidSubject: 'Invalid Subject',
  InvalidPublishSubject: 'Invalid Publish Subject',
  InvalidClientProtocol: 'invalid client protocol',
  HeadersNotSupported: 'message headers not supported',
  TlsRequired: 'Secure Connection - TLS Required',
  TooManyConnections: 'maximum connections exceeded',
  NoRespondersNeedHeaders: 'no responders requires headers support',
} as const;

/** How /connz names the end of a connection that an error ended. */
const CLOSED_REASONS: Readonly<Record<string, string>> = {
  [Text.AuthorizationViolation]: 'Authentication Failure',
  [Text.AuthenticationTimeout]: 'Authentication Timeout',
  [Text.StaleConnection]: 'Stale Connection',
  [Text.SlowConsumer]: 'Slow Consumer (Pending Bytes)',
  [Text.MaxPayload]: 'Maximum Message Payload Exceeded',
  [Text.MaxControlLine]: 'Maximum Control Line Exceeded',
  [Text.InvalidClientProtocol]: 'Bad Client Protocol Version',
  [Text.NoRespondersNeedHeaders]: 'No Responders Requires Headers',
};

/** As which the end of a connection is counted; the rest are of bytes that are no NATS. */
const FAILURES: Readonly<Record<string, Failure>> = {
  [Text.AuthorizationViolation]: Failure.Unauthenticated,
  [Text.AuthenticationTimeout]: Failure.TooSlow,
  [Text.StaleConnection]: Failure.Silent,
  [Text.SlowConsumer]: Failure.SlowConsumer,
  [Text.MaxPayload]: Failure.TooLarge,
  [Text.MaxControlLine]: Failure.TooLarge,
  [Text.InvalidClientProtocol]: Failure.Unsupported,
  [Text.HeadersNotSupported]: Failure.Unsupported,
  [Text.NoRespondersNeedHeaders]: Failure.Unsupported,
  [Text.TlsRequired]: Failure.Unsupported,
};

export function failureOf(text: string): Failure {
  return FAILURES[text] ?? Failure.Malformed;
}

/** A text without what it says of one subject: there is a closed set of them. */
export function errorName(text: string): string {
  return text.startsWith(VIOLATION) ? VIOLATION : text;
}

export function closedReason(text: string): string {
  return CLOSED_REASONS[text] ?? 'Protocol Violation';
}

export function fatal(text: string): NatsError {
  return new NatsError(text, true);
}

const VIOLATION = 'Permissions Violation';

export function publishViolation(subject: string): string {
  return `Permissions Violation for Publish to ${quoted(subject)}`;
}

export function subscriptionViolation(subject: string, queue: string | null): string {
  const text = `Permissions Violation for Subscription to ${quoted(subject)}`;
  return queue === null ? text : `${text} using queue ${quoted(queue)}`;
}

function quoted(subject: string): string {
  return JSON.stringify(subject);
}

/** What a refusal of the core adds to the violation that it is shown as. */
const REASONS = {
  'not-found': 'not found',
  'already-exists': 'already exists',
  inequivalent: 'exists and is different',
  'in-use': 'in use',
  'not-empty': 'not empty',
  locked: 'locked',
  'access-refused': 'access refused',
  'invalid-argument': 'invalid argument',
  'invalid-name': 'invalid name',
  unsupported: 'unsupported',
  'too-large': 'too large',
  full: 'a queue is full',
  'disk-full': 'the disk is full',
  'offset-out-of-range': 'offset out of range',
  'out-of-order-sequence': 'out of order',
  'duplicate-sequence': 'duplicate',
  'stale-producer-epoch': 'stale producer',
  'limit-exceeded': 'limit exceeded',
  'timed-out': 'timed out',
  closed: 'closed',
  unreadable: 'unreadable',
} as const satisfies Record<BrokerErrorCode, string>;

/** A message that a queue or topic did not take. */
export function refusedPublish(subject: string, code: BrokerErrorCode): string {
  return `${publishViolation(subject)}, ${REASONS[code]}`;
}

/** The text that answers a refused subscription; rethrows what is no refusal. */
export function refusedSubscription(subject: string, queue: string | null, error: unknown): string {
  if (!(error instanceof BrokerError)) throw error;
  return `${subscriptionViolation(subject, queue)}, ${REASONS[error.code]}`;
}
