/**
 * OwnAnswers: what the server itself answers to a request: that nobody is there to answer it, and, to
 * `$SYS.REQ.USER.INFO`, who the client is and what it may do. They go to the requester's own
 * subscription for replies, as the requester is the one who waits for them.
 */
import type { NatsConnection } from './connection.ts';
import { COMPATIBLE_VERSION } from './info.ts';
import { hasWords } from './subject.ts';
import { TOPIC_EXCHANGE } from './subjects.ts';
import { Subscription } from './subscription.ts';

export const USER_INFO_SUBJECT = '$SYS.REQ.USER.INFO';
const NS_PER_MS = 1_000_000;

/** Not counted as a message of the subscription, as in nats-server. */
export function answerNoResponders(
  connection: NatsConnection,
  reply: string,
  subject: string,
): void {
  const subscription = subscriptionFor(connection, reply);
  if (subscription === null) return;
  const headers = `NATS/1.0 503\r\nNats-Subject: ${subject}\r\n\r\n`;
  const size = Buffer.byteLength(headers);
  connection.write(`HMSG ${reply} ${subscription.sid} ${size} ${size}\r\n${headers}\r\n`);
}

export function answerUserInfo(connection: NatsConnection, reply: string): void {
  const subscription = subscriptionFor(connection, reply);
  if (subscription === null) return;
  const body = JSON.stringify({ server: serverInfo(connection), data: userInfo(connection) });
  const size = Buffer.byteLength(body);
  connection.write(`MSG ${reply} ${subscription.sid} ${size}\r\n${body}\r\n`);
  subscription.counted();
}

function subscriptionFor(connection: NatsConnection, reply: string): Subscription | null {
  if (!hasWords(reply)) return null;
  const targets = connection.node.namespace.resolve(TOPIC_EXCHANGE, reply)?.targets ?? [];
  for (const target of targets) {
    if (target instanceof Subscription && target.connection === connection) return target;
  }
  return null;
}

function serverInfo({ node }: NatsConnection): object {
  return {
    name: node.serverName,
    host: node.address.host,
    id: node.serverId,
    ver: COMPATIBLE_VERSION,
    jetstream: false,
    flags: 0,
    seq: ++node.totals.systemAnswers,
    time: new Date(node.broker.ports.clock.now()).toISOString(),
  };
}

function userInfo({ access, user }: NatsConnection): object {
  const { subjects } = access.identity;
  const info = { user, account: '$G', account_name: '$G' };
  if (subjects === null) return info;
  const { publish, subscribe, allowResponses } = subjects;
  const responses = { max: 1, ttl: access.replyMs * NS_PER_MS };
  return {
    ...info,
    permissions: {
      publish: rules(publish),
      subscribe: rules(subscribe),
      ...(allowResponses ? { responses } : {}),
    },
  };
}

/** Lists that are empty are left out. */
function rules({ allow, deny }: { allow: readonly string[] | null; deny: readonly string[] }) {
  return {
    ...(allow === null ? {} : { allow }),
    ...(deny.length === 0 ? {} : { deny }),
  };
}
