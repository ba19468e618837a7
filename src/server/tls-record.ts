/** What a TLS connection begins with. Apart from tls.ts, which is loaded only where TLS is set up. */

/** What a handshake may take. */
export const HANDSHAKE_MS_MAX = 10_000;

/** Type of the first record of a handshake. */
export const TLS_HANDSHAKE = 0x16;
