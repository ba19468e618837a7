/**
 * Group: the classic membership protocol, a state machine over members, generations and a leader.
 *
 *   empty ──join──▶ preparing ──all joined, or timeout──▶ completing ──leader's sync──▶ stable
 *                      ▲                                      │                          │
 *                      └── join with news, leave, expiry ─────┴──────────────────────────┘
 *
 * In `preparing` members are called to join again (their heartbeats say so); who has not by the
 * longest rebalance timeout is dropped, unless it is static. In `completing` the leader divides the
 * work and everybody waits in sync for its share. A member that gives no sign of life for its
 * session timeout is dropped. Replies are calls: they come at once, later, or not at all when the
 * connection is gone.
 *
 * What survives a restart (generation, members, assignments) is persisted when the group becomes
 * stable or empty; nothing else was ever promised to a member.
 */
import type { GroupErrorCode, JoinReply, JoinRequest, JoinResult } from './group-member.ts';
import type { SyncReply, SyncRequest } from './group-member.ts';
import { GroupMember, NO_ASSIGNMENT, refusedJoin, refusedSync } from './group-member.ts';
import { GroupRoster } from './group-roster.ts';
import type { Timer } from '../schedule.ts';

export const GroupState = {
  Empty: 'empty',
  Preparing: 'preparing',
  Completing: 'completing',
  Stable: 'stable',
  Dead: 'dead',
} as const;
export type GroupState = (typeof GroupState)[keyof typeof GroupState];

/** What a group needs of its coordinator. */
export interface GroupHost {
  readonly initialDelayMs: number;
  nowMs(): number;
  at(timeMs: number, task: () => void): Timer;
  cancel(timer: Timer): void;
  newMemberId(prefix: string): string;
  /** Writes the group with these assignments; `then` runs when that is committed. */
  persist(group: Group, assignments: ReadonlyMap<string, Uint8Array>, then: () => void): void;
}

/** A new member cannot send heartbeats; this long it may wait for its first rebalance. */
const NEW_MEMBER_TIMEOUT_MS = 300_000;
/** Of those who were given an id and have not come back with it; past it the oldest is forgotten. */
const PENDING_MAX = 1000;

export class Group {
  readonly id: string;
  state: GroupState = GroupState.Empty;
  generation = 0;
  /** '' until somebody joined: then the group only keeps offsets. */
  protocolType = '';
  protocolName: string | null = null;
  leaderId: string | null = null;
  /** When it came into its state. */
  stateSinceMs: number;
  readonly #roster = new GroupRoster();
  /** Ids handed out to members that have not come back with them. */
  readonly #pending = new Map<string, Timer>();
  /** Members that have not synced in this generation. */
  readonly #unsynced = new Set<string>();
  readonly #host: GroupHost;
  /** Ends the rebalance in `preparing`, drops who does not sync in `completing`. */
  #timer: Timer | null = null;
  #initialDelay = false;

  constructor(id: string, host: GroupHost) {
    this.id = id;
    this.#host = host;
    this.stateSinceMs = host.nowMs();
  }

  get members(): ReadonlyMap<string, GroupMember> {
    return this.#roster.byId;
  }

  get pendingCount(): number {
    return this.#pending.size;
  }

  /** Nobody ever joined, nobody is about to: not worth remembering. */
  get isUnused(): boolean {
    return this.generation === 0 && this.members.size === 0 && this.#pending.size === 0;
  }

  // --- join ---------------------------------------------------------------------------------

  join(request: JoinRequest, reply: JoinReply): void {
    if (!this.#agrees(request)) {
      reply(refusedJoin('inconsistent-protocol', request.memberId));
    } else if (request.memberId !== '') {
      this.#joinKnown(request, reply);
    } else if (request.instanceId === null) {
      this.#joinNew(request, reply);
    } else {
      this.#joinStatic(request, request.instanceId, reply);
    }
  }

  #agrees(request: JoinRequest): boolean {
    if (request.protocolType === '' || request.protocols.length === 0) return false;
    if (this.members.size === 0) return true;
    return request.protocolType === this.protocolType && this.#roster.agreesWith(request.protocols);
  }

  #joinNew(request: JoinRequest, reply: JoinReply): void {
    const id = this.#host.newMemberId(request.clientId);
    if (!request.knownMemberRequired) {
      this.#add(id, request, reply);
      return;
    }
    const [oldest] = this.#pending.keys();
    if (this.#pending.size >= PENDING_MAX) this.leave(oldest!, null);
    const expiresAtMs = this.#host.nowMs() + request.sessionTimeoutMs;
    this.#pending.set(
      id,
      this.#host.at(expiresAtMs, () => this.#forgetPending(id)),
    );
    reply(refusedJoin('member-id-required', id));
  }

  #joinStatic(request: JoinRequest, instanceId: string, reply: JoinReply): void {
    const id = this.#host.newMemberId(instanceId);
    const member = this.#roster.instance(instanceId);
    if (member === undefined) {
      this.#add(id, request, reply);
      return;
    }
    const oldLeaderId = this.leaderId;
    this.#replaceStatic(member, id, request);
    // Only the protocol counts: a subscription differs whenever it says what the member owns.
    if (this.state === GroupState.Stable && this.#roster.chosenProtocol() === this.protocolName) {
      this.#host.persist(this, this.#roster.assignments(), () => {
        const isLeader = this.leaderId === id;
        const result = this.#result(member, isLeader && request.skipAssignmentSupported);
        result.skipAssignment = isLeader && request.skipAssignmentSupported;
        // A client that cannot skip must not take itself for the leader and assign again.
        if (isLeader && !request.skipAssignmentSupported) result.leaderId = oldLeaderId ?? '';
        reply(result);
      });
      return;
    }
    member.joined = reply;
    this.#prepare();
  }

  /** The instance is back with a new member id; whoever still uses the old one is fenced. */
  #replaceStatic(member: GroupMember, id: string, request: JoinRequest): void {
    const oldId = member.id;
    member.answerJoin(refusedJoin('fenced-instance', oldId));
    member.answerSync(refusedSync('fenced-instance'));
    this.#roster.rename(member, id);
    if (this.#unsynced.delete(oldId)) this.#unsynced.add(id);
    if (this.leaderId === oldId) this.leaderId = id;
    member.update(request);
    this.#alive(member);
  }

  #joinKnown(request: JoinRequest, reply: JoinReply): void {
    const { memberId } = request;
    const pending = this.#pending.get(memberId);
    if (pending !== undefined) {
      this.#pending.delete(memberId);
      this.#host.cancel(pending);
      this.#add(memberId, request, reply);
      return;
    }
    const error = this.#roster.error(memberId, request.instanceId);
    if (error !== null) {
      reply(refusedJoin(error, memberId));
      return;
    }
    const member = this.members.get(memberId)!;
    const news = !member.matches(request.protocols);
    const retry =
      this.state === GroupState.Completing ||
      (this.state === GroupState.Stable && memberId !== this.leaderId);
    if (retry && !news) {
      // It did not hear the answer of this generation.
      this.#alive(member);
      reply(this.#result(member, memberId === this.leaderId));
      return;
    }
    member.answerJoin(refusedJoin('unknown-member', memberId));
    member.update(request);
    member.joined = reply;
    this.#alive(member);
    this.#prepare();
  }

  #add(id: string, request: JoinRequest, reply: JoinReply): void {
    const member = new GroupMember(id, request);
    member.joined = reply;
    if (this.members.size === 0) this.protocolType = request.protocolType;
    this.#roster.add(member);
    this.leaderId ??= id;
    this.#alive(member, NEW_MEMBER_TIMEOUT_MS);
    this.#prepare();
  }

  #result(member: GroupMember, withMembers: boolean): JoinResult {
    const name = this.protocolName ?? '';
    const members = withMembers
      ? Array.from(this.members.values(), (each) => ({
          memberId: each.id,
          instanceId: each.instanceId,
          metadata: each.metadata(name),
        }))
      : [];
    return {
      error: null,
      generation: this.generation,
      protocolType: this.protocolType,
      protocolName: this.protocolName,
      leaderId: this.leaderId ?? '',
      skipAssignment: false,
      memberId: member.id,
      members,
    };
  }

  // --- rebalance ----------------------------------------------------------------------------

  /** Calls everybody to join again, or goes on with the rebalance that is on its way. */
  #prepare(): void {
    if (this.state !== GroupState.Preparing) {
      for (const member of this.members.values()) {
        member.answerSync(refusedSync('rebalance-in-progress'));
      }
      this.#unsynced.clear();
      const first = this.state === GroupState.Empty && this.#host.initialDelayMs > 0;
      this.#initialDelay = first;
      this.#enter(GroupState.Preparing);
      const timeoutMs = this.#roster.rebalanceTimeoutMs;
      this.#arm(first ? Math.min(this.#host.initialDelayMs, timeoutMs) : timeoutMs);
    }
    this.#tryComplete();
  }

  #tryComplete(): void {
    if (this.state !== GroupState.Preparing || this.#initialDelay || this.#pending.size > 0) return;
    if (this.#roster.allJoined) this.#complete();
  }

  #onTimer(): void {
    this.#timer = null;
    if (this.state === GroupState.Preparing) {
      this.#initialDelay = false;
      this.#complete();
    } else if (this.#unsynced.size > 0) {
      for (const id of this.#unsynced) this.#drop(this.members.get(id)!);
      this.#shrunk();
    }
  }

  #complete(): void {
    for (const member of this.members.values()) {
      if (member.joined === null && member.instanceId === null) this.#drop(member);
    }
    if (this.members.size > 0 && !this.#electLeader()) {
      this.#arm(this.#roster.rebalanceTimeoutMs);
      return;
    }
    this.generation = this.generation === 0x7fffffff ? 1 : this.generation + 1;
    if (this.members.size === 0) {
      this.#becomeEmpty();
      return;
    }
    this.protocolName = this.#roster.chosenProtocol();
    this.#enter(GroupState.Completing);
    this.#arm(this.#roster.rebalanceTimeoutMs);
    for (const member of this.members.values()) this.#unsynced.add(member.id);
    for (const member of this.members.values()) {
      member.isNew = false;
      this.#alive(member);
      member.answerJoin(this.#result(member, member.id === this.leaderId));
    }
  }

  #becomeEmpty(): void {
    this.protocolName = null;
    this.leaderId = null;
    this.#enter(GroupState.Empty);
    this.#disarm();
    this.#host.persist(this, new Map(), () => {});
  }

  /** The leader stays if it joined; false when no member did (all static, all away). */
  #electLeader(): boolean {
    const leader = this.leaderId === null ? undefined : this.members.get(this.leaderId);
    if (leader !== undefined && leader.joined !== null) return true;
    for (const member of this.members.values()) {
      if (member.joined === null) continue;
      this.leaderId = member.id;
      return true;
    }
    return false;
  }

  #enter(state: GroupState): void {
    this.state = state;
    this.stateSinceMs = this.#host.nowMs();
  }

  #arm(delayMs: number): void {
    this.#disarm();
    this.#timer = this.#host.at(this.#host.nowMs() + delayMs, () => this.#onTimer());
  }

  #disarm(): void {
    if (this.#timer !== null) this.#host.cancel(this.#timer);
    this.#timer = null;
  }

  // --- sync ---------------------------------------------------------------------------------

  sync(request: SyncRequest, reply: SyncReply): void {
    const error =
      this.#roster.error(request.memberId, request.instanceId) ??
      this.#syncError(request.generation, request.protocolType, request.protocolName);
    if (error !== null) {
      reply(refusedSync(error));
      return;
    }
    const member = this.members.get(request.memberId)!;
    this.#alive(member);
    this.#unsynced.delete(member.id);
    if (this.state === GroupState.Stable) {
      if (this.#unsynced.size === 0) this.#disarm();
      reply(this.#syncResult(member));
      return;
    }
    member.answerSync(refusedSync('unknown-member'));
    member.synced = reply;
    if (member.id === this.leaderId) this.#assign(request.assignments);
  }

  #syncError(
    generation: number,
    protocolType: string | null,
    protocolName: string | null,
  ): GroupErrorCode | null {
    if (generation !== this.generation) return 'stale-generation';
    if (protocolType !== null && protocolType !== this.protocolType) return 'inconsistent-protocol';
    if (protocolName !== null && protocolName !== this.protocolName) return 'inconsistent-protocol';
    return this.state === GroupState.Preparing ? 'rebalance-in-progress' : null;
  }

  #assign(assignments: ReadonlyMap<string, Uint8Array>): void {
    const { generation } = this;
    this.#host.persist(this, assignments, () => {
      // Another rebalance may have begun before this was committed.
      if (this.state !== GroupState.Completing || this.generation !== generation) return;
      this.#enter(GroupState.Stable);
      if (this.#unsynced.size === 0) this.#disarm();
      for (const member of this.members.values()) {
        member.assignment = assignments.get(member.id) ?? NO_ASSIGNMENT;
        if (member.synced === null) continue;
        this.#alive(member);
        member.answerSync(this.#syncResult(member));
      }
    });
  }

  #syncResult(member: GroupMember): {
    error: null;
    protocolType: string;
    protocolName: string | null;
    assignment: Uint8Array;
  } {
    const { protocolType, protocolName } = this;
    return { error: null, protocolType, protocolName, assignment: member.assignment };
  }

  // --- staying and leaving --------------------------------------------------------------------

  heartbeat(
    memberId: string,
    instanceId: string | null,
    generation: number,
  ): GroupErrorCode | null {
    const error = this.#roster.error(memberId, instanceId);
    if (error !== null) return error;
    if (generation !== this.generation) return 'stale-generation';
    this.#alive(this.members.get(memberId)!);
    return this.state === GroupState.Preparing ? 'rebalance-in-progress' : null;
  }

  /** Whether this member may commit offsets now; it counts as a sign of life. */
  commitError(
    memberId: string,
    instanceId: string | null,
    generation: number,
  ): GroupErrorCode | null {
    if (generation < 0 && memberId === '' && instanceId === null) {
      return this.members.size === 0 ? null : 'unknown-member';
    }
    const error = this.#roster.error(memberId, instanceId);
    if (error !== null) return error;
    if (generation !== this.generation) return 'stale-generation';
    this.#alive(this.members.get(memberId)!);
    return this.state === GroupState.Completing ? 'rebalance-in-progress' : null;
  }

  leave(memberId: string, instanceId: string | null): GroupErrorCode | null {
    const pending = this.#pending.get(memberId);
    if (pending !== undefined) {
      this.#host.cancel(pending);
      this.#forgetPending(memberId);
      return null;
    }
    const error = this.#roster.error(memberId, instanceId);
    if (error !== null) return error;
    this.#drop(this.#roster.get(memberId, instanceId));
    this.#shrunk();
    return null;
  }

  /** The connection on which it waited is gone. A member that never heard its id cannot return. */
  abandon(member: GroupMember): void {
    if (!member.isNew || this.members.get(member.id) !== member) return;
    member.joined = null;
    this.#drop(member);
    this.#shrunk();
  }

  #forgetPending(id: string): void {
    this.#pending.delete(id);
    this.#tryComplete();
  }

  #drop(member: GroupMember): void {
    this.#roster.remove(member);
    this.#unsynced.delete(member.id);
    if (member.timer !== null) this.#host.cancel(member.timer);
    member.timer = null;
    member.answerJoin(refusedJoin('unknown-member', member.id));
    member.answerSync(refusedSync('unknown-member'));
    if (this.leaderId === member.id) {
      const [next] = this.members.keys();
      this.leaderId = next ?? null;
    }
  }

  #shrunk(): void {
    if (this.state === GroupState.Stable || this.state === GroupState.Completing) this.#prepare();
    else this.#tryComplete();
  }

  /** A sign of life. The timer is only moved when it fires: heartbeats are many. */
  #alive(member: GroupMember, graceMs = member.sessionTimeoutMs): void {
    member.deadlineMs = this.#host.nowMs() + graceMs;
    // A timer that is too late for a shorter timeout is replaced.
    if (member.timer !== null && member.timer.timeMs <= member.deadlineMs) return;
    if (member.timer !== null) this.#host.cancel(member.timer);
    this.#watch(member);
  }

  #watch(member: GroupMember): void {
    member.timer = this.#host.at(member.deadlineMs, () => {
      member.timer = null;
      this.#expire(member);
    });
  }

  /** Drops the member if its session is over, else goes on watching it. */
  #expire(member: GroupMember): void {
    const waits = member.synced !== null || (member.joined !== null && !member.isNew);
    if (waits) member.deadlineMs = this.#host.nowMs() + member.sessionTimeoutMs;
    if (member.deadlineMs > this.#host.nowMs()) {
      if (member.timer === null) this.#watch(member);
      return;
    }
    this.#drop(member);
    this.#shrunk();
  }

  /** Timers run a little late; whoever asks if anybody is left is not to be told so. */
  dropOverdue(): void {
    for (const member of this.members.values()) this.#expire(member);
  }

  // --- restart --------------------------------------------------------------------------------

  /** Puts a member back as it was persisted; its session begins anew. */
  restore(member: GroupMember): void {
    member.isNew = false;
    this.#roster.add(member);
    this.#alive(member);
  }

  /** The group is being deleted: its timers go. Only an empty group may die. */
  die(): void {
    this.#enter(GroupState.Dead);
    this.#disarm();
    for (const timer of this.#pending.values()) this.#host.cancel(timer);
    this.#pending.clear();
  }
}
