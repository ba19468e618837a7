/** /connz: connections, open or closed. */
import type { NatsConnection } from '../connection.ts';
import type { NatsNode } from '../node.ts';
import { BadQuery, Query } from './query.ts';
import { subscriptionDetail, type SubscriptionDetail } from './subsz.ts';
import { timeText, uptimeText } from './times.ts';

/** Closed connections that are remembered. */
export const CLOSED_MAX = 1000;
const CLOSED_SUBSCRIPTIONS_MAX = 100;
const OPTIONS = ['sort', 'auth', 'subs', 'offset', 'limit', 'cid', 'state', 'user'];
const STATES: Readonly<Record<string, 'open' | 'closed' | 'all'>> = {
  '': 'open',
  open: 'open',
  closed: 'closed',
  any: 'all',
  all: 'all',
};

/** One connection, as it is or as it was when it ended. */
export interface ConnectionFigures {
  readonly id: number;
  readonly ip: string;
  readonly port: number;
  readonly type: string;
  readonly startMs: number;
  readonly lastMs: number;
  /** Null while it is open. */
  readonly stopMs: number | null;
  readonly reason: string | null;
  readonly roundTripMs: number;
  readonly pendingBytes: number;
  readonly inMessages: number;
  readonly outMessages: number;
  readonly inBytes: number;
  readonly outBytes: number;
  readonly stalls: number;
  readonly name: string;
  readonly lang: string;
  readonly version: string;
  readonly user: string;
  readonly subscriptionCount: number;
  /** Made when it is asked for: there may be a million. Of a closed connection that had many: none. */
  subscriptions(): readonly SubscriptionDetail[];
}

export function figuresOf(
  connection: NatsConnection,
  stopMs: number | null = null,
  reason: string | null = null,
): ConnectionFigures {
  const { peer, options, keepalive, subscriptions } = connection;
  const details = (): SubscriptionDetail[] =>
    Array.from(subscriptions.values(), subscriptionDetail);
  return {
    id: connection.id,
    ip: peer.remoteAddress,
    port: peer.remotePort,
    type: peer.transport === 'websocket' ? 'websocket' : 'nats',
    startMs: connection.startedMs,
    lastMs: connection.lastActiveMs,
    stopMs,
    reason,
    roundTripMs: keepalive.roundTripMs,
    pendingBytes: stopMs === null ? connection.sink.pendingBytes : 0,
    inMessages: connection.inMessages,
    outMessages: connection.outMessages,
    inBytes: connection.inBytes,
    outBytes: connection.outBytes,
    stalls: connection.stalls,
    name: options.name,
    lang: options.lang,
    version: options.version,
    user: connection.user,
    subscriptionCount: subscriptions.size,
    subscriptions: stopMs === null ? details : keep(details, subscriptions.size),
  };
}

/** What there was when the connection ended. */
function keep(details: () => SubscriptionDetail[], count: number): () => SubscriptionDetail[] {
  const kept = count <= CLOSED_SUBSCRIPTIONS_MAX ? details() : [];
  return () => kept;
}

type Order = (it: ConnectionFigures) => number | string;

/** Descending, all but the first two. */
const ORDERS: Readonly<Record<string, Order>> = {
  cid: (it) => -it.id,
  start: (it) => -it.id,
  subs: (it) => it.subscriptionCount,
  pending: (it) => it.pendingBytes,
  msgs_to: (it) => it.outMessages,
  msgs_from: (it) => it.inMessages,
  bytes_to: (it) => it.outBytes,
  bytes_from: (it) => it.inBytes,
  last: (it) => it.lastMs,
  idle: (it) => -it.lastMs,
  uptime: (it) => (it.stopMs ?? 0) - it.startMs,
  rtt: (it) => it.roundTripMs,
  stop: (it) => it.stopMs ?? 0,
  reason: (it) => it.reason ?? '',
};

export function connz(node: NatsNode, given: ReadonlyMap<string, string>): object {
  const query = new Query(given, OPTIONS);
  const order = orderOf(query);
  const { offset, limit } = query.page();
  const state = STATES[query.text('state').toLowerCase()];
  if (state === undefined) throw new BadQuery(`Error decoding state for ${query.text('state')}`);
  const nowMs = node.broker.ports.clock.now();
  const showsUser = query.flag('auth');
  const shows = query.text('subs') === 'detail' ? 'detail' : query.flag('subs') && 'list';
  const user = query.text('user');
  const cid = query.integer('cid');

  let found: ConnectionFigures[] = [];
  if (state !== 'closed')
    found.push(...Array.from(node.connections.values(), (it) => figuresOf(it)));
  if (state !== 'open') found.push(...node.closed);
  if (cid > 0) found = found.filter((it) => it.id === cid);
  if (user !== '') found = found.filter((it) => it.user === user);
  found.sort((a, b) => compare(order(b), order(a)) || a.id - b.id);
  const shown = found.slice(offset, offset + limit);
  return {
    server_id: node.serverId,
    now: timeText(nowMs),
    num_connections: shown.length,
    total: found.length,
    offset,
    limit,
    connections: shown.map((it) => ({
      ...connectionInfo(it, nowMs),
      ...(showsUser ? { authorized_user: it.user } : {}),
      ...(shows === false ? {} : subscriptionsInfo(it, shows)),
    })),
  };
}

function subscriptionsInfo(figures: ConnectionFigures, shows: 'list' | 'detail'): object {
  const details = figures.subscriptions();
  if (details.length === 0) return {};
  return shows === 'detail'
    ? { subscriptions_list_detail: details }
    : { subscriptions_list: details.map(({ subject }) => subject) };
}

function orderOf(query: Query): Order {
  const sort = query.text('sort') || 'cid';
  const order = Object.hasOwn(ORDERS, sort) ? ORDERS[sort]! : null;
  if (order === null) throw new BadQuery(`invalid sorting option: ${sort}`);
  const isOfClosed = sort === 'stop' || sort === 'reason';
  if (isOfClosed && query.text('state').toLowerCase() !== 'closed') {
    throw new BadQuery(`sort by ${sort} only valid on closed connections`);
  }
  return order;
}

function compare(a: number | string, b: number | string): number {
  if (a < b) return -1;
  return a > b ? 1 : 0;
}

function connectionInfo(it: ConnectionFigures, nowMs: number): object {
  const untilMs = it.stopMs ?? nowMs;
  return {
    cid: it.id,
    kind: 'Client',
    type: it.type,
    ip: it.ip,
    port: it.port,
    start: timeText(it.startMs),
    last_activity: timeText(it.lastMs),
    ...(it.stopMs === null ? {} : { stop: timeText(it.stopMs), reason: it.reason }),
    ...(it.roundTripMs < 0 ? {} : { rtt: `${it.roundTripMs}ms` }),
    uptime: uptimeText(untilMs - it.startMs),
    idle: uptimeText(untilMs - it.lastMs),
    pending_bytes: it.pendingBytes,
    in_msgs: it.inMessages,
    out_msgs: it.outMessages,
    in_bytes: it.inBytes,
    out_bytes: it.outBytes,
    ...(it.stalls > 0 ? { stalls: it.stalls } : {}),
    subscriptions: it.subscriptionCount,
    ...(it.name === '' ? {} : { name: it.name }),
    ...(it.lang === '' ? {} : { lang: it.lang }),
    ...(it.version === '' ? {} : { version: it.version }),
  };
}
