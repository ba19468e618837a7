/**
 * GroupCoordinator: all consumer groups of a namespace, their members (group.ts) and the offsets
 * that they committed.
 *
 * Offsets and group states live in memory and in one journal for all namespaces; an answer that promises that
 * something is kept waits for the commit, in order. Offsets of a group without members expire after
 * the retention (KIP-211), counted from when the group became empty or, when no member ever joined,
 * from the commit itself; a group with neither members nor offsets is forgotten.
 */
import { Group, type GroupHost, GroupState } from './group.ts';
import type { GroupErrorCode, JoinReply, JoinRequest } from './group-member.ts';
import type { SyncReply, SyncRequest } from './group-member.ts';
import { refusedJoin, refusedSync } from './group-member.ts';
import { type CommittedOffset, decodeGroup, decodeOffset } from './group-records.ts';
import { encodeGroup, encodeOffset, groupKey, offsetKey, parseKey } from './group-records.ts';
import { KeyedJournal } from '../keyed-journal.ts';
import type { Commit, CommitWaiter, Log } from '../log.ts';
import { DEFAULT_NAMESPACE } from '../names.ts';
import type { Ports } from '../ports.ts';
import type { Schedule, Timer } from '../schedule.ts';

export interface GroupLimits {
  /** Bounds of the session timeout that a member may ask for. */
  sessionTimeoutMsMin: number;
  sessionTimeoutMsMax: number;
  /** How long the first members of an empty group wait for others. */
  initialDelayMs: number;
  offsetsRetentionMs: number;
  offsetsCheckMs: number;
  /** Characters of the text that a consumer may commit with an offset. */
  metadataCharsMax: number;
}

/** Kafka's defaults, but for the initial delay, which is that of Kafka's own quick start. */
const DEFAULT_GROUP_LIMITS: GroupLimits = {
  sessionTimeoutMsMin: 6_000,
  sessionTimeoutMsMax: 1_800_000,
  initialDelayMs: 0,
  offsetsRetentionMs: 7 * 24 * 3_600_000,
  offsetsCheckMs: 600_000,
  metadataCharsMax: 4_096,
};

export interface GroupServices {
  readonly commit: Commit;
  readonly schedule: Schedule;
  readonly ports: Ports;
  readonly limits?: Partial<GroupLimits>;
}

export interface OffsetToCommit {
  topic: string;
  partition: number;
  offset: number;
  leaderEpoch: number;
  metadata: string;
}

export interface Committer {
  memberId: string;
  instanceId: string | null;
  generation: number;
  /** Asked for by old clients; null = the broker's retention. */
  retentionMs: number | null;
}

/** A member id is sent back as a string of at most 32 KB; what a client calls itself may fill one. */
const MEMBER_PREFIX_CHARS_MAX = 255;

type Offsets = Map<string, Map<number, CommittedOffset>>;

interface Waiting {
  generation: number;
  run: () => void;
}

export class GroupCoordinator implements GroupHost, CommitWaiter {
  readonly groups = new Map<string, Group>();
  readonly limits: GroupLimits;
  /** group → topic → partition → offset. */
  readonly #offsets = new Map<string, Offsets>();
  readonly #namespace: string;
  /** All that share the journal, by namespace. */
  readonly #siblings: Map<string, GroupCoordinator>;
  readonly #journal: KeyedJournal;
  readonly #services: GroupServices;
  /** In order of their generations. */
  #waiting: Waiting[] = [];
  #waitedGeneration = -1;

  private constructor(
    namespace: string,
    siblings: Map<string, GroupCoordinator>,
    journal: KeyedJournal,
    services: GroupServices,
  ) {
    this.#namespace = namespace;
    this.#siblings = siblings.set(namespace, this);
    this.#journal = journal;
    this.#services = services;
    this.limits = { ...DEFAULT_GROUP_LIMITS, ...services.limits };
    this.#restore();
    this.#scheduleExpiry();
  }

  /** That of the default namespace. */
  static async open(log: Log, services: GroupServices): Promise<GroupCoordinator> {
    const journal = await KeyedJournal.open(log, services.commit, services.ports.clock);
    return new GroupCoordinator(DEFAULT_NAMESPACE, new Map(), journal, services);
  }

  /** That of another namespace, the same object every time. */
  of(namespace: string): GroupCoordinator {
    return (
      this.#siblings.get(namespace) ??
      new GroupCoordinator(namespace, this.#siblings, this.#journal, this.#services)
    );
  }

  #restore(): void {
    for (const [keyText, value] of this.#journal.values) {
      const key = parseKey(keyText);
      if (key.namespace !== this.#namespace) continue;
      if (key.kind === 'group') {
        this.groups.set(key.groupId, decodeGroup(key.groupId, value, this));
      } else {
        this.#remember(key.groupId, key.topic, key.partition, decodeOffset(value));
      }
    }
    // Offsets that were committed without a group ever having members.
    for (const groupId of this.#offsets.keys()) this.#groupOrNew(groupId);
  }

  // --- what a group needs (GroupHost) ---------------------------------------------------------

  get initialDelayMs(): number {
    return this.limits.initialDelayMs;
  }

  nowMs(): number {
    return this.#services.ports.clock.now();
  }

  at(timeMs: number, task: () => void): Timer {
    return this.#services.schedule.at(timeMs, task);
  }

  cancel(timer: Timer): void {
    this.#services.schedule.cancel(timer);
  }

  newMemberId(prefix: string): string {
    const hex = Buffer.from(this.#services.ports.random.bytes(16)).toString('hex');
    const parts = [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20)];
    const start = prefix.slice(0, MEMBER_PREFIX_CHARS_MAX).toWellFormed();
    return `${start}-${parts.join('-')}-${hex.slice(20)}`;
  }

  persist(group: Group, assignments: ReadonlyMap<string, Uint8Array>, then: () => void): void {
    this.#journal.set(groupKey(this.#namespace, group.id), encodeGroup(group, assignments));
    this.#whenCommitted(then);
  }

  #whenCommitted(run: () => void): void {
    const { commit } = this.#services;
    const { generation } = commit;
    this.#waiting.push({ generation, run });
    if (this.#waitedGeneration === generation) return;
    this.#waitedGeneration = generation;
    commit.wait(this);
  }

  committed(generation: number): void {
    let count = 0;
    while (count < this.#waiting.length && this.#waiting[count]!.generation <= generation) count++;
    for (const waiting of this.#waiting.splice(0, count)) waiting.run();
  }

  // --- membership -----------------------------------------------------------------------------

  join(request: JoinRequest, reply: JoinReply): void {
    const { sessionTimeoutMs, groupId, memberId } = request;
    const { sessionTimeoutMsMin, sessionTimeoutMsMax } = this.limits;
    if (groupId === '') {
      reply(refusedJoin('invalid-group-id', memberId));
    } else if (sessionTimeoutMs < sessionTimeoutMsMin || sessionTimeoutMs > sessionTimeoutMsMax) {
      reply(refusedJoin('invalid-session-timeout', memberId));
    } else if (memberId !== '' && !this.groups.has(groupId)) {
      reply(refusedJoin('unknown-member', memberId));
    } else {
      const group = this.#groupOrNew(groupId);
      group.join(request, reply);
      if (group.isUnused && !this.#offsets.has(groupId)) this.groups.delete(groupId);
    }
  }

  sync(request: SyncRequest, reply: SyncReply): void {
    const group = this.groups.get(request.groupId);
    if (group === undefined) reply(refusedSync('unknown-member'));
    else group.sync(request, reply);
  }

  heartbeat(
    groupId: string,
    memberId: string,
    instanceId: string | null,
    generation: number,
  ): GroupErrorCode | null {
    const group = this.groups.get(groupId);
    return group === undefined
      ? 'unknown-member'
      : group.heartbeat(memberId, instanceId, generation);
  }

  /** The member cannot have said so, but it is there: time was moved, and its connection stands. */
  heardOf(groupId: string, memberId: string): void {
    const group = this.groups.get(groupId);
    const member = group?.members.get(memberId);
    if (member) group?.heartbeat(memberId, member.instanceId, group.generation);
  }

  leave(groupId: string, memberId: string, instanceId: string | null): GroupErrorCode | null {
    const group = this.groups.get(groupId);
    return group === undefined ? 'unknown-member' : group.leave(memberId, instanceId);
  }

  /** The connection on which `memberId` waited to join is gone. */
  abandon(groupId: string, waiting: JoinReply): void {
    const group = this.groups.get(groupId);
    if (group === undefined) return;
    for (const member of group.members.values()) {
      if (member.joined === waiting) group.abandon(member);
    }
  }

  #groupOrNew(groupId: string): Group {
    let group = this.groups.get(groupId);
    if (group === undefined) this.groups.set(groupId, (group = new Group(groupId, this)));
    return group;
  }

  // --- offsets --------------------------------------------------------------------------------

  /** Null, or why this member may not commit now. */
  commitError(groupId: string, committer: Committer): GroupErrorCode | null {
    const { memberId, instanceId, generation } = committer;
    const group = this.groups.get(groupId);
    if (group === undefined) return generation < 0 ? null : 'stale-generation';
    return group.commitError(memberId, instanceId, generation);
  }

  /** Remembers the offsets; `then` runs when they are safe. The caller has asked commitError. */
  commitOffsets(
    groupId: string,
    offsets: readonly OffsetToCommit[],
    retentionMs: number | null,
    then: () => void,
  ): void {
    this.#groupOrNew(groupId);
    const nowMs = this.nowMs();
    for (const { topic, partition, offset, leaderEpoch, metadata } of offsets) {
      const committed: CommittedOffset = {
        offset,
        leaderEpoch,
        metadata,
        committedAtMs: nowMs,
        expiresAtMs: retentionMs === null ? null : nowMs + retentionMs,
      };
      this.#remember(groupId, topic, partition, committed);
      this.#journal.set(
        offsetKey(this.#namespace, groupId, topic, partition),
        encodeOffset(committed),
      );
    }
    this.#whenCommitted(then);
  }

  #remember(groupId: string, topic: string, partition: number, committed: CommittedOffset): void {
    let topics = this.#offsets.get(groupId);
    if (topics === undefined) this.#offsets.set(groupId, (topics = new Map()));
    let partitions = topics.get(topic);
    if (partitions === undefined) topics.set(topic, (partitions = new Map()));
    partitions.set(partition, committed);
  }

  offset(groupId: string, topic: string, partition: number): CommittedOffset | null {
    return this.#offsets.get(groupId)?.get(topic)?.get(partition) ?? null;
  }

  /** topic → partition → offset, as it is now. */
  offsets(groupId: string): ReadonlyMap<string, ReadonlyMap<number, CommittedOffset>> {
    return this.#offsets.get(groupId) ?? new Map();
  }

  /** False when there was none. */
  deleteOffset(groupId: string, topic: string, partition: number): boolean {
    const topics = this.#offsets.get(groupId);
    const partitions = topics?.get(topic);
    if (topics === undefined || partitions === undefined) return false;
    if (!partitions.delete(partition)) return false;
    this.#journal.delete(offsetKey(this.#namespace, groupId, topic, partition));
    if (partitions.size === 0) topics.delete(topic);
    if (topics.size === 0) this.#offsets.delete(groupId);
    return true;
  }

  /** Runs `then` when all that was changed until now is safe. */
  afterCommit(then: () => void): void {
    this.#whenCommitted(then);
  }

  /** A topic is gone, and with it what anybody had read of it. */
  topicDeleted(topic: string): void {
    for (const [groupId, topics] of this.#offsets) {
      for (const partition of topics.get(topic)?.keys() ?? []) {
        this.deleteOffset(groupId, topic, partition);
      }
    }
  }

  // --- groups ---------------------------------------------------------------------------------

  deleteGroup(groupId: string): GroupErrorCode | null {
    const group = this.groups.get(groupId);
    if (group === undefined) return 'group-not-found';
    group.dropOverdue();
    if (group.state !== GroupState.Empty) return 'not-empty';
    this.#forget(group);
    return null;
  }

  #forget(group: Group): void {
    for (const [topic, partitions] of this.#offsets.get(group.id) ?? []) {
      for (const partition of partitions.keys()) this.deleteOffset(group.id, topic, partition);
    }
    group.die();
    this.groups.delete(group.id);
    this.#journal.delete(groupKey(this.#namespace, group.id));
  }

  #scheduleExpiry(): void {
    this.at(this.nowMs() + this.limits.offsetsCheckMs, () => {
      this.#expire();
      this.#scheduleExpiry();
    });
  }

  #expire(): void {
    const nowMs = this.nowMs();
    for (const group of this.groups.values()) {
      if (group.state !== GroupState.Empty) continue;
      for (const [topic, partitions] of this.#offsets.get(group.id) ?? []) {
        for (const [partition, committed] of partitions) {
          if (this.#expiresAtMs(group, committed) > nowMs) continue;
          this.deleteOffset(group.id, topic, partition);
        }
      }
      if (!this.#offsets.has(group.id) && group.pendingCount === 0) this.#forget(group);
    }
  }

  /** [KIP-211] Counted from when nobody can commit it again. */
  #expiresAtMs(group: Group, committed: CommittedOffset): number {
    if (committed.expiresAtMs !== null) return committed.expiresAtMs;
    const sinceMs =
      group.protocolType === ''
        ? committed.committedAtMs
        : Math.max(group.stateSinceMs, committed.committedAtMs);
    return sinceMs + this.limits.offsetsRetentionMs;
  }
}
