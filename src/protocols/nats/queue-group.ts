/**
 * QueueGroup: all subscriptions with one queue name. Of those that a message matches one gets it,
 * whatever their subjects are: members on `a.*` and `a.b` share a message to `a.b`, as in
 * nats-server. Members take turns; one whose client does not read is passed over while others do.
 */
import type { LiveSubscriber } from '#core/routing/live-subscriber.ts';
import { SubjectTrie } from '#core/routing/subject-trie.ts';
import { Outcome, type Message } from '#core/message/message.ts';
import type { NatsNode } from './node.ts';
import { topicPattern } from './subject.ts';
import type { Subscription } from './subscription.ts';

export class QueueGroup implements LiveSubscriber {
  readonly live = true;
  readonly name: string;
  readonly #node: NatsNode;
  readonly #bySubject = new Map<string, Subscription[]>();
  readonly #trie = new SubjectTrie<Subscription[]>();
  /** The members when all have one subject. */
  #only: readonly Subscription[] = [];
  #turn = 0;

  constructor(node: NatsNode, queue: string) {
    this.#node = node;
    this.name = `nats-queue-${queue}`;
  }

  get isEmpty(): boolean {
    return this.#bySubject.size === 0;
  }

  subjects(): Iterable<string> {
    return this.#bySubject.keys();
  }

  /** True when it is the first member with its subject. */
  add(member: Subscription): boolean {
    const { subject } = member;
    const known = this.#bySubject.get(subject);
    // New arrays: a message may be on its way through the old one.
    const members = known ? [...known, member] : [member];
    this.#put(subject, known, members);
    return !known;
  }

  /** True when it was the last member with its subject. */
  remove(member: Subscription): boolean {
    const { subject } = member;
    const known = this.#bySubject.get(subject);
    if (!known?.includes(member)) return false;
    const members = known.filter((it) => it !== member);
    this.#put(subject, known, members);
    return members.length === 0;
  }

  #put(subject: string, known: Subscription[] | undefined, members: Subscription[]): void {
    const pattern = topicPattern(subject);
    if (known) this.#trie.remove(pattern, known);
    if (members.length > 0) {
      this.#bySubject.set(subject, members);
      this.#trie.add(pattern, members);
    } else this.#bySubject.delete(subject);
    const [first] = this.#bySubject.values();
    this.#only = this.#bySubject.size === 1 ? first! : [];
  }

  publish(message: Message): Outcome {
    const members = this.#bySubject.size === 1 ? this.#only : this.#matching(message);
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

  #matching(message: Message): readonly Subscription[] {
    const { live, foreign } = this.#node;
    const subjects = live.describes(message)
      ? [live.target!.subject]
      : (foreign.read(message)?.subjects ?? []);
    const found: Subscription[][] = [];
    for (const subject of subjects) this.#trie.match(subject, found);
    return found.length === 1 ? found[0]! : [...new Set(found.flat())];
  }
}
