/** Peer: who is at the other end of a socket, as protocols see it. */
import type { Socket } from 'node:net';
import type { Peer } from '#protocols/contract.ts';

/** Null when the peer is gone already. */
export function peerOf(socket: Socket, tls: Peer['tls']): Peer | null {
  const { remoteAddress, remotePort, localAddress, localPort } = socket;
  if (remoteAddress === undefined || remotePort === undefined) return null;
  const remote = plainAddress(remoteAddress);
  return {
    remoteAddress: remote,
    remotePort,
    localAddress: plainAddress(localAddress ?? ''),
    localPort: localPort ?? 0,
    loopback: isLoopback(remote),
    tls,
  };
}

/** Of an address in digits. */
export function isLoopback(address: string): boolean {
  return address === '::1' || address.startsWith('127.');
}

/** An IPv4 peer of an IPv6 socket is an IPv4 peer. */
function plainAddress(address: string): string {
  return address.startsWith('::ffff:') ? address.slice('::ffff:'.length) : address;
}
