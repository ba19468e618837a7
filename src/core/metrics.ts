/**
 * Metrics: plain counters that hot paths add to, read by whoever shows them. They only rise while
 * the process lives; gauges (queue lengths, connections now) are read from the objects themselves.
 */

/** What happened through one protocol. */
export class ProtocolMetrics {
  readonly protocol: string;
  connectionsOpened = 0;
  connectionsClosed = 0;
  /** Connections ended because of bad bytes, failed logins, missed heartbeats. */
  connectionsFailed = 0;
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
  /** Requests answered with an error. */
  errors = 0;

  constructor(protocol: string) {
    this.protocol = protocol;
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
