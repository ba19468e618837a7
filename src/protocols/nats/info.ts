/**
 * INFO: what the server says of itself, first of all, again after the first PONG to a client that
 * understands that, and when it is about to end.
 *
 * `version` is that of the nats-server whose client protocol this is, because clients decide by it
 * what they may use; `server_name` says who it really is, and `go` that there is none. What does
 * not exist here (JetStream, clusters, nkeys) is not claimed.
 */
import type { NatsConnection } from './connection.ts';

export const COMPATIBLE_VERSION = '2.12.0';
export const PROTOCOL_VERSION = 1;
export const GO_VERSION = 'none';

/** Clients that know `connect_info` know by it that their CONNECT was taken. There is one account. */
export const CONNECTED = { connect_info: true, remote_account: '$G' };
export const LAME_DUCK = { ldm: true };

export function infoLine(connection: NatsConnection, more: object = {}): string {
  const { node, peer } = connection;
  const info = {
    server_id: node.serverId,
    server_name: node.serverName,
    version: COMPATIBLE_VERSION,
    proto: PROTOCOL_VERSION,
    go: GO_VERSION,
    host: node.address.host,
    port: peer.transport === 'websocket' ? peer.localPort : node.address.port,
    headers: true,
    ...(connection.authRequired ? { auth_required: true } : {}),
    ...(peer.tls === 'required' ? { tls_required: true } : {}),
    ...(peer.tls === 'available' ? { tls_available: true } : {}),
    max_payload: connection.payloadBytesMax,
    jetstream: false,
    client_id: connection.id,
    client_ip: peer.remoteAddress,
    ...more,
  };
  return `INFO ${JSON.stringify(info)} \r\n`;
}
