/**
 * Access: what one connection may publish and subscribe to, as nats-server decides it.
 *
 * Publish: allowed when some `allow` pattern matches (or there is none) and no `deny` pattern does.
 * Subscribe: the same with the subject subscribed to, wildcards and all; an entry `subject queue`
 * is about that queue group. A wildcard wider than a denied subject may be subscribed to; the denied
 * messages are then left out of what it gets. Responses: who may answer may publish once, within two
 * minutes, to the reply subject of a message it was given; without publish rules it may then publish
 * nothing else.
 *
 * Users without subject rules are asked for the topic exchange as a whole.
 */
import { Permission, type Identity, type SubjectRules } from '#core/authenticator.ts';
import { textOf } from './arguments.ts';
import { hasWildcards, subjectMatches, subjectsOverlap } from './subject.ts';
import { TOPIC_EXCHANGE } from './subjects.ts';

/** Decisions remembered; then all are forgotten. */
const REMEMBERED_MAX = 1024;
const REPLIES_MAX = 1024;
const REPLY_MS = 2 * 60_000;

interface Rule {
  readonly subject: string;
  /** Null: of every subscription, also without a queue group. */
  readonly queue: string | null;
}

export class Access {
  readonly identity: Identity;
  readonly tracksReplies: boolean;
  /** How long an answer may take. */
  readonly replyMs = REPLY_MS;
  readonly #publishAllow: readonly Rule[] | null;
  readonly #publishDeny: readonly Rule[];
  readonly #subscribeAllow: readonly Rule[] | null;
  readonly #subscribeDeny: readonly Rule[];
  readonly #now: () => number;
  readonly #mayPublish = new Map<string, boolean>();
  readonly #denies = new Map<string, boolean>();
  /** Until when each may be answered. */
  readonly #replies = new Map<string, number>();

  constructor(identity: Identity, namespace: string, now: () => number) {
    this.identity = identity;
    this.#now = now;
    const { subjects } = identity;
    if (subjects === null) {
      const may = (permission: Permission): readonly Rule[] | null =>
        identity.may(permission, namespace, TOPIC_EXCHANGE) ? null : [];
      this.#publishAllow = may(Permission.Write);
      this.#subscribeAllow = may(Permission.Read);
      this.#publishDeny = this.#subscribeDeny = [];
      this.tracksReplies = false;
      return;
    }
    const { publish, subscribe, allowResponses } = subjects;
    const onlyReplies = allowResponses && publish.allow === null && publish.deny.length === 0;
    this.#publishAllow = onlyReplies ? [] : allowed(publish);
    this.#publishDeny = publish.deny.map(ruleOf);
    this.#subscribeAllow = allowed(subscribe);
    this.#subscribeDeny = subscribe.deny.map(ruleOf);
    this.tracksReplies = allowResponses;
  }

  /** Nothing has to be asked for a publish. */
  get publishesAll(): boolean {
    return this.#publishAllow === null && this.#publishDeny.length === 0;
  }

  mayPublish(subject: string): boolean {
    let may = this.#mayPublish.get(subject);
    if (may === undefined) {
      may =
        matchesAny(this.#publishAllow, subject, true) &&
        !matchesAny(this.#publishDeny, subject, false);
      remember(this.#mayPublish, subject, may);
    }
    return may || (this.tracksReplies && this.#mayAnswer(subject));
  }

  maySubscribe(subject: string, queue: string | null): boolean {
    const allow = this.#subscribeAllow;
    return (
      (allow === null || decides(allow, subject, queue, true)) &&
      !decides(this.#subscribeDeny, subject, queue, false)
    );
  }

  /** True when a subscription that is allowed could match what is denied. */
  filtersDelivery(subject: string, queue: string | null): boolean {
    if (queue === null && !hasWildcards(subject)) return false;
    return this.#subscribeDeny.some((rule) => subjectsOverlap(rule.subject, subject));
  }

  deniesDelivery(subject: string, queue: string | null): boolean {
    const key = queue === null ? subject : `${subject} ${queue}`;
    let denied = this.#denies.get(key);
    if (denied === undefined) {
      denied = decides(this.#subscribeDeny, subject, queue, false);
      remember(this.#denies, key, denied);
    }
    return denied;
  }

  /** A message with this reply subject is being delivered. */
  expectReply(bytes: Uint8Array, start: number, end: number): void {
    const nowMs = this.#now();
    if (this.#replies.size >= REPLIES_MAX) {
      for (const [reply, untilMs] of this.#replies) {
        if (untilMs < nowMs) this.#replies.delete(reply);
        else break;
      }
      // Then the oldest: it is not worth more memory.
      const [oldest] = this.#replies.keys();
      if (this.#replies.size >= REPLIES_MAX) this.#replies.delete(oldest!);
    }
    const reply = textOf(bytes, start, end);
    this.#replies.delete(reply);
    this.#replies.set(reply, nowMs + REPLY_MS);
  }

  #mayAnswer(subject: string): boolean {
    const untilMs = this.#replies.get(subject);
    if (untilMs === undefined) return false;
    this.#replies.delete(subject);
    return this.#now() <= untilMs;
  }
}

function allowed(rules: SubjectRules): Rule[] | null {
  return rules.allow === null ? null : rules.allow.map(ruleOf);
}

function ruleOf(entry: string): Rule {
  const [subject, queue] = entry.trim().split(/\s+/);
  return { subject: subject!, queue: queue ?? null };
}

function matchesAny(rules: readonly Rule[] | null, subject: string, ofNone: boolean): boolean {
  return rules === null ? ofNone : rules.some((rule) => subjectMatches(rule.subject, subject));
}

/**
 * What rules say about a subscription. Those of its queue group, where there are any for the
 * subject, decide over those of the subject alone in an allow list, and beside them in a deny list.
 */
function decides(
  rules: readonly Rule[],
  subject: string,
  queue: string | null,
  allowing: boolean,
): boolean {
  let plain = false;
  let hasQueues = false;
  let ofQueue = false;
  for (const rule of rules) {
    if (!subjectMatches(rule.subject, subject)) continue;
    if (rule.queue === null) plain = true;
    else {
      hasQueues = true;
      ofQueue ||= queue !== null && subjectMatches(rule.queue, queue);
    }
  }
  if (queue === null || !hasQueues) return plain;
  return allowing ? ofQueue : plain || ofQueue;
}

function remember(decisions: Map<string, boolean>, key: string, decision: boolean): void {
  if (decisions.size >= REMEMBERED_MAX) decisions.clear();
  decisions.set(key, decision);
}
