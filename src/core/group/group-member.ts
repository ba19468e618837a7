/**
 * GroupMember: one consumer in a group, and what is said to and about it.
 *
 * Subscriptions and assignments are opaque bytes: what they mean is between the members (consumers,
 * Connect workers, schema registries all use the same groups).
 */
import type { Timer } from '../schedule.ts';

/** Refusals of the group coordinator; each protocol maps all of them to its own words. */
export type GroupErrorCode =
  | 'unknown-member'
  | 'stale-generation'
  | 'rebalance-in-progress'
  | 'member-id-required'
  | 'fenced-instance'
  | 'inconsistent-protocol'
  | 'invalid-group-id'
  | 'invalid-session-timeout'
  | 'not-empty'
  | 'group-not-found'
  | 'metadata-too-large';

/** A way to divide the work that a member supports, with its subscription in that way's bytes. */
export interface GroupProtocol {
  name: string;
  metadata: Uint8Array;
}

export interface JoinRequest {
  groupId: string;
  /** '' = a new member. */
  memberId: string;
  /** Set by static members: their identity over restarts (KIP-345). */
  instanceId: string | null;
  clientId: string;
  clientHost: string;
  sessionTimeoutMs: number;
  rebalanceTimeoutMs: number;
  protocolType: string;
  protocols: GroupProtocol[];
  /** A new member is first told its id and must join again with it (KIP-394). */
  knownMemberRequired: boolean;
  /** The client understands "you are the leader, and keep the assignments" (KIP-814). */
  skipAssignmentSupported: boolean;
}

interface JoinedMember {
  memberId: string;
  instanceId: string | null;
  metadata: Uint8Array;
}

export interface JoinResult {
  error: GroupErrorCode | null;
  generation: number;
  protocolType: string | null;
  protocolName: string | null;
  leaderId: string;
  skipAssignment: boolean;
  memberId: string;
  /** All members, for the leader only. */
  members: JoinedMember[];
}
export type JoinReply = (result: JoinResult) => void;

export interface SyncRequest {
  groupId: string;
  memberId: string;
  instanceId: string | null;
  generation: number;
  /** Null when the client does not say. */
  protocolType: string | null;
  protocolName: string | null;
  /** From the leader, by member id. */
  assignments: ReadonlyMap<string, Uint8Array>;
}

export interface SyncResult {
  error: GroupErrorCode | null;
  protocolType: string | null;
  protocolName: string | null;
  assignment: Uint8Array;
}
export type SyncReply = (result: SyncResult) => void;

export const NO_ASSIGNMENT = new Uint8Array(0);
const NO_GENERATION = -1;

export function refusedJoin(error: GroupErrorCode, memberId: string): JoinResult {
  return {
    error,
    generation: NO_GENERATION,
    protocolType: null,
    protocolName: null,
    leaderId: '',
    skipAssignment: false,
    memberId,
    members: [],
  };
}

export function refusedSync(error: GroupErrorCode): SyncResult {
  return { error, protocolType: null, protocolName: null, assignment: NO_ASSIGNMENT };
}

export class GroupMember {
  id: string;
  readonly instanceId: string | null;
  clientId: string;
  clientHost: string;
  sessionTimeoutMs: number;
  rebalanceTimeoutMs: number;
  protocols: GroupProtocol[];
  assignment: Uint8Array = NO_ASSIGNMENT;
  /** Set while it waits for the rebalance to complete. */
  joined: JoinReply | null = null;
  /** Set while it waits for the leader's assignments. */
  synced: SyncReply | null = null;
  /** Its first rebalance is not complete: it cannot send heartbeats yet. */
  isNew = true;
  /** Without a sign of life until then it is dead. */
  deadlineMs = 0;
  timer: Timer | null = null;

  constructor(id: string, request: Omit<JoinRequest, 'groupId' | 'memberId' | 'protocolType'>) {
    this.id = id;
    this.instanceId = request.instanceId;
    this.clientId = request.clientId;
    this.clientHost = request.clientHost;
    this.sessionTimeoutMs = request.sessionTimeoutMs;
    this.rebalanceTimeoutMs = request.rebalanceTimeoutMs;
    this.protocols = request.protocols;
  }

  update(request: JoinRequest): void {
    this.clientId = request.clientId;
    this.clientHost = request.clientHost;
    this.sessionTimeoutMs = request.sessionTimeoutMs;
    this.rebalanceTimeoutMs = request.rebalanceTimeoutMs;
    this.protocols = request.protocols;
  }

  metadata(protocolName: string): Uint8Array {
    return (
      this.protocols.find((protocol) => protocol.name === protocolName)?.metadata ?? NO_ASSIGNMENT
    );
  }

  supports(protocolName: string): boolean {
    return this.protocols.some((protocol) => protocol.name === protocolName);
  }

  /** Whether it says the same as before, in the same order. */
  matches(protocols: readonly GroupProtocol[]): boolean {
    return (
      protocols.length === this.protocols.length &&
      protocols.every((protocol, i) => {
        const mine = this.protocols[i]!;
        return (
          protocol.name === mine.name && Buffer.compare(protocol.metadata, mine.metadata) === 0
        );
      })
    );
  }

  answerJoin(result: JoinResult): void {
    const reply = this.joined;
    this.joined = null;
    reply?.(result);
  }

  answerSync(result: SyncResult): void {
    const reply = this.synced;
    this.synced = null;
    reply?.(result);
  }
}
