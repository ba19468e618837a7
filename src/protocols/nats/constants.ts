/** What nats-server has by default (server/const.go), where it is no limit of the configuration. */
export const CONTROL_LINE_BYTES_MAX = 4096;
/** For the CONNECT of a client that must say who it is. */
export const AUTH_MS_MAX = 2_000;
/** More of it where the client may first agree on TLS. */
export const TLS_MS_MAX = 2_000;
export const PING_INTERVAL_MS = 120_000;
export const PINGS_OUT_MAX = 2;
/** How long a client may take nothing of what waits for it. */
export const WRITE_MS_MAX = 10_000;
