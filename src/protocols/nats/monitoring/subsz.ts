/** /subsz, or /subscriptionsz: subscriptions of all connections. */
import type { NatsNode } from '../node.ts';
import { isLiteralSubject, subjectMatches } from '../subject.ts';
import type { Subscription } from '../subscription.ts';
import { BadQuery, Query } from './query.ts';
import { timeText } from './times.ts';

const OPTIONS = ['subs', 'offset', 'limit', 'test'];

export interface SubscriptionDetail {
  readonly subject: string;
  readonly qgroup?: string;
  readonly sid: string;
  readonly msgs: number;
  readonly max?: number;
  readonly cid: number;
}

export function subscriptionDetail(it: Subscription): SubscriptionDetail {
  return {
    subject: it.subject,
    ...(it.queue === null ? {} : { qgroup: it.queue }),
    sid: it.sid,
    msgs: it.delivered,
    ...(it.max > 0 ? { max: it.max } : {}),
    cid: it.connection.id,
  };
}

export function subsz(node: NatsNode, given: ReadonlyMap<string, string>): object {
  const query = new Query(given, OPTIONS);
  const { offset, limit } = query.page();
  const test = query.text('test');
  if (test !== '' && !isLiteralSubject(test)) {
    throw new BadQuery(`invalid test subject, must be valid publish subject: ${test}`);
  }
  const found: SubscriptionDetail[] = [];
  const shows = query.flag('subs');
  if (shows) {
    for (const { subscriptions } of node.connections.values()) {
      for (const it of subscriptions.values()) {
        if (test === '' || subjectMatches(it.subject, test)) found.push(subscriptionDetail(it));
      }
    }
  }
  return {
    server_id: node.serverId,
    now: timeText(node.broker.ports.clock.now()),
    num_subscriptions: node.subscriptionCount,
    num_inserts: node.totals.subscribed,
    num_removes: node.totals.subscribed - node.subscriptionCount,
    ...cacheFigures(node),
    total: found.length,
    offset,
    limit,
    ...(shows ? { subscriptions_list: found.slice(offset, offset + limit) } : {}),
  };
}

/** Of the routes that are remembered. A publish to the same subject as the one before asks for none, as
 * in nats-server. */
function cacheFigures({ routes }: NatsNode): object {
  const fanouts = routes.known().map(({ route }) => route!.targets.length);
  const total = fanouts.reduce((sum, it) => sum + it, 0);
  const { lookups, misses } = routes;
  return {
    num_cache: fanouts.length,
    num_matches: lookups,
    cache_hit_rate: lookups === 0 ? 0 : (lookups - misses) / lookups,
    max_fanout: fanouts.reduce((most, it) => Math.max(most, it), 0),
    avg_fanout: fanouts.length === 0 ? 0 : total / fanouts.length,
  };
}
