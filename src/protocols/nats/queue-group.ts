/**
 * QueueGroup: all subscriptions with one queue name. Of those that a message matches one gets it,
 * whatever their subjects are: members on `a.*` and `a.b` share a message to `a.b`, as in
 * nats-server. Members take turns; one whose client does not read is passed over while others do.
 *
 * Each subject of the group is bound once. When a message matches several of them, the first one
 * chooses among the members of all, and the others leave it alone.
 */
import { InvariantError } from '#core/errors.ts';
import type { Namespace } from '#core/namespace.ts';
import type { LiveBinding } from '#core/routing/binding.ts';
import type { LiveSubscriber } from '#core/routing/live-subscriber.ts';
import { SubjectTrie } from '#core/routing/subject-trie.ts';
import { Outcome, type Message } from '#core/message/message.ts';
import type { NatsNode } from './node.ts';
import { NATS_SYNTAX, TOPIC_EXCHANGE } from './subjects.ts';
import type { Subscription } from './subscription.ts';

export class QueueGroup {
  readonly name: string;
  readonly node: NatsNode;
  readonly #bySubject = new Map<string, GroupSubject>();
  readonly #trie = new SubjectTrie<GroupSubject>(NATS_SYNTAX);
  #turn = 0;
  /** A message is on its way through the members: their arrays stay as they are. */
  #isChoosing = false;

  constructor(node: NatsNode, name: string) {
    this.node = node;
    this.name = name;
  }

  get isEmpty(): boolean {
    return this.#bySubject.size === 0;
  }

  get hasOneSubject(): boolean {
    return this.#bySubject.size === 1;
  }

  /** Throws BrokerError. */
  add(member: Subscription): void {
    const { subject } = member;
    let known = this.#bySubject.get(subject);
    if (!known) {
      known = new GroupSubject(this);
      known.bind(this.node.namespace, subject);
      this.#bySubject.set(subject, known);
      this.#trie.add(subject, known);
    }
    known.add(member, this.#isChoosing);
  }

  remove(member: Subscription): void {
    const { subject } = member;
    const known = this.#bySubject.get(subject);
    if (!known?.remove(member, this.#isChoosing) || known.members.length > 0) return;
    this.#bySubject.delete(subject);
    this.#trie.remove(subject, known);
    known.unbind(this.node.namespace);
  }

  /** What is bound for the subjects that the message matches, each once. */
  matching(message: Message): GroupSubject[] {
    const { live, foreign } = this.node;
    const subjects = live.describes(message)
      ? [live.target!.routingKey]
      : (foreign.read(message)?.subjects ?? []);
    const found: GroupSubject[] = [];
    for (const subject of subjects) this.#trie.match(subject, found);
    return subjects.length > 1 ? [...new Set(found)] : found;
  }

  choose(subjects: readonly GroupSubject[], message: Message): Outcome {
    const wasChoosing = this.#isChoosing;
    this.#isChoosing = true;
    try {
      const lists = subjects.map((it) => it.members);
      return this.#chooseFrom(lists, message);
    } finally {
      this.#isChoosing = wasChoosing;
    }
  }

  #chooseFrom(lists: readonly (readonly Subscription[])[], message: Message): Outcome {
    let count = 0;
    for (const { length } of lists) count += length;
    const first = count === 1 ? 0 : this.#turn++ % count;
    let passedOver = false;
    for (let i = 0; i < count; i++) {
      const member = memberAt(lists, (first + i) % count);
      if (count > 1 && !member.connection.sink.writable) {
        passedOver = true;
        continue;
      }
      if (member.publish(message) !== Outcome.Unrouted) return Outcome.Routed;
    }
    if (!passedOver) return Outcome.Unrouted;
    // Nobody reads: then it waits for one of them.
    for (let i = 0; i < count; i++) {
      const member = memberAt(lists, (first + i) % count);
      if (member.publish(message) !== Outcome.Unrouted) return Outcome.Routed;
    }
    return Outcome.Unrouted;
  }
}

function memberAt(lists: readonly (readonly Subscription[])[], index: number): Subscription {
  let at = index;
  for (const list of lists) {
    if (at < list.length) return list[at]!;
    at -= list.length;
  }
  throw new InvariantError('no member there');
}

class GroupSubject implements LiveSubscriber {
  readonly live = true;
  readonly name: string;
  members: Subscription[] = [];
  /** Where each member is. */
  readonly #places = new Map<Subscription, number>();
  readonly #group: QueueGroup;
  readonly #alone: readonly GroupSubject[] = [this];
  #binding: LiveBinding | null = null;

  constructor(group: QueueGroup) {
    this.#group = group;
    this.name = `nats-queue-${group.name}`;
  }

  add(member: Subscription, isChoosing: boolean): void {
    if (isChoosing) this.members = [...this.members];
    this.#places.set(member, this.members.length);
    this.members.push(member);
  }

  /** False when it is none. The last one takes its place: thousands may go at once. */
  remove(member: Subscription, isChoosing: boolean): boolean {
    const place = this.#places.get(member);
    if (place === undefined) return false;
    if (isChoosing) this.members = [...this.members];
    this.#places.delete(member);
    const last = this.members.pop()!;
    if (last === member) return true;
    this.members[place] = last;
    this.#places.set(last, place);
    return true;
  }

  bind(namespace: Namespace, subject: string): void {
    this.#binding = namespace.subscribe(TOPIC_EXCHANGE, subject, this, NATS_SYNTAX);
  }

  unbind(namespace: Namespace): void {
    if (this.#binding) namespace.unsubscribe(this.#binding);
  }

  publish(message: Message): Outcome {
    const group = this.#group;
    if (group.hasOneSubject) return group.choose(this.#alone, message);
    const found = group.matching(message);
    return found[0] === this ? group.choose(found, message) : Outcome.Unrouted;
  }
}
