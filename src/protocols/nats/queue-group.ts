/**
 * QueueGroup: all subscriptions with one queue name. Of those that a message matches one gets it,
 * whatever their subjects are: members on `a.*` and `a.b` share a message to `a.b`, as in
 * nats-server. Members take turns; one whose client does not read is passed over while others do.
 *
 * Each subject of the group is bound once. When a message matches several of them, the first one
 * chooses among the members of all, and the others leave it alone.
 */
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
    // A new array: a message may be on its way through the old one.
    known.members = [...known.members, member];
  }

  remove(member: Subscription): void {
    const { subject } = member;
    const known = this.#bySubject.get(subject);
    if (!known?.members.includes(member)) return;
    known.members = known.members.filter((it) => it !== member);
    if (known.members.length > 0) return;
    this.#bySubject.delete(subject);
    this.#trie.remove(subject, known);
    known.unbind(this.node.namespace);
  }

  /** What is bound for the subjects that the message matches. */
  matching(message: Message): GroupSubject[] {
    const { live, foreign } = this.node;
    const subjects = live.describes(message)
      ? [live.target!.routingKey]
      : (foreign.read(message)?.subjects ?? []);
    const found: GroupSubject[] = [];
    for (const subject of subjects) this.#trie.match(subject, found);
    return found;
  }

  choose(members: readonly Subscription[], message: Message): Outcome {
    const count = members.length;
    const first = count === 1 ? 0 : this.#turn++ % count;
    let passedOver = false;
    for (let i = 0; i < count; i++) {
      const member = members[(first + i) % count]!;
      if (count > 1 && !member.connection.sink.writable) {
        passedOver = true;
        continue;
      }
      if (member.publish(message) !== Outcome.Unrouted) return Outcome.Routed;
    }
    if (!passedOver) return Outcome.Unrouted;
    // Nobody reads: then it waits for one of them.
    for (let i = 0; i < count; i++) {
      const member = members[(first + i) % count]!;
      if (member.publish(message) !== Outcome.Unrouted) return Outcome.Routed;
    }
    return Outcome.Unrouted;
  }
}

class GroupSubject implements LiveSubscriber {
  readonly live = true;
  readonly name: string;
  members: readonly Subscription[] = [];
  readonly #group: QueueGroup;
  #binding: LiveBinding | null = null;

  constructor(group: QueueGroup) {
    this.#group = group;
    this.name = `nats-queue-${group.name}`;
  }

  bind(namespace: Namespace, subject: string): void {
    this.#binding = namespace.subscribe(TOPIC_EXCHANGE, subject, this, NATS_SYNTAX);
  }

  unbind(namespace: Namespace): void {
    if (this.#binding) namespace.unsubscribe(this.#binding);
  }

  publish(message: Message): Outcome {
    const group = this.#group;
    if (group.hasOneSubject) return group.choose(this.members, message);
    const found = group.matching(message);
    if (found[0] !== this) return Outcome.Unrouted;
    const members = found.length === 1 ? this.members : found.flatMap((it) => it.members);
    return group.choose([...new Set(members)], message);
  }
}
