/**
 * Metrics: plain counters that hot paths add to, read by whoever shows them. They only rise while
 * the process lives; gauges (queue lengths, connections now) are read from the objects themselves.
 */

/** Why a connection was ended although its client did not want that. */
export const Failure = {
  /** Bytes that are not the protocol's, or not in that order. */
  Malformed: 'malformed',
  /** More than a limit allows: of a line, a frame, a request, a payload. */
  TooLarge: 'too-large',
  /** It did not say who it is, or said it wrongly. */
  Unauthenticated: 'unauthenticated',
  /** What is not served: a version, a coding, a mechanism. */
  Unsupported: 'unsupported',
  /** A handshake or a request that did not come to its end in time. */
  TooSlow: 'too-slow',
  /** No heartbeat, no answer to pings. */
  Silent: 'silent',
  /** It does not read what it subscribed to. */
  SlowConsumer: 'slow-consumer',
  /** One more than there may be. */
  TooMany: 'too-many',
  /** An error of the protocol that ends a connection, for any other reason. */
  Refused: 'refused',
} as const;
export type Failure = (typeof Failure)[keyof typeof Failure];

/** What happened through one protocol. */
export class ProtocolMetrics {
  readonly protocol: string;
  connectionsOpened = 0;
  connectionsClosed = 0;
  /** Sum of `failures`; `fail` counts. */
  connectionsFailed = 0;
  /** By reason; every reason is there. */
  readonly failures = new Map<Failure, number>(Object.values(Failure).map((it) => [it, 0]));
  requests = 0;
  published = 0;
  publishedBytes = 0;
  /** Published, but no destination took it. */
  unroutable = 0;
  /** Confirms, produce responses: what publishers were told is safe. */
  confirmed = 0;
  /** Told to publishers as not taken. */
  refused = 0;
  delivered = 0;
  deliveredBytes = 0;
  redelivered = 0;
  acknowledged = 0;
  /** Requests answered with an error: sum of `errorCodes`; `error` counts. */
  errors = 0;
  /** By the protocol's own name or number of the error, of which there is a closed set. */
  readonly errorCodes = new Map<string, number>();

  constructor(protocol: string) {
    this.protocol = protocol;
  }

  /** A connection is ended. */
  fail(reason: Failure): void {
    this.connectionsFailed++;
    this.failures.set(reason, this.failures.get(reason)! + 1);
  }

  /** A request is answered with an error. */
  error(code: string): void {
    this.errors++;
    this.errorCodes.set(code, (this.errorCodes.get(code) ?? 0) + 1);
  }
}

export class Metrics {
  readonly protocols = new Map<string, ProtocolMetrics>();
  /** Messages that queues dropped, by reason. */
  expired = 0;
  overflowed = 0;
  deadLettered = 0;
  /** Messages that entered a queue or topic and went on to what is bound to it, and those of them
   * that were refused. */
  fed = 0;
  feedRefused = 0;
  /** Delayed messages that found no queue when their time came, and those that one refused. */
  delayedUnrouted = 0;
  delayedRefused = 0;
  /** Records that could not be read although their batch is whole: a producer's own fault. */
  malformedRecords = 0;

  /** The counters of one protocol; the same object every time. */
  protocol(name: string): ProtocolMetrics {
    let found = this.protocols.get(name);
    if (!found) this.protocols.set(name, (found = new ProtocolMetrics(name)));
    return found;
  }
}
