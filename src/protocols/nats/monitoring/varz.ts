/** /varz: what the server is and what went through it. */
import type { PageHost } from '#protocols/contract.ts';
import type { NatsNode } from '../node.ts';
import {
  AUTH_MS_MAX,
  CONTROL_LINE_BYTES_MAX,
  PING_INTERVAL_MS,
  PINGS_OUT_MAX,
  WRITE_MS_MAX,
} from '../constants.ts';
import { COMPATIBLE_VERSION, GO_VERSION, PROTOCOL_VERSION } from '../info.ts';
import { checkQuery } from './query.ts';
import { timeText, uptimeText } from './times.ts';

const NS_PER_MS = 1_000_000;

export function varz(node: NatsNode, given: ReadonlyMap<string, string>, host: PageHost): object {
  checkQuery(given, []);
  const { broker, totals } = node;
  const { limits } = broker;
  const nowMs = broker.ports.clock.now();
  let outMessages = totals.outMessages;
  let outBytes = totals.outBytes;
  for (const connection of node.connections.values()) {
    outMessages += connection.outMessages;
    outBytes += connection.outBytes;
  }
  return {
    server_id: node.serverId,
    server_name: node.serverName,
    version: COMPATIBLE_VERSION,
    proto: PROTOCOL_VERSION,
    go: GO_VERSION,
    host: node.address.host,
    port: node.address.port,
    ...(broker.auth.anonymous(true) === null ? { auth_required: true } : {}),
    max_connections: limits.connectionsMax,
    max_subscriptions: limits.subscriptionsMax,
    ping_interval: PING_INTERVAL_MS * NS_PER_MS,
    ping_max: PINGS_OUT_MAX,
    ...(host.tls
      ? { http_host: '', http_port: 0, https_port: host.port }
      : { http_host: host.host, http_port: host.port, https_port: 0 }),
    http_base_path: '',
    auth_timeout: AUTH_MS_MAX / 1000,
    max_control_line: CONTROL_LINE_BYTES_MAX,
    max_payload: limits.payloadBytesMax,
    max_pending: limits.pendingBytesMax,
    websocket: { host: host.host, port: host.port, no_tls: !host.tls },
    tls_timeout: host.handshakeMsMax / 1000,
    write_deadline: WRITE_MS_MAX * NS_PER_MS,
    start: timeText(node.startedMs),
    now: timeText(nowMs),
    uptime: uptimeText(nowMs - node.startedMs),
    mem: broker.processBytes(),
    cores: host.cores,
    cpu: Math.round(host.cpuPercent()),
    connections: node.connections.size,
    total_connections: totals.connections,
    routes: 0,
    remotes: 0,
    leafnodes: 0,
    in_msgs: totals.inMessages,
    out_msgs: outMessages,
    in_bytes: totals.inBytes,
    out_bytes: outBytes,
    slow_consumers: totals.slowConsumers,
    stale_connections: totals.staleConnections,
    stalled_clients: totals.stalls,
    subscriptions: node.subscriptionCount,
    http_req_stats: Object.fromEntries(node.pageRequests),
    config_load_time: timeText(node.startedMs),
    slow_consumer_stats: { clients: totals.slowConsumers, routes: 0, gateways: 0, leafs: 0 },
    stale_connection_stats: { clients: totals.staleConnections, routes: 0, gateways: 0, leafs: 0 },
  };
}
