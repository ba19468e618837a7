/** Totals: what happened at one port since the start, read by /metrics. */
export interface Totals {
  /** The refused are not among them, whom plain text or a failed handshake ended are. */
  accepted: number;
  refused: number;
  secured: number;
  handshakesFailed: number;
  plainTextRefused: number;
  /** Reset by the peer, or found dead. */
  broken: number;
  /** Of WebSockets, and of ports that answer HTTP with Node's own; protocols count theirs themselves. */
  malformed: number;
  late: number;
}

export function newTotals(): Totals {
  return {
    accepted: 0,
    refused: 0,
    secured: 0,
    handshakesFailed: 0,
    plainTextRefused: 0,
    broken: 0,
    malformed: 0,
    late: 0,
  };
}
