/** What a TLS connection begins with. Apart from tls.ts, which is loaded only where TLS is set up. */

/** Type of the first record of a handshake. */
export const TLS_HANDSHAKE = 0x16;
