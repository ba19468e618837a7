/** The states of a connection, in the order it goes through them. */
export const ConnectionState = {
  /** Waits for the protocol header. */
  Header: 0,
  /** connection.start is sent. */
  Starting: 1,
  /** connection.tune is sent. */
  Tuning: 2,
  /** Waits for connection.open. */
  Opening: 3,
  Running: 4,
  /** connection.close is sent; only close-ok matters. */
  Closing: 5,
  Ended: 6,
} as const;
export type ConnectionState = (typeof ConnectionState)[keyof typeof ConnectionState];
